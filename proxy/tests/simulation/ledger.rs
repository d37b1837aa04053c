//! The record of every exchange of a run: what was asked, who has seen it, and how it ended.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use penstock::cause::Cause;
use penstock::link::{AnswerKind, Exchange, Sharing, SourceKey, Upload};
use penstock::proto::framing::Dialect;
use penstock::proto::http::{self, Method, ResponseFormat};
use penstock::proto::http1::BodyEncoder;

use crate::frames::{Say, Tag};
use crate::rng::{Rng, mix};

/// How an exchange ended for its client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Answered,
    /// Without any member.
    AnsweredHere,
    Failed(Cause),
    Cut(Cause),
    /// Its client went away, or was sent away.
    Gone,
}

/// An exchange. The number of it is its place in the ledger.
pub(crate) struct Record {
    /// What was asked, where that is HTTP,
    pub(crate) ask: Option<http::Ask>,
    pub(crate) format: ResponseFormat,
    /// and the length of the request's body.
    pub(crate) body: usize,
    /// Where frames are spoken: all that was said so far.
    pub(crate) said: Vec<Say>,
    /// From this frame on the link is the client's for good, and the member has sent this since.
    pub(crate) forever: Option<usize>,
    pub(crate) stream: Vec<u8>,
    pub(crate) repeatable: bool,
    pub(crate) replayed: bool,
    pub(crate) rescued: bool,
    /// A member has sent what is no answer where its answer should have been.
    pub(crate) garbled: bool,
    seen: u32,
    /// How many of its frames a member has seen.
    heard: usize,
    outcome: Option<Outcome>,
}

#[derive(Default)]
pub(crate) struct Ledger {
    records: Vec<Record>,
    open: usize,
    /// Requests that were sent, and how many of them a second time because the first was held up.
    pub(crate) sent: u64,
    pub(crate) rescued: u64,
    /// How often each thing came to pass.
    pub(crate) counts: BTreeMap<&'static str, u64>,
}

const METHODS: [Method; 7] =
    [Method::Get, Method::Get, Method::Get, Method::Get, Method::Head, Method::Post, Method::Delete];

impl Ledger {
    pub(crate) fn begin(&mut self, rng: &mut Rng, minor_version: u8) -> u64 {
        let method = rng.pick(&METHODS);
        let keep_alive = !rng.one_in(40);
        let body = if method == Method::Post && rng.one_in(2) { rng.range(1, 3000) as usize } else { 0 };
        let format = ResponseFormat { minor_version, keep_alive, ..ResponseFormat::default() };
        let ask = http::Ask { method, upgrade: false, chunked: false };
        self.add(Some(ask), format, body, Vec::new(), method.is_idempotent())
    }

    pub(crate) fn begin_frames(&mut self, say: Say) -> u64 {
        self.add(None, ResponseFormat::default(), 0, vec![say], false)
    }

    fn add(
        &mut self,
        ask: Option<http::Ask>,
        format: ResponseFormat,
        body: usize,
        said: Vec<Say>,
        repeatable: bool,
    ) -> u64 {
        self.records.push(Record {
            ask,
            format,
            body,
            said,
            forever: None,
            stream: Vec::new(),
            repeatable,
            replayed: false,
            rescued: false,
            garbled: false,
            seen: 0,
            heard: 0,
            outcome: None,
        });
        self.open += 1;
        self.records.len() as u64 - 1
    }

    pub(crate) fn of(&self, id: u64) -> &Record {
        &self.records[id as usize]
    }

    pub(crate) fn of_mut(&mut self, id: u64) -> &mut Record {
        &mut self.records[id as usize]
    }

    /// The member has received all of this request.
    pub(crate) fn seen(&mut self, id: u64) {
        let record = &mut self.records[id as usize];
        record.seen += 1;
        let most = 1 + u32::from(record.replayed);
        assert!(record.seen <= most, "request {id} was seen {} times", record.seen);
        assert!(record.seen == 1 || record.repeatable, "request {id} was seen twice");
    }

    /// The member has received this frame.
    pub(crate) fn heard(&mut self, tag: Tag) {
        if tag.k == 0 {
            self.seen(tag.id);
        } else {
            let record = &mut self.records[tag.id as usize];
            assert_eq!(tag.k, record.heard + 1, "a frame of {} was lost, or came twice", tag.id);
            record.heard = tag.k;
        }
    }

