//! One client's connection as a machine: requests in, answers out, in order.
//! In go the bytes that arrived and the time; out come answers and what the connection waits for next.
//! It knows nothing of sockets, threads and runtimes.

use std::mem::{self, MaybeUninit};
use std::net::SocketAddr;
use std::time::Instant;

use crate::answer::Reply;
use crate::body::{Body, Piece};
use crate::head::{self, Framing};
use crate::routes::{self, Route};
use crate::sending::Sending;
use crate::turn::{Next, Outcome, Turn};
use crate::work::{self, Work};

/// With so many bytes of answers at hand no more are made until these are written.
const HIGH_WATER: usize = 64 * 1024;

/// Where the connection stands:
///
/// ```text
/// Head ──▶ Upload ──▶ Delayed ──▶ Head        (each but Head may be skipped)
///   │         └─────▶ Sending ──▶ Head
///   └──▶ Over ◀── any
/// ```
enum State {
    /// A head is to come.
    Head,
    /// A request's body arrives.
    Upload(Box<Upload>),
    /// An answer is held back.
    Delayed { until: Instant, millis: u64, reply: Reply },
    /// An answer's body is sent.
    Sending(Sending, Reply),
    /// No more requests are served.
    Over(Next),
}

struct Upload {
    body: Body,
    work: Work,
    reply: Reply,
}

impl From<Outcome> for State {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Answered => Self::Head,
            Outcome::Delayed { until, millis, reply } => Self::Delayed { until, millis, reply },
            Outcome::Sending(body, reply) => Self::Sending(body, reply),
            Outcome::Over(next) => Self::Over(next),
        }
    }
}

/// A state, and what to wait for in it; `None` goes on at once.
type Step = (State, Option<Next>);

/// The machine of one connection.
pub(crate) struct Client {
    source: Option<SocketAddr>,
    requests: u64,
    state: State,
}

impl Client {
    pub(crate) fn new(source: Option<SocketAddr>) -> Self {
        Self { source, requests: 0, state: State::Head }
    }

    /// Goes as far as the input, the output and the time allow. What it leaves of the input belongs in front
    /// of what is read next.
    pub(crate) fn advance(&mut self, input: &mut &[u8], turn: &mut Turn<'_>) -> Next {
        turn.member.answers.refresh(turn.now.unix_seconds);
        loop {
            if turn.out.len() >= HIGH_WATER {
                return Next::Write;
            }
            let (state, next) = match mem::replace(&mut self.state, State::Head) {
                State::Head => self.head(input, turn),
                State::Upload(upload) => upload.step(input, turn),
                State::Delayed { until, millis, reply } if until > turn.now.instant => {
                    (State::Delayed { until, millis, reply }, Some(Next::Sleep(until)))
                }
                State::Delayed { millis, reply, .. } => (work::delayed(millis, reply, turn).into(), None),
                State::Sending(body, reply) => (sending(body, reply, turn), None),
                State::Over(end) => (State::Over(end), Some(end)),
            };
            self.state = state;
            if let Some(next) = next {
                return next;
            }
        }
    }

    fn head(&mut self, input: &mut &[u8], turn: &mut Turn<'_>) -> Step {
        if input.is_empty() {
            return (State::Head, Some(Next::Read));
        }
        let mut room = [const { MaybeUninit::uninit() }; 100];
        let head = match head::parse(input, &mut room) {
            Ok(Some(head)) => head,
            Ok(None) => return (State::Head, Some(Next::Read)),
            Err(reject) => return (turn.refuse(reject, false).into(), None),
        };
        *input = &input[head.length..];
        self.requests += 1;
        let reply = Reply { head_only: head.method == "HEAD", close: !head.keep_alive, old: head.old };
        let work = match routes::route(head.method, head.target) {
            Route::Fault(fault) => return (work::fault(fault, reply, turn).into(), None),
            Route::CloseAfter(count) if self.requests >= count => return (State::Over(Next::Drop), None),
            route => Work::new(route, &head, self.source),
        };
        if head.framing == Framing::Length(0) {
            return (work.finish(reply, turn).into(), None);
        }
        if head.waits && input.is_empty() {
            turn.out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        (State::Upload(Box::new(Upload { body: head.framing.into(), work, reply })), None)
    }
}

fn sending(mut body: Sending, reply: Reply, turn: &mut Turn<'_>) -> State {
    if body.step(turn.out) { turn.answered(reply).into() } else { State::Sending(body, reply) }
}

impl Upload {
    fn step(mut self: Box<Self>, input: &mut &[u8], turn: &mut Turn<'_>) -> Step {
        let taken = match self.body.next(input) {
            Ok(Piece::NeedMore) => return (State::Upload(self), Some(Next::Read)),
            Ok(Piece::End) => return (self.work.finish(self.reply, turn).into(), None),
            Ok(Piece::Content(piece)) => self.work.take(piece, self.reply, turn),
            Err(reject) => Err(reject),
        };
        match taken {
            Ok(()) => (State::Upload(self), None),
            Err(reject) => (self.work.break_off(reject, self.reply, turn).into(), None),
        }
    }
}
