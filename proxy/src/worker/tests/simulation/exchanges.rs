//! What was asked, and what became of it: the number of an exchange decides its method, its body and its answer.

use std::collections::{BTreeMap, VecDeque};
use std::sync::LazyLock;

use crate::proto::http::Method;

use super::frames::{Say, Tag};
use super::rng::{Rng, mix};

/// One exchange. Its number is its place among all.
pub(super) struct Exchange {
    /// Of HTTP. What is asked in frames is what `said` says.
    pub(super) method: Method,
    /// The length of the request's body.
    pub(super) body: usize,
    pub(super) keep_alive: bool,
    /// It asks for a tunnel.
    pub(super) upgrade: bool,
    /// What has passed through the tunnel that it has become.
    pub(super) passed: Passed,
    /// Where frames are spoken: all that was said so far.
    pub(super) said: Vec<Say>,
    /// All that a member has sent since the link is the client's for good.
    pub(super) stream: Vec<u8>,
    /// A member has sent what is no answer where its answer should have been.
    pub(super) garbled: bool,
    /// A member has cut an answer to it that ends with its link.
    pub(super) cut_unseen: bool,
    repeatable: bool,
    /// How many of its frames a member has heard.
    heard: usize,
    /// How often a member has received all of it.
    seen: u32,
}

/// What both ends of a tunnel have sent, and whether they have ended it in order.
#[derive(Default)]
pub(super) struct Passed {
    /// The client knows that it is one end of it.
    pub(super) opened: bool,
    pub(super) up: u64,
    pub(super) up_ended: bool,
    pub(super) down: u64,
    pub(super) down_ended: bool,
}

#[derive(Default)]
pub(super) struct Exchanges {
    all: Vec<Exchange>,
    /// How often each thing came to pass.
    pub(super) counts: BTreeMap<&'static str, u64>,
    /// Final answers that clients have read, by the first digit of their status.
    pub(super) answers: BTreeMap<u16, u64>,
    pub(super) trace: Trace,
}

/// What happened last, and a digest of all that happened: two runs of one seed have the same.
#[derive(Default)]
pub(super) struct Trace {
    pub(super) digest: u64,
    pub(super) step: u64,
    last: VecDeque<(u64, &'static str, u64)>,
}

/// So many events are shown when a seed fails.
const SHOWN: usize = 60;

impl Trace {
    pub(super) fn note(&mut self, what: &'static str, number: u64) {
        let name = what.bytes().fold(0u64, |name, byte| name.rotate_left(7) ^ u64::from(byte));
        self.digest = mix(self.digest ^ name ^ mix(number ^ mix(self.step)));
        if self.last.len() == SHOWN {
            self.last.pop_front();
        }
        self.last.push_back((self.step, what, number));
    }

    pub(super) fn print(&self) {
        self.last.iter().for_each(|(step, what, number)| println!("  step {step}: {what} {number}"));
    }
}

const METHODS: [Method; 7] =
    [Method::Get, Method::Get, Method::Get, Method::Get, Method::Head, Method::Post, Method::Delete];

impl Exchanges {
    /// Begins one, and returns its number.
    pub(super) fn begin(&mut self, rng: &mut Rng) -> u64 {
        let method = rng.pick(&METHODS);
        let body = match (method, rng.below(12)) {
            (Method::Post, 0) => rng.range(60_000, 200_000),
            (Method::Post, 1..7) => rng.range(1, 3000),
            _ => 0,
        };
        let id = self.add(method, body as usize, !rng.one_in(40));
        let exchange = self.of_mut(id);
        exchange.upgrade = method == Method::Get && exchange.keep_alive && rng.one_in(40);
        id
    }

    /// Begins one whose answer is short.
    pub(super) fn begin_plain(&mut self) -> u64 {
        let is_plain = |id| answer_status(id) == 200 && (1..1000).contains(&answer_body(id).len());
        while !is_plain(self.all.len() as u64) {
            self.add(Method::Get, 0, true);
        }
        self.add(Method::Get, 0, true)
    }

    /// Begins one with more content than the proxy keeps.
    pub(super) fn begin_upload(&mut self) -> u64 {
        self.add(Method::Post, 400_000, true)
    }

    /// Begins one in frames.
    pub(super) fn begin_frames(&mut self, say: Say, repeatable: bool) -> u64 {
        let id = self.add(Method::Post, 0, true);
        (self.of_mut(id).said, self.of_mut(id).repeatable) = (vec![say], repeatable);
        id
    }

    fn add(&mut self, method: Method, body: usize, keep_alive: bool) -> u64 {
        self.all.push(Exchange {
            method,
            body,
            keep_alive,
            upgrade: false,
            passed: Passed::default(),
            said: Vec::new(),
            stream: Vec::new(),
            garbled: false,
            cut_unseen: false,
            repeatable: method.is_idempotent(),
            heard: 0,
            seen: 0,
        });
        self.all.len() as u64 - 1
    }

