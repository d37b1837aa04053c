//! A member's end of its links: it reads requests, answers them in order, and misbehaves at random.

use std::collections::VecDeque;

use crate::config::Framing;
use crate::proto::http::Method;
use crate::stream::sim::{End, Peer};

use super::exchanges::{Exchanges, answer_body, answer_status, asked_body};
use super::frames::{self, Say, Tag};
use super::rng::Rng;
use super::talk::{Keeps, Talk};
use super::wire::Head;

/// How members behave in a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Temper {
    /// Faults per 1,000 answers.
    pub(super) faults: u64,
    /// Longest time to an answer, in ns, as a rule.
    pub(super) pace: u64,
    /// One in so many answers takes long without a reason.
    pub(super) hiccups: u64,
}

/// What a member has at hand while it reads.
pub(super) struct Around<'a> {
    pub(super) now: u64,
    pub(super) temper: Temper,
    /// What its links speak; HTTP without it.
    pub(super) framing: Option<&'a Framing>,
    pub(super) rng: &'a mut Rng,
    pub(super) exchanges: &'a mut Exchanges,
}

impl Around<'_> {
    fn fault(&mut self) -> Option<Fault> {
        let fault = (self.rng.range(0, 999) < self.temper.faults).then(|| self.rng.pick(&FAULTS));
        if fault.is_some() {
            self.exchanges.count("fault");
        }
        fault
    }
}

/// How long the proxy waits for an answer (`response_timeout`), in ns.
pub(super) const PATIENCE: u64 = 100_000_000;
/// A hiccup takes as long at most.
const HICCUP: u64 = 60_000_000;

/// What may go wrong with an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    CutShort,
    Reset,
    GarbageBehind,
    GarbageBefore,
    Http10,
    UntilClose,
    Closing,
    SaysClose,
    Switching,
    Unknown,
    TooLate,
    Halting,
}

const FAULTS: [Fault; 15] = [
    Fault::CutShort,
    Fault::Reset,
    Fault::GarbageBehind,
    Fault::GarbageBefore,
    Fault::Http10,
    Fault::UntilClose,
    Fault::Closing,
    Fault::SaysClose,
    Fault::SaysClose,
    Fault::SaysClose,
    Fault::SaysClose,
    Fault::Switching,
    Fault::Unknown,
    Fault::TooLate,
    Fault::Halting,
];
const INTERIMS: [&str; 2] =
    ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"];
const GARBAGE: [&str; 5] = ["\0", "\r\n", "HTTX", "HTTP/1.1 2", "0\r\n\r\n"];

/// What a member does when it has said all that it has to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Then {
    GoesOn,
    Closes,
    Resets,
}

/// A member's end of one link.
pub(super) struct Link {
    pub(super) peer: Peer,
    input: Vec<u8>,
    output: VecDeque<(u64, Vec<u8>)>,
    busy_until: u64,
    then: Then,
    early: bool,
    /// It has said with an answer that it closes, and leaves it to the proxy to do so: what the proxy had written once that was
    /// read.
    last_words: Option<Option<u64>>,
    talk: Talk,
    pushes: usize,
}

impl Link {
    pub(super) fn new(peer: Peer) -> Self {
        Self {
            peer,
            input: Vec::new(),
            output: VecDeque::new(),
            busy_until: 0,
            then: Then::GoesOn,
            early: false,
            last_words: None,
            talk: Talk::default(),
            pushes: 0,
        }
    }

