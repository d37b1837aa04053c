//! Does the work of one request: takes the content in, and gives the response at its end.

use std::net::SocketAddr;
use std::time::Duration;

use crate::answer::{BINARY, Extent, HTML, JSON, Reply, TEXT};
use crate::arithmetic::{self, Operation};
use crate::echo;
use crate::fnv::Fnv1a;
use crate::head::{Framing, Head, Reject};
use crate::login::Verdict;
use crate::pattern;
use crate::routes::{Fault, Route};
use crate::sending::{self, Sending};
use crate::turn::{Next, Outcome, Turn};
use crate::upgrade::Switch;

/// The length in bytes of the longest body for `/add` and the like.
const LONGEST_ARGUMENTS: usize = 64 * 1024;
/// The length in bytes that `/fault/partial` promises.
const PROMISED: u64 = 1000;

/// The work of one request while its body arrives.
pub(crate) enum Work {
    /// The body is ignored.
    Plain(Route),
    /// The answer is known, and the body is ignored.
    Known(&'static str, Vec<u8>),
    /// The switch is known, and the body is ignored.
    Switch(Switch),
    Login(Verdict),
    /// The trailers so far, one line each.
    Trailers(Vec<Vec<u8>>),
    Compute(Operation, Vec<u8>),
    Mirror(Mirror),
}

impl Work {
    pub(crate) fn new(route: Route, head: &Head<'_, '_>, source: Option<SocketAddr>) -> Self {
        match route {
            Route::Echo => Self::Known(JSON, echo::request(head, source)),
            Route::Head => Self::Known(TEXT, head.bytes.to_vec()),
            Route::Switch(offer) => Self::Switch(Switch::decide(offer, head)),
            Route::TrailersBack => Self::Trailers(Vec::new()),
            Route::Compute(operation) => Self::Compute(operation, Vec::new()),
            Route::Mirror => Self::Mirror(Mirror::new(head)),
            route => Self::Plain(route),
        }
    }

    /// Takes a piece of the request's content.
    pub(crate) fn take(&mut self, piece: &[u8], reply: Reply, turn: &mut Turn<'_>) -> Result<(), Reject> {
        match self {
            Self::Plain(_) | Self::Known(..) | Self::Switch(_) | Self::Login(_) | Self::Trailers(_) => {}
            Self::Mirror(mirror) => mirror.take(piece, reply, turn),
            Self::Compute(_, body) if body.len() + piece.len() > LONGEST_ARGUMENTS => {
                return Err(Reject { status: 413, reason: "too long for two numbers" });
            }
            Self::Compute(_, body) => body.extend_from_slice(piece),
        }
        Ok(())
    }

    /// Takes a line of the request's trailers.
    pub(crate) fn take_trailer(&mut self, line: &[u8]) -> Result<(), Reject> {
        let Self::Trailers(lines) = self else { return Ok(()) };
        if !line.contains(&b':') {
            return Err(Reject::bad("malformed trailer"));
        }
        lines.push(line.to_vec());
        Ok(())
    }

    /// Returns how much longer than usual the work takes; `None` for the counters, which take no work.
    pub(crate) fn delay(&self) -> Option<Duration> {
        match self {
            Self::Plain(Route::Stats) => None,
            Self::Plain(Route::Delay(millis)) => Some(Duration::from_millis(*millis)),
            _ => Some(Duration::ZERO),
        }
    }

    /// Finishes the work after the body.
    pub(crate) fn finish(self, reply: Reply, turn: &mut Turn<'_>) -> Outcome {
        match self {
            Self::Plain(route) => answer(route, reply, turn),
            Self::Known(kind, body) => turn.whole(reply, 200, kind, &body),
            Self::Switch(switch) => switch.finish(reply, turn),
            Self::Login(verdict) => login(verdict, reply, turn),
            Self::Trailers(lines) => turn.whole(reply, 200, JSON, &echo::trailers(&lines)),
            Self::Mirror(mirror) => mirror.finish(reply, turn),
            Self::Compute(operation, body) => match arithmetic::compute(operation, &body) {
                Ok(json) => turn.whole(reply, 200, JSON, &json),
                Err(reason) => turn.whole(reply, 400, TEXT, format!("{reason}\n").as_bytes()),
            },
        }
    }

