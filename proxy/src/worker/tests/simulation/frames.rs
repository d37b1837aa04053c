//! The simulation's own writer and reader of frames, so that it cannot share the proxy's bugs.

use std::fmt::{self, Display, Formatter};

use crate::config::{FrameKind, Framing, Prefix};

use super::exchanges::{filling, size};
use super::rng::{Rng, mix};

/// Whose frame it is: the exchange, and the frame's number in it, from 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tag {
    pub(super) id: u64,
    pub(super) k: usize,
}

/// What a frame says. Only Redis has more than `Get` and `Bad`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Say {
    Get,
    Set,
    /// Slow in some scenes.
    Keys,
    /// A command that nobody knows.
    Odd,
    /// Answered when something comes.
    Block,
    Watch,
    Multi,
    Exec,
    Discard,
    Unwatch,
    Subscribe,
    Select,
    Quit,
    Empty,
    /// No frame at all.
    Bad,
}

const NAMES: [(Say, &str); 13] = [
    (Say::Get, "GET"),
    (Say::Set, "SET"),
    (Say::Keys, "KEYS"),
    (Say::Odd, "FROBNICATE"),
    (Say::Block, "BLPOP"),
    (Say::Watch, "WATCH"),
    (Say::Multi, "MULTI"),
    (Say::Exec, "EXEC"),
    (Say::Discard, "DISCARD"),
    (Say::Unwatch, "UNWATCH"),
    (Say::Subscribe, "SUBSCRIBE"),
    (Say::Select, "SELECT"),
    (Say::Quit, "QUIT"),
];

impl Display for Tag {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.id, self.k)
    }
}

impl Tag {
    fn read(text: &[u8]) -> Self {
        let text = std::str::from_utf8(text).expect("tags are text");
        let (id, k) = text.split_once('.').expect("requests carry a tag");
        Self { id: id.parse().expect("a number"), k: k.parse().expect("a number") }
    }

    fn dice(self) -> u64 {
        mix(self.id << 8 | self.k as u64)
    }
}

impl Say {
    /// Whether the member answers it with an error.
    pub(super) fn is_refused(self, tag: Tag) -> bool {
        match self {
            Self::Exec | Self::Discard | Self::Unwatch => tag.dice().is_multiple_of(5),
            Self::Get => tag.dice().is_multiple_of(8),
            _ => false,
        }
    }

    /// What the proxy answers itself, while its client holds nothing.
    pub(super) fn answered_here(self) -> Option<&'static [u8]> {
        match self {
            Self::Select | Self::Quit => Some(b"+OK\r\n"),
            Self::Empty => Some(b""),
            _ => None,
        }
    }

    /// The server knows whose it is by what came before on the link.
    fn is_bare(self) -> bool {
        matches!(self, Self::Multi | Self::Exec | Self::Discard | Self::Unwatch | Self::Quit)
    }
}

/// Appends a request.
pub(super) fn ask(framing: &Framing, say: Say, tag: Tag, out: &mut Vec<u8>) {
    match framing.kind {
        _ if say == Say::Bad => bad(framing, out),
        FrameKind::Lines { crlf } => line(crlf, &format!("{tag} ask"), tag.dice() as usize % 40, out),
        FrameKind::LengthPrefixed(prefix) => {
            let mut content = format!("{tag} ").into_bytes();
            content.extend(filling(tag.dice(), tag.dice() as usize % 60));
            prefixed(prefix, &content, out);
        }
        FrameKind::Resp => command(say, tag, out),
    }
}

fn command(say: Say, tag: Tag, out: &mut Vec<u8>) {
    let name = NAMES.iter().find(|(of, _)| *of == say).map(|(_, name)| *name);
    let Some(name) = name else { return out.extend_from_slice(b"\r\n") };
    let mut words = vec![name.to_owned()];
    match say {
        Say::Select => words.push("0".to_owned()),
        Say::Set | Say::Block => words.extend([tag.to_string(), "0".repeat(1 + tag.dice() as usize % 30)]),
        _ if say.is_bare() => {}
        _ => words.push(tag.to_string()),
    }
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    words.iter().for_each(|word| bulk(word.as_bytes(), out));
}

/// What a member hears: how many bytes, what they say, and whose it is where that is said.
pub(super) fn hear(framing: &Framing, input: &[u8]) -> Option<(usize, Say, Option<Tag>)> {
    match framing.kind {
        FrameKind::Lines { crlf } => {
            let end: &[u8] = if crlf { b"\r\n" } else { b"\n" };
            let len = input.windows(end.len()).position(|w| w == end)? + end.len();
            Some((len, Say::Get, Some(Tag::read(input[..len].split(|b| *b == b' ').next()?))))
        }
        FrameKind::LengthPrefixed(prefix) => {
            let header = usize::from(prefix.offset) + usize::from(prefix.width);
            let mut count = input.get(usize::from(prefix.offset)..header)?.to_vec();
            if prefix.little_endian {
                count.reverse();
            }
            let count = count.iter().fold(0, |so_far, byte| so_far << 8 | usize::from(*byte));
            let len = if prefix.counts_header { count } else { header + count };
            let content = input.get(header..len)?;
            Some((len, Say::Get, Some(Tag::read(content.split(|b| *b == b' ').next()?))))
        }
        FrameKind::Resp => hear_command(input),
    }
}

