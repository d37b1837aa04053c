//! Decides what a command may do on a link that others use, given what its client holds and speaks.
//!
//! While a client holds nothing, each of its requests may go over another link. So a command that would change a link for
//! the clients that come next is answered here as if it had been done, where that is safe; otherwise the client gets
//! a link of its own:
//!
//! - CLIENT SETNAME and SETINFO: `+OK`. The name would be that of the next client on the link.
//! - SELECT 0 and RESET: `+OK`, `+RESET`. That is how every link is.
//! - HELLO of a version that is neither 2 nor 3: `-NOPROTO`, as Redis says. HELLO 2 and 3 go alone to a link, which from
//!   then on speaks that; without the name that they may give, as CLIENT SETNAME.
//! - CLIENT MAINT_NOTIFICATIONS: the error of a Redis that does not know it. redis-py 8 and node-redis 6 ask each server, and
//!   go on without; where it is known, what it tells would be pushed to the client that has the link.
//! - WAIT and WAITAOF: an error. They would wait for what others wrote.
//! - QUIT: `+OK`, and the client is closed; the link is not.
//!
//! twemproxy refuses transactions, subscriptions, blocking commands, scripts without keys, SELECT and CLIENT; Envoy
//! gives a transaction a connection of its own, and refuses the others.

use super::args::Args;
use super::commands::CommandKind;
use crate::proto::frame::{ClientMode, Dialect, Frame, Need, Pinning};

/// What nobody knows how to read gets a link of its own. Its length is not known here.
pub(super) const UNREADABLE: Frame = FOREVER;

const SHARED: Frame =
    Frame { len: 0, need: Need::Shared, pinning: Pinning::Free, repeatable: false, class: 0, speaks: None };
const ALONE: Frame = Frame { need: Need::Alone, ..SHARED };
const PATIENT: Frame = Frame { need: Need::Patient, ..SHARED };
const FOREVER: Frame = Frame { pinning: Pinning::Forever, ..ALONE };

const OK: &[u8] = b"+OK\r\n";
const NO_NOTICES: &[u8] = b"-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n";

/// What a command needs and leaves, without its length and route.
pub(super) fn frame(kind: CommandKind, words: Args<'_>, before: ClientMode) -> Frame {
    let ClientMode { pinning, dialect } = before;
    if pinning == Pinning::Free {
        return free(kind, words, dialect);
    }
    // Nothing blocks in a transaction.
    let need = match kind {
        _ if pinning == Pinning::Multi => Need::Shared,
        CommandKind::Blocks | CommandKind::Waits => Need::Patient,
        CommandKind::BlocksIfTold { .. } if words.has(b"BLOCK") => Need::Patient,
        _ => Need::Shared,
    };
    let after = held(kind, words, before);
    let speaks = (kind == CommandKind::Reset && after == Pinning::Free).then_some(Dialect::Resp2);
    Frame { need, pinning: after, speaks, ..SHARED }
}

/// What a command needs and leaves that is passed on before all its words have come. Nothing may go over its link behind it
/// until it has been answered, and it is not kept, so it cannot be sent twice. What depends on words that may be still to
/// come is taken for the worst.
pub(super) fn long(kind: CommandKind, before: ClientMode) -> Frame {
    let pinning = before.pinning;
    let plain =
        matches!(kind, CommandKind::Read | CommandKind::Write | CommandKind::Alone | CommandKind::Waits);
    let waits = matches!(kind, CommandKind::Blocks | CommandKind::BlocksIfTold { .. });
    match pinning {
        Pinning::Free if plain => ALONE,
        Pinning::Free if waits => PATIENT,
        Pinning::Multi if plain || waits => Frame { pinning, ..SHARED },
        Pinning::Watching if plain && kind != CommandKind::Waits => Frame { pinning, ..SHARED },
        Pinning::Watching if plain || waits => Frame { pinning, ..PATIENT },
        _ => FOREVER,
    }
}

