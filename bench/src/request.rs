//! Makes requests of each kind of work, and the expectations of their responses.

use std::fmt;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::check::Expect;
use crate::frame;
use crate::keys::Keys;
use crate::plan::{Protocol, Work};
use crate::rng::Rng;

/// The identity of an exchange within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id {
    pub(crate) client: u64,
    pub(crate) seq: u64,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.client, self.seq)
    }
}

/// A request that was written.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) expect: Expect,
    /// The part of the mix that the request belongs to, if there is a mix.
    pub(crate) class: Option<usize>,
}

/// The work of a plan, prepared for writing requests.
#[derive(Debug)]
pub(crate) struct Requests {
    host: String,
    protocol: Protocol,
    work: Work,
    classes: Vec<String>,
}

impl Requests {
    pub(crate) fn new(to: SocketAddr, protocol: Protocol, work: &Work) -> Self {
        let classes = match work {
            Work::Mixed(parts) => parts.iter().map(|(_, part)| part.name()).collect(),
            _ => Vec::new(),
        };
        Self { host: to.to_string(), protocol, work: work.clone(), classes }
    }

    /// Returns the name of a class.
    pub(crate) fn class(&self, index: usize) -> Option<&str> {
        self.classes.get(index).map(String::as_str)
    }

    /// Appends the request of exchange `id` to `out`. `keys` are those of its client.
    pub(crate) fn write(&self, id: Id, rng: &mut Rng, keys: &mut Keys, out: &mut Vec<u8>) -> Asked {
        let (class, work) = match &self.work {
            Work::Mixed(parts) => draw(parts, rng).map_or((None, &Work::Ids), |(at, work)| (Some(at), work)),
            work => (None, work),
        };
        Asked { expect: self.write_work(work, id, rng, keys, out), class }
    }

    fn write_work(&self, work: &Work, id: Id, rng: &mut Rng, keys: &mut Keys, out: &mut Vec<u8>) -> Expect {
        match work {
            Work::Get(target) => {
                self.get(format_args!("{target}"), out);
                Expect::Any
            }
            Work::Ids => {
                self.get(format_args!("/echo?id={id}"), out);
                Expect::Id(id)
            }
            Work::Pattern { sizes, chunked } => {
                let size = rng.pick(sizes);
                self.get(format_args!("/{}/{size}", if *chunked { "chunked" } else { "bytes" }), out);
                Expect::Pattern(size as u64)
            }
            Work::Post { sizes } => {
                let content = content(id, rng, sizes);
                self.post(&content, out);
                Expect::Same(id, content)
            }
            Work::Add(before) => {
                let (a, b) = (rng.below(MOST), rng.below(MOST));
                let before = Spaced(before);
                self.frame(id, format_args!("{before}add {a} {b}"), format_args!("{}", a + b), rng, out)
            }
            Work::Say { sizes } => {
                let text = text(rng, sizes, self.longest_text(id));
                self.frame(id, format_args!("echo {text}"), format_args!("{text}"), rng, out)
            }
            Work::Bounce { sizes } => {
                let size = rng.pick(sizes).max(1);
                let content = content(id, rng, &[size]);
                out.extend_from_slice(&content);
                Expect::Same(id, content)
            }
            Work::Literal(literal) => {
                out.extend_from_slice(&literal.wire);
                literal.answer.as_ref().map_or(Expect::Any, |_| Expect::Literal(Arc::clone(literal)))
            }
            Work::Keys { command, sizes } => keys.write((*command, sizes), id, rng, out),
            Work::Mixed(parts) => {
                let part = draw(parts, rng).map_or(&Work::Ids, |(_, part)| part);
                self.write_work(part, id, rng, keys, out)
            }
        }
    }

    fn frame(
        &self,
        id: Id,
        request: fmt::Arguments<'_>,
        answer: fmt::Arguments<'_>,
        rng: &mut Rng,
        out: &mut Vec<u8>,
    ) -> Expect {
        let mut before = Vec::new();
        if let Protocol::LengthPrefixed(prefix) = self.protocol {
            rng.fill(&mut before, usize::from(prefix.offset));
        }
        let request = format!("tag {id} {request}");
        let behind = frame::put(self.protocol, request.as_bytes(), &before, out);
        let mut expected = format!("{id} {answer}").into_bytes();
        expected.extend_from_slice(behind);
        Expect::Same(id, expected)
    }

    /// Returns the length of the longest text that fits in a frame with the words around it.
    fn longest_text(&self, id: Id) -> usize {
        let Protocol::LengthPrefixed(prefix) = self.protocol else { return usize::MAX };
        prefix.longest().saturating_sub(format!("tag {id} echo ").len())
    }