    /// Ends the work because of a malformed body: with an error answer, unless another answer has begun.
    pub(crate) fn break_off(self, reject: Reject, reply: Reply, turn: &mut Turn<'_>) -> Outcome {
        match self {
            Self::Mirror(Mirror { begun: true, .. }) => Outcome::Over(Next::Close),
            _ => turn.refuse(reject, reply.head_only),
        }
    }
}

fn answer(route: Route, reply: Reply, turn: &mut Turn<'_>) -> Outcome {
    let closing = Reply { close: true, ..reply };
    match route {
        Route::Ready(ready) => {
            turn.member.answers.ready(turn.out, reply, ready);
            turn.answered(reply)
        }
        Route::Bytes(length) => turn.stream(reply, Extent::Length(length), Sending::plain(length)),
        // A client of HTTP/1.0 must never get chunks (RFC 9112 section 6.1).
        Route::Chunked(length) if !reply.old => turn.stream(reply, Extent::Chunked, Sending::chunked(length)),
        Route::UntilClose(length) | Route::Chunked(length) => {
            turn.stream(closing, Extent::Close, Sending::plain(length))
        }
        Route::Delay(millis) => {
            turn.whole(reply, 200, JSON, format!("{{\"delayed_ms\":{millis}}}").as_bytes())
        }
        Route::Status(status) => status_only(status, reply, turn),
        Route::Close => turn.whole(closing, 200, TEXT, b"closing\n"),
        Route::Stats => stats(reply, turn),
        Route::Surplus => {
            let state = turn.whole(reply, 200, TEXT, b"an answer\n");
            turn.out.extend_from_slice(b"and some surplus");
            state
        }
        Route::CloseAfter(_) => turn.whole(reply, 200, TEXT, b"not yet\n"),
        // 405 must have `Allow` (RFC 9110 section 15.5.6).
        Route::NotAllowed(allow) => {
            turn.words(reply, 405, &format!("Allow: {allow}\r\n"), "method not allowed\n")
        }
        Route::Page => turn.whole(reply, 200, HTML, include_bytes!("websocket.html")),
        Route::Trailers => trailers(reply, turn),
        Route::Early => early(reply, turn),
        Route::Old => {
            turn.member.answers.old(turn.out, reply, "in HTTP/1.0, until the connection ends\n");
            turn.answered(closing)
        }
        Route::Undated => {
            turn.member.answers.undated(turn.out, reply, "without a date\n");
            turn.answered(reply)
        }
        Route::Senseless(reason) => turn.whole(reply, 400, TEXT, format!("{reason}\n").as_bytes()),
        // All but the first have Work of their own or become a delay, so that they never reach this line.
        Route::NotFound
        | Route::Echo
        | Route::Mirror
        | Route::Head
        | Route::Login
        | Route::Switch(_)
        | Route::TrailersBack
        | Route::Compute(_)
        | Route::Fault(_)
        | Route::Mixed(_) => turn.whole(reply, 404, TEXT, b"no such route\n"),
    }
}

/// Carries out a fault.
pub(crate) fn fault(fault: Fault, reply: Reply, turn: &mut Turn<'_>) -> Outcome {
    Outcome::Over(match fault {
        Fault::Close => Next::Drop,
        Fault::Reset => Next::Reset,
        Fault::Never => Next::Ignore,
        Fault::Garbage => {
            turn.out.extend_from_slice(b"\x00this is not HTTP\n\n");
            Next::Drop
        }
        Fault::Partial(count) => {
            turn.member.answers.head(turn.out, reply, 200, BINARY, Extent::Length(PROMISED));
            pattern::append(turn.out, 0, count.min(PROMISED - 1));
            Next::Drop
        }
    })
}

/// Answers with a status. 204 and 304 have no body (RFC 9110 sections 15.3.5 and 15.4.5).
fn status_only(status: u16, reply: Reply, turn: &mut Turn<'_>) -> Outcome {
    if matches!(status, 204 | 304) {
        turn.member.answers.head(turn.out, reply, status, TEXT, Extent::None);
        return turn.answered(reply);
    }
    // 205 has a body of length 0 (RFC 9110 section 15.3.6).
    let body = if status == 205 { String::new() } else { format!("{{\"status\":{status}}}") };
    turn.whole(reply, status, JSON, body.as_bytes())
}

/// The content of `/trailers`, by chunk.
const PARTS: [&str; 2] = ["a body in two chunks, ", "and trailers behind it\n"];

/// Answers with trailers: an announced field with the hash of the content, and another that occurs twice.
fn trailers(reply: Reply, turn: &mut Turn<'_>) -> Outcome {
    // Trailers need chunks (RFC 9112 section 7.1.2), and HTTP/1.0 has none.
    if reply.old {
        return turn.whole(reply, 200, TEXT, PARTS.concat().as_bytes());
    }
    turn.member.answers.chunked(turn.out, reply, "Trailer: X-Fnv, X-Part\r\n");
    if reply.head_only {
        return turn.answered(reply);
    }
    let mut hash = Fnv1a::default();
    for part in PARTS {
        hash.update(part.as_bytes());
        sending::chunk(turn.out, part.len() as u64, |out| out.extend_from_slice(part.as_bytes()));
    }
    let end = format!("0\r\nX-Fnv: {:016x}\r\nX-Part: one\r\nX-Part: two\r\n\r\n", hash.value());
    turn.out.extend_from_slice(end.as_bytes());
    turn.answered(reply)
}

/// Sends an interim answer first (RFC 8297). HTTP/1.0 has none (RFC 9110 section 15.2).
fn early(reply: Reply, turn: &mut Turn<'_>) -> Outcome {
    if !reply.old {
        let hints = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload; as=style\r\n\r\n";
        turn.out.extend_from_slice(hints);
    }
    turn.whole(reply, 200, TEXT, b"after the early hints\n")
}

fn login(verdict: Verdict, reply: Reply, turn: &mut Turn<'_>) -> Outcome {
    match verdict {
        Verdict::Inside(user) => turn.whole(reply, 200, TEXT, format!("{user}\n").as_bytes()),
        Verdict::Challenged(challenge) => {
            turn.words(reply, 401, &format!("WWW-Authenticate: NTLM {challenge}\r\n"), "and now?\n")
        }
        Verdict::Outside => turn.words(reply, 401, "WWW-Authenticate: NTLM\r\n", "who are you?\n"),
    }
}

/// Answers with the counters, which the request itself changes only by its bytes.
fn stats(reply: Reply, turn: &mut Turn<'_>) -> Outcome {
    let json = echo::stats(&turn.member.board.stats());
    turn.member.answers.whole(turn.out, reply, 200, JSON, &json);
    Turn::done(reply)
}

/// Sends a request's body back while it arrives, with the same framing.
pub(crate) struct Mirror {
    kind: String,
    framing: Framing,
    begun: bool,
}

impl Mirror {
    fn new(head: &Head<'_, '_>) -> Self {
        let kind = head.fields.iter().find(|field| field.name.eq_ignore_ascii_case("content-type"));
        let kind = kind.and_then(|field| str::from_utf8(field.value).ok()).unwrap_or(BINARY);
        Self { kind: kind.to_owned(), framing: head.framing, begun: false }
    }

    /// Writes the head with the first content, so that a malformed body can still be answered.
    fn begin(&mut self, reply: Reply, turn: &mut Turn<'_>) {
        if self.begun {
            return;
        }
        self.begun = true;
        let extent = match self.framing {
            Framing::Length(length) => Extent::Length(length),
            Framing::Chunked => Extent::Chunked,
        };
        turn.member.answers.head(turn.out, reply, 200, &self.kind, extent);
    }

    fn take(&mut self, piece: &[u8], reply: Reply, turn: &mut Turn<'_>) {
        self.begin(reply, turn);
        match self.framing {
            Framing::Length(_) => turn.out.extend_from_slice(piece),
            Framing::Chunked => {
                sending::chunk(turn.out, piece.len() as u64, |out| out.extend_from_slice(piece));
            }
        }
    }

    fn finish(mut self, reply: Reply, turn: &mut Turn<'_>) -> Outcome {
        self.begin(reply, turn);
        if self.framing == Framing::Chunked {
            turn.out.extend_from_slice(sending::LAST_CHUNK);
        }
        turn.answered(reply)
    }
}