    /// Whether both ends are done with it.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.peer.proxy_end(), End::Closed | End::Reset)
    }

    /// When it has something to say.
    pub(super) fn due(&self) -> Option<u64> {
        let next = self.output.front().map(|(due, _)| *due);
        next.or_else(|| (self.then != Then::GoesOn && !self.peer.has_ended()).then_some(0))
    }

    /// Reads what the proxy has written, some of it or all.
    pub(super) fn hear(&mut self, around: &mut Around<'_>) {
        let waiting = self.peer.waiting();
        if waiting == 0 {
            // Who hears that nothing more is asked ends as well.
            if self.peer.seen_end() == End::Finished && self.then == Then::GoesOn {
                self.then = Then::Closes;
            }
            return;
        }
        let taken = self.peer.take(around.rng.cut(waiting));
        around.exchanges.trace.note("a member reads bytes:", taken.len() as u64);
        if self.then != Then::GoesOn {
            return; // what comes now is not read any more
        }
        self.input.extend(taken);
        match around.framing {
            Some(framing) => self.hear_frames(framing, around),
            None => self.hear_requests(around),
        }
    }

    fn hear_requests(&mut self, around: &mut Around<'_>) {
        while self.goes_on()
            && let Some(head) = Head::read(&self.input)
        {
            let id = head.number("x-id").expect("requests carry a number");
            let body = head.number("content-length").unwrap_or(0) as usize;
            let whole = self.input.len() >= head.len + body;
            if !whole && !self.early && around.temper.faults > 0 && around.rng.one_in(200) {
                self.early = true; // it does not wait for the rest, as with 413
                self.answer(id, around);
            }
            if !whole {
                return;
            }
            assert!(self.input[head.len..head.len + body] == asked_body(id, body), "the body of {id}");
            self.input.drain(..head.len + body);
            around.exchanges.seen(id);
            if !std::mem::take(&mut self.early) {
                self.answer(id, around);
            }
        }
    }

    fn hear_frames(&mut self, framing: &Framing, around: &mut Around<'_>) {
        while self.then == Then::GoesOn
            && let Some((len, say, tag)) = frames::hear(framing, &self.input)
        {
            self.input.drain(..len);
            let tag = self.talk.whose(tag);
            around.exchanges.heard(tag);
            self.talk.remember(say, tag);
            self.reply(framing, say, tag, around);
        }
    }

    fn reply(&mut self, framing: &Framing, say: Say, tag: Tag, around: &mut Around<'_>) {
        let fault = around.fault();
        let mut bytes = Vec::new();
        if matches!(fault, Some(Fault::GarbageBefore | Fault::GarbageBehind)) {
            frames::garbage(framing, around.rng, &mut bytes);
            around.exchanges.of_mut(tag.id).garbled = true;
        }
        frames::answer(framing, say, tag, &mut bytes);
        self.note(tag, &bytes, around);
        // It may take as long as it likes.
        let blocks = if say == Say::Block { around.rng.range(0, 2 * PATIENCE) } else { 0 };
        let closes =
            matches!(fault, Some(Fault::Closing | Fault::SaysClose | Fault::UntilClose | Fault::Http10));
        self.send(bytes, fault.filter(|fault| *fault != Fault::GarbageBehind), closes, blocks, around);
        if self.talk.keeps == Keeps::Forever && fault.is_none() {
            self.push(tag, around);
        }
    }

    /// Says something of its own accord, now and then.
    fn push(&mut self, tag: Tag, around: &mut Around<'_>) {
        for _ in 0..around.rng.below(5) {
            let mut bytes = Vec::new();
            frames::push(tag, self.pushes, &mut bytes);
            self.pushes += 1;
            self.note(tag, &bytes, around);
            around.exchanges.count("pushed");
            self.busy_until += around.rng.range(0, PATIENCE);
            self.output.push_back((self.busy_until, bytes));
        }
    }

    /// What goes to one who has the link for good is not told apart any more.
    fn note(&self, tag: Tag, bytes: &[u8], around: &mut Around<'_>) {
        if self.talk.keeps == Keeps::Forever {
            around.exchanges.of_mut(tag.id).stream.extend_from_slice(bytes);
        }
    }

    fn answer(&mut self, id: u64, around: &mut Around<'_>) {
        let fault = around.fault();
        let rng = &mut *around.rng;
        let mut bytes = Vec::new();
        for interim in INTERIMS {
            if rng.one_in(30) {
                bytes.extend_from_slice(interim.as_bytes());
            }
        }
        match fault {
            Some(Fault::GarbageBefore) => bytes.extend_from_slice(rng.pick(&GARBAGE).as_bytes()),
            Some(Fault::Switching) => bytes.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
            Some(Fault::Unknown) => bytes.extend_from_slice(b"HTTP/1.1 150 What\r\n\r\n"),
            _ => {}
        }
        let closes = matches!(fault, Some(Fault::Http10 | Fault::UntilClose | Fault::Closing));
        let chunked = !closes && rng.one_in(2);
        let minor = u8::from(fault != Some(Fault::Http10));
        let until_close = matches!(fault, Some(Fault::Http10 | Fault::UntilClose));
        let framed = Framed { minor, chunked, until_close, says_close: fault == Some(Fault::SaysClose) };
        if framed.says_close {
            self.last_words = Some(None);
        }
        write_answer(id, around.exchanges.of(id).method, framed, rng, &mut bytes);
        if framed.says_close {
            around.exchanges.count("said that it closes");
        }
        self.send(bytes, fault, closes, 0, around);
    }

    /// Sends an answer when its time has come, as far as the fault lets it.
    fn send(
        &mut self,
        mut bytes: Vec<u8>,
        fault: Option<Fault>,
        closes: bool,
        blocks: u64,
        around: &mut Around<'_>,
    ) {
        let (rng, temper) = (&mut *around.rng, around.temper);
        let late = if fault == Some(Fault::TooLate) { PATIENCE + rng.range(0, PATIENCE) } else { 0 };
        let hiccup = if rng.one_in(temper.hiccups) { rng.range(HICCUP / 10, HICCUP) } else { 0 };
        let usual = rng.range(temper.pace / 2 + 1, temper.pace + 1);
        self.busy_until = self.busy_until.max(around.now) + usual + late + hiccup + blocks;
        match fault {
            Some(Fault::GarbageBehind) => bytes.extend_from_slice(rng.pick(&GARBAGE).as_bytes()),
            Some(Fault::CutShort) => {
                bytes.truncate(rng.below(bytes.len()));
                self.then = Then::Closes;
            }
            Some(Fault::Reset) => {
                bytes.truncate(rng.below(bytes.len()));
                self.then = Then::Resets;
            }
            Some(Fault::Halting) => {
                let rest = bytes.split_off(rng.below(bytes.len()) + 1);
                self.output.push_back((self.busy_until, std::mem::replace(&mut bytes, rest)));
                self.busy_until += PATIENCE + rng.range(0, PATIENCE);
            }
            _ if closes => self.then = Then::Closes,
            _ => {}
        }
        self.output.push_back((self.busy_until, bytes));
    }

    /// Says what is due, some of it or all; ends when all is said, if it is to.
    pub(super) fn say(&mut self, now: u64, rng: &mut Rng) {
        match self.output.front_mut() {
            Some((due, bytes)) if *due <= now => {
                let n = if bytes.is_empty() { 0 } else { rng.cut(bytes.len()) };
                let part: Vec<u8> = bytes.drain(..n).collect();
                if bytes.is_empty() {
                    self.output.pop_front();
                }
                self.peer.send(&part);
            }
            Some(_) => {}
            None if self.peer.has_ended() => {}
            None => match self.then {
                Then::GoesOn => {}
                Then::Closes => self.peer.close(),
                Then::Resets => self.peer.reset(),
            },
        }
    }

    fn goes_on(&self) -> bool {
        self.then == Then::GoesOn && self.last_words.is_none()
    }

    /// Nothing is asked on a link any more whose member has said that it closes.
    pub(super) fn check(&mut self) {
        let Some(written) = &mut self.last_words else { return };
        if !self.output.is_empty() || self.peer.unread() > 0 || self.peer.has_ended() {
            return;
        }
        let now = self.peer.traffic().1.bytes;
        assert_eq!(*written.get_or_insert(now), now, "asked on a link whose member had said that it closes");
    }

    /// Ends it of the member's own accord, at any time: in order, behind what it still has to say, or by a reset.
    pub(super) fn break_off(&mut self, rng: &mut Rng) {
        self.then = if rng.one_in(2) { Then::Closes } else { Then::Resets };
        if self.then == Then::Resets {
            self.output.clear();
        }
    }

    /// Says what nobody asked for, where nothing is asked.
    pub(super) fn say_unasked(&self) -> bool {
        let idle = self.output.is_empty() && self.input.is_empty() && self.peer.waiting() == 0;
        if idle {
            self.peer.send(b"HTTP/1.1 200 OK\r\nX-Id: 999999999\r\nContent-Length: 1\r\n\r\nx");
        }
        idle
    }
}

