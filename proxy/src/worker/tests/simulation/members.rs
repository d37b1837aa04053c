//! A member's end of its links: it reads requests, answers them in order, and misbehaves at random.

use std::collections::VecDeque;

use crate::config::Framing;
use crate::proto::http::Method;
use crate::stream::sim::{End, Peer};

use super::exchanges::{Exchanges, Way, answer_body, answer_status, asked_body, is_slow, stream_part};
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
    /// An answer to a request of the slow class takes so many times as long.
    pub(super) slow: u64,
    /// One in so many answers takes long without a reason.
    pub(super) hiccups: u64,
    /// Each answer says that it is the last one of its link.
    pub(super) closes: bool,
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
        if self.temper.closes {
            return Some(Fault::SaysClose);
        }
        let of = if self.framing.is_some() { &FAULTS_IN_FRAMES[..] } else { &FAULTS };
        let fault = (self.rng.range(0, 999) < self.temper.faults).then(|| self.rng.pick(of));
        if fault.is_some() {
            self.exchanges.count("fault");
        }
        fault
    }
}

/// How long the proxy waits for an answer (`response_timeout`), in ns.
pub(super) const PATIENCE: u64 = 100_000_000;
/// So long at most the content of a link's last answer stays behind its head.
const LINGERING: u64 = 2_000_000;
/// A hiccup takes as long at most.
const HICCUP: u64 = 60_000_000;

/// What may go wrong with an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    CutShort,
    /// The answer lasts until the link closes, and the link closes before all of it is said: nobody can tell.
    CutUnseen,
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

