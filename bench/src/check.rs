//! Checks whether a response is the expected one, byte for byte, or that of another exchange.

use std::rc::Rc;
use std::sync::Arc;

use crate::keys::{Life, Want};
use crate::plan::Literal;
use crate::request::Id;

/// The expected body of a 2xx answer.
#[derive(Debug)]
pub(crate) enum Expect {
    Any,
    /// The body names this id as `/echo?id=...`, and no other id.
    Id(Id),
    /// The body has this number of bytes, and byte i is `i % 251`.
    Pattern(u64),
    /// The body is this content, which begins with the id.
    Same(Id, Vec<u8>),
    /// The body is the answer that the plan gives.
    Literal(Arc<Literal>),
    /// The body is what the client's keys hold.
    Stored(Id, Rc<Life>, Want),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Right,
    Wrong(String),
    /// The answer is right, but belongs to another exchange.
    MixUp(String),
}

/// Compares a body with an expectation while it arrives.
#[derive(Debug)]
pub(crate) struct Check {
    expect: Expect,
    seen: u64,
    /// The offset at which the body first differed.
    wrong_at: Option<u64>,
    /// The beginning of the body, in which ids are searched.
    start: Vec<u8>,
}

/// The length in bytes up to which an echo is searched.
const LONGEST_ECHO: usize = 64 * 1024;
/// The length in bytes of the longest `CLIENT-SEQ` with the character after it.
const LONGEST_PREFIX: usize = 48;

const PERIOD: usize = 251;
static PATTERN: [u8; PERIOD * 32] = pattern();

const fn pattern() -> [u8; PERIOD * 32] {
    let mut bytes = [0; PERIOD * 32];
    let mut i = 0;
    while i < bytes.len() {
        bytes[i] = (i % PERIOD) as u8;
        i += 1;
    }
    bytes
}

impl Check {
    pub(crate) fn new(expect: Expect) -> Self {
        Self { expect, seen: 0, wrong_at: None, start: Vec::new() }
    }

    /// Takes the next piece of the body.
    pub(crate) fn body(&mut self, piece: &[u8]) {
        let right = match &self.expect {
            Expect::Any => true,
            Expect::Id(_) => {
                keep(&mut self.start, piece, LONGEST_ECHO);
                true
            }
            Expect::Pattern(length) => {
                is_pattern(self.seen, piece) && self.seen + piece.len() as u64 <= *length
            }
            Expect::Same(_, content) => {
                keep(&mut self.start, piece, LONGEST_PREFIX);
                let rest = usize::try_from(self.seen).ok().and_then(|seen| content.get(seen..));
                rest.is_some_and(|rest| rest.starts_with(piece))
            }
            Expect::Literal(literal) => {
                let answer = literal.answer.as_deref().unwrap_or_default();
                let rest = usize::try_from(self.seen).ok().and_then(|seen| answer.get(seen..));
                rest.is_some_and(|rest| rest.starts_with(piece))
            }
            Expect::Stored(..) => {
                self.start.extend_from_slice(piece);
                true
            }
        };
        if !right {
            self.wrong_at.get_or_insert(self.seen);
        }
        self.seen += piece.len() as u64;
    }

    /// Returns the verdict on the complete body.
    pub(crate) fn verdict(&self) -> Verdict {
        match &self.expect {
            Expect::Any => Verdict::Right,
            Expect::Id(id) => self.names(*id),
            Expect::Pattern(length) => self.against("the pattern", *length),
            Expect::Same(id, content) => match self.against("what was sent", content.len() as u64) {
                Verdict::Wrong(_) if prefix(&self.start).is_some_and(|other| other != id.to_string()) => {
                    let other = String::from_utf8_lossy(prefix(&self.start).unwrap_or_default().as_bytes());
                    Verdict::MixUp(format!("exchange {id} got back what {other} sent"))
                }
                Verdict::Wrong(words) => {
                    let start = String::from_utf8_lossy(&self.start);
                    Verdict::Wrong(format!("exchange {id} got {words}; it began {start:?}"))
                }
                verdict => verdict,
            },
            Expect::Literal(literal) => {
                let length = literal.answer.as_ref().map_or(0, Vec::len);
                match self.against("the expected answer", length as u64) {
                    Verdict::Wrong(words) => Verdict::Wrong(format!("{} got {words}", literal.name)),
                    verdict => verdict,
                }
            }
            Expect::Stored(id, life, want) => life.judge(*id, want, &self.start),
        }
    }

    /// Returns the number of bytes that a server sends back which only echoes.
    pub(crate) fn echoed(&self) -> u64 {
        if let Expect::Same(_, content) = &self.expect { content.len() as u64 } else { 0 }
    }

    /// Records a refusal in place of an answer.
    pub(crate) fn refused(&self) {
        if let Expect::Stored(_, life, want) = &self.expect {
            life.refused(want);
        }
    }