    fn get(&self, target: fmt::Arguments<'_>, out: &mut Vec<u8>) {
        // Writing to a Vec cannot fail.
        let _ = write!(out, "GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host);
    }

    fn post(&self, content: &[u8], out: &mut Vec<u8>) {
        let _ = write!(
            out,
            "POST /echo HTTP/1.1\r\nHost: {}\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
            self.host,
            content.len()
        );
        out.extend_from_slice(content);
    }
}

/// The largest operand, so that sums stay within the numbers of any service.
const MOST: u64 = 1_000_000;

/// Words with a blank after them, or nothing.
struct Spaced<'a>(&'a str);

impl fmt::Display for Spaced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "{} ", self.0) }
    }
}

/// Returns letters and digits, at least one.
fn text(rng: &mut Rng, sizes: &[usize], most: usize) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let size = rng.pick(sizes).min(most).max(1);
    (0..size).map(|_| char::from(ALPHABET[rng.below(32) as usize])).collect()
}

/// Returns `CLIENT-SEQ:` followed by random bytes, cut to a length that may be shorter than the id.
fn content(id: Id, rng: &mut Rng, sizes: &[usize]) -> Vec<u8> {
    let size = rng.pick(sizes);
    let mut content = format!("{id}:").into_bytes();
    let missing = size.saturating_sub(content.len());
    rng.fill(&mut content, missing);
    content.truncate(size);
    content
}

fn draw<'a>(parts: &'a [(u32, Work)], rng: &mut Rng) -> Option<(usize, &'a Work)> {
    let total: u64 = parts.iter().map(|(weight, _)| u64::from(*weight)).sum();
    let mut at = rng.below(total);
    for (index, (weight, part)) in parts.iter().enumerate() {
        let weight = u64::from(*weight);
        if at < weight {
            return Some((index, part));
        }
        at -= weight;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Id = Id { client: 12, seq: 34 };

    fn written(protocol: Protocol, work: &Work) -> (String, Expect) {
        let requests = Requests::new("127.0.0.1:80".parse().unwrap(), protocol, work);
        let mut out = Vec::new();
        let asked = requests.write(ID, &mut Rng::new(1, 1), &mut Keys::new(12, false), &mut out);
        (String::from_utf8_lossy(&out).into_owned(), asked.expect)
    }

    #[test]
    fn requests_are_what_they_should_be_on_the_wire() {
        let wire = |work| written(Protocol::Http, &work).0;
        assert_eq!(wire(Work::Get("/json".into())), "GET /json HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n");
        assert_eq!(wire(Work::Ids), "GET /echo?id=12-34 HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n");
        let chunked = wire(Work::Pattern { sizes: vec![9], chunked: true });
        assert!(chunked.starts_with("GET /chunked/9 HTTP/1.1\r\n"), "{chunked}");
        let post = wire(Work::Post { sizes: vec![5] });
        assert!(post.contains("\r\nContent-Length: 5\r\n") && post.ends_with("\r\n\r\n12-34"), "{post}");
    }

    #[test]
    fn a_tagged_sum_says_what_must_come_back() {
        let lines = Protocol::Lines { crlf: false };
        for (work, start) in [
            (Work::Add(String::new()), "tag 12-34 add "),
            (Work::Add("delay 200".into()), "tag 12-34 delay 200 add "),
        ] {
            let (wire, expect) = written(lines, &work);
            let numbers = wire.strip_prefix(start).unwrap().strip_suffix('\n').unwrap();
            let sum: u64 = numbers.split(' ').map(|n| n.parse::<u64>().unwrap()).sum();
            assert!(matches!(expect, Expect::Same(ID, text) if text == format!("12-34 {sum}").as_bytes()));
        }
    }

    #[test]
    fn a_text_is_cut_to_what_the_count_can_tell() {
        let prefix = crate::plan::Prefix { length_bytes: 1, offset: 3, ..Default::default() };
        let (_, expect) = written(Protocol::LengthPrefixed(prefix), &Work::Say { sizes: vec![1000] });
        let Expect::Same(_, expected) = expect else { panic!("a text must come back") };
        let text = 255 - "tag 12-34 echo ".len();
        assert_eq!(expected.len(), "12-34 ".len() + text + 3);
    }

    #[test]
    fn a_mix_draws_by_weight() {
        let mix = [(3, Work::Ids), (0, Work::Get("/never".into())), (1, Work::Get("/x".into()))];
        let mut rng = Rng::new(5, 0);
        let ids = (0..4000).filter(|_| matches!(draw(&mix, &mut rng), Some((0, Work::Ids)))).count();
        assert!((2800..3200).contains(&ids), "{ids}");
        assert!(!(0..4000).any(|_| matches!(draw(&mix, &mut rng), Some((_, Work::Get(t))) if t == "/never")));
    }
}