/// Of HTTP.
const FAULTS: [Fault; 19] = [
    Fault::CutShort,
    Fault::CutShort,
    Fault::CutShort,
    Fault::CutShort,
    Fault::CutUnseen,
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
const FAULTS_IN_FRAMES: [Fault; 8] = [
    Fault::CutShort,
    Fault::Reset,
    Fault::GarbageBehind,
    Fault::GarbageBefore,
    Fault::Closing,
    Fault::Closing,
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

/// Something that a member is going to say.
struct Piece {
    due: u64,
    bytes: Vec<u8>,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    /// (A part of) an answer.
    Answer,
    /// With its last byte the proxy knows that nothing more is answered here.
    LastHead,
    /// (A part of) what is said in a tunnel.
    InTunnel,
}

/// A member's end of a tunnel.
struct Tunnel {
    id: u64,
    /// Bytes that it has heard, and that it is going to say.
    heard: u64,
    said: u64,
    /// It has ended its side only.
    is_half_closed: bool,
}

/// An answer, before anything has gone wrong with it.
struct Words {
    bytes: Vec<u8>,
    /// Where its head ends; 0 in frames.
    head: usize,
    /// How its end is told: what is counted where that is cut off.
    ends: &'static str,
    /// Its head says that it is the last.
    is_last: bool,
    closes: bool,
    is_slow: bool,
    /// How much longer it takes than others.
    blocks: u64,
}

/// A member's end of one link.
pub(super) struct Link {
    pub(super) peer: Peer,
    /// How much of what the proxy writes may wait to be read.
    room: usize,
    input: Vec<u8>,
    output: VecDeque<Piece>,
    busy_until: u64,
    /// An answer of the slow class is the last one until then.
    slow_until: u64,
    then: Then,
    early: bool,
    /// It has an answer that says it is the last: it answers no more, and may leave it to the proxy to close.
    is_done: bool,
    /// It has just said so.
    told: bool,
    /// How many bytes the proxy may write on it in all, once it knows that nothing more is answered.
    allowed: Option<u64>,
    /// At the end of the last turn the proxy could write no more.
    pressed: bool,
    talk: Talk,
    pushes: usize,
    tunnel: Option<Tunnel>,
}

impl Link {
    pub(super) fn new(peer: Peer, room: usize) -> Self {
        Self {
            peer,
            room,
            input: Vec::new(),
            output: VecDeque::new(),
            busy_until: 0,
            slow_until: 0,
            then: Then::GoesOn,
            early: false,
            is_done: false,
            told: false,
            allowed: None,
            pressed: false,
            talk: Talk::default(),
            pushes: 0,
            tunnel: None,
        }
    }

    /// Whether it is one client's tunnel, and in nobody's pool.
    pub(super) fn is_tunnel(&self) -> bool {
        self.tunnel.is_some()
    }

    /// Whether both ends are done with it.
    pub(super) fn is_over(&self) -> bool {
        let is_heard = self.tunnel.is_none() || self.peer.waiting() == 0;
        self.peer.proxy_end() == End::Reset || (self.peer.proxy_end() == End::Closed && is_heard)
    }

    /// When it has something to say.
    pub(super) fn due(&self) -> Option<u64> {
        let next = self.output.front().map(|piece| piece.due);
        next.or_else(|| (self.then != Then::GoesOn && !self.peer.has_ended()).then_some(0))
    }

    /// Reads what the proxy has written, some of it or all.
    pub(super) fn hear(&mut self, around: &mut Around<'_>) {
        let waiting = self.peer.waiting();
        if waiting == 0 {
            self.check_tunnel_end(around.exchanges);
            // Who hears that nothing more is asked ends as well.
            if self.peer.seen_end() == End::Finished && self.then == Then::GoesOn {
                self.then = Then::Closes;
            }
            return;
        }
        let taken = self.peer.take(around.rng.cut(waiting));
        around.exchanges.trace.note("a member reads bytes:", taken.len() as u64);
        self.input.extend(taken);
        match around.framing {
            _ if self.tunnel.is_some() => self.hear_in_tunnel(around),
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
            if head.field("upgrade").is_some() && !around.rng.one_in(4) {
                self.switch(id, around);
                return self.hear_in_tunnel(around);
            }
            if !std::mem::take(&mut self.early) {
                self.answer(id, around);
            }
        }
    }

    /// Agrees to a tunnel, and says something in it at once, or not.
    fn switch(&mut self, id: u64, around: &mut Around<'_>) {
        let agreed = format!(
            "HTTP/1.1 101 Switching Protocols\r\nX-Id: {id}\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
        );
        self.busy_until = self.busy_until.max(around.now) + around.rng.range(0, around.temper.pace);
        self.say_later(agreed.into_bytes(), What::Answer);
        self.tunnel = Some(Tunnel { id, heard: 0, said: 0, is_half_closed: false });
        self.say_in_tunnel(around);
    }

    fn say_in_tunnel(&mut self, around: &mut Around<'_>) {
        let Some(tunnel) = self.tunnel.as_mut().filter(|tunnel| !tunnel.is_half_closed) else { return };
        if self.then != Then::GoesOn || self.output.len() > 8 {
            return;
        }
        let len = around.rng.pick(&[0, 1, 100, 3_000, 30_000]);
        let bytes = stream_part(tunnel.id, Way::Down, tunnel.said, len);
        tunnel.said += len as u64;
        self.busy_until = self.busy_until.max(around.now) + around.rng.range(0, around.temper.pace);
        self.say_later(bytes, What::InTunnel);
    }

    /// All that comes through a tunnel is what its client has said, in order.
    fn hear_in_tunnel(&mut self, around: &mut Around<'_>) {
        let heard = std::mem::take(&mut self.input);
        let Some(tunnel) = &mut self.tunnel else { return };
        let expected = stream_part(tunnel.id, Way::Up, tunnel.heard, heard.len());
        assert!(heard == expected, "what the member of tunnel {} reads from {} on", tunnel.id, tunnel.heard);
        tunnel.heard += heard.len() as u64;
        assert!(tunnel.heard <= around.exchanges.of(tunnel.id).passed.up, "nobody said it in {}", tunnel.id);
        if around.rng.one_in(3) {
            self.say_in_tunnel(around);
        }
    }

    /// A tunnel ends in order when both sides have ended it, and all has arrived by then.
    pub(super) fn check_tunnel_end(&self, exchanges: &Exchanges) {
        let Some(tunnel) = &self.tunnel else { return };
        let listens = !self.peer.has_ended() || tunnel.is_half_closed;
        if listens && matches!(self.peer.seen_end(), End::Finished | End::Closed) {
            let passed = &exchanges.of(tunnel.id).passed;
            assert!(passed.up_ended || !passed.opened, "tunnel {} was cut and looks complete", tunnel.id);
            assert_eq!(tunnel.heard, passed.up, "bytes that the member of tunnel {} has read", tunnel.id);
        }
    }

    fn hear_frames(&mut self, framing: &Framing, around: &mut Around<'_>) {
        while self.goes_on()
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
        let words = Words {
            bytes,
            head: 0,
            ends: "cut short: frame",
            is_last: false,
            closes: fault == Some(Fault::Closing),
            is_slow: say == Say::Keys,
            // It may take as long as it likes.
            blocks: if say == Say::Block { around.rng.range(0, 2 * PATIENCE) } else { 0 },
        };
        self.send(words, fault.filter(|fault| *fault != Fault::GarbageBehind), around);
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
            self.say_later(bytes, What::Answer);
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
        let until_close = matches!(fault, Some(Fault::Http10 | Fault::UntilClose | Fault::CutUnseen));
        let closes = until_close || fault == Some(Fault::Closing);
        let framed = Framed {
            minor: u8::from(fault != Some(Fault::Http10)),
            chunked: !closes && rng.one_in(2),
            until_close,
            says_close: fault == Some(Fault::SaysClose),
        };
        // An answer without content ends with its head, however it is framed.
        let method = around.exchanges.of(id).method;
        let is_last = framed.says_close || framed.minor == 0 || (until_close && !is_bare(id, method));
        self.is_done |= is_last;
        let head = write_answer(id, method, framed, rng, &mut bytes);
        if fault == Some(Fault::CutUnseen) {
            around.exchanges.of_mut(id).cut_unseen = true;
        }
        let words = Words {
            bytes,
            head,
            ends: match framed {
                Framed { until_close: true, .. } => "cut short: until close",
                Framed { chunked: true, .. } => "cut short: chunks",
                _ => "cut short: length",
            },
            is_last,
            closes,
            is_slow: is_slow(id),
            blocks: 0,
        };
        self.send(words, fault, around);
    }

    /// Sends an answer when its time has come, as far as the fault lets it.
    fn send(&mut self, words: Words, fault: Option<Fault>, around: &mut Around<'_>) {
        let Words { mut bytes, head, ends, is_last, closes, is_slow, blocks } = words;
        let (rng, temper) = (&mut *around.rng, around.temper);
        if around.now < self.slow_until {
            around.exchanges.count("behind a slow one");
        }
        let late = if fault == Some(Fault::TooLate) { PATIENCE + rng.range(0, PATIENCE) } else { 0 };
        let hiccup = if rng.one_in(temper.hiccups) { rng.range(HICCUP / 10, HICCUP) } else { 0 };
        let usual = rng.range(temper.pace / 2 + 1, temper.pace + 1);
        let slow = if is_slow { temper.slow } else { 1 };
        self.busy_until = self.busy_until.max(around.now) + usual * slow + late + hiccup + blocks;
        if slow > 1 {
            around.exchanges.count("of the slow class");
            self.slow_until = self.busy_until;
        }
        match fault {
            Some(Fault::GarbageBehind) => bytes.extend_from_slice(rng.pick(&GARBAGE).as_bytes()),
            Some(Fault::CutShort | Fault::CutUnseen) => {
                // Most of them amid the content.
                let from = if rng.one_in(4) && !is_last { 0 } else { head.min(bytes.len() - 1) };
                bytes.truncate(from + rng.below(bytes.len() - from));
                if bytes.len() >= head {
                    around.exchanges.count(ends);
                }
                self.then = Then::Closes;
            }
            Some(Fault::Reset) => {
                bytes.truncate(rng.below(bytes.len()));
                self.then = Then::Resets;
            }
            Some(Fault::Halting) => {
                let rest = bytes.split_off(rng.below(bytes.len()) + 1);
                self.say_later(std::mem::replace(&mut bytes, rest), What::Answer);
                self.busy_until += PATIENCE + rng.range(0, PATIENCE);
            }
            _ if closes => self.then = Then::Closes,
            _ => {}
        }
        if is_last && bytes.len() >= head {
            let content = bytes.split_off(head);
            self.say_later(std::mem::replace(&mut bytes, content), What::LastHead);
            self.busy_until += rng.range(0, LINGERING);
        }
        self.say_later(bytes, What::Answer);
    }

    fn say_later(&mut self, bytes: Vec<u8>, what: What) {
        self.output.push_back(Piece { due: self.busy_until, bytes, what });
    }

    /// Says what is due, some of it or all; ends when all is said, if it is to.
    pub(super) fn say(&mut self, around: &mut Around<'_>) {
        let rng = &mut *around.rng;
        match self.output.front_mut() {
            Some(piece) if piece.due <= around.now => {
                let n = if piece.bytes.is_empty() { 0 } else { rng.cut(piece.bytes.len()) };
                let part: Vec<u8> = piece.bytes.drain(..n).collect();
                let what = piece.what;
                if piece.bytes.is_empty() {
                    self.told |= what == What::LastHead;
                    self.output.pop_front();
                }
                self.peer.send(&part);
                if let Some(tunnel) = self.tunnel.as_ref().filter(|_| what == What::InTunnel) {
                    around.exchanges.of_mut(tunnel.id).passed.down += n as u64;
                }
            }
            Some(_) => {}
            None if self.peer.has_ended() => {}
            None => match (self.then, &mut self.tunnel) {
                (Then::GoesOn, Some(tunnel)) if rng.one_in(30) => {
                    tunnel.is_half_closed = true;
                    self.peer.finish();
                    self.ends_tunnel(around.exchanges);
                }
                (Then::GoesOn, _) => {}
                (Then::Closes, _) => {
                    self.peer.close();
                    self.ends_tunnel(around.exchanges);
                }
                (Then::Resets, _) => self.peer.reset(),
            },
        }
    }

    fn ends_tunnel(&self, exchanges: &mut Exchanges) {
        if let Some(tunnel) = &self.tunnel {
            exchanges.of_mut(tunnel.id).passed.down_ended = true;
        }
    }

    /// If the head of its last answer has gone to the proxy just now, and nothing else has come to pass in this turn, no request
    /// may follow those that the proxy has written. True if that is looked after.
    pub(super) fn expects_no_more(&mut self) -> bool {
        // What the proxy had put on the link and could not write cannot be told from what it puts there later.
        if !std::mem::take(&mut self.told) || self.pressed {
            return false;
        }
        self.input.extend(self.peer.take(usize::MAX));
        let mut end = 0;
        while let Some(head) = self.input.get(end..).and_then(Head::read) {
            end += head.len + head.number("content-length").unwrap_or(0) as usize;
        }
        // The rest of a request that has begun may come.
        let missing = end.saturating_sub(self.input.len()) as u64;
        self.allowed = Some(self.peer.traffic().1.bytes + missing);
        true
    }

    fn goes_on(&self) -> bool {
        self.then == Then::GoesOn && !self.is_done
    }

    /// What must hold at the end of each turn: nothing is asked on a link any more whose member has said that it closes.
    pub(super) fn check(&mut self) {
        self.pressed = self.peer.waiting() >= self.room;
        let Some(allowed) = self.allowed else { return };
        let written = self.peer.traffic().1.bytes;
        if written > allowed {
            let asked = self.peer.take(usize::MAX);
            panic!("asked on a link whose last answer was known: {}", asked.escape_ascii());
        }
    }

    /// Ends it of the member's own accord, at any time: in order, behind what it still has to say, or by a reset.
    pub(super) fn break_off(&mut self, rng: &mut Rng) {
        self.then = if rng.one_in(2) { Then::Closes } else { Then::Resets };
        if self.then == Then::Resets {
            self.output.clear();
        }
    }

    /// How many pieces it has to say.
    pub(super) fn to_say(&self) -> usize {
        self.output.len()
    }

    /// Says nothing for so many ns.
    pub(super) fn hang(&mut self, nanoseconds: u64) {
        self.busy_until += nanoseconds;
        self.output.iter_mut().for_each(|piece| piece.due += nanoseconds);
    }

    /// The process of its member ends: so does the link, at once.
    pub(super) fn die(&mut self, around: &mut Around<'_>) {
        self.output.clear();
        self.then = Then::Closes;
        // The kernel resets what was not read whole; and an answer that lasts until the end must not look complete.
        let may_close = self.peer.waiting() == 0 && !self.is_done;
        match around.rng.one_in(2) && may_close {
            true if self.peer.has_ended() => self.peer.close(),
            true => {
                self.peer.close();
                self.ends_tunnel(around.exchanges);
            }
            false => self.peer.reset(),
        }
    }

    /// Says what nobody asked for, where nothing is asked.
    pub(super) fn say_unasked(&self) -> bool {
        let idle = self.output.is_empty() && self.input.is_empty() && self.peer.waiting() == 0;
        let idle = idle && self.goes_on() && self.tunnel.is_none();
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

/// Whether the answer to this has no content.
fn is_bare(id: u64, method: Method) -> bool {
    method == Method::Head || matches!(answer_status(id), 204 | 304)
}

/// Appends an answer. Returns where its head ends.
fn write_answer(id: u64, method: Method, framed: Framed, rng: &mut Rng, out: &mut Vec<u8>) -> usize {
    let Framed { minor, chunked, until_close, says_close } = framed;
    let (status, body) = (answer_status(id), answer_body(id));
    out.extend_from_slice(format!("HTTP/1.{minor} {status} Word\r\nX-Id: {id}\r\n").as_bytes());
    if says_close {
        out.extend_from_slice(b"Connection: close\r\n");
    }
    let bare = is_bare(id, method);
    match (chunked, until_close) {
        _ if status == 204 => {}
        (_, true) => {}
        (true, _) => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        (false, _) => out.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes()),
    }
    out.extend_from_slice(b"\r\n");
    let end = out.len();
    match chunked {
        _ if bare => {}
        true => write_chunks(&body, rng, out),
        false => out.extend_from_slice(&body),
    }
    end
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
