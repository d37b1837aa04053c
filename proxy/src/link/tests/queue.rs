//! Tests of one link's queue: each arrow of its figure, and what must not be taken for a response.
//!
//! `exchange` has the tests of fates, except those after a fault.

use super::given::{CONTENT, OK, TestLink, ask, replay, request};
use crate::cause::Cause;
use crate::event_loop::Nanos;
use crate::link::{AnswerKind, Exchange, Fate, LinkEnd, Sharing};
use crate::proto::http;
use crate::proto::http::Method::{Get, Head, Post};

const DESYNC: Result<bool, LinkEnd> = Err(LinkEnd::Desync(Cause::BadResponse));

#[test]
fn an_exchange_comes_and_goes() {
    let mut link = TestLink::fresh();
    link.ask('a', Get);
    assert_eq!(
        (link.queue.in_flight(), link.queue.unwritten()),
        (1, &b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"[..])
    );
    link.written();
    assert_eq!(link.queue.unwritten(), b"");
    link.now = 8;
    assert_eq!(link.read(OK), Ok(true));
    assert_eq!(link.told.of('a'), OK);
    assert_eq!(link.told.ends, [(Some('a'), 200, false, 7)]);
    assert_eq!((link.queue.in_flight(), link.queue.answered()), (0, 1));
}

// RFC 9110 section 7.5, RFC 9112 section 9.3.2: answers correlate by order.
#[test]
fn answers_in_one_read_go_to_those_who_asked_in_order() {
    let mut link = TestLink::reused();
    link.ask('a', Get).ask('b', Get).ask('c', Get).written();
    let answers = format!("{OK}{}{}", OK.replace("hi", "ho"), OK.replace("hi", "he"));
    assert_eq!(link.read(&answers), Ok(true));
    let last: Vec<_> = link.told.pieces.iter().map(|(to, bytes)| (*to, &bytes[bytes.len() - 2..])).collect();
    assert_eq!(last, [('a', "hi"), ('b', "ho"), ('c', "he")]);
    let order: Vec<_> = link.told.ends.iter().map(|end| end.0).collect();
    assert_eq!(order, [Some('a'), Some('b'), Some('c')]);
}

// A head of many lines is not read again for each byte, and nothing of it is told later for that.
#[test]
fn answers_that_come_byte_by_byte_are_the_same() {
    let mut link = TestLink::reused();
    link.ask('a', Get).ask('b', Get).written();
    let long = OK.replacen("\r\n", &format!("\r\n{}", "X: y\r\n".repeat(60)), 1);
    for byte in format!("{long}{OK}").chars() {
        assert_eq!(link.read(&byte.to_string()), Ok(true));
    }
    assert_eq!((link.told.of('a'), link.told.of('b').as_str()), (long, OK));
    assert_eq!(link.queue.held(), 0);
}

/// What was cut off pays for moving what stays: a body that leaves bit by bit is moved less often than it is long.
#[test]
fn what_waits_is_not_moved_for_each_bit_that_leaves() {
    let mut link = TestLink::fresh();
    link.submit('a', Exchange { upload: CONTENT, ..request(Post) }).written();
    link.queue.send_data(&vec![b'x'; 4 << 20], None);
    let (mut moved, mut before) = (0, link.queue.held());
    while !link.queue.unwritten().is_empty() {
        link.queue.wrote(link.queue.unwritten().len().min(1 << 10), 2);
        let held = link.queue.held();
        moved += if held < before { held } else { 0 };
        before = held;
        assert!(held <= 2 * link.queue.unwritten().len() + (32 << 10), "what was written is not kept");
    }
    assert!(moved <= 4 << 20, "{moved} bytes were moved");
    assert_eq!(link.queue.held(), 0);
}

// P.8 in docs/http-rules.md: HEAD is framed by what was asked.
#[test]
fn each_answer_is_framed_by_its_own_request() {
    let mut link = TestLink::reused();
    link.ask('a', Head).ask('b', Get).written();
    let to_head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
    assert_eq!(link.read(&format!("{to_head}{OK}")), Ok(true));
    assert_eq!((link.told.of('a').as_str(), link.told.of('b').as_str()), (to_head, OK));
}

const SWITCH: &str = "HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n";

fn asks_for_a_tunnel(link: &mut TestLink) {
    let ask = http::Ask { upgrade: true, ..ask(Get) };
    let upgrade = Exchange { kind: AnswerKind::Http(ask), sharing: Sharing::Alone, ..request(Get) };
    link.queue.submit('t', upgrade, 1, b"GET / HTTP/1.1\r\n\r\n".as_slice());
}

// RFC 9110 section 7.8: what follows 101 is the new protocol's.
#[test]
fn a_switch_gives_the_link_and_all_that_follows_to_its_client() {
    let mut link = TestLink::reused();
    asks_for_a_tunnel(&mut link);
    link.written();
    let raw = "HTTP/1.1 200 OK\r\n";
    assert_eq!(link.read(&format!("{SWITCH}{raw}")), Err(LinkEnd::Switched));
    assert_eq!(link.told.of('t'), format!("{SWITCH}{raw}"));
    assert_eq!(link.told.ends.last().map(|end| (end.0, end.1)), Some((Some('t'), 101)));
    assert_eq!(link.queue.in_flight(), 0);
}

#[test]
fn a_link_that_others_are_on_does_not_switch() {
    let mut link = TestLink::reused();
    asks_for_a_tunnel(&mut link);
    link.ask('b', Get).written();
    assert_eq!(link.read(SWITCH), DESYNC);
    assert_eq!(link.told.of('b'), "");
}

#[test]
fn a_request_that_was_not_sent_whole_does_not_switch() {
    let mut link = TestLink::reused();
    asks_for_a_tunnel(&mut link);
    link.queue.wrote(5, 1);
    assert_eq!(link.read(SWITCH), DESYNC);
}

// The time as head of the link counts, not the time behind others.
#[test]
fn service_time_begins_as_head() {
    let mut link = TestLink::reused();
    link.now = 100;
    link.ask('a', Get).ask('b', Get).written();
    link.now = 150;
    assert_eq!(link.read(OK), Ok(true));
    assert_eq!(link.queue.head_since(), 150);
    link.now = 170;
    assert_eq!(link.read(OK), Ok(true));
    assert_eq!(link.told.ends, [(Some('a'), 200, false, 50), (Some('b'), 200, false, 20)]);
}

#[test]
fn an_answer_that_keeps_coming_is_not_late() {
    let mut link = TestLink::fresh();
    link.ask('a', Get).written();
    assert_eq!(silent_since(&link), Some(1));
    link.now = 9;
    assert_eq!(link.read(&OK[..OK.len() - 1]), Ok(true));
    assert_eq!(silent_since(&link), Some(9));
}

// Regression: an upload longer than the response timeout was ended as if the member were late.
#[test]
fn the_member_is_not_late_while_the_request_is_still_on_its_way() {
    let mut link = TestLink::reused();
    let mut post = request(Post);
    post.upload = CONTENT;
    link.submit('a', post).written();
    assert_eq!(silent_since(&link), None, "the client is to send more");
    link.queue.send_data(b"body", Some(b""));
    link.now = 50;
    link.queue.wrote(1, 50);
    assert_eq!(silent_since(&link), Some(50), "the member takes some");
    link.now = 60;
    link.written();
    assert_eq!(silent_since(&link), Some(60));
}

fn silent_since(link: &TestLink) -> Option<Nanos> {
    link.queue.head().unwrap().silent_since(link.queue.head_since(), false)
}

// RFC 9112 section 9.2: a message on an idle link was not asked for.
#[test]
fn bytes_on_an_idle_link_are_no_answer() {
    for bytes in [OK, "x", "HTTP/1.1 400 Bad Request\r\n", "HTTP/1.1 4088"] {
        assert_eq!(TestLink::fresh().read(bytes), DESYNC, "fresh, {bytes:?}");
        assert_eq!(TestLink::reused().read(bytes), DESYNC, "reused, {bytes:?}");
    }
}

// RFC 9110 section 15.5.9: a server may say that it closes an unused connection, which breaks no rule.
#[test]
fn a_farewell_on_an_idle_link_is_its_end() {
    for bytes in ["HTTP/1.1 408 Request Timeout\r\n", "HTTP/1.0 408 Request Time-out\r\n"] {
        assert_eq!(TestLink::fresh().read(bytes), Err(LinkEnd::Closed));
        assert_eq!(TestLink::reused().read(bytes), Err(LinkEnd::Closed));
    }
    let mut link = TestLink::reused();
    assert_eq!(
        link.ask('a', Get).read("HTTP/1.1 408 Request Timeout\r\n"),
        Err(LinkEnd::Closed),
        "not written yet"
    );
}

// P.7: surplus bytes end the link; the answer before them stands.
#[test]
fn surplus_after_an_answer_ends_the_link() {
    let mut link = TestLink::fresh();
    link.ask('a', Get).written();
    assert_eq!(link.read(&format!("{OK}!")), DESYNC);
    assert_eq!(link.told.of('a'), OK);
    assert_eq!(link.told.ends.len(), 1);
    assert_eq!(link.end(LinkEnd::Desync(Cause::BadResponse)), []);
}

// An answer to a request of which no byte was written is none; the request is not to blame.
#[test]
fn what_comes_before_the_request_was_written_is_no_answer() {
    let mut link = TestLink::reused();
    link.ask('a', Post);
    assert_eq!(link.read(OK), DESYNC);
    assert_eq!(link.told.pieces, []);
    assert_eq!(link.end(LinkEnd::Desync(Cause::BadResponse)), [replay('a', Post, false)]);
}

#[test]
fn surplus_that_finds_the_next_request_unwritten_does_not_reach_it() {
    let mut link = TestLink::reused();
    link.ask('a', Get).written().ask('b', Get);
    assert_eq!(link.read(&format!("{OK}{OK}")), DESYNC);
    assert_eq!(link.told.of('b'), "");
    assert_eq!(link.end(LinkEnd::Desync(Cause::BadResponse)), [replay('b', Get, false)]);
}

// An error may be answered before all of the request was read (RFC 9112 section 9.3); the rest of it
// would be taken for the next request, so the link ends.
#[test]
fn an_early_answer_stands_and_ends_the_link() {
    let mut link = TestLink::reused();
    link.ask('a', Get).queue.wrote(5, 1);
    assert_eq!(link.read(OK), Ok(false));
    assert_eq!(link.told.of('a'), OK);
    assert_eq!(link.end(LinkEnd::Finished), []);
}

#[test]
fn a_refusal_before_the_end_of_the_body_closes_client_and_link() {
    let mut link = TestLink::reused();
    let mut post = request(Post);
    post.upload = CONTENT;
    link.submit('a', post).written();
    link.queue.send_data(b"half", None);
    link.written();
    assert_eq!(link.read("HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n"), Ok(false));
    assert!(link.told.of('a').contains("Connection: close\r\n"));
    assert_eq!(link.told.ends[0].0, Some('a'));
}

#[test]
fn a_body_is_not_kept_once_written() {
    let mut link = TestLink::reused();
    let mut post = request(Post);
    post.upload = CONTENT;
    link.submit('a', post).written();
    link.queue.send_data(b"half", None);
    assert_eq!(link.queue.unwritten(), b"half");
    link.written();
    link.queue.body_bypassed(true, 5);
    assert_eq!(link.queue.head().unwrap().sent_at, 5, "all of it was written");
    assert_eq!(link.read(OK), Ok(true));
    link.ask('b', Get);
    assert_eq!(link.queue.unwritten(), b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n");
}

// Where any method may share a link (P.10), a request may stand behind one with a body.
#[test]
fn requests_behind_a_body_keep_their_bytes() {
    let mut link = TestLink::reused();
    let mut post = request(Post);
    post.upload = CONTENT;
    link.ask('a', Get).submit('b', post).written();
    link.queue.send_data(b"body", Some(b""));
    link.ask('c', Get).written();
    assert_eq!(link.read(OK), Ok(true));
    link.ask('d', Get);
    assert_eq!(link.queue.unwritten(), b"GET /d HTTP/1.1\r\nHost: a\r\n\r\n");
    let fates = link.end(LinkEnd::Closed);
    assert_eq!(fates[0], (Some('b'), Fate::Fail(Cause::StaleNonidempotent)));
    assert_eq!(fates[1..], [replay('c', Get, true), replay('d', Get, false)]);
}

// P.6: the slot stays, its answer is read and thrown away.
#[test]
fn a_client_that_went_away_keeps_its_slot() {
    let mut link = TestLink::reused();
    link.ask('a', Get).ask('b', Get).written();
    assert!(link.queue.abandon(|recipient| *recipient == 'a'));
    assert_eq!(link.queue.in_flight(), 2);
    assert_eq!(link.read(&format!("{}{OK}", OK.replace("hi", "no"))), Ok(true));
    assert_eq!(link.told.pieces.iter().map(|p| p.0).collect::<String>(), "b");
    assert_eq!(link.told.ends.iter().map(|end| end.0).collect::<Vec<_>>(), [None, Some('b')]);
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_body_costs_the_link() {
    let mut link = TestLink::reused();
    let mut post = request(Post);
    post.upload = CONTENT;
    link.submit('a', post).written();
    assert!(!link.queue.abandon(|recipient| *recipient == 'a'));
    assert_eq!(link.end(LinkEnd::Abandoned), [(None, Fate::Nobody)]);
}

// RFC 9112 section 6.3 rule 8: the close ends the answer, and the link with it.
#[test]
fn an_answer_until_close_ends_at_eof() {
    let mut link = TestLink::reused();
    link.ask('a', Get).ask('b', Get).written();
    assert_eq!(link.read("HTTP/1.1 200 OK\r\n\r\nhi"), Ok(true));
    assert_eq!(link.told.ends, []);
    assert_eq!(link.eof(), [replay('b', Get, true)]);
    assert_eq!(
        link.told.of('a'),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    );
    assert_eq!(link.told.ends.len(), 1);
}

// RFC 9112 section 9.3: close, and 1.0 without keep-alive.
#[test]
fn what_says_that_it_closes_is_the_last() {
    for head in ["HTTP/1.1 200 OK\r\nConnection: close", "HTTP/1.0 200 OK"] {
        let mut link = TestLink::reused();
        link.ask('a', Get).ask('b', Get).written();
        assert_eq!(link.read(&format!("{head}\r\nContent-Length: 2\r\n\r\nhi")), Ok(false), "{head}");
        assert_eq!(link.told.ends, [(Some('a'), 200, false, 0)], "the client stays");
        assert_eq!(link.end(LinkEnd::Finished), [replay('b', Get, true)]);
    }
}

// Nothing is read behind an answer that is the last: what follows is for nobody.
#[test]
fn bytes_behind_the_last_answer_reach_nobody() {
    let mut link = TestLink::reused();
    link.ask('a', Get).ask('b', Get).written();
    let last = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(link.read(&format!("{last}{OK}")), Ok(false));
    assert_eq!(link.told.of('b'), "");
}

#[test]
fn a_head_cut_anywhere_is_put_together() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let answer = format!("{interim}{OK}");
    for at in 1..answer.len() {
        let mut link = TestLink::fresh();
        link.ask('a', Get).written();
        assert_eq!(link.read(&answer[..at]), Ok(true), "{at}");
        assert_eq!(link.read(&answer[at..]), Ok(true), "{at}");
        assert_eq!(link.told.of('a'), answer, "{at}");
    }
}

// Regression: an interim answer before a fault stayed in the buffer and reached the next client to be told.
#[test]
fn what_precedes_a_fault_is_left_to_nobody() {
    let mut link = TestLink::fresh();
    link.ask('a', Get).written();
    assert_eq!(link.read("HTTP/1.1 100 Continue\r\n\r\n!"), DESYNC);
    assert_eq!(link.out, b"");
}

#[test]
fn what_was_answered_is_not_kept_for_ever() {
    let mut link = TestLink::reused();
    link.ask('a', Get).written();
    for i in 0..5_000 {
        link.ask('b', Get).written();
        assert_eq!(link.read(OK), Ok(true), "{i}");
    }
    assert_eq!(link.end(LinkEnd::Closed), [replay('b', Get, true)], "the right bytes after all that");
}

const MILLI: Nanos = 1_000_000;

/// An answer without a length, of which a piece comes at each of these times, in milliseconds.
fn dripping(piece: usize, times: impl Iterator<Item = Nanos>) -> TestLink {
    let mut link = TestLink::fresh();
    link.ask('a', Get).written();
    link.now = MILLI;
    link.read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    for time in times {
        link.now = MILLI + time * MILLI;
        link.read(&format!("{piece:x}\r\n{}\r\n", "x".repeat(piece))).unwrap();
    }
    link
}

#[test]
fn who_sends_a_little_now_and_then_may_go_on_for_ever() {
    const LEAST: u64 = 16 << 10;
    let trickles =
        |link: &TestLink, at: Nanos| link.queue.head().unwrap().trickles(LEAST, MILLI + at * MILLI);
    let events = || (0..30).map(|i| i * 200);
    assert!(!trickles(&dripping(15, events().take(3)), 600), "too early to tell");
    assert!(trickles(&dripping(15, events().take(5)), 900));
    assert!(!trickles(&dripping(2_000, events().take(5)), 900), "a page that is made while it is sent");
    assert!(trickles(&dripping(2_000, events().take(16)), 3_000));
    assert!(!trickles(&dripping(8_000, events()), 6_000), "that is quick enough");
    let computes = dripping(15, 0..3);
    assert!(!trickles(&computes, 2_900), "it has paused once, and computes");
    assert!(trickles(&computes, 3_000));
}
