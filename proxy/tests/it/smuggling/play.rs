//! Chooses what the recording member answers, by what it is asked for.

use crate::smuggling::seen::Seen;

/// An answer.
pub(crate) struct Play {
    pub(crate) bytes: Vec<u8>,
    /// What follows is no HTTP.
    pub(crate) raw: bool,
}

/// The answer to a whole request: `/ws/<status>` and CONNECT to `t<status>` say which; others are echoed.
pub(crate) fn answer(seen: &Seen) -> Play {
    let asked = seen.target.strip_prefix("/ws/").or_else(|| seen.target.strip_prefix('t'));
    let asked = asked.and_then(|rest| rest.get(..3)?.parse().ok());
    match asked.unwrap_or(200u16) {
        101 if seen.is_upgrade() => {
            let protocol = seen.values("upgrade").concat();
            let head =
                [b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: ", &protocol[..]];
            Play { bytes: [&head.concat()[..], b"\r\n\r\n"].concat(), raw: true }
        }
        101 => Play { bytes: echo(200, seen), raw: false },
        status if seen.method == "CONNECT" && status < 300 => {
            Play { bytes: b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), raw: true }
        }
        status => Play { bytes: echo(status, seen), raw: false },
    }
}

/// An interim answer to one whose body is awaited, where it asks for one.
pub(crate) fn interim(seen: &Seen) -> Option<&'static [u8]> {
    let expects = seen.values("expect").contains(&&b"100-continue"[..]);
    expects.then_some(b"HTTP/1.1 100 Continue\r\n\r\n")
}

fn echo(status: u16, seen: &Seen) -> Vec<u8> {
    let body = [seen.method.as_bytes(), b" ", seen.target.as_bytes(), b"\n", &seen.body].concat();
    let mut bytes = format!("HTTP/1.1 {status} So\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    if seen.method != "HEAD" {
        bytes.extend(body);
    }
    bytes
}
