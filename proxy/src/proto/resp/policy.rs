//! Decides what a command may do on a shared link, given what its client holds and speaks.
//!
//! While a client holds no link, each of its requests may use another one. A command that would change the
//! link for later clients is answered here as if it had been carried out, if that is safe; otherwise the
//! client gets a dedicated link:
//!
//! - CLIENT SETNAME and SETINFO: `+OK`. The name would apply to the next client on the link.
//! - SELECT 0 and RESET: `+OK`, `+RESET`. Every link is in that state.
//! - HELLO with a version other than 2 and 3: `-NOPROTO`, as in Redis. HELLO 2 and 3 are sent alone on a
//!   link, which speaks that version afterwards. A name in them is dropped, as in CLIENT SETNAME.
//! - CLIENT MAINT_NOTIFICATIONS: the error of a Redis that does not know it. redis-py 8 and node-redis 6 send
//!   it to each server, and continue without it. A server that knows it would push notices to whichever
//!   client has the link.
//! - WAIT and WAITAOF: an error, because they would wait for the writes of others.
//! - QUIT: `+OK`, and the client is closed but not the link.
//!
//! For comparison: twemproxy refuses transactions, subscriptions, blocking commands, scripts without keys,
//! SELECT and CLIENT; Envoy gives a transaction a connection of its own and refuses the others.

use super::args::Args;
use super::commands::CommandKind;
use crate::proto::frame::{ClientMode, Dialect, Frame, Need, Pinning};

/// The frame of a request whose words cannot be read, without its length. The client gets a dedicated link.
pub(super) const UNREADABLE: Frame = FOREVER;

const SHARED: Frame =
    Frame { len: 0, need: Need::Shared, pinning: Pinning::Free, repeatable: false, class: 0, speaks: None };
const ALONE: Frame = Frame { need: Need::Alone, ..SHARED };
const PATIENT: Frame = Frame { need: Need::Patient, ..SHARED };
const FOREVER: Frame = Frame { pinning: Pinning::Forever, ..ALONE };

const OK: &[u8] = b"+OK\r\n";
const NO_NOTICES: &[u8] = b"-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n";

/// Returns the needs of a command and the hold after it, without length and class.
pub(super) fn frame(kind: CommandKind, words: Args<'_>, before: ClientMode) -> Frame {
    let ClientMode { pinning, dialect } = before;
    if pinning == Pinning::Free {
        return free(kind, words, dialect);
    }
    // Commands in a transaction are queued, so none of them blocks.
    let need = match kind {
        _ if pinning == Pinning::Multi => Need::Shared,
        CommandKind::Blocks | CommandKind::Waits => Need::Patient,
        CommandKind::BlocksIfTold { .. } if words.has(b"BLOCK") => Need::Patient,
        _ => Need::Shared,
    };
    let after = held(kind, words, before);
    // RESET also returns the connection to RESP2.
    let speaks = (kind == CommandKind::Reset && after == Pinning::Free).then_some(Dialect::Resp2);
    Frame { need, pinning: after, speaks, ..SHARED }
}

/// Returns the needs of a command that is passed on before all its words have come. Nothing may be sent
/// behind it on its link until it has been answered, and it is not kept, so that it cannot be sent twice. The
/// worst is assumed of words that may still come.
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

/// Returns the frame of a command while the client holds no link.
fn free(kind: CommandKind, words: Args<'_>, dialect: Dialect) -> Frame {
    match kind {
        CommandKind::Read => Frame { repeatable: true, ..SHARED },
        CommandKind::Write | CommandKind::Unwatch | CommandKind::Exec | CommandKind::Family => SHARED,
        CommandKind::Alone => ALONE,
        CommandKind::Blocks => PATIENT,
        CommandKind::Waits => {
            here(b"-ERR penstock: links are shared, so a client cannot wait for its own writes\r\n")
        }
        // A key may have the name BLOCK; the command then gets a link with nothing in flight without need.
        CommandKind::BlocksIfTold { .. } if words.has(b"BLOCK") => PATIENT,
        CommandKind::BlocksIfTold { reads } => Frame { repeatable: reads, ..SHARED },
        CommandKind::Watch => Frame { pinning: Pinning::Watching, ..ALONE },
        CommandKind::Multi if words.are(&[]) => Frame { pinning: Pinning::Multi, ..ALONE },
        CommandKind::Reset if words.are(&[]) => Frame { speaks: Some(Dialect::Resp2), ..here(b"+RESET\r\n") },
        CommandKind::Quit => Frame { need: Need::Here { answer: OK, close: true }, ..SHARED },
        CommandKind::Select if words.are(&[b"0"]) => here(OK),
        CommandKind::Name(count) if words.count() == count => here(OK),
        // The server answers these malformed commands with an error.
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
        _ => return ALONE, // the server answers with an error
    };
    // Other options of HELLO, such as AUTH, change the connection for good.
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

/// Returns whether Redis would read a number here (`string2ll`).
fn is_integer(word: &[u8]) -> bool {
    let digits = word.strip_prefix(b"-").unwrap_or(word);
    let plain =
        digits == b"0" && word == digits || digits.first().is_some_and(|first| matches!(first, b'1'..=b'9'));
    plain && str::from_utf8(word).is_ok_and(|word| word.parse::<i64>().is_ok())
}

/// Returns whether the words are `SETNAME` and a name that Redis accepts.
fn is_name(mut words: Args<'_>) -> bool {
    let is_option = words.next().is_some_and(|word| word.eq_ignore_ascii_case(b"SETNAME"));
    let is_good = words.next().is_some_and(|name| name.iter().all(u8::is_ascii_graphic));
    is_option && is_good && words.are(&[])
}

/// Returns whether an UNSUBSCRIBE gets exactly one answer: there is one for each channel, and RESP3 pushes
/// them.
fn is_one_answer(words: Args<'_>, dialect: Dialect) -> bool {
    dialect == Dialect::Resp2 && words.take(2).count() < 2
}

/// Returns the hold after a command while the client holds a link, on which all its commands go. Except for
/// EXEC, the server refuses a command with too many words without any effect.
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
        // Redis 7 ends the transaction at an EXEC with too many words, and older versions do not.
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
