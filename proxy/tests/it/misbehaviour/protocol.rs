//! The protocols of the matrix, as a client and a member have to know them: requests and answers that carry an id.
//!
//! An id is `<client>-<number>`. A request carries it in its target, its line, its frame or its key; an honest answer
//! says it again. So whoever reads an answer knows whose it is.

use std::fmt;

/// What clients and members speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protocol {
    Http,
    Lines,
    LengthPrefixed,
    Resp,
}

/// One request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ask {
    pub(crate) client: u32,
    pub(crate) number: u32,
    /// The request is HEAD.
    pub(crate) head: bool,
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.client, self.number)
    }
}

/// One out of so many requests is treated badly, where a member does not treat all of them badly.
const PROVOKED: u32 = 8;

impl Ask {
    /// Whether a member that misbehaves at times does so at this request.
    pub(crate) fn is_provoking(self) -> bool {
        (self.client + self.number).is_multiple_of(PROVOKED)
    }
}

/// What a client heard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Heard {
    /// An answer with the id that it carries.
    Answer { id: String, closes: bool },
    /// An error of the proxy's own.
    Error { name: String, closes: bool },
    /// Bytes that are no answer at all.
    Garbage(String),
}

/// The id of an answer that nobody asked for.
pub(crate) const NOBODY: &str = "nobody";

impl Protocol {
    /// As the configuration calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Lines => "lines",
            Self::LengthPrefixed => "length_prefixed",
            Self::Resp => "resp",
        }
    }

    pub(crate) fn request(self, ask: Ask) -> Vec<u8> {
        let id = ask.to_string();
        match self {
            Self::Http => {
                let method = if ask.head { "HEAD" } else { "GET" };
                format!("{method} /echo?{id} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes()
            }
            Self::Lines => format!("{id}\n").into_bytes(),
            Self::LengthPrefixed => counted(&id),
            Self::Resp => format!("*2\r\n$3\r\nGET\r\n${}\r\n{id}\r\n", id.len()).into_bytes(),
        }
    }

    /// Takes the next whole request off what a member has read; or says what is none.
    pub(crate) fn take_request(self, got: &mut Vec<u8>) -> Option<Result<Ask, String>> {
        let (length, text) = match self {
            Self::Http => {
                let end = find(got, b"\r\n\r\n")? + 4;
                (end, String::from_utf8_lossy(&got[..find(got, b"\r\n")?]).into_owned())
            }
            Self::Lines => {
                let end = find(got, b"\n")?;
                (end + 1, String::from_utf8_lossy(&got[..end]).into_owned())
            }
            Self::LengthPrefixed => frame(got)?,
            Self::Resp => {
                let mut ends = memchr::memmem::find_iter(got, b"\r\n");
                let end = ends.nth(4)?;
                let from = memchr::memmem::rfind(&got[..end], b"\r\n")? + 2;
                (end + 2, String::from_utf8_lossy(&got[from..end]).into_owned())
            }
        };
        let id = text.split(' ').find_map(|word| word.strip_prefix("/echo?")).unwrap_or(&text);
        let head = self == Self::Http && text.starts_with("HEAD ");
        let ask = id.split_once('-').and_then(|(client, number)| {
            Some(Ask { client: client.parse().ok()?, number: number.parse().ok()?, head })
        });
        got.drain(..length);
        Some(ask.ok_or_else(|| format!("no request: {text:?}")))
    }

    /// An answer as it should be.
    pub(crate) fn answer(self, ask: Ask) -> Vec<u8> {
        if ask.head {
            let id = ask.to_string();
            return format!("HTTP/1.1 200 OK\r\nX-Id: {id}\r\nContent-Length: {}\r\n\r\n", id.len())
                .into_bytes();
        }
        self.answer_saying(&ask.to_string())
    }

    /// A well-formed answer with this id.
    pub(crate) fn answer_saying(self, id: &str) -> Vec<u8> {
        let length = id.len();
        match self {
            Self::Http => {
                format!("HTTP/1.1 200 OK\r\nX-Id: {id}\r\nContent-Length: {length}\r\n\r\n{id}").into_bytes()
            }
            Self::Lines => format!("{id}\n").into_bytes(),
            Self::LengthPrefixed => counted(id),
            Self::Resp => format!("${length}\r\n{id}\r\n").into_bytes(),
        }
    }

    /// The beginning of an answer that says it is longer than what comes.
    pub(crate) fn endless(self, id: &str) -> Vec<u8> {
        match self {
            Self::Http => {
                format!("HTTP/1.1 200 OK\r\nX-Id: {id}\r\nContent-Length: 1000\r\n\r\n{id}").into_bytes()
            }
            Self::Lines => id.into(),
            Self::LengthPrefixed => [&1000_u32.to_be_bytes()[..], id.as_bytes()].concat(),
            Self::Resp => format!("$1000\r\n{id}").into_bytes(),
        }
    }

    /// Takes the next whole answer off what a client has read.
    pub(crate) fn take_answer(self, ask: Ask, got: &mut Vec<u8>) -> Option<Heard> {
        let (length, heard) = match self {
            Self::Http => http_answer(ask, got)?,
            Self::Lines => {
                let end = find(got, b"\n")?;
                (end + 1, said(String::from_utf8_lossy(&got[..end]).into_owned()))
            }
            Self::LengthPrefixed => {
                let (length, text) = frame(got)?;
                (length, said(text))
            }
            Self::Resp => resp_answer(got)?,
        };
        got.drain(..length);
        Some(heard)
    }
}