/// How an answer of HTTP is framed.
#[derive(Clone, Copy)]
struct Framed {
    minor: u8,
    chunked: bool,
    until_close: bool,
    says_close: bool,
}

fn write_answer(id: u64, method: Method, framed: Framed, rng: &mut Rng, out: &mut Vec<u8>) {
    let Framed { minor, chunked, until_close, says_close } = framed;
    let (status, body) = (answer_status(id), answer_body(id));
    out.extend_from_slice(format!("HTTP/1.{minor} {status} Word\r\nX-Id: {id}\r\n").as_bytes());
    if says_close {
        out.extend_from_slice(b"Connection: close\r\n");
    }
    let bare = method == Method::Head || matches!(status, 204 | 304);
    match (chunked, until_close) {
        _ if status == 204 => {}
        (_, true) => {}
        (true, _) => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        (false, _) => out.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes()),
    }
    out.extend_from_slice(b"\r\n");
    match chunked {
        _ if bare => {}
        true => write_chunks(&body, rng, out),
        false => out.extend_from_slice(&body),
    }
}

fn write_chunks(mut body: &[u8], rng: &mut Rng, out: &mut Vec<u8>) {
    while !body.is_empty() {
        let (now, later) = body.split_at(rng.cut(body.len()).max(body.len() / 16));
        out.extend_from_slice(format!("{:x}\r\n", now.len()).as_bytes());
        out.extend_from_slice(now);
        out.extend_from_slice(b"\r\n");
        body = later;
    }
    out.extend_from_slice(b"0\r\n\r\n");
}