/// While the client holds nothing.
fn free(kind: CommandKind, words: Args<'_>, dialect: Dialect) -> Frame {
    match kind {
        CommandKind::Read => Frame { repeatable: true, ..SHARED },
        CommandKind::Write | CommandKind::Unwatch | CommandKind::Exec | CommandKind::Family => SHARED,
        CommandKind::Alone => ALONE,
        CommandKind::Blocks => PATIENT,
        CommandKind::Waits => {
            here(b"-ERR penstock: links are shared, so a client cannot wait for its own writes\r\n")
        }
        // A key may have that name: then it waits alone for what it need not wait for.
        CommandKind::BlocksIfTold { .. } if words.has(b"BLOCK") => PATIENT,
        CommandKind::BlocksIfTold { reads } => Frame { repeatable: reads, ..SHARED },
        CommandKind::Watch => Frame { pinning: Pinning::Watching, ..ALONE },
        CommandKind::Multi if words.are(&[]) => Frame { pinning: Pinning::Multi, ..ALONE },
        CommandKind::Reset if words.are(&[]) => Frame { speaks: Some(Dialect::Resp2), ..here(b"+RESET\r\n") },
        CommandKind::Quit => Frame { need: Need::Here { answer: OK, close: true }, ..SHARED },
        CommandKind::Select if words.are(&[b"0"]) => here(OK),
        CommandKind::Name(count) if words.count() == count => here(OK),
        // The server says what is wrong with it.
        CommandKind::Multi | CommandKind::Reset | CommandKind::Name(_) => SHARED,
        CommandKind::Notices => here(NO_NOTICES),
        CommandKind::Hello => hello(words, dialect),
        CommandKind::Leave if is_one_answer(words, dialect) => ALONE,
        CommandKind::Select | CommandKind::Leave | CommandKind::Forever => FOREVER,
    }
}

fn hello(mut words: Args<'_>, dialect: Dialect) -> Frame {
    let Some(word) = words.next() else { return SHARED };
    let speaks = match word {
        b"2" => Dialect::Resp2,
        b"3" => Dialect::Resp3,
        _ if is_integer(word) => return here(b"-NOPROTO unsupported protocol version\r\n"),
        _ => return ALONE, // the server says what is wrong with it
    };
    if !words.are(&[]) && !is_name(words) {
        return FOREVER;
    }
    let need = if speaks == dialect { Need::Shared } else { Need::Alone };
    Frame { need, repeatable: true, speaks: Some(speaks), ..SHARED }
}

const fn version(dialect: Dialect) -> &'static [u8] {
    match dialect {
        Dialect::Resp2 => b"2",
        Dialect::Resp3 => b"3",
    }
}

/// Whether Redis would read a number here (`string2ll`).
fn is_integer(word: &[u8]) -> bool {
    let digits = word.strip_prefix(b"-").unwrap_or(word);
    let plain =
        digits == b"0" && word == digits || digits.first().is_some_and(|first| matches!(first, b'1'..=b'9'));
    plain && str::from_utf8(word).is_ok_and(|word| word.parse::<i64>().is_ok())
}

/// `SETNAME` and a name that Redis would take.
fn is_name(mut words: Args<'_>) -> bool {
    let is_option = words.next().is_some_and(|word| word.eq_ignore_ascii_case(b"SETNAME"));
    let is_good = words.next().is_some_and(|name| name.iter().all(u8::is_ascii_graphic));
    is_option && is_good && words.are(&[])
}

/// Whether an UNSUBSCRIBE is answered once: for each channel there is an answer, and RESP3 pushes them.
fn is_one_answer(words: Args<'_>, dialect: Dialect) -> bool {
    dialect == Dialect::Resp2 && words.take(2).count() < 2
}

/// While a link is the client's: everything goes there, and some of it lets go or makes it for good. Other than EXEC,
/// what has a word too many is refused by the server and changes nothing.
fn held(kind: CommandKind, words: Args<'_>, before: ClientMode) -> Pinning {
    let ClientMode { pinning, dialect } = before;
    match (kind, pinning) {
        (_, Pinning::Forever) => Pinning::Forever,
        (CommandKind::Multi, _) if words.are(&[]) => Pinning::Multi,
        (CommandKind::Exec, Pinning::Multi)
        | (CommandKind::Unwatch, Pinning::Watching)
        | (CommandKind::Reset, _)
            if words.are(&[]) =>
        {
            Pinning::Free
        }
        // Redis 7 ends the transaction at an EXEC with a word too many, older ones do not.
        (CommandKind::Exec, Pinning::Multi) => Pinning::Forever,
        (CommandKind::Select, _) if words.are(&[b"0"]) => pinning,
        (CommandKind::Hello, _) if words.are(&[]) || words.are(&[version(dialect)]) => pinning,
        (CommandKind::Leave, _) if is_one_answer(words, dialect) => pinning,
        (
            CommandKind::Select
            | CommandKind::Hello
            | CommandKind::Leave
            | CommandKind::Name(_)
            | CommandKind::Notices
            | CommandKind::Quit
            | CommandKind::Forever,
            _,
        ) => Pinning::Forever,
        _ => pinning,
    }
}

const fn here(answer: &'static [u8]) -> Frame {
    Frame { need: Need::Here { answer, close: false }, ..SHARED }
}
