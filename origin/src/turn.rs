//! One turn of a connection: what it works with, how it answers, and what becomes of the connection then.

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

/// What the connection waits for. Answers made so far are written first, whatever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// More bytes from the client, behind those left in the input.
    Read,
    /// The answers to be written.
    Write,
    /// This instant.
    Sleep(Instant),
    /// Nothing: an orderly close (RFC 9112 section 9.6).
    Close,
    /// Nothing: a close at once.
    Drop,
    /// Nothing: a close by RST.
    Reset,
    /// The client to give up; what it sends is of no account.
    Ignore,
}

/// What a request's work leads to.
pub(crate) enum Outcome {
    /// The answer is complete and the connection stays.
    Answered,
    /// The answer's head is out and its body is to be sent.
    Sending(Sending, Reply),
    /// The connection is no longer HTTP.
    Talking(Talk),
    /// No more requests are served.
    Over(Next),
}

/// A member as one worker serves it.
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

/// What a turn works with: where answers go, who gives them, what time it is.
pub(crate) struct Turn<'t> {
    pub(crate) out: &'t mut Vec<u8>,
    pub(crate) member: &'t mut Member,
    pub(crate) now: Now,
}

impl Turn<'_> {
    /// Counts a complete answer; the connection goes on, or ends where the answer said so.
    pub(crate) fn answered(&self, reply: Reply) -> Outcome {
        self.member.traffic.answered();
        Self::done(reply)
    }

    /// The end of an answer, counted or not.
    pub(crate) fn done(reply: Reply) -> Outcome {
        if reply.close { Outcome::Over(Next::Close) } else { Outcome::Answered }
    }

    /// Answers with a head and all of its body.
    pub(crate) fn whole(&mut self, reply: Reply, status: u16, kind: &str, body: &[u8]) -> Outcome {
        self.member.answers.whole(self.out, reply, status, kind, body);
        self.answered(reply)
    }

    /// Answers with words and more fields: lines, each with its CRLF.
    pub(crate) fn words(&mut self, reply: Reply, status: u16, fields: &str, body: &str) -> Outcome {
        self.member.answers.words(self.out, reply, status, fields, body);
        self.answered(reply)
    }

    /// Answers with a head behind which the connection is no longer HTTP.
    pub(crate) fn switch(&mut self, status: u16, fields: &str, talk: Talk) -> Outcome {
        self.member.answers.switch(self.out, status, fields);
        self.member.traffic.answered();
        Outcome::Talking(talk)
    }

    /// The answer to what cannot be served; nothing behind it can be trusted to be a request.
    pub(crate) fn refuse(&mut self, reject: Reject, head_only: bool) -> Outcome {
        let reply = Reply { head_only, close: true, old: false };
        self.whole(reply, reject.status, TEXT, format!("{}\n", reject.reason).as_bytes())
    }

    /// Answers with a head, and a body that is made while it is sent.
    pub(crate) fn stream(&mut self, reply: Reply, extent: Extent, body: Sending) -> Outcome {
        self.member.answers.head(self.out, reply, 200, BINARY, extent);
        if reply.head_only { self.answered(reply) } else { Outcome::Sending(body, reply) }
    }
}