    pub(super) fn of_mut(&mut self, id: u64) -> &mut Exchange {
        &mut self.all[id as usize]
    }

    /// A member has heard this frame.
    pub(super) fn heard(&mut self, tag: Tag) {
        if tag.k == 0 {
            return self.seen(tag.id);
        }
        let exchange = self.of_mut(tag.id);
        assert_eq!(tag.k, exchange.heard + 1, "a frame of {} was lost, or came twice", tag.id);
        exchange.heard = tag.k;
    }

    pub(super) fn of(&self, id: u64) -> &Exchange {
        &self.all[id as usize]
    }

    pub(super) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_insert(0) += 1;
        self.trace.note(what, 0);
    }

    /// A member has received all of this request.
    pub(super) fn seen(&mut self, id: u64) {
        self.trace.note("a member has all of", id);
        let exchange = &mut self.all[id as usize];
        exchange.seen += 1;
        let most = if exchange.repeatable { 2 } else { 1 };
        assert!(
            exchange.seen <= most,
            "{:?} {:?} {id} was sent {} times",
            exchange.method,
            exchange.said,
            exchange.seen
        );
        if exchange.seen == 2 {
            self.count("sent twice");
        }
    }

    /// Whether a member has received all of it.
    pub(super) fn was_seen(&self, id: u64) -> bool {
        self.of(id).seen > 0
    }

    /// The request as a client sends it.
    pub(super) fn request(&self, id: u64, minor_version: u8) -> Vec<u8> {
        let exchange = self.of(id);
        let method = match exchange.method {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Delete => "DELETE",
            _ => "POST",
        };
        let class = if is_slow(id) { "/slow" } else { "" };
        let start = format!("{method} {class}/{id} HTTP/1.{minor_version}\r\nHost: a\r\nX-Id: {id}\r\n");
        let mut out = start.into_bytes();
        if exchange.method == Method::Post {
            out.extend_from_slice(format!("Content-Length: {}\r\n", exchange.body).as_bytes());
        }
        match (exchange.keep_alive, minor_version) {
            (true, 0) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
            (false, 1) => out.extend_from_slice(b"Connection: close\r\n"),
            _ => {}
        }
        if exchange.upgrade {
            out.extend_from_slice(b"Connection: upgrade\r\nUpgrade: websocket\r\n");
        }
        out.extend_from_slice(b"\r\n");
        out.extend(asked_body(id, exchange.body));
        out
    }
}

/// Whether exchange `id` of HTTP is of the slow class.
pub(super) fn is_slow(id: u64) -> bool {
    mix(id ^ 0x510).is_multiple_of(16)
}

/// The body that exchange `id` asks with.
pub(super) fn asked_body(id: u64, len: usize) -> Vec<u8> {
    filling(id ^ 0xa5ced, len)
}

/// The body that answers exchange `id`.
pub(super) fn answer_body(id: u64) -> Vec<u8> {
    filling(id, size(mix(id ^ 0xb0d7)))
}

/// How long most answers are, and some.
pub(super) fn size(dice: u64) -> usize {
    let len = match dice % 2000 {
        0 => 400_000,
        1..=4 => 70_000 + dice % 30_000,
        5..=30 => dice % 12_000,
        31..=400 => dice % 1500,
        _ => dice % 61,
    };
    len as usize
}

/// The status that answers exchange `id`.
pub(super) fn answer_status(id: u64) -> u16 {
    match mix(id ^ 0x57a7) % 20 {
        0 => 204,
        1 => 304,
        2 => 404,
        _ => 200,
    }
}

static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| (0..8192).map(|i| mix(i) as u8).collect());

/// The two ways through a tunnel.
#[derive(Clone, Copy)]
pub(super) enum Way {
    Up,
    Down,
}

/// So many bytes of what is said in the tunnel that exchange `id` has become, from byte `at` on.
pub(super) fn stream_part(id: u64, way: Way, at: u64, len: usize) -> Vec<u8> {
    let start = mix(id << 1 | way as u64) >> 1;
    let byte = |i| BYTES[((start + i) % 8192) as usize] ^ (i >> 13) as u8;
    (at..at + len as u64).map(byte).collect()
}

/// Bytes that differ by `seed`.
pub(super) fn filling(seed: u64, len: usize) -> Vec<u8> {
    let start = (mix(seed) % BYTES.len() as u64) as usize;
    let mut out = Vec::with_capacity(len);
    let mut from = start;
    while out.len() < len {
        let part = &BYTES[from..BYTES.len().min(from + len - out.len())];
        out.extend_from_slice(part);
        from = 0;
    }
    out
}
