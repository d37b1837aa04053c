//! What a command may do on a link that others use, by what its client holds.
//! In: the kind of a command, its words, the hold before it. Out: what it needs, and the hold after it.
//! Knows nothing of names of commands, nor of links.
//!
//! While a client holds nothing, each of its requests may go over another link. So what would change a link for
//! those who come next is, where that is safe, answered here as if it had been done, and otherwise the client gets
//! a link of its own:
//!
//! - CLIENT SETNAME and SETINFO: `+OK`. The name would be that of whoever comes next on the link.
//! - SELECT 0 and RESET: `+OK`, `+RESET`. That is how every link is.
//! - HELLO 3: `-NOPROTO`, as Envoy does, unless it also says AUTH. A link speaks RESP2, and clients that prefer RESP3
//!   (go-redis, lettuce, jedis, ioredis) go on with it; redis-py 8.0 has to be told `protocol=2`.
//! - WAIT and WAITAOF: an error. They would wait for what others wrote.
//! - QUIT: `+OK`, and the client is closed; the link is not.
//!
//! twemproxy refuses transactions, subscriptions, blocking commands, scripts without keys, SELECT and CLIENT; Envoy
//! gives a transaction a connection of its own, and refuses the others.

use super::args::Args;
use super::commands::Kind;
use crate::proto::frame::{Frame, Hold, Need};

/// What nobody knows how to read gets a link of its own. Its length is not known here.
pub(super) const UNREADABLE: Frame = FOREVER;

const SHARED: Frame = Frame { len: 0, need: Need::Shared, hold: Hold::Free, repeatable: false, route: 0 };
const ALONE: Frame = Frame { need: Need::Alone, ..SHARED };
const PATIENT: Frame = Frame { need: Need::Patient, ..SHARED };
const FOREVER: Frame = Frame { hold: Hold::Forever, ..ALONE };

const OK: &[u8] = b"+OK\r\n";

/// What a command needs and leaves, without its length and route.
pub(super) fn frame(kind: Kind, words: Args<'_>, hold: Hold) -> Frame {
    if hold == Hold::Free {
        return free(kind, words);
    }
    // Nothing blocks in a transaction.
    let need = match kind {
        _ if hold == Hold::Multi => Need::Shared,
        Kind::Blocks | Kind::Waits => Need::Patient,
        Kind::BlocksIfTold { .. } if words.has(b"BLOCK") => Need::Patient,
        _ => Need::Shared,
    };
    Frame { need, hold: held(kind, words, hold), ..SHARED }
}

/// While the client holds nothing.
fn free(kind: Kind, words: Args<'_>) -> Frame {
    match kind {
        Kind::Read => Frame { repeatable: true, ..SHARED },
        Kind::Write | Kind::Unwatch | Kind::Exec | Kind::Family => SHARED,
        Kind::Alone => ALONE,
        Kind::Blocks => PATIENT,
        Kind::Waits => here(b"-ERR penstock: links are shared, so nobody can wait for its own writes\r\n"),
        // A key may have that name: then it waits alone for what it need not wait for.
        Kind::BlocksIfTold { .. } if words.has(b"BLOCK") => PATIENT,
        Kind::BlocksIfTold { reads } => Frame { repeatable: reads, ..SHARED },
        Kind::Watch => Frame { hold: Hold::Watching, ..ALONE },
        Kind::Multi if words.are(&[]) => Frame { hold: Hold::Multi, ..ALONE },
        Kind::Reset if words.are(&[]) => here(b"+RESET\r\n"),
        Kind::Quit => Frame { need: Need::Here { answer: OK, close: true }, ..SHARED },
        Kind::Select if words.are(&[b"0"]) => here(OK),
        Kind::Name(count) if words.count() == count => here(OK),
        // The server says what is wrong with it.
        Kind::Multi | Kind::Reset | Kind::Name(_) => SHARED,
        Kind::Hello => hello(words),
        Kind::Leave if words.take(2).count() < 2 => ALONE,
        Kind::Select | Kind::Leave | Kind::Forever => FOREVER,
    }
}

fn hello(words: Args<'_>) -> Frame {
    match { words }.next() {
        _ if is_plain_hello(words) => SHARED,
        Some(b"3") if !words.has(b"AUTH") => here(b"-NOPROTO unsupported protocol version\r\n"),
        _ => FOREVER,
    }
}

/// Asks only what the server is.
fn is_plain_hello(words: Args<'_>) -> bool {
    words.are(&[]) || words.are(&[b"2"])
}

/// While a link is the client's: everything goes there, and some of it lets go or makes it for good. Other than EXEC,
/// what has a word too many is refused by the server and changes nothing.
fn held(kind: Kind, words: Args<'_>, hold: Hold) -> Hold {
    match (kind, hold) {
        (_, Hold::Forever) => Hold::Forever,
        (Kind::Multi, _) if words.are(&[]) => Hold::Multi,
        (Kind::Exec, Hold::Multi) | (Kind::Unwatch, Hold::Watching) | (Kind::Reset, _) if words.are(&[]) => {
            Hold::Free
        }
        // Redis 7 ends the transaction at an EXEC with a word too many, older ones do not.
        (Kind::Exec, Hold::Multi) => Hold::Forever,
        (Kind::Select, _) if words.are(&[b"0"]) => hold,
        (Kind::Hello, _) if is_plain_hello(words) => hold,
        (Kind::Leave, _) if words.take(2).count() < 2 => hold,
        (Kind::Select | Kind::Hello | Kind::Leave | Kind::Name(_) | Kind::Quit | Kind::Forever, _) => {
            Hold::Forever
        }
        _ => hold,
    }
}

const fn here(answer: &'static [u8]) -> Frame {
    Frame { need: Need::Here { answer, close: false }, ..SHARED }
}
