//! What comes from a client of a protocol of frames: each is an exchange, or one more word of a conversation.
//! In: bytes as they were read. Out: exchanges, in order; frames for the link of a conversation.
//! Knows nothing of any one protocol: `proto::framing` says where a frame ends and what it needs.

use std::rc::Rc;

use crate::cause::Cause;
use crate::config::Framing;
use crate::link::{Ask, Request, Want};
use crate::metrics::{ClientClose, ClientState};
use crate::proto::framing::{self, Frame, Hold, Malformed, Need};
use crate::turn::Nanos;

use super::Client;
use super::state::{Phase, State};

/// The status under which an answer of our own that is no error is counted.
const ANSWERED: u16 = 200;

impl Client {
    /// Reads a frame while the client keeps no link.
    pub(super) fn read_frame(
        self: &Rc<Self>,
        s: &mut State,
        framing: &Framing,
        bytes: &[u8],
        now: Nanos,
    ) -> usize {
        match framing::request(framing, bytes, Hold::Free) {
            Ok(Some(frame)) if self.begin_frame(s, frame, &bytes[..frame.len], now) => frame.len,
            Ok(Some(_)) => 0,
            Ok(None) => {
                self.head_began(s, now);
                s.spill().wanted = framing::least(framing, bytes);
                0
            }
            Err(why) => {
                let cause = cause(why);
                self.refuse(s, None, cause, cause.status());
                bytes.len()
            }
        }
    }

    /// Begins an exchange. False where it cannot begin yet, because it may not share the link of those before it.
    fn begin_frame(self: &Rc<Self>, s: &mut State, frame: Frame, bytes: &[u8], now: Nanos) -> bool {
        if s.in_flight > 0 && want(frame) != Want::Shared {
            return false;
        }
        self.count_begun(s);
        s.patient = frame.need == Need::Patient;
        let request = Request {
            ask: ask(frame),
            body: frame.hold != Hold::Free,
            want: want(frame),
            repeatable: frame.repeatable,
            route: frame.route,
            began: Self::began(s, now),
            replayed: false,
            streams: frame.hold != Hold::Free,
            source: self.source(s).into(),
            expects: false,
        };
        if let Need::Here { answer, close } = frame.need {
            self.answer_here(s, &request, answer, close);
            return true;
        }
        if frame.hold != Hold::Free {
            self.keep_link(s, frame.hold, now);
        }
        self.put_on_link(s, request, |out| out.extend_from_slice(bytes));
        true
    }

    /// What penstock answers itself, when all before it has been.
    fn answer_here(self: &Rc<Self>, s: &mut State, request: &Request, answer: &[u8], close: bool) {
        self.give(s, answer, &[]);
        self.count_answer(s, Some(request), ANSWERED, None, 0);
        self.rest(s);
        if close {
            s.phase = Phase::Done;
            s.close = Some(ClientClose::ServerClose);
            self.wake();
        }
    }

    /// The client keeps its link from now on, or keeps it for another reason.
    fn keep_link(&self, s: &mut State, hold: Hold, now: Nanos) {
        s.phase = Phase::Talk { hold };
        s.since = now;
        if hold == Hold::Forever {
            s.rare().held_since = now;
            self.show(s, ClientState::Tunnel);
        }
        self.rearm(s);
    }

    /// What a client that keeps its link says goes there.
    pub(super) fn read_talk(self: &Rc<Self>, s: &mut State, hold: Hold, bytes: &[u8], now: Nanos) -> usize {
        let route = s.route.clone();
        let (Some(link), Some(framing)) = (s.link.clone(), &route.listener.framing) else {
            return if s.waits || s.more_later() { 0 } else { bytes.len() };
        };
        if link.is_full() {
            return 0;
        }
        s.since = now;
        if hold == Hold::Forever {
            link.send_body(bytes, |_| (), true, false);
            return bytes.len();
        }
        match framing::request(framing, bytes, hold) {
            Ok(Some(Frame { need: Need::Here { .. }, len, .. })) => len, // an empty frame has no answer
            Ok(Some(frame)) => {
                link.say_more(&bytes[..frame.len], ask(frame), frame.hold == Hold::Free);
                match frame.hold {
                    Hold::Free => s.phase = Phase::Head,
                    hold => self.keep_link(s, hold, now),
                }
                frame.len
            }
            Ok(None) => 0,
            Err(why) => {
                self.abort_body(s, cause(why));
                bytes.len()
            }
        }
    }
}

fn want(frame: Frame) -> Want {
    match (frame.hold, frame.need) {
        (Hold::Free, Need::Shared) => Want::Shared,
        (Hold::Free, Need::Alone | Need::Here { .. }) => Want::Alone,
        _ => Want::Own,
    }
}

fn ask(frame: Frame) -> Ask {
    match frame.hold {
        Hold::Forever => Ask::Forever,
        _ => Ask::Frames { patient: frame.need == Need::Patient },
    }
}

fn cause(why: Malformed) -> Cause {
    match why {
        Malformed::TooLong(_) => Cause::BodyTooLarge,
        Malformed::Bad(_) => Cause::BadRequest,
    }
}
