//! The machine of a link: requests are submitted, written, and answered.

use std::hint::black_box;

use penstock::cause::Cause;
use penstock::config::{FrameKind, Framing, HeadLimits};
use penstock::link::{AnswerEnd, AnswerKind, Data, Exchange, Queue, Sharing, Sink, Slot, SourceKey, Upload};
use penstock::proto::framing::Dialect;
use penstock::proto::http::{ResponseFormat, ResponseHead};
use penstock::proto::http1::ResponseWriter;

use crate::Piece;
use crate::heads::{ASK, CONTENT, DATE, GET, SIZED};

pub(crate) const PIECES: [Piece; 3] = [
    Piece { name: "link-exchange", run: |rounds| http(1, rounds) },
    Piece { name: "link-pipelined-exchange", run: |rounds| http(16, rounds) },
    Piece { name: "link-frame-exchange", run: frames },
];

/// Carries `rounds` exchanges of HTTP, `depth` at a time, over one link.
fn http(depth: u64, rounds: u64) {
    let mut answers = Vec::new();
    for _ in 0..depth {
        answers.extend_from_slice(SIZED);
        answers.extend_from_slice(CONTENT);
    }
    carry(None, AnswerKind::Http(ASK), GET, &answers, depth, rounds.div_ceil(depth));
}

/// Carries exchanges of one line each.
fn frames(rounds: u64) {
    let framing = Framing {
        kind: FrameKind::Lines { crlf: false },
        max_length: 1 << 20,
        repeatable: true,
        refusal: None,
    };
    let kind = AnswerKind::Frames { patient: false };
    carry(Some(&framing), kind, b"tag 7-1 add 2 3\n", b"7-1 5\n", 1, rounds);
}

fn carry(framing: Option<&Framing>, kind: AnswerKind, asked: &[u8], answers: &[u8], depth: u64, rounds: u64) {
    let mut queue = Queue::new(framing, HeadLimits::default());
    let mut client = Client::default();
    let mut out = Vec::with_capacity(4096);
    let mut now = 1;
    for _ in 0..rounds {
        for _ in 0..depth {
            queue.submit((), exchange(kind, now), now, black_box(asked));
        }
        now += 1_000;
        queue.wrote(queue.unwritten().len(), now);
        now += 50_000;
        let goes_on = queue.receive(black_box(answers), now, &mut out, &mut client);
        assert_eq!(goes_on, Ok(true), "the link carries on");
    }
    assert_eq!(client.ended, rounds * depth, "each exchange has ended once");
}

fn exchange(kind: AnswerKind, now: u64) -> Exchange {
    Exchange {
        kind,
        upload: Upload::Whole,
        sharing: Sharing::Shared,
        repeatable: true,
        class: 1,
        began: now,
        replayed: false,
        open_ended: false,
        source: SourceKey::default(),
        expects: false,
        dialect: Dialect::default(),
        greets: false,
    }
}

/// Takes all answers, as clients of HTTP/1.1 do.
#[derive(Default)]
struct Client {
    writer: ResponseWriter,
    ended: u64,
}

impl Sink<()> for Client {
    fn head(
        &mut self,
        (): &(),
        head: &ResponseHead<'_, '_>,
        early: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Cause> {
        let format = ResponseFormat { minor_version: 1, keep_alive: true, ..ResponseFormat::default() };
        self.writer.head(head, format, early, &DATE, out)
    }

    fn data(&mut self, (): &(), bytes: &[u8], out: &mut Vec<u8>) -> Data {
        self.writer.data(bytes, out);
        Data::Copied
    }

    fn end(&mut self, (): &(), trailers: &[u8], out: &mut Vec<u8>) {
        self.writer.end(trailers, out);
    }

    fn deliver(&mut self, (): &(), out: &[u8], raw: &[u8]) {
        black_box((out, raw));
    }

    fn ended(&mut self, slot: Slot<()>, end: AnswerEnd, service: u64) {
        black_box((slot, end, service));
        self.ended += 1;
    }
}
