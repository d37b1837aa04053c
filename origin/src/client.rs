//! Serves one client's HTTP connection as a state machine: requests go in, answers come out in order.

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

/// The number of pending answer bytes from which no more answers are made until they are written.
const HIGH_WATER: usize = 64 * 1024;

/// The state of the connection:
///
/// ```text
/// Head ──▶ Upload ──▶ Working ──▶ Sending ──▶ Head        (each but Head may be skipped)
///   │                    └──▶ Talking
///   └──▶ Over ◀── any
/// ```
enum State {
    /// The next head is awaited.
    Head,
    /// The body of a request arrives.
    Upload(Box<Upload>),
    /// The request is complete, and its work takes until this time.
    Working { until: Instant, work: Box<Work>, reply: Reply },
    /// The body of an answer is being sent.
    Sending(Sending, Reply),
    /// The connection is no longer HTTP.
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

/// A state and what it waits for; `None` proceeds at once.
type Step = (State, Option<Next>);

/// The state machine of one connection.
pub(crate) struct Client {
    source: Option<SocketAddr>,
    requests: u64,
    login: Login,
    state: State,
    /// The time at which the previous work ended, if the next request had been read by then. Its work counts
    /// from this time, so that a late wake-up does not make the member slower than configured.
    ended: Option<Instant>,
}

impl Client {
    pub(crate) fn new(source: Option<SocketAddr>) -> Self {
        Self { source, requests: 0, login: Login::default(), state: State::Head, ended: None }
    }

    /// Proceeds as far as input, output and time allow. The caller puts the rest of the input before the next
    /// bytes.
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

    /// Returns the route of a request. After a login on this connection, every request gets its answer from
    /// the login.
    fn route(&self, method: &str, target: &str) -> Route {
        if self.login.is_inside() { Route::Login } else { routes::route(method, target) }
    }

    /// Takes the body of a request.
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

    /// Begins the work of a complete request, which is answered at the end of that work.
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

/// Continues a connection that is no longer HTTP, and sends output in order: first the answer that switched
/// protocols.
fn talking(mut talk: Talk, input: &mut &[u8], turn: &mut Turn<'_>) -> Step {
    match talk.hear(input, turn.out) {
        Next::Read => (State::Talking(talk), Some(Next::Read)),
        end => (State::Over(end), Some(end)),
    }
}
