//! Shorthand of the tests of the link's pure parts: requests, queues with something in flight, and a sink that records what it gets.

use crate::config::HeadLimits;
use crate::event_loop::Nanos;
use crate::link::{Ask, Broken, End, Fate, Queue, Request, Sink, Slot, SourceKey, Want};
use crate::proto::framing::Dialect;
use crate::proto::http1::{self, Date, Method};

pub(super) const DATE: Date = *b"Thu, 01 Jan 1970 00:00:00 GMT";

/// What a client gets, without the date that was added.
pub(super) fn undated(bytes: &str) -> String {
    bytes.replace("Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n", "")
}

pub(super) fn ask(method: Method) -> http1::Ask {
    let codings = http1::Codings::NONE;
    http1::Ask { method, minor_version: 1, keep_alive: true, upgrade: false, chunked: false, codings }
}

pub(super) fn request(method: Method) -> Request {
    let want = if method.is_safe_to_share() { Want::Shared } else { Want::Alone };
    let repeatable = method.is_idempotent();
    Request {
        ask: Ask::Http(ask(method)),
        body: false,
        want,
        repeatable,
        route: 0,
        began: 0,
        replayed: false,
        open_ended: false,
        source: SourceKey::default(),
        expects: false,
        dialect: Dialect::default(),
        greets: false,
        streams: false,
    }
}

/// A frame; `more` says that its client keeps the link.
pub(super) fn frames(ask: Ask, more: bool) -> Request {
    Request { ask, body: more, repeatable: false, ..request(Method::Post) }
}

/// Tickets are letters.
#[derive(Default)]
pub(super) struct Told {
    /// The bytes that each ticket got.
    pub(super) pieces: Vec<(char, String)>,
    /// Each end: the ticket, the status, whether its client's connection ends, the service time.
    pub(super) ends: Vec<(Option<char>, u16, bool, Nanos)>,
}

impl Told {
    pub(super) fn of(&self, ticket: char) -> String {
        self.pieces.iter().filter(|(to, _)| *to == ticket).map(|(_, bytes)| bytes.as_str()).collect()
    }
}

impl Sink<char> for Told {
    fn date(&self) -> Date {
        DATE
    }

    fn closes(&self, _: &char) -> bool {
        false
    }

    fn piece(&mut self, to: &char, first: &[u8], second: &[u8]) {
        let bytes = [first, second].concat();
        self.pieces.push((*to, undated(&String::from_utf8(bytes).unwrap())));
    }

    fn ended(&mut self, slot: Slot<char>, end: End, service: Nanos) {
        self.ends.push((slot.ticket, end.status, end.close, service));
    }
}

/// A queue, what it told, and the clock, which only goes when it is set.
pub(super) struct Link {
    pub(super) queue: Queue<char>,
    pub(super) told: Told,
    pub(super) out: Vec<u8>,
    pub(super) now: Nanos,
}

pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

impl Link {
    pub(super) fn fresh() -> Self {
        let queue = Queue::new(None, HeadLimits::default());
        Self { queue, told: Told::default(), out: Vec::new(), now: 1 }
    }

    /// A link that has answered once.
    pub(super) fn reused() -> Self {
        let mut link = Self::fresh();
        link.ask('z', Method::Get).written();
        assert_eq!(link.read(OK), Ok(true));
        link.told = Told::default();
        link
    }

    pub(super) fn ask(&mut self, ticket: char, method: Method) -> &mut Self {
        self.submit(ticket, request(method))
    }

    pub(super) fn submit(&mut self, ticket: char, request: Request) -> &mut Self {
        let Ask::Http(ask) = request.ask else { panic!("{request:?} is not HTTP") };
        let head = head(ticket, ask.method);
        self.queue.submit(ticket, request, self.now, |out| out.extend_from_slice(head.as_bytes()));
        self
    }

    /// All that waits to be written is.
    pub(super) fn written(&mut self) -> &mut Self {
        let all = self.queue.unwritten().len();
        self.queue.wrote(all, self.now);
        self
    }

    pub(super) fn read(&mut self, bytes: &str) -> Result<bool, Broken> {
        self.queue.receive(bytes.as_bytes(), self.now, &mut self.out, &mut self.told)
    }

    pub(super) fn eof(&mut self) -> Vec<(Option<char>, Fate)> {
        self.queue.at_eof(self.now, &mut self.out, &mut self.told);
        self.end(Broken::Closed)
    }

    pub(super) fn end(&mut self, why: Broken) -> Vec<(Option<char>, Fate)> {
        let fates = self.queue.end(why);
        assert_eq!(self.queue.in_flight(), 0);
        fates.into_iter().map(|(slot, fate)| (slot.ticket, fate)).collect()
    }
}

pub(super) fn head(ticket: char, method: Method) -> String {
    format!("{} /{ticket} HTTP/1.1\r\nHost: a\r\n\r\n", format!("{method:?}").to_uppercase())
}

/// The request of `ticket` is to be sent again.
pub(super) fn replay(ticket: char, method: Method, sent: bool) -> (Option<char>, Fate) {
    (Some(ticket), Fate::Replay { head: head(ticket, method).into_bytes(), sent })
}
