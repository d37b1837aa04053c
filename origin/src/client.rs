//! One client's connection as a machine: requests in, answers out, in order.

use std::mem::{self, MaybeUninit};
use std::net::SocketAddr;
use std::time::Instant;

use crate::answer::{Reply, TEXT};
use crate::body::{Body, Piece};
use crate::head::{self, Framing};
use crate::login::Login;
use crate::routes::{self, Route};
use crate::sending::Sending;
use crate::talk::Talk;
use crate::turn::{Next, Outcome, Turn};
use crate::work::{self, Work};

/// With so many bytes of answers at hand no more are made until these are written.
const HIGH_WATER: usize = 64 * 1024;

/// Where the connection stands:
///
/// ```text
/// Head ──▶ Upload ──▶ Working ──▶ Sending ──▶ Head        (each but Head may be skipped)
///   │                    └──▶ Talking
///   └──▶ Over ◀── any
/// ```
enum State {
    /// A head is to come.
    Head,
    /// A request's body arrives.
    Upload(Box<Upload>),
    /// The request is here, and the work at it takes until then.
    Working { until: Instant, work: Box<Work>, reply: Reply },
    /// An answer's body is sent.
    Sending(Sending, Reply),
    /// What comes is no longer HTTP.
    Talking(Talk),
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
            Outcome::Sending(body, reply) => Self::Sending(body, reply),
            Outcome::Talking(talk) => Self::Talking(talk),
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
    login: Login,
    state: State,
    /// When the work before ended, if the next request had been read by then. Its own work counts from here, so that
    /// a late wake-up does not make the member slower than it is meant to be.
    ended: Option<Instant>,
}

impl Client {
    pub(crate) fn new(source: Option<SocketAddr>) -> Self {
        Self { source, requests: 0, login: Login::default(), state: State::Head, ended: None }
    }

    /// Goes as far as the input, the output and the time allow. What it leaves of the input belongs in front
    /// of what is read next.
    pub(crate) fn advance(&mut self, input: &mut &[u8], turn: &mut Turn<'_>) -> Next {
        turn.member.answers.refresh(turn.now.unix_seconds);
        loop {
            if turn.out.len() >= HIGH_WATER {
                self.ended = None;
                return Next::Write;
            }
            let (state, next) = match mem::replace(&mut self.state, State::Head) {
                State::Head => self.head(input, turn),
                State::Upload(upload) => self.upload(upload, input, turn),
                State::Working { until, work, reply } if until > turn.now.instant => {
                    (State::Working { until, work, reply }, Some(Next::Sleep(until)))
                }
                State::Working { work, reply, .. } => (work.finish(reply, turn).into(), None),
                State::Sending(body, reply) => (sending(body, reply, turn), None),
                State::Talking(talk) => talking(talk, input, turn),
                State::Over(end) => (State::Over(end), Some(end)),
            };
            self.state = state;
            if let Some(next) = next {
                if next == Next::Read {
                    self.ended = None;
                }
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
        *input = &input[head.bytes.len()..];
        self.requests += 1;
        let reply = Reply { head_only: head.method == "HEAD", close: !head.keep_alive, old: head.old };
        let work = match self.route(head.method, head.target) {
            Route::Fault(fault) => return (work::fault(fault, reply, turn).into(), None),
            Route::CloseAfter(count) if self.requests >= count => return (State::Over(Next::Drop), None),
            Route::Mixed(mixture) => Work::Plain(Route::Delay(turn.member.service.lot(mixture))),
            Route::Login => Work::Login(self.login.hear(head.field("authorization"))),
            route => Work::new(route, &head, self.source),
        };
        if head.framing == Framing::Length(0) {
            return (self.work(work, reply, turn), None);
        }
        if head.waits && input.is_empty() {
            turn.out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        (State::Upload(Box::new(Upload { body: head.framing.into(), work, reply })), None)
    }

    /// Who has logged in on this connection is told so, whatever they ask for.
    fn route(&self, method: &str, target: &str) -> Route {
        if self.login.is_inside() { Route::Login } else { routes::route(method, target) }
    }

    /// A body arrives.
    fn upload(&mut self, mut upload: Box<Upload>, input: &mut &[u8], turn: &mut Turn<'_>) -> Step {
        let taken = match upload.body.next(input) {
            Ok(Piece::NeedMore) => return (State::Upload(upload), Some(Next::Read)),
            Ok(Piece::End) => return (self.work(upload.work, upload.reply, turn), None),
            Ok(Piece::Content(piece)) => upload.work.take(piece, upload.reply, turn),
            Ok(Piece::Trailer(line)) => upload.work.take_trailer(line),
            Err(reject) => Err(reject),
        };
        match taken {
            Ok(()) => (State::Upload(upload), None),
            Err(reject) => (upload.work.break_off(reject, upload.reply, turn).into(), None),
        }
    }

    /// All of the request is here: it is answered when the work at it has ended.
    fn work(&mut self, work: Work, reply: Reply, turn: &mut Turn<'_>) -> State {
        let Some(delay) = work.delay() else { return work.finish(reply, turn).into() };
        let from = self.ended.unwrap_or(turn.now.instant);
        let Some(until) = turn.member.service.ends(from, delay) else {
            return turn.whole(reply, 400, TEXT, b"longer than the clock runs\n").into();
        };
        self.ended = Some(until);
        if until > turn.now.instant {
            return State::Working { until, work: Box::new(work), reply };
        }
        work.finish(reply, turn).into()
    }
}

fn sending(mut body: Sending, reply: Reply, turn: &mut Turn<'_>) -> State {
    if body.step(turn.out) { turn.answered(reply).into() } else { State::Sending(body, reply) }
}

/// What was said first is sent first: the answer that the talk began with, and what the talk says.
fn talking(mut talk: Talk, input: &mut &[u8], turn: &mut Turn<'_>) -> Step {
    match talk.hear(input, turn.out) {
        Next::Read => (State::Talking(talk), Some(Next::Read)),
        end => (State::Over(end), Some(end)),
    }
}
