//! The frames that clients send: the model of `client/frames.rs`, without sockets.

use penstock::cause::Cause;
use penstock::config::{FrameKind, Framing};
use penstock::link::{AnswerKind, Exchange, Sharing, SourceKey, Upload};
use penstock::proto::framing::{self, BadFrame, Dialect, Frame, Need, Pinning};

use super::{World, note};
use crate::client::Later;
use crate::frames::{self, Say, Tag};
use crate::ledger::Outcome;

impl World {
    /// `Client::read_frame` and `Client::begin_frame`.
    pub(super) fn begin_frame(&mut self, c: usize) -> bool {
        let say = self.say_first();
        let client = &mut self.clients[c];
        let id = client.unread.take().unwrap_or_else(|| self.ledger.begin_frames(say));
        let say = self.ledger.of(id).said[0];
        let bytes = self.frame(say, Tag { id, k: 0 });
        let frame = match framing::request(self.framing(), &bytes, Pinning::Free) {
            Ok(frame) => frame.expect("a whole frame"),
            Err(why) => {
                self.malformed(c, id, why);
                return true;
            }
        };
        assert_eq!((frame.len, say), (bytes.len(), say), "where the frame ends");
        let shared = frame.need == Need::Shared && frame.pinning == Pinning::Free;
        let client = &mut self.clients[c];
        if client.in_flight > 0 && !shared {
            client.unread = Some(id);
            return false;
        }
        if let Need::Here { answer, close } = frame.need {
            assert_eq!(answer, if say == Say::Empty { &b""[..] } else { b"+OK\r\n" });
            client.done |= close;
            self.ledger.end(id, Outcome::AnsweredHere);
            return true;
        }
        self.ledger.of_mut(id).repeatable = frame.repeatable;
        let client = &mut self.clients[c];
        client.talk = (frame.pinning != Pinning::Free).then_some((id, frame.pinning));
        if frame.pinning == Pinning::Forever {
            self.ledger.of_mut(id).forever = Some(0);
        }
        let request = Exchange {
            kind: kind(frame),
            upload: if frame.pinning == Pinning::Free { Upload::Whole } else { Upload::Conversation },
            sharing: if shared { Sharing::Shared } else { Sharing::Alone },
            repeatable: frame.repeatable,
            class: frame.class,
            began: self.now,
            replayed: false,
            open_ended: false,
            source: SourceKey::default(),
            expects: false,
            dialect: Dialect::default(),
            greets: false,
        };
        self.put_on_link(c, id, request, bytes);
        true
    }

    /// `Client::refuse`: no more is read, and what came before is answered first.
    fn malformed(&mut self, c: usize, id: u64, why: BadFrame) {
        assert_eq!(self.ledger.of(id).said, [Say::Bad], "{why}");
        let cause = match why {
            BadFrame::TooLong(_) => Cause::BodyTooLarge,
            BadFrame::Bad(_) => Cause::BadRequest,
        };
        let client = &mut self.clients[c];
        client.asked.push_back(id);
        client.later.push_back(Later::Fail { id, cause });
        client.done = true;
    }

    /// `Client::read_talk`: one more word of a client that keeps its link.
    pub(crate) fn say(&mut self, c: usize) {
        let client = &self.clients[c];
        let Some((id, hold)) = client.talk.filter(|_| !client.waits && client.later.is_empty()) else {
            return;
        };
        let Some(at) = client.link else { return };
        let Some(link) = self.links.get(&at).filter(|link| link.parting.is_none()) else { return };
        assert!(link.places.len() == 1 && link.places[0].id == id, "{id} has link {at} for itself");
        let tag = Tag { id, k: self.ledger.of(id).said.len() };
        let say = self.say_next(hold, tag.k);
        let bytes = self.frame(say, tag);
        if hold == Pinning::Forever {
            if tag.k < 12 {
                self.ledger.of_mut(id).said.push(say);
                self.extend_body(at, &bytes, false);
            }
            return;
        }
        let frame =
            framing::request(self.framing(), &bytes, hold).expect("a good frame").expect("a whole one");
        if matches!(frame.need, Need::Here { .. }) {
            return; // an empty frame has no answer
        }
        note!(self, "client {c} says {say:?} in {id}: {:?}", frame.pinning);
        let record = self.ledger.of_mut(id);
        record.said.push(say);
        if frame.pinning == Pinning::Forever {
            record.forever.get_or_insert(tag.k);
        }
        let link = self.links.get_mut(&at).expect("it was just looked at");
        link.queue.append_frame(&bytes, kind(frame), frame.pinning == Pinning::Free);
        self.clients[c].talk = (frame.pinning != Pinning::Free).then_some((id, frame.pinning));
        if frame.pinning == Pinning::Free {
            self.ledger.count("conversation");
        }
    }

