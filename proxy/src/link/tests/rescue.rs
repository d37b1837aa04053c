//! Tests of requests behind a slow head: each arrow of the queue's figure that leads to `Leaving` or out of it.

use super::given::{CONTENT, OK, TestLink, head, replay, request};
use crate::cause::Cause;
use crate::link::{Fate, LinkEnd};
use crate::proto::http::Method::{self, Delete, Get, Head, Post, Put};

/// Enough for all.
const ALL: usize = 100;

/// Small and capital letters are tickets of one client.
fn same(one: &char, other: &char) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// Takes off up to `most`: who went, and whether it had been sent. Their bytes are those of their requests.
fn rescue(link: &mut TestLink, most: usize) -> Vec<(char, bool)> {
    let taken = link.queue.rescue(most, same);
    let checked = taken.into_iter().map(|(recipient, request, bytes, sent)| {
        assert_eq!(request.began, began(recipient), "{recipient} has its own request");
        let path = format!(" /{recipient} HTTP/1.1\r\nHost: a\r\n\r\n");
        let bytes = String::from_utf8(bytes).unwrap();
        assert!(bytes.ends_with(&path) && bytes.matches("\r\n\r\n").count() == 1, "{recipient}: {bytes:?}");
        (recipient, sent)
    });
    checked.collect()
}

fn began(recipient: char) -> u64 {
    u64::from(u32::from(recipient))
}

/// A used link that carries these, in order; nothing is written yet.
fn queued(tickets: &[(char, Method)]) -> TestLink {
    let mut link = TestLink::reused();
    for (recipient, method) in tickets {
        let mut request = request(*method);
        request.began = began(*recipient);
        link.submit(*recipient, request);
    }
    link
}

/// As [`queued`], and all of it is written.
fn sent(tickets: &[(char, Method)]) -> TestLink {
    let mut link = queued(tickets);
    link.written();
    link
}

fn answer(body: &str) -> String {
    OK.replace("hi", body)
}

fn tickets(link: &TestLink) -> String {
    link.told.ends.iter().map(|end| end.0.unwrap_or('-')).collect()
}

#[test]
fn followers_are_taken_off_in_order_and_the_head_stays() {
    let mut link = sent(&[('h', Get), ('a', Get), ('b', Head), ('c', Get)]);
    assert_eq!(link.queue.followers(), 3);
    assert_eq!(rescue(&mut link, ALL), [('a', true), ('b', true), ('c', true)]);
    assert_eq!((link.queue.followers(), link.queue.in_flight()), (0, 4), "what was written keeps its place");
    assert_eq!(rescue(&mut link, ALL), [], "nobody is taken off twice");
}

#[test]
fn one_that_is_alone_stays() {
    let mut link = sent(&[('h', Get)]);
    assert_eq!(rescue(&mut link, ALL), []);
    assert_eq!(link.read(OK), Ok(true), "it is not leaving");
    assert_eq!(rescue(&mut TestLink::reused(), ALL), []);
}

// The budget says how many. Taken are those who would wait longest: the last ones.
#[test]
fn no_more_are_taken_than_may_be() {
    for most in 0..=4 {
        let mut link = sent(&[('h', Get), ('a', Get), ('b', Get), ('c', Get)]);
        let last = &[('a', true), ('b', true), ('c', true)][3 - most.min(3)..];
        assert_eq!(rescue(&mut link, most), last, "{most}");
        assert_eq!(link.queue.followers(), 3 - most.min(3));
    }
}

#[test]
fn a_link_of_which_none_was_taken_carries_on() {
    let mut link = sent(&[('h', Get), ('a', Get)]);
    assert_eq!(rescue(&mut link, 0), []);
    assert_eq!(link.read(&format!("{OK}{OK}")), Ok(true));
    assert_eq!(tickets(&link), "ha");
}

// RFC 9110 section 9.2.2: what is not idempotent is not repeated once it was written.
#[test]
fn what_may_not_be_repeated_stays_once_written() {
    let mut link = sent(&[('h', Get), ('a', Post), ('b', Delete), ('c', Method::Other), ('d', Put)]);
    assert_eq!(rescue(&mut link, ALL), [('b', true), ('d', true)]);
    assert_eq!(link.queue.followers(), 2);
}

