//! Reads the frames of a client: each is an exchange, or the next frame of a conversation.
//!
//! `proto::framing` says where a frame ends and what it needs of a link.

use std::rc::Rc;

use crate::cause::Cause;
use crate::config::Framing;
use crate::event_loop::Nanos;
use crate::link::{AnswerKind, Exchange, Sharing, Upload};
use crate::metrics::ClientClose;
use crate::proto::framing::{self, BadFrame, Frame, Need, Pinning, Rest};
use crate::proto::reread::Reread;

use super::exchanges::LastBegun;
use super::input::Input;
use super::reader::Phase;
use super::{Client, ClientParts};

/// The status that is counted for an answer which the proxy gives itself and which is no error.
const ANSWERED: u16 = 200;

impl Client {
    /// Reads a frame while the client keeps no link.
    pub(super) fn read_frame(
        self: &Rc<Self>,
        s: &mut ClientParts,
        framing: &Framing,
        bytes: &[u8],
        now: Nanos,
    ) -> usize {
        match framing::request(framing, bytes, s.reader.mode(Pinning::Free)) {
            Ok(Some(frame)) if self.begin_frame(s, frame, None, &bytes[..frame.len], now) => frame.len,
            Ok(Some(_)) => {
                s.reader.input.stand_alone();
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

    /// Keeps a frame that is not whole, up to a limit; beyond it, the frame takes a link and its rest follows as it comes.
    fn read_half(self: &Rc<Self>, s: &mut ClientParts, framing: &Framing, bytes: &[u8], now: Nanos) -> usize {
        let most = framing::kept(framing);
        if bytes.len() >= most
            && let Some((frame, rest)) = framing::long(framing, bytes, s.reader.mode(Pinning::Free))
        {
            // All bytes so far belong to the frame, which is longer than they are.
            if self.begin_frame(s, frame, Some(rest), bytes, now) {
                return bytes.len();
            }
            s.reader.input.stand_alone();
            return 0;
        }
        self.head_began(s, now);
        await_more(&mut s.reader.input, framing, bytes);
        0
    }

    /// Begins an exchange, perhaps before all of its frame has come. Returns false where it must wait, because it may not share
    /// the link of those before it.
    fn begin_frame(
        self: &Rc<Self>,
        s: &mut ClientParts,
        frame: Frame,
        rest: Option<Rest>,
        bytes: &[u8],
        now: Nanos,
    ) -> bool {
        // All in flight share one link, on which this frame may not join them.
        if s.exchanges.in_flight() > 0 && want(frame) != Sharing::Shared {
            return false;
        }
        self.count_begun(s);
        s.exchanges.begin(LastBegun::Frame { patient: frame.need == Need::Patient });
        let rest = rest.filter(|_| frame.pinning == Pinning::Free);
        let spoken = s.reader.dialect();
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
            began: s.reader.began(now),
            replayed: false,
            open_ended: frame.pinning != Pinning::Free || rest.is_some(),
            source: self.source(s).into(),
            expects: false,
            dialect: frame.speaks.unwrap_or(spoken),
            greets: frame.speaks.is_some_and(|dialect| dialect != spoken),
        };
        // The proxy answers such a frame itself, and no link hears of it.
        if let Need::Here { answer, close } = frame.need {
            s.reader.speaks(request.dialect);
            self.answer_here(s, &request, answer, close);
            return true;
        }
        if frame.pinning != Pinning::Free {
            self.keep_link(s, frame.pinning, now);
        }
        if let Some(rest) = rest {
            s.reader.frame_goes_on(rest, Pinning::Free, now);
            self.rearm(s);
        }
        // The name that a HELLO may give is left out: it would stay with the link, and stand for the clients that use it next.
        let bytes = frame.speaks.map_or(bytes, |dialect| framing::greeting(dialect));
        self.put_on_link(s, request.into(), bytes);
        true
    }

    /// Passes on more of a long frame as it comes. Returns the number of bytes read.
    pub(super) fn read_rest(self: &Rc<Self>, s: &mut ClientParts, bytes: &[u8], now: Nanos) -> usize {
        let must_wait = s.exchanges.must_wait();
        let Phase::Frame { rest, pinning } = s.reader.phase_mut() else { return 0 };
        // The link takes no more now, or has yet to be found.
        if must_wait {
            return 0;
        }
        let pinning = *pinning;
        match rest.read(bytes) {
            Ok((len, done)) => {
                if let Some(link) = s.exchanges.link() {
                    link.send_data(&bytes[..len], (done && pinning == Pinning::Free).then_some(b""));
                }
                s.reader.touch(now);
                if done {
                    s.reader.hold(pinning, now);
                }
                len
            }
            Err(why) => {
                self.abort_body(s, cause(why));
                bytes.len()
            }
        }
    }

    /// Gives an answer of the proxy's own. All answers before it have been given.
    fn answer_here(self: &Rc<Self>, s: &mut ClientParts, request: &Exchange, answer: &[u8], close: bool) {
        self.send(s, answer, &[]);
        self.count_answer(s, Some(request), ANSWERED, None, 0);
        self.become_idle(s);
        if close {
            s.reader.finish();
            s.close = Some(ClientClose::ServerClose);
            self.conn.wake();
        }
    }

    /// Notes that the client keeps its link from now on, perhaps for another reason than before.
    fn keep_link(&self, s: &mut ClientParts, pinning: Pinning, now: Nanos) {
        s.reader.hold(pinning, now);
        s.reader.touch(now);
        self.rearm(s);
    }

    /// Passes bytes on, unread, to the link that the client keeps for good.
    pub(super) fn read_pinned(self: &Rc<Self>, s: &mut ClientParts, bytes: &[u8], now: Nanos) -> usize {
        let Some(link) = s.exchanges.link() else {
            // Without a link, and with none to come, the exchange has ended: the bytes have no use.
            return if s.exchanges.is_off_link() { 0 } else { bytes.len() };
        };
        if link.is_full() {
            return 0;
        }
        link.send_data(bytes, None);
        s.reader.touch(now);
        bytes.len()
    }

    /// Sends the next frame of a conversation to the link that carries it. Returns the number of bytes read.
    pub(super) fn read_talk(
        self: &Rc<Self>,
        s: &mut ClientParts,
        pinning: Pinning,
        bytes: &[u8],
        now: Nanos,
    ) -> usize {
        let destination = s.route.destination().clone();
        let (Some(link), Some(framing)) = (s.exchanges.link().cloned(), &destination.listener.framing) else {
            return if s.exchanges.is_off_link() { 0 } else { bytes.len() };
        };
        if link.is_full() {
            return 0;
        }
        s.reader.touch(now);
        match framing::request(framing, bytes, s.reader.mode(pinning)) {
            Ok(Some(Frame { need: Need::Here { .. }, len, .. })) => len, // an empty frame has no answer
            Ok(Some(frame)) => {
                link.append_frame(&bytes[..frame.len], kind(frame), frame.pinning == Pinning::Free);
                // The dialect counts for the link at once, and for the client when the member has agreed.
                if let Some(dialect) = frame.speaks {
                    link.turns_to(dialect);
                }
                match frame.pinning {
                    Pinning::Free => s.reader.hold(Pinning::Free, now),
                    pinning => self.keep_link(s, pinning, now),
                }
                frame.len
            }
            // The frame is too long to be kept: it goes on its way in parts.
            Ok(None) if bytes.len() >= framing::kept(framing) => {
                let Some((frame, rest)) = framing::long(framing, bytes, s.reader.mode(pinning)) else {
                    return 0;
                };
                link.append_frame(bytes, kind(frame), false);
                match frame.pinning {
                    Pinning::Forever => self.keep_link(s, frame.pinning, now),
                    pinning => {
                        s.reader.frame_goes_on(rest, pinning, now);
                        self.rearm(s);
                    }
                }
                bytes.len()
            }
            Ok(None) => {
                await_more(&mut s.reader.input, framing, bytes);
                0
            }
            Err(why) => {
                self.abort_body(s, cause(why));
                bytes.len()
            }
        }
    }
}

/// Notes that a frame is not whole, and when reading it again is worth while.
fn await_more(input: &mut Input, framing: &Framing, bytes: &[u8]) {
    let reread = framing::reread(framing, bytes);
    let least = match reread {
        Reread::Never => framing::least(framing, bytes),
        // Nobody can tell in advance where a line ends.
        _ => Reread::least(bytes.len(), framing.max_length),
    };
    input.await_more(least.min(framing::kept(framing).max(bytes.len() + 1)), reread);
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
