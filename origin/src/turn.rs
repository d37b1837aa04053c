//! Defines one turn of a connection: its environment, its output, and the fate of the connection afterwards.

use std::sync::Arc;
use std::time::Instant;

use crate::answer::{Answers, BINARY, Extent, Reply, TEXT};
use crate::clock::Now;
use crate::doors::Manner;
use crate::head::Reject;
use crate::register::Register;
use crate::sending::Sending;
use crate::service::Service;
use crate::stats::{Board, Traffic};
use crate::talk::Talk;

/// The event that the connection waits for. Answers so far are written first in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// More bytes from the client, after those left in the input.
    Read,
    /// The end of writing the answers.
    Write,
    /// This time.
    Sleep(Instant),
    /// No event; the connection closes in order (RFC 9112 section 9.6).
    Close,
    /// No event; the connection closes at once.
    Drop,
    /// No event; the connection is reset.
    Reset,
    /// The end of the client; anything it sends is ignored.
    Ignore,
}

/// The result of a request's work.
pub(crate) enum Outcome {
    /// The answer is complete, and the connection stays open.
    Answered,
    /// The head has been written, and the body is to be sent.
    Sending(Sending, Reply),
    /// The connection is no longer HTTP.
    Talking(Talk),
    /// No more requests are served.
    Over(Next),
}

/// A member on one worker.
pub(crate) struct Member {
    pub(crate) answers: Answers,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) board: Arc<Board>,
    pub(crate) register: Arc<Register>,
    pub(crate) manner: Manner,
    pub(crate) service: Arc<Service>,
}

impl Member {
    pub(crate) fn new(
        name: &str,
        manner: Manner,
        service: &Arc<Service>,
        board: &Arc<Board>,
        listener: usize,
        worker: usize,
    ) -> Self {
        Self {
            answers: Answers::new(name, Now::read().unix_seconds),
            traffic: board.traffic(listener, worker),
            board: Arc::clone(board),
            register: board.register(listener),
            manner,
            service: Arc::clone(service),
        }
    }
}

/// The environment of a turn: the output, the member, and the time.
pub(crate) struct Turn<'t> {
    pub(crate) out: &'t mut Vec<u8>,
    pub(crate) member: &'t mut Member,
    pub(crate) now: Now,
}

impl Turn<'_> {
    /// Counts a complete answer. The connection continues unless the answer said otherwise.
    pub(crate) fn answered(&self, reply: Reply) -> Outcome {
        self.member.traffic.answered();
        Self::done(reply)
    }

    /// Ends an answer without counting it.
    pub(crate) fn done(reply: Reply) -> Outcome {
        if reply.close { Outcome::Over(Next::Close) } else { Outcome::Answered }
    }

    /// Writes an answer with its whole body.
    pub(crate) fn whole(&mut self, reply: Reply, status: u16, kind: &str, body: &[u8]) -> Outcome {
        self.member.answers.whole(self.out, reply, status, kind, body);
        self.answered(reply)
    }

    /// Writes an answer of text with additional fields: lines, each with its CRLF.
    pub(crate) fn words(&mut self, reply: Reply, status: u16, fields: &str, body: &str) -> Outcome {
        self.member.answers.words(self.out, reply, status, fields, body);
        self.answered(reply)
    }

    /// Writes a head after which the connection is no longer HTTP.
    pub(crate) fn switch(&mut self, status: u16, fields: &str, talk: Talk) -> Outcome {
        self.member.answers.switch(self.out, status, fields);
        self.member.traffic.answered();
        Outcome::Talking(talk)
    }

    /// Writes the answer to a request that cannot be served. Nothing after it can be trusted to be a request.
    pub(crate) fn refuse(&mut self, reject: Reject, head_only: bool) -> Outcome {
        let reply = Reply { head_only, close: true, old: false };
        self.whole(reply, reject.status, TEXT, format!("{}\n", reject.reason).as_bytes())
    }

    /// Writes a head, and lets the body be generated while it is sent.
    pub(crate) fn stream(&mut self, reply: Reply, extent: Extent, body: Sending) -> Outcome {
        self.member.answers.head(self.out, reply, 200, BINARY, extent);
        if reply.head_only { self.answered(reply) } else { Outcome::Sending(body, reply) }
    }
}
