//! Pipelined responses, cut anywhere, give each client the same.

use proptest::prelude::*;

use crate::cause::Cause;
use crate::config::HeadLimits;
use crate::link::{AnswerEnd, Data, Exchange, Queue, Sharing, Sink, Slot};
use crate::proto::http::{Method, ResponseFormat, ResponseHead};
use crate::proto::http1::ResponseWriter;

use super::given::{DATE, request};

#[derive(Clone, Debug)]
struct Planned {
    status: u16,
    body: Vec<u8>,
    method: Method,
    /// The lengths of its chunks, in turn; none where a length is told instead.
    chunks: Vec<usize>,
    interims: Vec<bool>,
}

impl Planned {
    fn has_body(&self) -> bool {
        self.method != Method::Head && !matches!(self.status, 204 | 304)
    }
}

fn planned() -> impl Strategy<Value = Planned> {
    let method = prop_oneof![4 => Just(Method::Get), 1 => Just(Method::Head), 1 => Just(Method::Options)];
    let status = prop_oneof![6 => Just(200u16), 1 => Just(404), 1 => Just(204), 1 => Just(304)];
    let body = prop_oneof![4 => 0..60usize, 2 => 0..1500usize, 1 => 0..90_000usize];
    let body = (body, any::<u8>()).prop_map(|(len, seed)| (0..len).map(|i| seed ^ (i % 251) as u8).collect());
    let chunks = prop_oneof![1 => Just(Vec::new()), 1 => prop::collection::vec(1..3000usize, 1..5)];
    let interims = prop::collection::vec(any::<bool>(), 0..3);
    (status, body, method, chunks, interims).prop_map(|(status, body, method, chunks, interims)| Planned {
        status,
        body,
        method,
        chunks,
        interims,
    })
}

/// The bytes as the member sends them; `closes` makes the last one last until close.
fn wire(answers: &[Planned], closes: bool) -> Vec<u8> {
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
        let until_close = closes && i + 1 == answers.len();
        write_answer(answer, until_close, &mut out);
    }
    out
}

fn write_answer(answer: &Planned, until_close: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("HTTP/1.1 {} Word\r\n", answer.status).as_bytes());
    let chunked = !answer.chunks.is_empty();
    match answer.status {
        204 => {}
        _ if until_close => {}
        _ if chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        _ => out.extend_from_slice(format!("Content-Length: {}\r\n", answer.body.len()).as_bytes()),
    }
    out.extend_from_slice(b"\r\n");
    if !answer.has_body() {
        return;
    }
    if until_close || !chunked {
        return out.extend_from_slice(&answer.body);
    }
    let mut rest = &answer.body[..];
    for len in answer.chunks.iter().cycle() {
        let (now, later) = rest.split_at(rest.len().min(*len));
        out.extend_from_slice(format!("{:x}\r\n", now.len()).as_bytes());
        out.extend_from_slice(now);
        out.extend_from_slice(b"\r\n");
        if now.is_empty() {
            return; // what was written last ends the body
        }
        rest = later;
    }
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
        let request = Exchange { sharing: Sharing::Shared, repeatable: true, ..request(answer.method) };
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
    let ((head, body), (cut_head, cut_body)) = (parts(planned, whole), parts(planned, cut));
    assert!(head == cut_head, "the heads");
    let expected = if planned.has_body() { &planned.body[..] } else { b"" };
    if head.windows(7).any(|word| word == b"chunked") && planned.has_body() {
        assert!(dechunked(body) == expected && dechunked(cut_body) == expected, "the content");
    } else {
        assert!(body == expected && cut_body == expected, "the content");
    }
}

/// All heads of an answer, and what follows them.
fn parts<'a>(planned: &Planned, bytes: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    let ends = bytes.windows(4).enumerate().filter(|(_, word)| word == b"\r\n\r\n").map(|(at, _)| at + 4);
    bytes.split_at(ends.clone().nth(planned.interims.len()).expect("the end of a head"))
}

/// The content of a chunked body, which ends where the bytes do.
fn dechunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    loop {
        let line = bytes.windows(2).position(|word| word == b"\r\n").expect("the size of a chunk");
        let size = std::str::from_utf8(&bytes[..line]).expect("digits");
        let size = usize::from_str_radix(size, 16).expect("a size");
        content.extend_from_slice(&bytes[line + 2..line + 2 + size]);
        assert_eq!(&bytes[line + 2 + size..line + 4 + size], b"\r\n", "the end of a chunk");
        bytes = &bytes[line + 4 + size..];
        if size == 0 {
            assert!(bytes.is_empty(), "bytes behind a body");
            return content;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_gives_each_client_the_same(
        answers in prop::collection::vec(planned(), 1..8),
        closes in any::<bool>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let bytes = wire(&answers, closes);
        let whole = carry(&answers, std::iter::once(&bytes[..]));
        let cut = carry(&answers, pieces(&bytes, &cuts).into_iter());
        prop_assert_eq!(&whole.ends, &cut.ends);
        prop_assert!(whole.ends.iter().map(|(i, _)| *i).eq(0..answers.len()));
        for (i, planned) in answers.iter().enumerate() {
            assert_same(planned, &whole.bytes[i], &cut.bytes[i]);
        }
    }

    #[test]
    fn byte_by_byte_is_a_cut_too(answers in prop::collection::vec(planned(), 1..4)) {
        let bytes = wire(&answers, true);
        let whole = carry(&answers, std::iter::once(&bytes[..]));
        let cut = carry(&answers, bytes.chunks(1));
        prop_assert_eq!(&whole.ends, &cut.ends);
        for (i, planned) in answers.iter().enumerate() {
            assert_same(planned, &whole.bytes[i], &cut.bytes[i]);
        }
    }
}