    pub(crate) fn replay(&mut self, id: u64, sent: bool) {
        self.send_again(id, sent);
        self.count(if sent { "replayed" } else { "sent elsewhere" });
    }

    /// It was taken off a link whose head is slow.
    pub(crate) fn rescue(&mut self, id: u64, sent: bool) {
        assert!(!self.of(id).rescued, "{id} is rescued a second time");
        self.send_again(id, sent);
        self.records[id as usize].rescued = true;
        self.rescued += 1;
        self.count(if sent { "rescued" } else { "rescued before it was sent" });
    }

    fn send_again(&mut self, id: u64, sent: bool) {
        let record = &mut self.records[id as usize];
        assert!(!sent || record.repeatable, "{id} may not be repeated");
        assert!(!(sent && record.replayed), "request {id} is sent a third time");
        assert!(sent || record.seen <= u32::from(record.replayed), "request {id} had been sent");
        record.replayed |= sent;
    }

    pub(crate) fn end(&mut self, id: u64, outcome: Outcome) {
        let record = &mut self.records[id as usize];
        let before = record.outcome.replace(outcome);
        assert_eq!(before, None, "exchange {id} ended twice");
        // A request with a body may be answered before all of it has come.
        let heard = record.seen > 0 || record.body > 0;
        assert!(outcome != Outcome::Answered || heard, "exchange {id} was answered by nobody");
        let rescued = record.rescued && outcome == Outcome::Answered;
        self.open -= 1;
        self.count(name(outcome));
        if rescued {
            self.count("rescued and answered");
        }
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_insert(0) += 1;
    }

    /// How many exchanges have not ended.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// What is asked of a link for this request of HTTP.
    pub(crate) fn request(&self, id: u64, all: bool, routes: u64, now: u64) -> Exchange {
        let record = self.of(id);
        let ask = record.ask.expect("HTTP is spoken here");
        let body = record.body > 0;
        let shared = (all || ask.method.is_safe_to_share()) && !body;
        let sharing = if shared { Sharing::Shared } else { Sharing::Alone };
        let (repeatable, route) = (record.repeatable, route(id, routes));
        Exchange {
            kind: AnswerKind::Http(ask),
            upload: if body { Upload::Content(BodyEncoder::Raw) } else { Upload::Whole },
            sharing,
            repeatable,
            class: route,
            began: now,
            replayed: false,
            open_ended: false,
            source: SourceKey::default(),
            expects: false,
            dialect: Dialect::default(),
            greets: false,
        }
    }

    /// The request's head, as the proxy would forward it.
    pub(crate) fn head(&self, id: u64) -> Vec<u8> {
        let record = self.of(id);
        let method = match record.ask.map(|ask| ask.method) {
            Some(Method::Get) => "GET",
            Some(Method::Head) => "HEAD",
            Some(Method::Delete) => "DELETE",
            _ => "POST",
        };
        let length =
            if record.body > 0 { format!("Content-Length: {}\r\n", record.body) } else { String::new() };
        format!("{method} /{id} HTTP/1.1\r\nHost: a\r\nX-Id: {id}\r\n{length}\r\n").into_bytes()
    }
}

fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Answered => "answered",
        Outcome::AnsweredHere => "answered here",
        Outcome::Gone => "gone",
        Outcome::Failed(cause) => cause.name(),
        Outcome::Cut(Cause::BackendTimeout) => "cut: backend_timeout",
        Outcome::Cut(_) => "cut: truncated",
    }
}

/// The route of a request of HTTP; there are as many as `routes`, and 0 if none can be told.
pub(crate) fn route(id: u64, routes: u64) -> u32 {
    if routes == 0 { 0 } else { (1 + mix(id ^ 0x4073) % routes) as u32 }
}

/// The body that exchange `id` asks with.
pub(crate) fn asked_body(id: u64, len: usize) -> Vec<u8> {
    filling(id ^ 0xa5ced, len)
}

/// The body that answers exchange `id`.
pub(crate) fn answer_body(id: u64) -> Vec<u8> {
    filling(id, crate::frames::size(mix(id ^ 0xb0d7)))
}

/// The status that answers exchange `id`.
pub(crate) fn answer_status(id: u64) -> u16 {
    match mix(id ^ 0x57a7) % 20 {
        0 => 204,
        1 => 304,
        2 => 404,
        _ => 200,
    }
}

/// Bytes that differ by `seed`.
pub(crate) fn filling(seed: u64, len: usize) -> Vec<u8> {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| (0..8192).map(|i| mix(i) as u8).collect());
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