#[test]
fn what_was_not_written_goes_whatever_it_is() {
    let mut link = queued(&[('h', Get), ('a', Post), ('b', Get)]);
    assert_eq!(rescue(&mut link, ALL), [('a', false), ('b', false)]);
    assert_eq!(link.queue.in_flight(), 1, "as if they had never been there");
    assert_eq!(link.queue.unwritten(), head('h', Get).as_bytes());
}

#[test]
fn of_those_not_written_any_may_go() {
    let mut again = request(Get);
    (again.replayed, again.began) = (true, began('a'));
    let mut link = sent(&[('h', Get), ('x', Post)]);
    link.submit('a', again);
    assert_eq!(rescue(&mut link, ALL), [('a', false)], "it was sent before, but not here");
    assert_eq!(link.queue.unwritten(), b"");
    assert_eq!(link.end(LinkEnd::Closed)[1], (Some('x'), Fate::Fail(Cause::StaleNonidempotent)));
}

#[test]
fn one_written_in_part_is_written_to_its_end() {
    let mut link = queued(&[('h', Get), ('a', Get), ('b', Get)]);
    link.queue.wrote(head('h', Get).len() + 1, 1);
    assert_eq!(rescue(&mut link, ALL), [('a', true), ('b', false)]);
    assert_eq!(
        link.queue.unwritten(),
        &head('a', Get).as_bytes()[1..],
        "else it would garble the head's link"
    );
    assert_eq!(link.written().read(OK), Ok(false));
    assert_eq!(tickets(&link), "h");
}

#[test]
fn a_post_written_in_part_stays() {
    let mut link = queued(&[('h', Get), ('a', Post)]);
    link.queue.wrote(head('h', Get).len() + 1, 1);
    assert_eq!(rescue(&mut link, ALL), []);
}

#[test]
fn nothing_is_sent_a_third_time() {
    let mut again = request(Get);
    again.replayed = true;
    let mut link = sent(&[('h', Get)]);
    link.submit('a', again).written();
    assert_eq!(rescue(&mut link, ALL), []);
    assert_eq!(link.read(&format!("{OK}{}", answer("ho"))), Ok(true));
    assert_eq!(link.told.of('a'), answer("ho"), "it waits for its answer here");
}

#[test]
fn a_body_stays_where_it_began() {
    let mut put = request(Put);
    (put.upload, put.began) = (CONTENT, began('a'));
    let mut link = queued(&[('h', Get)]);
    link.submit('a', put);
    link.queue.send_data(b"half", None);
    assert_eq!(rescue(&mut link, ALL), [], "it has begun, be it written or not");
    link.queue.send_data(b"rest", Some(b""));
    link.written();
    assert_eq!(rescue(&mut link, ALL), []);

    let mut link = queued(&[('h', Get)]);
    link.submit('a', put);
    assert_eq!(rescue(&mut link, ALL), [('a', false)], "it has not begun, and can follow its head elsewhere");

    let mut link = queued(&[('h', Get)]);
    link.submit('a', put).written();
    assert_eq!(rescue(&mut link, ALL), [], "the member awaits it here");
}

#[test]
fn who_went_away_is_not_taken_along() {
    let mut link = sent(&[('h', Get), ('a', Get), ('b', Get)]);
    assert!(link.queue.abandon(|recipient| *recipient == 'a'));
    assert_eq!(link.queue.followers(), 1);
    assert_eq!(rescue(&mut link, ALL), [('b', true)]);
}

// P.11: answers of one client come in order.
#[test]
fn who_waits_for_the_head_itself_waits_on() {
    let mut link = sent(&[('h', Get), ('a', Get), ('H', Get)]);
    assert_eq!(rescue(&mut link, ALL), [('a', true)]);
    assert_eq!(link.read(OK), Ok(true), "one still waits");
    assert_eq!(link.read(&format!("{}{}", answer("no"), answer("ho"))), Ok(false));
    assert_eq!(tickets(&link), "h-H");
    assert_eq!(link.told.of('H'), answer("ho"));
    assert_eq!(link.told.of('a'), "", "what is answered elsewhere is not answered here");
}

