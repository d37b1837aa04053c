//! One client: its exchanges in the order in which it asked, and what it got of the present answer.
//! In: pieces and ends of answers. Out: a panic where an answer is not its own, whole and in order.
//! Keeps the order of `client/answer.rs` and `client/input.rs`; knows nothing of links or pools.

use std::collections::VecDeque;

use penstock::cause::Cause;
use penstock::link::{End, Request};
use penstock::proto::http1::Method;

use crate::ledger::{Ledger, Outcome, answer_body, answer_status};
use crate::wire::Answer;

/// Who awaits an answer: the client's place, its life, the exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ticket {
    pub(crate) client: usize,
    pub(crate) life: u32,
    pub(crate) id: u64,
}

/// What must wait until the exchanges before it have ended.
pub(crate) enum Later {
    Send { id: u64, request: Request, head: Vec<u8>, cause: Cause },
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
    /// What is in flight, or waits, had to wait for its turn before.
    pub(crate) resent: bool,
    pub(crate) link: Option<u64>,
    /// The exchange whose body is being sent, and how much of it was.
    pub(crate) body: Option<(u64, usize)>,
    /// It will ask for no more.
    pub(crate) done: bool,
    pub(crate) draining: bool,
    /// An answer said that it was the last.
    told_close: bool,
    got: Vec<u8>,
}

impl Client {
    pub(crate) fn new(life: u32, minor_version: u8) -> Self {
        Self { life, minor_version, ..Self::default() }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight == 0 && !self.waits
    }

    /// Whether it may ask for more now, were it not for the link's room.
    pub(crate) fn may_ask(&self) -> bool {
        !self.waits && self.later.is_empty() && self.body.is_none() && !self.done && !self.draining
    }

    pub(crate) fn piece(&mut self, id: u64, bytes: &[u8]) {
        assert_eq!(self.asked.front(), Some(&id), "a piece out of order");
        assert!(!self.told_close, "a piece of {id} after an answer that was to be the last");
        self.got.extend_from_slice(bytes);
    }

    /// The answer has ended; `end.close` says that nothing comes after it.
    pub(crate) fn ended(&mut self, id: u64, end: End, ledger: &mut Ledger) {
        assert_eq!(self.asked.pop_front(), Some(id), "an answer out of order");
        let ask = ledger.of(id).ask;
        let got = std::mem::take(&mut self.got);
        let answer = Answer::read(&got, ask.method == Method::Head).expect("a whole head");
        check(&answer, id, ask.method == Method::Head);
        assert!(answer.complete != Some(false), "the answer to {id} lacks its end");
        assert!(answer.complete.is_some() || end.close, "the end of the answer to {id} is never told");
        assert_eq!(answer.rest, 0, "bytes after the answer to {id}");
        assert_eq!(answer.head.status(), end.status);
        let announced = answer.head.field("connection") == Some("close");
        let early = self.body.is_some(); // it has said yes before it had read the whole request
        assert!(announced == end.close || (early && end.close), "what {id} was told");
        assert!(ask.minor_version > 0 || answer.interims == 0, "an interim answer to HTTP/1.0");
        if answer.complete == Some(true) && !bodiless(id, ask.method) {
            assert!(answer.body == answer_body(id), "the body of the answer to {id}");
        }
        self.in_flight -= 1;
        self.done |= end.close;
        self.told_close |= end.close;
        self.left();
        ledger.end(id, Outcome::Answered);
    }

    /// The answer was cut short: the client must be able to tell.
    pub(crate) fn cut(&mut self, id: u64, cause: Cause, ledger: &mut Ledger) {
        assert_eq!(self.asked.pop_front(), Some(id), "a cut out of order");
        let ask = ledger.of(id).ask;
        let answer = Answer::read(&self.got, ask.method == Method::Head).expect("it was shown a head");
        check(&answer, id, ask.method == Method::Head);
        assert!(answer.complete != Some(true), "the answer to {id} was cut and looks complete");
        assert!(answer.complete.is_some() || ask.minor_version == 0, "no way to tell that {id} was cut");
        ledger.end(id, Outcome::Cut(cause));
    }

    /// It gets an error instead of an answer.
    pub(crate) fn fail(&mut self, id: u64, cause: Cause, ledger: &mut Ledger) {
        assert_eq!(self.asked.pop_front(), Some(id), "a failure out of order");
        let head = Answer::read(&self.got, false);
        assert!(head.is_none(), "{id} was shown a head before the error");
        self.got.clear();
        if self.body.is_some_and(|(whose, _)| whose == id) {
            (self.body, self.done) = (None, true);
        }
        self.done |= !ledger.of(id).ask.keep_alive;
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

fn bodiless(id: u64, method: Method) -> bool {
    method == Method::Head || matches!(answer_status(id), 204 | 304)
}

/// What came belongs to this exchange.
fn check(answer: &Answer, id: u64, to_head: bool) {
    assert_eq!(answer.head.number("x-id"), Some(id), "whose answer came: {}", answer.head.start);
    assert_eq!(answer.head.status(), answer_status(id));
    let whole = answer_body(id);
    assert!(whole.starts_with(&answer.body), "the body of the answer to {id}");
    if let Some(n) = answer.head.number("content-length")
        && !to_head
    {
        assert!(n == whole.len() as u64, "the length of the answer to {id}");
    }
}
