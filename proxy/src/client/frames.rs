//! Reads the frames of a client: each is an exchange, or the next frame of a conversation.
//!
//! `proto::framing` says where a frame ends and what it needs of a link.

use std::rc::Rc;

use crate::cause::Cause;
use crate::config::Framing;
use crate::event_loop::Nanos;
use crate::link::{AnswerKind, Exchange, Sharing, Upload};
use crate::metrics::{ClientClose, ClientState};
use crate::proto::framing::{self, BadFrame, Frame, Need, Pinning, Rest};
use crate::proto::reread::Reread;

use super::Client;
use super::inner::{ClientInner, Phase};

/// The status under which an answer of our own that is no error is counted.
const ANSWERED: u16 = 200;

impl Client {
    /// Reads a frame while the client keeps no link.
    pub(super) fn read_frame(
        self: &Rc<Self>,
        s: &mut ClientInner,
        framing: &Framing,
        bytes: &[u8],
        now: Nanos,
    ) -> usize {
        match framing::request(framing, bytes, s.mode(Pinning::Free)) {
            Ok(Some(frame)) if self.begin_frame(s, frame, None, &bytes[..frame.len], now) => frame.len,
            Ok(Some(_)) => {
                s.buffers().stands_alone = true;
                0
            }
            Ok(None) => self.read_half(s, framing, bytes, now),
            Err(why) => {
                let cause = cause(why);
                self.refuse(s, None, cause, cause.status());
                bytes.len()
            }
        }
    }

    /// Of a frame that is not whole so much is kept; then it takes a link, and the rest follows while it comes.
    fn read_half(self: &Rc<Self>, s: &mut ClientInner, framing: &Framing, bytes: &[u8], now: Nanos) -> usize {
        let most = framing::kept(framing);
        if bytes.len() >= most
            && let Some((frame, rest)) = framing::long(framing, bytes, s.mode(Pinning::Free))
        {
            if self.begin_frame(s, frame, Some(rest), bytes, now) {
                return bytes.len();
            }
            s.buffers().stands_alone = true;
            return 0;
        }
        self.head_began(s, now);
        Self::await_more(s, framing, bytes);
        0
    }

    /// A frame is not whole: it is read again when that may have changed.
    fn await_more(s: &mut ClientInner, framing: &Framing, bytes: &[u8]) {
        let reread = framing::reread(framing, bytes);
        let least = match reread {
            Reread::Never => framing::least(framing, bytes),
            // Where a line ends cannot be told before.
            _ => Reread::least(bytes.len(), framing.max_length),
        };
        s.buffers().await_more(least.min(framing::kept(framing).max(bytes.len() + 1)), reread);
    }

    /// Begins an exchange, perhaps before all of its frame has come. False where it cannot begin yet, because it may not share the link of those before it.
    fn begin_frame(
        self: &Rc<Self>,
        s: &mut ClientInner,
        frame: Frame,
        rest: Option<Rest>,
        bytes: &[u8],
        now: Nanos,
    ) -> bool {
        if s.in_flight > 0 && want(frame) != Sharing::Shared {
            return false;
        }
        self.count_begun(s);
        s.patient = frame.need == Need::Patient;
        let rest = rest.filter(|_| frame.pinning == Pinning::Free);
        let request = Exchange {
            kind: kind(frame),
            upload: match rest {
                Some(_) => Upload::Rest,
                None if frame.pinning == Pinning::Free => Upload::Whole,
                None => Upload::Conversation,
            },
            sharing: want(frame),
            repeatable: frame.repeatable,
            class: frame.class,
            began: Self::began(s, now),
            replayed: false,
            open_ended: frame.pinning != Pinning::Free || rest.is_some(),
            source: self.source(s).into(),
            expects: false,
            dialect: frame.speaks.unwrap_or(s.dialect),
            greets: frame.speaks.is_some_and(|dialect| dialect != s.dialect),
        };
        if let Need::Here { answer, close } = frame.need {
            s.dialect = request.dialect;
            self.answer_here(s, &request, answer, close);
            return true;
        }
        if frame.pinning != Pinning::Free {
            self.keep_link(s, frame.pinning, now);
        }
        if let Some(rest) = rest {
            self.pass_on(s, rest, Pinning::Free, now);
        }
        // The name that a HELLO may give is left out: it would be that of whoever comes next on the link.
        let bytes = frame.speaks.map_or(bytes, |dialect| framing::greeting(dialect));
        self.put_on_link(s, request.into(), bytes);
        true
    }