#[test]
fn all_of_a_client_go_together_in_order() {
    let mut link = sent(&[('h', Get), ('a', Get), ('b', Get), ('A', Get)]);
    assert_eq!(rescue(&mut link, ALL), [('a', true), ('b', true), ('A', true)]);
}

// Elsewhere it could only wait until its own that stays is answered.
#[test]
fn what_comes_behind_one_of_its_own_that_stays_stays() {
    let mut link = sent(&[('h', Get), ('x', Post), ('X', Get), ('b', Get)]);
    assert_eq!(rescue(&mut link, ALL), [('b', true)]);
    assert_eq!(link.read(&format!("{OK}{OK}{}", answer("ho"))), Ok(false));
    assert_eq!((tickets(&link).as_str(), link.told.of('X')), ("hxX", answer("ho")));
}

#[test]
fn what_comes_before_one_of_its_own_that_stays_stays() {
    let mut link = sent(&[('h', Get), ('a', Get), ('A', Post), ('b', Get)]);
    assert_eq!(rescue(&mut link, ALL), [('b', true)], "`a` must be answered before its own `A`, which stays");
    let all = format!("{OK}{}{}", answer("a1"), answer("a2"));
    assert_eq!(link.read(&all), Ok(false), "after the last that is awaited");
    assert_eq!(tickets(&link), "haA");
    assert_eq!((link.told.of('a'), link.told.of('A')), (answer("a1"), answer("a2")));
}

#[test]
fn the_head_ends_a_link_on_which_nobody_else_waits() {
    let mut link = sent(&[('h', Get), ('a', Get), ('b', Get)]);
    rescue(&mut link, ALL);
    assert_eq!(link.read(&OK[..9]), Ok(true), "not before it has ended");
    assert_eq!(link.read(&format!("{}{OK}", &OK[9..])), Ok(false));
    assert_eq!((link.told.of('h').as_str(), tickets(&link).as_str()), (OK, "h"));
    assert_eq!(link.end(LinkEnd::Finished), [(None, Fate::Nobody), (None, Fate::Nobody)]);
}

#[test]
fn the_last_who_waits_ends_the_link() {
    let mut link = sent(&[('h', Get), ('a', Get), ('x', Post), ('b', Get)]);
    assert_eq!(rescue(&mut link, ALL), [('a', true), ('b', true)]);
    assert_eq!(link.read(OK), Ok(true));
    assert_eq!(link.read(&answer("no")), Ok(true));
    assert_eq!(link.read(&answer("ho")), Ok(false));
    assert_eq!(tickets(&link), "h-x");
    assert_eq!(link.told.of('x'), answer("ho"));
    assert_eq!(link.end(LinkEnd::Finished), [(None, Fate::Nobody)]);
}

#[test]
fn a_second_rescue_takes_what_the_first_had_no_budget_for() {
    let mut link = sent(&[('h', Get), ('a', Get), ('b', Get)]);
    assert_eq!(rescue(&mut link, 1), [('b', true)]);
    assert_eq!(rescue(&mut link, 1), [('a', true)]);
    assert_eq!(link.read(OK), Ok(false));
}

// Who was behind the head and stayed is the head in the end, and then holds up nobody.
#[test]
fn those_behind_the_next_head_may_be_taken_as_well() {
    let mut link = sent(&[('h', Get), ('x', Post), ('a', Get), ('b', Get)]);
    assert_eq!(rescue(&mut link, 1), [('b', true)]);
    assert_eq!(link.read(OK), Ok(true));
    assert_eq!(rescue(&mut link, ALL), [('a', true)]);
    assert_eq!(link.read(&answer("ho")), Ok(false));
    assert_eq!(tickets(&link), "hx");
}

#[test]
fn when_the_link_dies_each_that_stayed_meets_its_fate_and_the_others_none() {
    let nobody = (None, Fate::Nobody);
    for (why, blame) in
        [(LinkEnd::Closed, None), (LinkEnd::Timeout, Some(Cause::BackendTimeout)), (LinkEnd::Abandoned, None)]
    {
        let mut link = sent(&[('h', Get), ('a', Get), ('x', Post), ('H', Get)]);
        assert_eq!(rescue(&mut link, ALL), [('a', true)]);
        let first = blame.map_or_else(|| replay('h', Get, true), |cause| (Some('h'), Fate::Fail(cause)));
        let lost = (Some('x'), Fate::Fail(Cause::StaleNonidempotent));
        assert_eq!(link.end(why), [first, nobody.clone(), lost, replay('H', Get, true)], "{why:?}");
    }
}