    fn names(&self, id: Id) -> Verdict {
        let own = id.to_string();
        let mut named = ids(&self.start).peekable();
        if named.peek().is_none() {
            return Verdict::Wrong(format!("the answer to {id} names no id in {} bytes", self.seen));
        }
        match named.find(|other| *other != own) {
            Some(other) => Verdict::MixUp(format!("exchange {id} got the answer to {other}")),
            None => Verdict::Right,
        }
    }

    fn against(&self, what: &str, length: u64) -> Verdict {
        match self.wrong_at {
            None if self.seen == length => Verdict::Right,
            None => Verdict::Wrong(format!("{} bytes of {what}, {length} expected", self.seen)),
            Some(at) => Verdict::Wrong(format!("not {what} in the piece at byte {at} of {length}")),
        }
    }
}

fn keep(start: &mut Vec<u8>, piece: &[u8], most: usize) {
    let room = most.saturating_sub(start.len());
    start.extend_from_slice(&piece[..piece.len().min(room)]);
}

fn is_pattern(from: u64, mut piece: &[u8]) -> bool {
    let mut at = (from % PERIOD as u64) as usize;
    while !piece.is_empty() {
        let n = piece.len().min(PATTERN.len() - at);
        if piece[..n] != PATTERN[at..at + n] {
            return false;
        }
        piece = &piece[n..];
        at = 0;
    }
    true
}

/// Returns all ids that are named as `/echo?id=...`.
fn ids(body: &[u8]) -> impl Iterator<Item = &str> {
    const MARK: &[u8] = b"/echo?id=";
    let starts = body.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK);
    starts.map(|(at, _)| leading_id(&body[at + MARK.len()..]))
}

/// Returns the id before the first colon or blank, if there is one.
fn prefix(start: &[u8]) -> Option<&str> {
    let id = leading_id(start);
    let (client, seq) = id.split_once('-')?;
    (!client.is_empty() && !seq.is_empty() && matches!(start.get(id.len()), Some(b':' | b' '))).then_some(id)
}

fn leading_id(bytes: &[u8]) -> &str {
    let end = bytes.iter().position(|byte| !(byte.is_ascii_digit() || *byte == b'-'));
    std::str::from_utf8(&bytes[..end.unwrap_or(bytes.len())]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Id = Id { client: 1, seq: 23 };

    fn verdict(expect: Expect, body: &[u8]) -> Verdict {
        let mut check = Check::new(expect);
        body.chunks(7).for_each(|piece| check.body(piece));
        check.verdict()
    }

    fn name(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Right => "right",
            Verdict::Wrong(_) => "wrong",
            Verdict::MixUp(_) => "mix-up",
        }
    }

    #[test]
    fn an_id_must_be_named_exactly() {
        for (body, expected) in [
            (r#"{"target":"/echo?id=1-23"}"#, "right"),
            (r#"{"target":"/echo?id=1-234"}"#, "mix-up"),
            (r#"{"target":"/echo?id=11-23"}"#, "mix-up"),
            (r#"{"target":"/echo?id=1-23"}{"target":"/echo?id=2-1"}"#, "mix-up"),
            (r#"{"target":"/echo"}"#, "wrong"),
            ("", "wrong"),
        ] {
            assert_eq!(name(&verdict(Expect::Id(ID), body.as_bytes())), expected, "{body}");
        }
    }

    #[test]
    fn a_pattern_must_have_each_byte_and_its_length() {
        let body: Vec<u8> = (0..20_000).map(|i| (i % 251) as u8).collect();
        assert_eq!(verdict(Expect::Pattern(20_000), &body), Verdict::Right);
        assert_eq!(name(&verdict(Expect::Pattern(20_001), &body)), "wrong");
        assert_eq!(name(&verdict(Expect::Pattern(19_999), &body)), "wrong");
        for at in [0, 250, 251, 8032, 19_999] {
            let mut bad = body.clone();
            bad[at] ^= 1;
            assert_eq!(name(&verdict(Expect::Pattern(20_000), &bad)), "wrong", "byte {at}");
        }
    }

    #[test]
    fn a_post_must_come_back_and_another_ones_is_told_apart() {
        let same = || Expect::Same(ID, b"1-23:abcdef".to_vec());
        assert_eq!(verdict(same(), b"1-23:abcdef"), Verdict::Right);
        for (body, expected) in [
            (&b"1-23:abcdeF"[..], "wrong"),
            (b"1-23:abcde", "wrong"),
            (b"1-23:abcdefg", "wrong"),
            (b"", "wrong"),
            (b"1-24:abcdef", "mix-up"),
            (b"99-23:a", "mix-up"),
        ] {
            assert_eq!(name(&verdict(same(), body)), expected, "{body:?}");
        }
    }
}
