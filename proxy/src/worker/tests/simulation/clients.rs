//! A client's end of its connection: it asks, reads what comes, and checks that it is the answer to what it asked.

use std::collections::VecDeque;

use crate::config::{FrameKind, Framing};
use crate::proto::http::Method;
use crate::stream::sim::{End, Peer};

use super::exchanges::{Exchanges, Way, answer_body, answer_status, stream_part};
use super::frames::{self, Say, Tag};
use super::rng::Rng;
use super::talk::{Keeps, Talk};
use super::wire::Answer;

/// What a client has at hand.
pub(super) struct Around<'a> {
    /// What it speaks; HTTP without it.
    pub(super) framing: Option<&'a Framing>,
    pub(super) rng: &'a mut Rng,
    pub(super) exchanges: &'a mut Exchanges,
}

/// A client of HTTP saw the end of its connection where an answer should have been.
pub(super) const CUT_UNSEEN: &str = "closed instead of an answer";

pub(super) struct Client {
    pub(super) peer: Peer,
    pub(super) minor_version: u8,
    /// Exchanges begun and not ended, in order; of a conversation each frame.
    asked: VecDeque<Tag>,
    /// What it has begun to say, and is not on its way yet.
    to_send: VecDeque<u8>,
    got: Vec<u8>,
    /// The conversation that it has begun.
    talk: Talk,
    /// The exchange for which it has its link for good, and how much of what the member says it has read.
    forever: Option<(u64, usize)>,
    /// What was the connection of its exchanges is a tunnel.
    tunnel: Option<Tunnel>,
    /// It asks for no more.
    done: bool,
    /// An answer said that it was the last.
    told_close: bool,
    /// What came instead of an answer is none, and what comes after it is not looked at.
    spoilt: bool,
    /// It does not read for a while.
    pub(super) stalled: bool,
}

/// A client's end of a tunnel.
struct Tunnel {
    id: u64,
    /// Bytes that it has begun to say, and that it has read.
    said: u64,
    read: u64,
}

impl Client {
    pub(super) fn new(peer: Peer, minor_version: u8) -> Self {
        Self {
            peer,
            minor_version,
            asked: VecDeque::new(),
            to_send: VecDeque::new(),
            got: Vec::new(),
            talk: Talk::default(),
            forever: None,
            tunnel: None,
            done: false,
            told_close: false,
            spoilt: false,
            stalled: false,
        }
    }

    /// Whether it waits for nothing.
    pub(super) fn is_content(&self) -> bool {
        let is_bound = self.talk.owner.is_some() || self.tunnel.is_some();
        self.asked.is_empty() && self.to_send.is_empty() && !is_bound
    }

    /// Whether it is one end of a tunnel.
    pub(super) fn is_in_tunnel(&self) -> bool {
        self.tunnel.is_some()
    }

    /// Whether it has a link for good.
    pub(super) fn has_link(&self) -> bool {
        self.forever.is_some()
    }

    /// Whether it is amid a conversation, which only it can end.
    pub(super) fn is_talking(&self) -> bool {
        self.talk.owner.is_some() && !self.done && self.to_send.is_empty()
    }

    /// Begins an exchange, or says one more thing in a conversation, if it may.
    pub(super) fn ask(&mut self, ends: bool, around: &mut Around<'_>) {
        if let Some(tunnel) = &mut self.tunnel {
            if self.to_send.len() < 50_000 && !self.peer.has_ended() {
                let len = around.rng.pick(&[1, 100, 2_000, 20_000]);
                self.to_send.extend(stream_part(tunnel.id, Way::Up, tunnel.said, len));
                tunnel.said += len as u64;
            }
            return;
        }
        let waits = self.minor_version == 0 && !self.asked.is_empty();
        if self.done || waits || self.to_send.len() > 100_000 || self.asked.len() >= 64 {
            return;
        }
        around.exchanges.count("asked");
        if let Some(framing) = around.framing {
            return self.ask_in_frames(framing, ends, around);
        }
        let id = around.exchanges.begin(around.rng);
        self.to_send.extend(around.exchanges.request(id, self.minor_version));
        self.asked.push_back(Tag { id, k: 0 });
        let exchange = around.exchanges.of(id);
        self.done = !exchange.keep_alive || exchange.upgrade;
    }

