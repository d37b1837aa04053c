//! From a kind of work to a request on the wire and what its answer must be.
//! In: the work, a client's number and its count, random numbers. Out: bytes and an expectation.
//! Knows nothing of sockets or of answers as they come.

use std::fmt;
use std::io::Write;
use std::net::SocketAddr;

use crate::check::Expect;
use crate::plan::Work;
use crate::rng::Rng;

/// Names one exchange among all of a run.
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

/// The work of a plan, made ready to write requests.
#[derive(Debug)]
pub(crate) struct Requests {
    host: String,
    work: Work,
}

impl Requests {
    pub(crate) fn new(to: SocketAddr, work: &Work) -> Self {
        Self { host: to.to_string(), work: work.clone() }
    }

    /// Appends the request of exchange `id` to `out`.
    pub(crate) fn write(&self, id: Id, rng: &mut Rng, out: &mut Vec<u8>) -> Expect {
        self.write_work(&self.work, id, rng, out)
    }

    fn write_work(&self, work: &Work, id: Id, rng: &mut Rng, out: &mut Vec<u8>) -> Expect {
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
            Work::Mixed(parts) => match draw(parts, rng) {
                Some(part) => self.write_work(part, id, rng, out),
                None => self.write_work(&Work::Ids, id, rng, out),
            },
        }
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

/// `CLIENT-SEQ:` and random bytes behind it; what is shorter than its id is cut off.
fn content(id: Id, rng: &mut Rng, sizes: &[usize]) -> Vec<u8> {
    let size = rng.pick(sizes);
    let mut content = format!("{id}:").into_bytes();
    let missing = size.saturating_sub(content.len());
    rng.fill(&mut content, missing);
    content.truncate(size);
    content
}

fn draw<'a>(parts: &'a [(u32, Work)], rng: &mut Rng) -> Option<&'a Work> {
    let total: u64 = parts.iter().map(|(weight, _)| u64::from(*weight)).sum();
    let mut at = rng.below(total);
    for (weight, part) in parts {
        let weight = u64::from(*weight);
        if at < weight {
            return Some(part);
        }
        at -= weight;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Id = Id { client: 12, seq: 34 };

    fn written(work: &Work) -> (String, Expect) {
        let requests = Requests::new("127.0.0.1:80".parse().unwrap(), work);
        let mut out = Vec::new();
        let expect = requests.write(ID, &mut Rng::new(1, 1), &mut out);
        (String::from_utf8_lossy(&out).into_owned(), expect)
    }

    #[test]
    fn requests_are_what_they_should_be_on_the_wire() {
        let wire = |work| written(&work).0;
        assert_eq!(wire(Work::Get("/json".into())), "GET /json HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n");
        assert_eq!(wire(Work::Ids), "GET /echo?id=12-34 HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n");
        let chunked = wire(Work::Pattern { sizes: vec![9], chunked: true });
        assert!(chunked.starts_with("GET /chunked/9 HTTP/1.1\r\n"), "{chunked}");
        let post = wire(Work::Post { sizes: vec![5] });
        assert!(post.contains("\r\nContent-Length: 5\r\n") && post.ends_with("\r\n\r\n12-34"), "{post}");
    }

    #[test]
    fn a_mix_draws_by_weight() {
        let mix = [(3, Work::Ids), (0, Work::Get("/never".into())), (1, Work::Get("/x".into()))];
        let mut rng = Rng::new(5, 0);
        let ids = (0..4000).filter(|_| matches!(draw(&mix, &mut rng), Some(Work::Ids))).count();
        assert!((2800..3200).contains(&ids), "{ids}");
        assert!(!(0..4000).any(|_| matches!(draw(&mix, &mut rng), Some(Work::Get(t)) if t == "/never")));
    }
}