fn said(id: String) -> Heard {
    Heard::Answer { id, closes: false }
}

fn garbage(got: &[u8]) -> (usize, Heard) {
    (got.len(), Heard::Garbage(String::from_utf8_lossy(&got[..got.len().min(80)]).into_owned()))
}

fn http_answer(ask: Ask, got: &[u8]) -> Option<(usize, Heard)> {
    if !got.starts_with(&b"HTTP/1.1 "[..got.len().min(9)]) {
        return Some(garbage(got));
    }
    let end = find(got, b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&got[..end]).into_owned();
    let field = |name: &str| {
        let mut fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
        fields.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    };
    let status = head[9..].get(..3).unwrap_or_default().to_owned();
    let closes = field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    let has_body = !ask.head && status != "204" && status != "304";
    let length = match field("content-length").map(|value| value.parse::<usize>()) {
        _ if !has_body => 0,
        Some(Ok(length)) => length,
        _ => return Some(garbage(got)),
    };
    let body = got.get(end..end + length)?;
    let heard = match (status.as_str(), field("x-id")) {
        ("200", Some(id)) if has_body && !body.is_empty() && body != id.as_bytes() => {
            return Some(garbage(got));
        }
        ("200" | "204" | "304", Some(id)) => Heard::Answer { id, closes },
        // The proxy's own answers say their cause.
        _ => Heard::Error { name: format!("{status} {}", String::from_utf8_lossy(body).trim_end()), closes },
    };
    Some((end + length, heard))
}

fn resp_answer(got: &[u8]) -> Option<(usize, Heard)> {
    let line = find(got, b"\r\n")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match got[0] {
        b'-' => Some((line + 2, Heard::Error { name: text(&got[1..line]), closes: false })),
        b'$' => {
            let Ok(length) = text(&got[1..line]).parse::<usize>() else { return Some(garbage(got)) };
            let (from, end) = (line + 2, line + 2 + length);
            (got.len() >= end + 2).then(|| (end + 2, said(text(&got[from..end]))))
        }
        _ => Some(garbage(got)),
    }
}

/// A frame with a count of four bytes, the greatest first.
fn counted(text: &str) -> Vec<u8> {
    [&(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat()
}

fn frame(got: &[u8]) -> Option<(usize, String)> {
    let count = u32::from_be_bytes(got.get(..4)?.try_into().ok()?) as usize;
    let text = got.get(4..4 + count)?;
    Some((4 + count, String::from_utf8_lossy(text).into_owned()))
}

fn find(got: &[u8], what: &[u8]) -> Option<usize> {
    memchr::memmem::find(got, what)
}