    /// Asks for something small, all at once.
    pub(super) fn ask_plainly(&mut self, exchanges: &mut Exchanges) {
        let id = exchanges.begin_plain();
        self.minor_version = 1;
        self.asked.push_back(Tag { id, k: 0 });
        self.peer.send(&exchanges.request(id, 1));
    }

    fn ask_in_frames(&mut self, framing: &Framing, ends: bool, around: &mut Around<'_>) {
        let (say, tag) = match self.talk.owner {
            Some(last) if last.k > 40 => return,
            Some(last) => {
                let say = say_next(self.talk.keeps, ends, around.rng);
                around.exchanges.of_mut(last.id).said.push(say);
                (say, Tag { k: last.k + 1, ..last })
            }
            None => {
                let say = say_first(framing, around.rng);
                let repeatable = match framing.kind {
                    FrameKind::Resp => matches!(say, Say::Get | Say::Keys),
                    FrameKind::Lines { .. } | FrameKind::LengthPrefixed(_) => framing.repeatable,
                };
                (say, Tag { id: around.exchanges.begin_frames(say, repeatable), k: 0 })
            }
        };
        let mut bytes = Vec::new();
        frames::ask(framing, say, tag, &mut bytes);
        self.to_send.extend(bytes);
        if say == Say::Empty {
            return; // which has no answer
        }
        self.done = matches!(say, Say::Bad | Say::Quit);
        if say.answered_here().is_none() {
            self.talk.remember(say, tag);
        }
        if self.talk.keeps != Keeps::Forever {
            self.asked.push_back(tag);
        } else if self.forever.is_none() {
            self.forever = Some((tag.id, 0));
        }
    }

    /// Sends some of what it has begun to say, or all.
    pub(super) fn send(&mut self, around: &mut Around<'_>) {
        if self.to_send.is_empty() {
            return;
        }
        let n = around.rng.cut(self.to_send.len());
        let part: Vec<u8> = self.to_send.drain(..n).collect();
        self.peer.send(&part);
        if let Some(tunnel) = &self.tunnel {
            around.exchanges.of_mut(tunnel.id).passed.up += n as u64;
        }
    }

    /// Sends all of what it has begun to say.
    pub(super) fn send_all(&mut self) {
        let all: Vec<u8> = self.to_send.drain(..).collect();
        self.peer.send(&all);
    }

    /// Says that it will ask for no more.
    pub(super) fn finish(&mut self, exchanges: &mut Exchanges) {
        if self.to_send.is_empty() && self.talk.owner.is_none() && !self.peer.has_ended() {
            self.done = true;
            self.peer.finish();
            exchanges.count("half-closed");
            self.ends_tunnel(exchanges);
        }
    }

    /// Closes it, or resets it where something is left unread.
    pub(super) fn close(&self, exchanges: &mut Exchanges) {
        match self.peer.waiting() {
            0 if self.peer.has_ended() => self.peer.close(),
            0 => {
                self.peer.close();
                self.ends_tunnel(exchanges);
            }
            _ => self.peer.reset(),
        }
    }

    fn ends_tunnel(&self, exchanges: &mut Exchanges) {
        // The last request may be on its way to become one.
        let asked = self.asked.back().map(|tag| tag.id);
        if let Some(id) = self.tunnel.as_ref().map(|tunnel| tunnel.id).or(asked) {
            exchanges.of_mut(id).passed.up_ended = true;
        }
    }

