//! A member's end of one link: it reads requests, answers them in order, and misbehaves at random.
//! In: bytes as the proxy writes them, and `now`. Out: bytes when they are due, EOF or RST.
//! Knows nothing of the proxy's pool.

use std::collections::VecDeque;

use penstock::proto::http1::Method;

use crate::ledger::{Ledger, answer_body, answer_status, asked_body};
use crate::rng::Rng;
use crate::wire::Head;

/// How a run's member behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Temper {
    /// Faults per 1,000 answers.
    pub(crate) faults: u64,
    /// Longest time to an answer, in ns, as a rule.
    pub(crate) pace: u64,
    /// The proxy's response timeout, which is sometimes passed.
    pub(crate) patience: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Open,
    /// Reads no more; EOF when all has been sent.
    Closing,
    Reset,
}

/// What reading from it gives.
pub(crate) enum Read {
    Nothing,
    Bytes(Vec<u8>),
    Eof,
    Reset,
}

pub(crate) struct Origin {
    input: Vec<u8>,
    output: VecDeque<(u64, Vec<u8>)>,
    busy_until: u64,
    state: State,
    early: bool,
}

const INTERIMS: [&str; 2] =
    ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"];
const GARBAGE: [&str; 5] = ["\0", "\r\n", "HTTX", "HTTP/1.1 2", "0\r\n\r\n"];

impl Origin {
    pub(crate) fn new(now: u64) -> Self {
        Self { input: Vec::new(), output: VecDeque::new(), busy_until: now, state: State::Open, early: false }
    }

    /// The proxy has written this.
    pub(crate) fn written(&mut self, bytes: &[u8], now: u64, temper: &Temper, rng: &mut Rng, l: &mut Ledger) {
        self.input.extend_from_slice(bytes);
        while self.state == State::Open
            && let Some(head) = Head::read(&self.input)
        {
            let id = head.number("x-id").expect("requests carry a number");
            let body = head.number("content-length").unwrap_or(0) as usize;
            let whole = self.input.len() >= head.len + body;
            if !whole && !self.early && rng.one_in(200) {
                self.early = true; // it does not wait for the rest, as with 413
                self.answer(id, now, temper, rng, l);
            }
            if !whole {
                return;
            }
            assert!(self.input[head.len..head.len + body] == asked_body(id, body), "the body of {id}");
            self.input.drain(..head.len + body);
            l.seen(id);
            if !std::mem::take(&mut self.early) {
                self.answer(id, now, temper, rng, l);
            }
        }
    }

    /// What the proxy reads now.
    pub(crate) fn read(&mut self, now: u64, rng: &mut Rng) -> Read {
        match self.output.front_mut() {
            _ if self.state == State::Reset => Read::Reset,
            None if self.state == State::Closing => Read::Eof,
            Some((due, _)) if *due <= now => {
                let mut ready = Vec::new();
                while self.output.front().is_some_and(|(due, _)| *due <= now) {
                    ready.extend(self.output.pop_front().into_iter().flat_map(|(_, bytes)| bytes));
                }
                let rest = ready.split_off(rng.cut(ready.len()));
                if !rest.is_empty() {
                    self.output.push_front((now, rest));
                }
                Read::Bytes(ready)
            }
            _ => Read::Nothing,
        }
    }

    /// Open, and with nothing to read: what a look at the socket tells.
    pub(crate) fn is_quiet(&self, now: u64) -> bool {
        self.state == State::Open && self.output.front().is_none_or(|(due, _)| *due > now)
    }

    /// When it will have something to read.
    pub(crate) fn due(&self) -> Option<u64> {
        match self.output.front() {
            Some((due, _)) if self.state != State::Reset => Some(*due),
            _ => (self.state != State::Open).then_some(0),
        }
    }

    /// Of its own accord, at any time.
    pub(crate) fn close(&mut self, rng: &mut Rng) {
        self.state = if rng.one_in(2) { State::Closing } else { State::Reset };
    }