fn hear_command(input: &[u8]) -> Option<(usize, Say, Option<Tag>)> {
    let mut at = 0;
    let count = number(b'*', input, &mut at)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let len = number(b'$', input, &mut at)?;
        words.push(input.get(at..at + len)?);
        input.get(at + len..at + len + 2)?;
        at += len + 2;
    }
    let name = std::str::from_utf8(words[0]).expect("names are text");
    let say = NAMES.iter().find(|(_, of)| *of == name).expect("a command that was asked").0;
    Some((at, say, words.get(1).map(|tag| Tag::read(tag))))
}

fn number(kind: u8, input: &[u8], at: &mut usize) -> Option<usize> {
    let rest = input.get(*at..)?;
    let len = rest.windows(2).position(|w| w == b"\r\n")?;
    assert_eq!(rest[0], kind, "a request is {}", input.escape_ascii());
    *at += len + 2;
    Some(std::str::from_utf8(&rest[1..len]).expect("digits").parse().expect("a number"))
}

/// Appends the answer to what `tag` said.
pub(super) fn answer(framing: &Framing, say: Say, tag: Tag, out: &mut Vec<u8>) {
    let len = size(tag.dice()).min(framing.max_length - 80);
    match framing.kind {
        FrameKind::Lines { crlf } => line(crlf, &format!("a{tag}"), len, out),
        FrameKind::LengthPrefixed(prefix) => {
            let mut content = format!("a{tag} ").into_bytes();
            content.extend(filling(tag.dice(), len));
            prefixed(prefix, &content, out);
        }
        FrameKind::Resp => reply(say, tag, len, out),
    }
}

fn reply(say: Say, tag: Tag, len: usize, out: &mut Vec<u8>) {
    let name = tag.to_string();
    let text = match say {
        _ if say.is_refused(tag) => format!("-ERR {name}\r\n"),
        Say::Multi | Say::Watch | Say::Unwatch | Say::Discard => format!("+OK {name}\r\n"),
        Say::Exec => format!("*2\r\n+{name}\r\n:1\r\n"),
        Say::Subscribe => format!("*3\r\n$9\r\nsubscribe\r\n+{name}\r\n:1\r\n"),
        _ => match tag.dice() >> 8 & 7 {
            0 => format!("+{name}\r\n"),
            1 => format!("*3\r\n+{name}\r\n*2\r\n:1\r\n$-1\r\n%1\r\n+a\r\n*0\r\n"),
            _ => String::new(),
        },
    };
    out.extend_from_slice(text.as_bytes());
    if text.is_empty() {
        out.extend_from_slice(b"*2\r\n");
        bulk(name.as_bytes(), out);
        bulk(&filling(tag.dice(), len), out);
    }
}

/// Appends what a member says without being asked, to one who has subscribed.
pub(super) fn push(tag: Tag, n: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*3\r\n$7\r\nmessage\r\n+{tag}\r\n:{n}\r\n").as_bytes());
}

/// What can be told from any answer.
pub(super) fn garbage(framing: &Framing, rng: &mut Rng, out: &mut Vec<u8>) {
    match framing.kind {
        FrameKind::Resp => {
            let kinds: [&[u8]; 4] = [b"\0", b"HTTP/1.1", b">1\r\n+a\r\n", b"\r\n"];
            out.extend_from_slice(rng.pick(&kinds));
        }
        _ => bad(framing, out),
    }
}

/// No frame, and nothing that follows makes it one.
fn bad(framing: &Framing, out: &mut Vec<u8>) {
    match framing.kind {
        FrameKind::Lines { .. } => out.resize(out.len() + framing.max_length + 1, b'x'),
        FrameKind::LengthPrefixed(prefix) => {
            let header = usize::from(prefix.offset) + usize::from(prefix.width);
            out.resize(out.len() + header, 0xff);
        }
        FrameKind::Resp => out.extend_from_slice(b"*1\r\n+GET\r\n"),
    }
}

/// A line, in which what ends the lines of others is content.
fn line(crlf: bool, start: &str, len: usize, out: &mut Vec<u8>) {
    let (content, end) = if crlf { ("ab\ncd\ref", "\r\n") } else { ("ab\rcd\r\r", "\n") };
    out.extend_from_slice(format!("{start} ").as_bytes());
    let mut content = content.repeat(len / content.len() + 1).into_bytes();
    content.truncate(len);
    out.extend(content);
    out.extend_from_slice(format!("{start}{end}").as_bytes());
}

fn prefixed(prefix: Prefix, content: &[u8], out: &mut Vec<u8>) {
    let header = usize::from(prefix.offset) + usize::from(prefix.width);
    let count = content.len() + if prefix.counts_header { header } else { 0 };
    let mut count = (count as u64).to_be_bytes()[8 - usize::from(prefix.width)..].to_vec();
    if prefix.little_endian {
        count.reverse();
    }
    out.extend(filling(content.len() as u64, prefix.offset.into()));
    out.extend(count);
    out.extend_from_slice(content);
}

fn bulk(word: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
    out.extend_from_slice(word);
    out.extend_from_slice(b"\r\n");
}