    /// Reads some of what has come, or all. False when the connection has ended, and all of it has been read.
    pub(super) fn read(&mut self, around: &mut Around<'_>) -> bool {
        let waiting = self.peer.waiting();
        if waiting > 0 {
            let got = self.peer.take(around.rng.cut(waiting));
            let awaited = self.asked.front().map_or(u64::MAX, |tag| tag.id);
            around.exchanges.trace.note("a client who awaits this reads:", awaited);
            around.exchanges.trace.note("bytes:", got.len() as u64);
            self.got.extend(got);
            match around.framing {
                _ if self.spoilt => self.got.truncate(1),
                _ if self.tunnel.is_some() => self.check_tunnel(around.exchanges),
                Some(framing) => self.check_frames(framing, around.exchanges),
                None => self.check(around.exchanges),
            }
        }
        match self.peer.seen_end() {
            End::Open => true,
            End::Reset => {
                around.exchanges.count("reset");
                false
            }
            // Whoever hears that no more is said may go on for a while, and then ends as well.
            End::Finished if self.tunnel.is_some() && !self.peer.has_ended() => {
                self.finish(around.exchanges);
                true
            }
            End::Finished | End::Closed => {
                match around.framing {
                    _ if self.tunnel.is_some() => self.tunnel_ended(around.exchanges),
                    Some(framing) => self.ended_in_frames(framing, around.exchanges),
                    None => self.ended(around.exchanges),
                }
                false
            }
        }
    }

    fn answer(&self, exchanges: &Exchanges) -> Option<(u64, Answer)> {
        let id = self.asked.front()?.id;
        let to_head = exchanges.of(id).method == Method::Head;
        Some((id, Answer::read(&self.got, to_head)?))
    }

    /// What has come is the answer to what was asked first.
    fn check(&mut self, exchanges: &mut Exchanges) {
        while let Some((id, answer)) = self.answer(exchanges) {
            assert!(!self.told_close, "an answer to {id} after one that was to be the last");
            self.check_one(id, &answer, exchanges);
            if answer.head.status() == 101 {
                self.asked.pop_front();
                self.got.drain(..self.got.len() - answer.rest);
                self.tunnel = Some(Tunnel { id, said: 0, read: 0 });
                *exchanges.answers.entry(1).or_insert(0) += 1;
                exchanges.of_mut(id).passed.opened = true;
                exchanges.count("switched");
                return self.check_tunnel(exchanges);
            }
            if answer.complete != Some(true) {
                assert!(
                    answer.complete.is_some() || self.minor_version == 0,
                    "{id} ends with the connection"
                );
                return;
            }
            self.asked.pop_front();
            self.got.drain(..self.got.len() - answer.rest);
            self.answered(&answer, exchanges);
        }
        let unasked = self.asked.is_empty() && !self.got.is_empty();
        assert!(!unasked, "nobody asked for {}", self.got.escape_ascii());
    }

    fn check_one(&self, id: u64, answer: &Answer, exchanges: &Exchanges) {
        assert!(self.minor_version > 0 || answer.interims == 0, "an interim answer to HTTP/1.0");
        let Some(whose) = answer.head.number("x-id") else {
            let status = answer.head.status();
            assert!(matches!(status, 400 | 408 | 413 | 502..=504), "{status} of the proxy's own to {id}");
            return;
        };
        assert_eq!(whose, id, "whose answer came: {}", answer.head.start);
        if answer.head.status() == 101 {
            return assert!(exchanges.of(id).upgrade, "{id} did not ask for a tunnel");
        }
        assert_eq!(answer.head.status(), answer_status(id));
        let whole = answer_body(id);
        assert!(whole.starts_with(&answer.body), "the body of the answer to {id}");
        let bodiless = exchanges.of(id).method == Method::Head || matches!(answer_status(id), 204 | 304);
        let exchange = exchanges.of(id);
        let may_be_cut = bodiless || answer.complete != Some(true) || exchange.cut_unseen;
        let is_whole = may_be_cut || answer.body.len() == whole.len();
        assert!(is_whole, "the answer to {id} looks complete");
        let heard = exchanges.was_seen(id) || exchanges.of(id).body > 0;
        assert!(heard, "{id} was answered by nobody");
    }