    /// The rest of the frame that was begun last goes to its link while it comes.
    fn pass_on(&self, s: &mut ClientInner, rest: Rest, pinning: Pinning, now: Nanos) {
        s.phase = Phase::Frame { rest: Box::new(rest), pinning };
        s.since = now;
        self.rearm(s);
    }

    /// More of a frame that is passed on while it comes.
    pub(super) fn read_rest(self: &Rc<Self>, s: &mut ClientInner, bytes: &[u8], now: Nanos) -> usize {
        let must_wait = s.waits || s.has_deferred() || s.link.as_ref().is_some_and(|link| link.is_full());
        let Phase::Frame { rest, pinning } = &mut s.phase else { return 0 };
        if must_wait {
            return 0;
        }
        let pinning = *pinning;
        match rest.read(bytes) {
            Ok((len, done)) => {
                if let Some(link) = &s.link {
                    link.send_data(&bytes[..len], (done && pinning == Pinning::Free).then_some(b""));
                }
                s.since = now;
                if done {
                    s.phase = if pinning == Pinning::Free { Phase::Head } else { Phase::Talk { pinning } };
                }
                len
            }
            Err(why) => {
                self.abort_body(s, cause(why));
                bytes.len()
            }
        }
    }

    /// What penstock answers itself, when all before it has been.
    fn answer_here(self: &Rc<Self>, s: &mut ClientInner, request: &Exchange, answer: &[u8], close: bool) {
        self.send(s, answer, &[]);
        self.count_answer(s, Some(request), ANSWERED, None, 0);
        self.become_idle(s);
        if close {
            s.phase = Phase::Done;
            s.close = Some(ClientClose::ServerClose);
            self.conn.wake();
        }
    }

    /// The client keeps its link from now on, or keeps it for another reason.
    fn keep_link(&self, s: &mut ClientInner, pinning: Pinning, now: Nanos) {
        s.phase = Phase::Talk { pinning };
        s.since = now;
        if pinning == Pinning::Forever {
            s.cold().held_since = now;
            self.show(s, ClientState::Tunnel);
        }
        self.rearm(s);
    }

    /// What a client that keeps its link says goes there.
    pub(super) fn read_talk(
        self: &Rc<Self>,
        s: &mut ClientInner,
        pinning: Pinning,
        bytes: &[u8],
        now: Nanos,
    ) -> usize {
        let destination = s.destination.clone();
        let (Some(link), Some(framing)) = (s.link.clone(), &destination.listener.framing) else {
            return if s.waits || s.has_deferred() { 0 } else { bytes.len() };
        };
        if link.is_full() {
            return 0;
        }
        s.since = now;
        if pinning == Pinning::Forever {
            link.send_data(bytes, None);
            return bytes.len();
        }
        match framing::request(framing, bytes, s.mode(pinning)) {
            Ok(Some(Frame { need: Need::Here { .. }, len, .. })) => len, // an empty frame has no answer
            Ok(Some(frame)) => {
                link.say_more(&bytes[..frame.len], kind(frame), frame.pinning == Pinning::Free);
                if let Some(dialect) = frame.speaks {
                    link.turns_to(dialect);
                }
                match frame.pinning {
                    Pinning::Free => s.phase = Phase::Head,
                    pinning => self.keep_link(s, pinning, now),
                }
                frame.len
            }
            Ok(None) if bytes.len() >= framing::kept(framing) => {
                let Some((frame, rest)) = framing::long(framing, bytes, s.mode(pinning)) else { return 0 };
                link.say_more(bytes, kind(frame), false);
                match frame.pinning {
                    Pinning::Forever => self.keep_link(s, frame.pinning, now),
                    pinning => self.pass_on(s, rest, pinning, now),
                }
                bytes.len()
            }
            Ok(None) => {
                Self::await_more(s, framing, bytes);
                0
            }
            Err(why) => {
                self.abort_body(s, cause(why));
                bytes.len()
            }
        }
    }
}

fn want(frame: Frame) -> Sharing {
    match (frame.pinning, frame.need) {
        (Pinning::Free, Need::Shared) => Sharing::Shared,
        (Pinning::Free, Need::Alone | Need::Here { .. }) => Sharing::Alone,
        _ => Sharing::Own,
    }
}

fn kind(frame: Frame) -> AnswerKind {
    match frame.pinning {
        Pinning::Forever => AnswerKind::Forever,
        _ => AnswerKind::Frames { patient: frame.need == Need::Patient },
    }
}

fn cause(why: BadFrame) -> Cause {
    match why {
        BadFrame::TooLong(_) => Cause::BodyTooLarge,
        BadFrame::Bad(_) => Cause::BadRequest,
    }
}
