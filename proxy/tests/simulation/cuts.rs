//! Pipelined responses, cut anywhere, give each client the same.

use penstock::cause::Cause;
use penstock::config::HeadLimits;
use penstock::link::{AnswerEnd, Data, Exchange, Queue, Sharing, Sink, Slot, SourceKey, Upload};
use penstock::proto::http::{Ask, Method, ResponseFormat, ResponseHead};
use penstock::proto::http1::ResponseWriter;

use penstock::proto::framing::Dialect;
use proptest::prelude::*;

use crate::ledger::answer_body;
use crate::origin::Framing;
use crate::rng::Rng;
use crate::wire::Answer;

#[derive(Clone, Debug)]
struct Planned {
    /// Decides the status and the body.
    id: u64,
    method: Method,
    chunked: bool,
    interims: Vec<bool>,
}

fn planned() -> impl Strategy<Value = Planned> {
    let method = prop_oneof![4 => Just(Method::Get), 1 => Just(Method::Head), 1 => Just(Method::Options)];
    (0..10_000u64, method, any::<bool>(), prop::collection::vec(any::<bool>(), 0..3))
        .prop_map(|(id, method, chunked, interims)| Planned { id, method, chunked, interims })
}

/// The bytes as the member sends them; `closes` makes the last one last until close.
fn wire(answers: &[Planned], closes: bool, seed: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    let mut out = Vec::new();
    for (i, answer) in answers.iter().enumerate() {
        for hints in &answer.interims {
            let interim: &[u8] = if *hints {
                b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
            } else {
                b"HTTP/1.1 100 Continue\r\n\r\n"
            };
            out.extend_from_slice(interim);
        }
        let framing = match (closes && i + 1 == answers.len(), answer.chunked) {
            (true, _) => Framing::UntilClose,
            (_, true) => Framing::Chunked,
            (_, false) => Framing::Length,
        };
        framing.write(answer.id, answer.method, &mut rng, &mut out);
    }
    out
}

struct Got {
    bytes: Vec<Vec<u8>>,
    ends: Vec<(usize, u16)>,
    writer: ResponseWriter,
}

impl Sink<usize> for Got {
    fn head(
        &mut self,
        _: &usize,
        head: &ResponseHead<'_, '_>,
        early: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Cause> {
        const DATE: [u8; 29] = *b"Thu, 01 Jan 1970 00:00:00 GMT";
        self.writer.head(head, ResponseFormat::default(), early, &DATE, out)
    }

    fn data(&mut self, _: &usize, bytes: &[u8], out: &mut Vec<u8>) -> Data {
        if self.writer.passes(bytes.len()) {
            return Data::AsIs;
        }
        self.writer.data(bytes, out);
        Data::Copied
    }

    fn end(&mut self, _: &usize, trailers: &[u8], out: &mut Vec<u8>) {
        self.writer.end(trailers, out);
    }

    fn deliver(&mut self, to: &usize, first: &[u8], second: &[u8]) {
        self.bytes[*to].extend_from_slice(first);
        self.bytes[*to].extend_from_slice(second);
    }

    fn ended(&mut self, slot: Slot<usize>, end: AnswerEnd, _: u64) {
        self.ends.push((slot.recipient.expect("all are awaited"), end.status));
    }
}

fn carry<'a>(answers: &[Planned], pieces: impl Iterator<Item = &'a [u8]>) -> Got {
    let mut queue = Queue::new(None, HeadLimits::default());
    for (i, answer) in answers.iter().enumerate() {
        let ask = Ask { method: answer.method, upgrade: false, chunked: false };
        let kind = penstock::link::AnswerKind::Http(ask);
        let (sharing, repeatable, route) = (Sharing::Shared, true, 0);
        let request = Exchange {
            kind,
            upload: Upload::Whole,
            sharing,
            repeatable,
            class: route,
            began: 0,
            replayed: false,
            open_ended: false,
            source: SourceKey::default(),
            expects: false,
            dialect: Dialect::default(),
            greets: false,
        };
        queue.submit(i, request, 1, b"GET / HTTP/1.1\r\n\r\n".as_slice());
    }
    queue.wrote(queue.unwritten().len(), 1);
    let mut got =
        Got { bytes: vec![Vec::new(); answers.len()], ends: Vec::new(), writer: ResponseWriter::new() };
    let mut out = Vec::new();
    let mut open = true;
    for piece in pieces {
        assert!(open, "bytes are left after the last answer");
        open = queue.receive(piece, 2, &mut out, &mut got).expect("good answers");
    }
    queue.at_eof(3, &mut out, &mut got);
    assert_eq!(queue.in_flight(), 0);
    got
}

/// The pieces between these places.
fn pieces<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|w| &bytes[w[0]..w[1]]).filter(|piece| !piece.is_empty()).collect()
}

/// Chunks may be cut otherwise, as the bytes came otherwise; nothing else may differ.
fn assert_same(planned: &Planned, whole: &[u8], cut: &[u8]) {
    let to_head = planned.method == Method::Head;
    let read = |bytes| Answer::read(bytes, to_head).expect("a whole head");
    let (a, b) = (read(whole), read(cut));
    assert_eq!((a.complete, b.complete), (Some(true), Some(true)));
    assert_eq!((a.rest, b.rest), (0, 0));
    assert_eq!((a.interims, b.interims), (planned.interims.len(), planned.interims.len()));
    assert!(b.body == a.body, "the content");
    assert!(a.body.is_empty() || a.body == answer_body(planned.id), "the content is what was sent");
    if a.head.field("transfer-encoding").is_none() {
        assert!(whole == cut, "the bytes");
    } else {
        assert!(whole[..a.head_end] == cut[..b.head_end], "the heads");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_gives_each_client_the_same(
        answers in prop::collection::vec(planned(), 1..8),
        closes in any::<bool>(),
        seed in any::<u64>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let bytes = wire(&answers, closes, seed);
        let whole = carry(&answers, std::iter::once(&bytes[..]));
        let cut = carry(&answers, pieces(&bytes, &cuts).into_iter());
        prop_assert_eq!(&whole.ends, &cut.ends);
        prop_assert!(whole.ends.iter().map(|(i, _)| *i).eq(0..answers.len()));
        for (i, planned) in answers.iter().enumerate() {
            assert_same(planned, &whole.bytes[i], &cut.bytes[i]);
        }
    }

    #[test]
    fn byte_by_byte_is_a_cut_too(answers in prop::collection::vec(planned(), 1..4), seed in any::<u64>()) {
        let bytes = wire(&answers, true, seed);
        let whole = carry(&answers, std::iter::once(&bytes[..]));
        let cut = carry(&answers, bytes.chunks(1));
        prop_assert_eq!(&whole.ends, &cut.ends);
        for (i, planned) in answers.iter().enumerate() {
            assert_same(planned, &whole.bytes[i], &cut.bytes[i]);
        }
    }
}
