//! Checks that a client got the response to what it asked, whole, or cut so that it can tell.

use penstock::config::{FrameKind, Framing};
use penstock::link::AnswerEnd;
use penstock::proto::http::Method;

use crate::frames::{self, Say, Tag};
use crate::ledger::{Record, answer_body, answer_status};
use crate::wire::Answer;

pub(super) fn http(record: &Record, id: u64, got: &[u8], end: AnswerEnd, body_to_come: bool) {
    let ask = record.ask.expect("HTTP is spoken here");
    let answer = Answer::read(got, ask.method == Method::Head).expect("a whole head");
    check(&answer, id, ask.method == Method::Head);
    assert!(answer.complete != Some(false), "the answer to {id} lacks its end");
    assert!(answer.complete.is_some() || end.close, "the end of the answer to {id} is never told");
    assert_eq!(answer.rest, 0, "bytes after the answer to {id}");
    assert_eq!(answer.head.status(), end.status);
    let announced = answer.head.field("connection") == Some("close");
    // It may have said yes before it had read the whole request.
    assert!(announced == end.close || (body_to_come && end.close), "what {id} was told");
    assert!(record.format.minor_version > 0 || answer.interims == 0, "an interim answer to HTTP/1.0");
    if answer.complete == Some(true) && !bodiless(id, ask.method) {
        assert!(answer.body == answer_body(id), "the body of the answer to {id}");
    }
}

pub(super) fn http_cut(record: &Record, id: u64, got: &[u8]) {
    let ask = record.ask.expect("HTTP is spoken here");
    let answer = Answer::read(got, ask.method == Method::Head).expect("it was shown a head");
    check(&answer, id, ask.method == Method::Head);
    assert!(answer.complete != Some(true), "the answer to {id} was cut and looks complete");
    assert!(
        answer.complete.is_some() || record.format.minor_version == 0,
        "no way to tell that {id} was cut"
    );
}

/// One answer to each frame, in order; then, where the link is the client's, whatever the member says.
pub(super) fn frames(framing: &Framing, record: &Record, id: u64, got: &[u8], end: AnswerEnd) {
    let answers = answers(framing, record, id);
    if record.forever.is_some() {
        assert!(end.close, "{id} goes on without its link");
        return assert_stream(&answers, record, id, got);
    }
    assert!(!end.close, "{id} need not close");
    assert!(got == answers, "the answers to {id}: {}, not {}", got.escape_ascii(), answers.escape_ascii());
    let last = Tag { id, k: record.said.len() - 1 };
    let refused = framing.kind == FrameKind::Resp && record.said[last.k].is_refused(last);
    assert_eq!(end.status, if refused { 500 } else { 200 });
    assert!(end.reusable != (refused && last.k > 0), "what a conversation left behind");
}

/// All that follows is lost, so the client is closed; what it has is of its own answers.
pub(super) fn frames_cut(framing: &Framing, record: &Record, id: u64, got: &[u8]) {
    assert!(!got.is_empty(), "{id} could have been told what is wrong");
    if record.garbled {
        return;
    }
    let answers = answers(framing, record, id);
    if record.forever.is_some() {
        return assert_stream(&answers, record, id, got);
    }
    assert!(answers.starts_with(got), "the answers to {id}: {}", got.escape_ascii());
    let single = record.said.len() == 1 && record.said[0] != Say::Multi && record.said[0] != Say::Watch;
    assert!(!single || got.len() < answers.len(), "{id} was cut and is complete");
}

fn assert_stream(answers: &[u8], record: &Record, id: u64, got: &[u8]) {
    let own = &got[..got.len().min(answers.len())];
    assert!(answers.starts_with(own), "the answers to {id}: {}", own.escape_ascii());
    assert!(record.stream.starts_with(&got[own.len()..]), "what {id} was told");
}

/// The answers to all that was said before the link became the client's own.
fn answers(framing: &Framing, record: &Record, id: u64) -> Vec<u8> {
    let mut out = Vec::new();
    for (k, say) in record.said.iter().enumerate().take(record.forever.unwrap_or(usize::MAX)) {
        frames::answer(framing, *say, Tag { id, k }, &mut out);
    }
    out
}

pub(super) fn nothing_shown(id: u64, framing: Option<&Framing>, got: &[u8]) {
    let shown = if framing.is_some() { !got.is_empty() } else { Answer::read(got, false).is_some() };
    assert!(!shown, "{id} was shown an answer before the error");
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