    /// All that comes through a tunnel is what its member has said, in order.
    fn check_tunnel(&mut self, exchanges: &Exchanges) {
        let Some(tunnel) = &mut self.tunnel else { return };
        let expected = stream_part(tunnel.id, Way::Down, tunnel.read, self.got.len());
        assert!(
            self.got == expected,
            "what the client of tunnel {} reads from {} on",
            tunnel.id,
            tunnel.read
        );
        tunnel.read += self.got.len() as u64;
        assert!(tunnel.read <= exchanges.of(tunnel.id).passed.down, "nobody said it in tunnel {}", tunnel.id);
        self.got.clear();
    }

    /// A tunnel ends in order when both sides have ended it, and all has arrived by then.
    fn tunnel_ended(&self, exchanges: &mut Exchanges) {
        let Some(Tunnel { id, read, .. }) = self.tunnel else { return };
        let passed = &exchanges.of(id).passed;
        assert!(passed.down_ended, "tunnel {id} was cut and looks complete");
        assert_eq!(read, passed.down, "bytes that the client of tunnel {id} has read");
        exchanges.count("tunnel: complete down");
    }

    fn answered(&mut self, answer: &Answer, exchanges: &mut Exchanges) {
        let status = answer.head.status();
        *exchanges.answers.entry(status / 100).or_insert(0) += 1;
        exchanges.count(match (answer.head.number("x-id"), status) {
            (Some(_), _) => "answered",
            (None, 503) => "refused: 503",
            (None, 502) => "failed: 502",
            (None, 504) => "failed: 504",
            (None, _) => "failed otherwise",
        });
        self.told_close |= answer.head.field("connection") == Some("close");
        if self.told_close {
            self.done = true;
            self.to_send.clear();
        }
    }

    /// The proxy has ended the connection in order: what is not answered by then must be seen not to be.
    fn ended(&mut self, exchanges: &mut Exchanges) {
        let last = self.answer(exchanges);
        if let Some((id, answer)) = last
            && answer.complete.is_none()
        {
            // To HTTP/1.0 an orderly end is the end of the answer.
            let is_whole = answer.body == answer_body(id) || exchanges.of(id).cut_unseen;
            assert!(is_whole, "{id} was cut and looks complete");
            self.asked.pop_front();
            self.got.clear();
            self.told_close = true;
            self.answered(&answer, exchanges);
        }
        if !self.got.is_empty() {
            return exchanges.count("cut");
        }
        exchanges.count(match self.asked.is_empty() || self.told_close {
            true => "closed",
            // Whoever has ended its side and waits gives its place to others who wait.
            false if self.peer.has_ended() => "closed behind a FIN",
            // An answer was cut before any of it had left. See `World::count_answers`.
            false => CUT_UNSEEN,
        });
    }

