//! Shorthand of the tests of the link's pure parts: requests, queues with something in flight, and a sink that records what it gets.

use crate::cause::Cause;
use crate::config::HeadLimits;
use crate::event_loop::Nanos;
use crate::link::{
    AnswerEnd, AnswerKind, Data, Exchange, Fate, LinkEnd, Queue, Sharing, Sink, Slot, SourceKey, Upload,
};
use crate::proto::framing::Dialect;
use crate::proto::http::{self, Method, ResponseFormat, ResponseHead};
use crate::proto::http1::{BodyEncoder, Date, ResponseWriter};

pub(super) const DATE: Date = *b"Thu, 01 Jan 1970 00:00:00 GMT";

/// What a client gets, without the date that was added.
pub(super) fn undated(bytes: &str) -> String {
    bytes.replace("Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n", "")
}

pub(super) fn ask(method: Method) -> http::Ask {
    http::Ask { method, upgrade: false, chunked: false }
}

pub(super) fn request(method: Method) -> Exchange {
    let sharing = if method.is_safe_to_share() { Sharing::Shared } else { Sharing::Alone };
    let repeatable = method.is_idempotent();
    Exchange {
        kind: AnswerKind::Http(ask(method)),
        upload: Upload::Whole,
        sharing,
        repeatable,
        class: 0,
        began: 0,
        replayed: false,
        open_ended: false,
        source: SourceKey::default(),
        expects: false,
        dialect: Dialect::default(),
        greets: false,
    }
}

/// Content of a known length is still to come.
pub(super) const CONTENT: Upload = Upload::Content(BodyEncoder::Raw);

/// A frame; `more` says that its client keeps the link.
pub(crate) fn frames(kind: AnswerKind, more: bool) -> Exchange {
    let upload = if more { Upload::Conversation } else { Upload::Whole };
    Exchange { kind, upload, repeatable: false, ..request(Method::Post) }
}

/// Tickets are letters.
#[derive(Default)]
pub(super) struct TestSink {
    /// The bytes that each ticket got.
    pub(super) pieces: Vec<(char, String)>,
    /// Each end: the ticket, the status, whether its client's connection ends, the service time.
    pub(super) ends: Vec<(Option<char>, u16, bool, Nanos)>,
    pub(super) format: ResponseFormat,
    pub(super) writer: ResponseWriter,
}

impl TestSink {
    pub(super) fn of(&self, recipient: char) -> String {
        self.pieces.iter().filter(|(to, _)| *to == recipient).map(|(_, bytes)| bytes.as_str()).collect()
    }
}

impl Sink<char> for TestSink {
    fn head(
        &mut self,
        _: &char,
        head: &ResponseHead<'_, '_>,
        early: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Cause> {
        self.writer.head(head, self.format, early, &DATE, out)
    }

    fn data(&mut self, _: &char, bytes: &[u8], out: &mut Vec<u8>) -> Data {
        if self.writer == ResponseWriter::new() || self.writer.passes(bytes.len()) {
            return Data::AsIs; // frames have no head
        }
        self.writer.data(bytes, out);
        Data::Copied
    }

    fn end(&mut self, _: &char, trailers: &[u8], out: &mut Vec<u8>) {
        self.writer.end(trailers, out);
    }

    fn deliver(&mut self, to: &char, first: &[u8], second: &[u8]) {
        let bytes = [first, second].concat();
        self.pieces.push((*to, undated(&String::from_utf8(bytes).unwrap())));
    }

    fn ended(&mut self, slot: Slot<char>, end: AnswerEnd, service: Nanos) {
        self.ends.push((slot.recipient, end.status, end.close || self.writer.closes(), service));
    }
}

/// A queue, what it told, and the clock, which only goes when it is set.
pub(super) struct TestLink {
    pub(super) queue: Queue<char>,
    pub(super) told: TestSink,
    pub(super) out: Vec<u8>,
    pub(super) now: Nanos,
}

pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

impl TestLink {
    pub(super) fn fresh() -> Self {
        let queue = Queue::new(None, HeadLimits::default());
        Self { queue, told: TestSink::default(), out: Vec::new(), now: 1 }
    }

    /// A link that has answered once.
    pub(super) fn reused() -> Self {
        let mut link = Self::fresh();
        link.ask('z', Method::Get).written();
        assert_eq!(link.read(OK), Ok(true));
        link.told = TestSink::default();
        link
    }

    pub(super) fn ask(&mut self, recipient: char, method: Method) -> &mut Self {
        self.submit(recipient, request(method))
    }

    pub(super) fn submit(&mut self, recipient: char, request: Exchange) -> &mut Self {
        let AnswerKind::Http(ask) = request.kind else { panic!("{request:?} is not HTTP") };
        let head = head(recipient, ask.method);
        self.queue.submit(recipient, request, self.now, head.as_bytes());
        self
    }

    /// All that waits to be written is.
    pub(super) fn written(&mut self) -> &mut Self {
        let all = self.queue.unwritten().len();
        self.queue.wrote(all, self.now);
        self
    }

    pub(super) fn read(&mut self, bytes: &str) -> Result<bool, LinkEnd> {
        self.queue.receive(bytes.as_bytes(), self.now, &mut self.out, &mut self.told)
    }

    pub(super) fn eof(&mut self) -> Vec<(Option<char>, Fate)> {
        self.queue.at_eof(self.now, &mut self.out, &mut self.told);
        self.end(LinkEnd::Closed)
    }

    pub(super) fn end(&mut self, why: LinkEnd) -> Vec<(Option<char>, Fate)> {
        let fates = self.queue.end(why);
        assert_eq!(self.queue.in_flight(), 0);
        fates.into_iter().map(|(slot, fate)| (slot.recipient, fate)).collect()
    }
}

pub(super) fn head(recipient: char, method: Method) -> String {
    format!("{} /{recipient} HTTP/1.1\r\nHost: a\r\n\r\n", format!("{method:?}").to_uppercase())
}

/// The request of `ticket` is to be sent again.
pub(super) fn replay(recipient: char, method: Method, sent: bool) -> (Option<char>, Fate) {
    (Some(recipient), Fate::Replay { head: head(recipient, method).into_bytes(), sent })
}