// The bytes of those not written were cut out; those of the others must be found where they are now.
#[test]
fn when_the_link_dies_the_bytes_of_those_that_stayed_are_right() {
    let mut link = sent(&[('h', Get), ('x', Put)]);
    for (recipient, method) in [('a', Get), ('H', Get), ('b', Get)] {
        let mut request = request(method);
        request.began = began(recipient);
        link.submit(recipient, request);
    }
    assert_eq!(rescue(&mut link, 2), [('a', false), ('b', false)]);
    assert_eq!(link.queue.unwritten(), head('H', Get).as_bytes());
    assert_eq!(
        link.end(LinkEnd::Closed),
        [replay('h', Get, true), replay('x', Put, true), replay('H', Get, false)]
    );
}

#[test]
fn a_fault_of_an_answer_that_nobody_awaits_ends_the_link() {
    let mut link = sent(&[('h', Get), ('a', Get), ('H', Get)]);
    rescue(&mut link, ALL);
    assert_eq!(link.read(&format!("{OK}garbage!")), Err(LinkEnd::Desync(Cause::BadResponse)));
    let fates = link.end(LinkEnd::Desync(Cause::BadResponse));
    assert_eq!(fates, [(None, Fate::Nobody), replay('H', Get, true)]);
}

#[test]
fn one_whose_answer_began_is_the_head_and_stays() {
    let mut link = sent(&[('a', Get), ('b', Get), ('c', Get)]);
    assert_eq!(link.read(&format!("{OK}{}", &OK[..9])), Ok(true));
    assert_eq!(rescue(&mut link, ALL), [('c', true)], "`b` has begun to be answered");
    assert_eq!(link.read(&OK[9..]), Ok(false));
    assert_eq!(tickets(&link), "ab");
}

/// An answer of so many bytes, without its end.
fn most_of(length: usize) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", length + 1, "x".repeat(length))
}

// An answer that nobody awaits is read to save the link, but not for ever.
#[test]
fn a_long_answer_that_nobody_awaits_costs_the_link() {
    let mut link = sent(&[('a', Get)]);
    assert!(link.queue.abandon(|_| true));
    assert_eq!(link.read(&most_of(200 << 10)), Ok(true));
    assert_eq!(link.read("x"), Ok(true), "a shorter one is read to its end");
    let mut link = sent(&[('a', Get)]);
    assert!(link.queue.abandon(|_| true));
    assert_eq!(link.read(&most_of(300 << 10)), Err(LinkEnd::Abandoned));
    assert_eq!(link.end(LinkEnd::Abandoned), [(None, Fate::Nobody)]);
}

#[test]
fn but_not_while_others_wait_behind_it() {
    let mut link = sent(&[('a', Get), ('x', Post), ('b', Get)]);
    assert!(link.queue.abandon(|recipient| *recipient == 'a'));
    assert_eq!(link.read(&most_of(300 << 10)), Ok(true));
    assert_eq!(rescue(&mut link, ALL), [('b', true)]);
    assert_eq!(link.read(&format!("x{}", answer("ho"))), Ok(false));
    assert_eq!(tickets(&link), "-x");
}

// What was read of one for nobody does not count for the next.
#[test]
fn each_answer_has_the_whole_limit() {
    let mut link = sent(&[('a', Get), ('b', Get), ('c', Get)]);
    assert!(link.queue.abandon(|_| true));
    for _ in 0..2 {
        assert_eq!(link.read(&most_of(200 << 10)), Ok(true));
        assert_eq!(link.read("x"), Ok(true));
    }
    assert_eq!(link.read(OK), Ok(true));
    assert_eq!(tickets(&link), "---");
}

#[test]
fn a_leaving_link_whose_last_client_went_away_ends_after_its_head() {
    let mut link = sent(&[('h', Get), ('a', Get)]);
    rescue(&mut link, ALL);
    assert!(link.queue.abandon(|recipient| *recipient == 'h'));
    assert_eq!(link.read(OK), Ok(false));
    assert_eq!(link.told.pieces, []);
}