    fn answer(&mut self, id: u64, now: u64, temper: &Temper, rng: &mut Rng, ledger: &Ledger) {
        let fault = if rng.range(0, 999) < temper.faults { Some(rng.below(13)) } else { None };
        let mut delay = rng.range(temper.pace / 20 + 1, temper.pace + 1);
        let mut bytes = Vec::new();
        for interim in INTERIMS {
            if rng.one_in(30) {
                bytes.extend_from_slice(interim.as_bytes());
            }
        }
        match fault {
            Some(5) => bytes.extend_from_slice(rng.pick(&GARBAGE).as_bytes()),
            Some(9) => bytes.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
            Some(10) => bytes.extend_from_slice(b"HTTP/1.1 150 What\r\n\r\n"),
            Some(11) => delay += temper.patience + rng.range(0, temper.patience),
            _ => {}
        }
        let framing = match fault {
            Some(6) => Framing::Http10,
            Some(7) => Framing::UntilClose,
            Some(8) => Framing::Closing,
            _ if rng.one_in(2) => Framing::Chunked,
            _ => Framing::Length,
        };
        framing.write(id, ledger.of(id).ask.method, rng, &mut bytes);
        if framing.closes() {
            self.state = State::Closing;
        }
        match fault {
            Some(0 | 1) => {
                bytes.truncate(rng.below(bytes.len()));
                self.state = State::Closing;
            }
            Some(2) => {
                bytes.truncate(rng.below(bytes.len()));
                self.state = State::Reset;
            }
            Some(3 | 4) => bytes.extend_from_slice(rng.pick(&GARBAGE).as_bytes()),
            _ => {}
        }
        self.busy_until = self.busy_until.max(now) + delay;
        if fault == Some(12) {
            let rest = bytes.split_off(rng.below(bytes.len()) + 1);
            self.output.push_back((self.busy_until, std::mem::replace(&mut bytes, rest)));
            self.busy_until += temper.patience + rng.range(0, temper.patience);
        }
        if !bytes.is_empty() {
            self.output.push_back((self.busy_until, bytes));
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length,
    Chunked,
    /// As [`Framing::Length`], with `Connection: close`.
    Closing,
    UntilClose,
    /// HTTP/1.0 without keep-alive.
    Http10,
}

impl Framing {
    pub(crate) fn closes(self) -> bool {
        matches!(self, Self::Closing | Self::UntilClose | Self::Http10)
    }

    /// Appends the answer to `id`.
    pub(crate) fn write(self, id: u64, method: Method, rng: &mut Rng, out: &mut Vec<u8>) {
        let (status, body) = (answer_status(id), answer_body(id));
        let minor = u8::from(self != Self::Http10);
        out.extend_from_slice(format!("HTTP/1.{minor} {status} Word\r\nX-Id: {id}\r\n").as_bytes());
        let bare = method == Method::Head || matches!(status, 204 | 304);
        match self {
            _ if status == 204 => {}
            Self::Length | Self::Closing => {
                out.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
            }
            Self::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            Self::UntilClose | Self::Http10 => {}
        }
        if self == Self::Closing {
            out.extend_from_slice(b"Connection: close\r\n");
        }
        out.extend_from_slice(b"\r\n");
        match self {
            _ if bare => {}
            Self::Chunked => chunk(&body, rng, out),
            _ => out.extend_from_slice(&body),
        }
    }
}

fn chunk(mut body: &[u8], rng: &mut Rng, out: &mut Vec<u8>) {
    while !body.is_empty() {
        let (now, later) = body.split_at(rng.cut(body.len()));
        out.extend_from_slice(format!("{:x}\r\n", now.len()).as_bytes());
        out.extend_from_slice(now);
        out.extend_from_slice(b"\r\n");
        body = later;
    }
    out.extend_from_slice(b"0\r\n\r\n");
}