    /// One answer to each frame, in order, or what is told instead.
    fn check_frames(&mut self, framing: &Framing, exchanges: &mut Exchanges) {
        while let Some(tag) = self.asked.front().copied().filter(|_| !self.got.is_empty()) {
            let exchange = exchanges.of(tag.id);
            let say = exchange.said[tag.k];
            let mut expected = Vec::new();
            match say.answered_here().filter(|_| tag.k == 0) {
                Some(here) => expected.extend_from_slice(here),
                None => frames::answer(framing, say, tag, &mut expected),
            }
            if say != Say::Bad && self.got.starts_with(&expected) {
                self.got.drain(..expected.len());
                self.asked.pop_front();
                exchanges.count("answered");
                continue;
            }
            if say != Say::Bad && expected.starts_with(&self.got) {
                return;
            }
            let ends =
                say == Say::Bad || exchange.said.len() > 1 || self.talk.owner.is_some_and(|o| o.id == tag.id);
            match refused(framing, &self.got) {
                Some(0) => return, // it has begun
                Some(len) => {
                    self.got.drain(..len);
                    self.asked.pop_front();
                    exchanges.count("refused in frames");
                    if ends {
                        // One error is no answer to all words of a conversation: nothing comes after it.
                        self.asked.clear();
                        self.to_send.clear();
                        (self.talk, self.done, self.told_close) = (Talk::default(), true, true);
                    }
                }
                None => {
                    assert!(
                        exchange.garbled,
                        "to {tag}: {}, not {}",
                        self.got.escape_ascii(),
                        expected.escape_ascii()
                    );
                    self.got.truncate(1);
                    self.spoilt = true;
                    return;
                }
            }
        }
        let Some((id, read)) = &mut self.forever else {
            assert!(self.got.is_empty(), "nobody asked for {}", self.got.escape_ascii());
            return;
        };
        let stream = &exchanges.of(*id).stream[*read..];
        if stream.starts_with(&self.got) {
            *read += self.got.len();
            self.got.clear();
        } else {
            let told = refused(framing, &self.got).is_some();
            assert!(*read == 0 && told, "what {id} was told: {}", self.got.escape_ascii());
            self.spoilt = true;
        }
    }

    fn ended_in_frames(&self, framing: &Framing, exchanges: &mut Exchanges) {
        if !self.got.is_empty() {
            return exchanges.count("cut");
        }
        let is_silent = framing.refusal.is_none() && framing.kind != FrameKind::Resp;
        let talked = |tag: &Tag| exchanges.of(tag.id).said.len() > 1;
        let excused =
            is_silent || self.told_close || self.talk.owner.is_some() || self.asked.iter().any(talked);
        assert!(self.asked.is_empty() || excused, "{:?} are not answered", self.asked);
        exchanges.count(if self.asked.is_empty() { "closed" } else { "closed without a word" });
    }
}

/// The length of what the proxy tells instead of an answer, where that is what has come; 0 where it may be the beginning of it.
fn refused(framing: &Framing, got: &[u8]) -> Option<usize> {
    const OWN: &[u8] = b"-ERR penstock: ";
    if let Some(refusal) = &framing.refusal {
        return if got.starts_with(refusal) {
            Some(refusal.len())
        } else {
            refusal.starts_with(got).then_some(0)
        };
    }
    if framing.kind != FrameKind::Resp || !(got.starts_with(OWN) || OWN.starts_with(got)) {
        return None;
    }
    Some(got.windows(2).position(|w| w == b"\r\n").map_or(0, |end| end + 2))
}

fn say_first(framing: &Framing, rng: &mut Rng) -> Say {
    let redis = framing.kind == FrameKind::Resp;
    let small = framing.max_length < 100_000;
    match rng.below(400) {
        0 if small || redis => Say::Bad,
        _ if !redis => Say::Get,
        1..30 => Say::Keys,
        30..60 => Say::Set,
        60..64 => Say::Odd,
        64..68 => Say::Block,
        68..80 => Say::Watch,
        80..82 => Say::Subscribe,
        82..85 => Say::Select,
        85 => Say::Quit,
        86 => Say::Empty,
        _ => Say::Get,
    }
}

/// `ends` says that it is to bring the conversation to its end.
fn say_next(keeps: Keeps, ends: bool, rng: &mut Rng) -> Say {
    match (keeps, rng.below(20)) {
        (Keeps::Forever, _) => Say::Subscribe,
        (Keeps::Multi, _) if ends => Say::Exec,
        (Keeps::Watching, _) if ends => Say::Unwatch,
        (_, 0) => Say::Subscribe,
        (Keeps::Multi, 2) => Say::Discard,
        (Keeps::Multi, 3..8) => Say::Exec,
        (Keeps::Watching, 2) => Say::Block,
        (Keeps::Watching, 3..8) => Say::Multi,
        (Keeps::Watching, 8..12) => Say::Unwatch,
        _ => Say::Set,
    }
}