    /// What the client is told instead of an answer. False where it is closed without a word.
    pub(super) fn tell_refusal(&mut self, cause: Cause) -> bool {
        let Some(framing) = &self.scene.framing else { return true };
        let told = framing::refusal(framing, cause);
        let name = match (framing.kind, &told) {
            (FrameKind::Lines { .. }, Some(_)) => "lines: refused",
            (FrameKind::Lines { .. }, None) => "lines: closed",
            (FrameKind::LengthPrefixed(_), Some(_)) => "length_prefixed: refused",
            (FrameKind::LengthPrefixed(_), None) => "length_prefixed: closed",
            (FrameKind::Resp, _) if framing.refusal.is_some() => "resp: refused",
            (FrameKind::Resp, _) => "resp: refused with an error",
        };
        self.ledger.count(name);
        let own = framing.kind == FrameKind::Resp || framing.refusal.is_some();
        assert_eq!(told.is_some(), own, "{name}");
        own
    }

    fn framing(&self) -> &Framing {
        self.scene.framing.as_ref().expect("frames are spoken here")
    }

    pub(super) fn frame_of(&self, id: u64) -> Vec<u8> {
        self.frame(self.ledger.of(id).said[0], Tag { id, k: 0 })
    }

    fn frame(&self, say: Say, tag: Tag) -> Vec<u8> {
        let mut bytes = Vec::new();
        frames::ask(self.framing(), say, tag, &mut bytes);
        bytes
    }

    fn say_first(&mut self) -> Say {
        let redis = self.framing().kind == FrameKind::Resp;
        let small = self.framing().max_length < 100_000;
        match self.rng.below(400) {
            0 if small || redis => Say::Bad,
            _ if !redis => Say::Get,
            1..30 => Say::Keys,
            30..60 => Say::Set,
            60..64 => Say::Odd,
            64..68 => Say::Block,
            68..76 => Say::Multi,
            76..82 => Say::Watch,
            82..84 => Say::Subscribe,
            84..87 => Say::Select,
            87 => Say::Quit,
            88 => Say::Empty,
            _ => Say::Get,
        }
    }

    fn say_next(&mut self, hold: Pinning, k: usize) -> Say {
        match (hold, self.rng.below(20)) {
            (Pinning::Forever, _) => Say::Subscribe,
            (_, 0) => Say::Subscribe,
            (_, 1) => Say::Empty,
            (Pinning::Multi, 2) => Say::Discard,
            (Pinning::Multi, 3..8) => Say::Exec,
            (Pinning::Watching, 2) => Say::Block,
            (Pinning::Watching, 3..8) => Say::Multi,
            (Pinning::Watching, 8..12) => Say::Unwatch,
            (Pinning::Multi, _) if k > 20 => Say::Exec,
            _ => Say::Set,
        }
    }

    /// Nobody talks for ever: conversations are brought to their end, and who has a link for good leaves.
    pub(crate) fn fall_silent(&mut self, c: usize) {
        match self.clients[c].talk {
            Some((_, Pinning::Forever)) => self.abort(c),
            Some(_) => self.say(c),
            None => {}
        }
    }
}

/// `client/frames.rs`.
fn kind(frame: Frame) -> AnswerKind {
    match frame.pinning {
        Pinning::Forever => AnswerKind::Forever,
        _ => AnswerKind::Frames { patient: frame.need == Need::Patient },
    }
}
