//! Every exchange of a run: what was asked, who has seen it, and how it ended.
//! In: what happens to exchanges. Out: a panic where a promise is broken.
//! Knows nothing of links or pools.

use std::collections::BTreeMap;

use penstock::cause::Cause;
use penstock::link::{Request, Want};
use penstock::proto::http1::{Ask, Method};

use crate::rng::{Rng, mix};

/// How an exchange ended for its client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Answered,
    Failed(Cause),
    Cut(Cause),
    /// Its client went away, or was sent away.
    Gone,
}

pub(crate) struct Record {
    pub(crate) ask: Ask,
    /// Length of the request's body.
    pub(crate) body: usize,
    pub(crate) replayed: bool,
    seen: u32,
    outcome: Option<Outcome>,
}

/// The number of an exchange is its place here.
#[derive(Default)]
pub(crate) struct Ledger {
    records: Vec<Record>,
    open: usize,
    /// How often each thing came to pass.
    pub(crate) counts: BTreeMap<String, u64>,
}

impl Ledger {
    pub(crate) fn begin(&mut self, rng: &mut Rng, minor_version: u8) -> u64 {
        let method = rng.pick(&[
            Method::Get,
            Method::Get,
            Method::Get,
            Method::Get,
            Method::Head,
            Method::Post,
            Method::Delete,
        ]);
        let keep_alive = !rng.one_in(40);
        let body = if method == Method::Post && rng.one_in(2) { rng.range(1, 3000) as usize } else { 0 };
        let ask = Ask { method, minor_version, keep_alive };
        self.records.push(Record { ask, body, replayed: false, seen: 0, outcome: None });
        self.open += 1;
        self.records.len() as u64 - 1
    }

    pub(crate) fn of(&self, id: u64) -> &Record {
        &self.records[id as usize]
    }

    /// The member has received all of this request.
    pub(crate) fn seen(&mut self, id: u64) {
        let record = &mut self.records[id as usize];
        record.seen += 1;
        let most = 1 + u32::from(record.replayed);
        assert!(record.seen <= most, "request {id} was seen {} times", record.seen);
        assert!(
            record.seen == 1 || record.ask.method.is_idempotent(),
            "request {id}, {:?}, was seen twice",
            record.ask.method
        );
    }

    pub(crate) fn replay(&mut self, id: u64, sent: bool) {
        let record = &mut self.records[id as usize];
        assert!(!(sent && record.replayed), "request {id} is sent a third time");
        assert!(sent || record.seen <= u32::from(record.replayed), "request {id} had been sent");
        record.replayed |= sent;
        self.count(if sent { "replayed" } else { "sent elsewhere" });
    }

    pub(crate) fn end(&mut self, id: u64, outcome: Outcome) {
        let record = &mut self.records[id as usize];
        let before = record.outcome.replace(outcome);
        assert_eq!(before, None, "exchange {id} ended twice");
        // A request with a body may be answered before all of it has come.
        let heard = record.seen > 0 || record.body > 0;
        assert!(outcome != Outcome::Answered || heard, "exchange {id} was answered by nobody");
        self.open -= 1;
        self.count(&format!("{outcome:?}"));
    }

    pub(crate) fn count(&mut self, what: &str) {
        match self.counts.get_mut(what) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(what.to_owned(), 1)),
        }
    }

    /// How many exchanges have not ended.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    pub(crate) fn request(&self, id: u64, all: bool, now: u64) -> Request {
        let record = self.of(id);
        let body = record.body > 0;
        let shared = (all || record.ask.method.is_safe_to_share()) && !body;
        let want = if shared { Want::Shared } else { Want::Alone };
        let repeatable = record.ask.method.is_idempotent();
        let ask = penstock::link::Ask::Http(record.ask);
        Request { ask, body, want, repeatable, route: 0, began: now, replayed: false }
    }

    /// The request's head, as the proxy would forward it.
    pub(crate) fn head(&self, id: u64) -> Vec<u8> {
        let record = self.of(id);
        let method = match record.ask.method {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Delete => "DELETE",
            _ => "POST",
        };
        let length =
            if record.body > 0 { format!("Content-Length: {}\r\n", record.body) } else { String::new() };
        format!("{method} /{id} HTTP/1.1\r\nHost: a\r\nX-Id: {id}\r\n{length}\r\n").into_bytes()
    }
}

/// The body that exchange `id` asks with.
pub(crate) fn asked_body(id: u64, len: usize) -> Vec<u8> {
    (0..len as u64).map(|i| mix(id << 20 | i) as u8).collect()
}

/// The body that answers exchange `id`.
pub(crate) fn answer_body(id: u64) -> Vec<u8> {
    let size = mix(id ^ 0xb0d7);
    let len = match size % 16 {
        0 => 0,
        1..=9 => size % 61,
        10..=14 => size % 1500,
        _ => size % 12_000,
    };
    (0..len).map(|i| (id * 31 + i * 7 + (i >> 8)) as u8).collect()
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
