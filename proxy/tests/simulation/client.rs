//! One client: its exchanges in the order in which it asked, and what it got of the present response.
//!
//! It keeps the order of `client/respond.rs` and `client/poll.rs`, and panics where a response is not its own, whole and in order.

mod checks;

use std::collections::VecDeque;

use penstock::cause::Cause;
use penstock::config::Framing;
use penstock::link::{AnswerEnd, Exchange};
use penstock::proto::framing::Pinning;
use penstock::proto::http1::ResponseWriter;

use crate::ledger::{Ledger, Outcome};

/// Who awaits an answer: the client's place, its life, the exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ticket {
    pub(crate) client: usize,
    pub(crate) life: u32,
    pub(crate) id: u64,
}

impl Ticket {
    /// Whether both are of one client.
    pub(crate) fn same(&self, other: &Self) -> bool {
        (self.client, self.life) == (other.client, other.life)
    }
}

/// What must wait until the exchanges before it have ended.
pub(crate) enum Later {
    Send { id: u64, request: Exchange, head: Vec<u8>, cause: Cause },
    Fail { id: u64, cause: Cause },
}

#[derive(Default)]
pub(crate) struct Client {
    /// Counts those who sat in this place: when one is gone, another comes.
    pub(crate) life: u32,
    pub(crate) minor_version: u8,
    /// Exchanges begun and not ended, in order.
    pub(crate) asked: VecDeque<u64>,
    pub(crate) later: VecDeque<Later>,
    /// What it asks next, and may not share the link of those before it.
    pub(crate) unread: Option<u64>,
    pub(crate) in_flight: usize,
    pub(crate) waits: bool,
    pub(crate) link: Option<u64>,
    /// The exchange whose body is being sent, and how much of it was.
    pub(crate) body: Option<(u64, usize)>,
    /// The exchange that keeps its link, and why.
    pub(crate) talk: Option<(u64, Pinning)>,
    /// It will ask for no more.
    pub(crate) done: bool,
    pub(crate) draining: bool,
    /// It does not read, and this much waits for it.
    pub(crate) stalled: bool,
    pub(crate) unread_output: usize,
    /// An answer said that it was the last.
    told_close: bool,
    got: Vec<u8>,
    /// How the present answer is written.
    pub(crate) writer: ResponseWriter,
}

/// A client with this much to read is not read for. (Of the proxy's own it takes more.)
pub(crate) const FULL: usize = 4 << 10;
/// The most that a link reads at once.
pub(crate) const READ: usize = 64 << 10;

impl Client {
    pub(crate) fn new(life: u32, minor_version: u8) -> Self {
        Self { life, minor_version, ..Self::default() }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight == 0 && !self.waits
    }

    pub(crate) fn is_full(&self) -> bool {
        self.unread_output >= FULL
    }

    /// Bytes of the present answer.
    pub(crate) fn has_got(&self) -> usize {
        self.got.len()
    }

    /// Whether it may ask for more now, were it not for the link's room.
    pub(crate) fn may_ask(&self) -> bool {
        let reading = self.body.is_none() && self.talk.is_none() && !self.done && !self.draining;
        !self.waits && self.later.is_empty() && reading && !self.is_full()
    }

    /// It reads all there is, or does not read for a while.
    pub(crate) fn stall(&mut self, stalled: bool) {
        (self.stalled, self.unread_output) = (stalled, 0);
    }

    /// An exchange comes back: what was in flight was asked for before all that is to be done later. Of those that
    /// come back together the last comes first.
    pub(crate) fn put_back(&mut self, later: Later) {
        self.later.push_front(later);
        if !std::mem::take(&mut self.waits) {
            self.in_flight -= 1;
        }
        self.left();
    }

    pub(crate) fn piece(&mut self, id: u64, bytes: &[u8]) {
        assert_eq!(self.asked.front(), Some(&id), "a piece out of order");
        assert!(!self.told_close, "a piece of {id} after an answer that was to be the last");
        self.got.extend_from_slice(bytes);
        self.unread_output += if self.stalled { bytes.len() } else { 0 };
        assert!(self.unread_output < FULL + 2 * READ, "{} wait to be read", self.unread_output);
    }

    /// The answer has ended; `end.close` says that nothing comes after it.
    pub(crate) fn ended(&mut self, id: u64, end: AnswerEnd, framing: Option<&Framing>, ledger: &mut Ledger) {
        assert_eq!(self.asked.pop_front(), Some(id), "an answer out of order");
        let got = std::mem::take(&mut self.got);
        match framing {
            Some(framing) => checks::frames(framing, ledger.of(id), id, &got, end),
            None => checks::http(ledger.of(id), id, &got, end, self.body.is_some()),
        }
        self.in_flight -= 1;
        if end.close {
            (self.done, self.told_close, self.talk) = (true, true, None);
        }
        self.left();
        ledger.end(id, Outcome::Answered);
    }

    /// The answer was cut short: the client must be able to tell.
    pub(crate) fn cut(&mut self, id: u64, cause: Cause, framing: Option<&Framing>, ledger: &mut Ledger) {
        assert_eq!(self.asked.pop_front(), Some(id), "a cut out of order");
        match framing {
            Some(framing) => checks::frames_cut(framing, ledger.of(id), id, &self.got),
            None => checks::http_cut(ledger.of(id), id, &self.got),
        }
        ledger.end(id, Outcome::Cut(cause));
    }

    /// It gets an error instead of an answer.
    pub(crate) fn fail(&mut self, id: u64, cause: Cause, framing: Option<&Framing>, ledger: &mut Ledger) {
        assert_eq!(self.asked.pop_front(), Some(id), "a failure out of order");
        checks::nothing_shown(id, framing, &self.got);
        self.got.clear();
        if self.body.is_some_and(|(whose, _)| whose == id) || self.talk.is_some() {
            (self.body, self.talk, self.done) = (None, None, true);
        }
        self.done |= !ledger.of(id).format.keep_alive;
        ledger.end(id, Outcome::Failed(cause));
    }

    /// An exchange left its link or its queue.
    pub(crate) fn left(&mut self) {
        if self.in_flight == 0 {
            self.link = None;
        }
    }

    /// It is gone; whatever it asked for ends with it. Another takes its place.
    pub(crate) fn renew(&mut self, minor_version: u8, ledger: &mut Ledger) {
        for id in self.asked.drain(..).chain(self.unread) {
            ledger.end(id, Outcome::Gone);
        }
        *self = Self::new(self.life + 1, minor_version);
    }
}
