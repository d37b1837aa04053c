//! Tests of the fate of each exchange when a link ends: DR in `docs/http-rules.md`, rule by rule.

use super::given::{CONTENT, OK, TestLink, replay, request};
use crate::cause::Cause;
use crate::link::{Fate, LinkEnd};
use crate::proto::http::Method::{self, Delete, Get, Head, Options, Patch, Post, Put, Trace};

const ENDS: [LinkEnd; 5] = [
    LinkEnd::Closed,
    LinkEnd::Timeout,
    LinkEnd::Desync(Cause::BadResponse),
    LinkEnd::Finished,
    LinkEnd::Abandoned,
];

fn fail(recipient: char, cause: Cause) -> (Option<char>, Fate) {
    (Some(recipient), Fate::Fail(cause))
}

fn sent(link: TestLink, method: Method) -> TestLink {
    let mut link = link;
    link.ask('a', method).written();
    link
}

// DR.1: nothing written, any method.
#[test]
fn what_was_not_written_is_sent_elsewhere() {
    for why in ENDS {
        for method in [Get, Post, Patch] {
            assert_eq!(TestLink::fresh().ask('a', method).end(why), [replay('a', method, false)], "{why:?}");
            assert_eq!(TestLink::reused().ask('a', method).end(why), [replay('a', method, false)], "{why:?}");
        }
    }
}

// DR.2: written, the link reused, closed before any byte of an answer, idempotent.
#[test]
fn a_stale_link_costs_an_idempotent_request_nothing() {
    for method in [Get, Head, Options, Trace, Put, Delete] {
        assert_eq!(sent(TestLink::reused(), method).end(LinkEnd::Closed), [replay('a', method, true)]);
    }
}

#[test]
fn one_byte_written_counts_as_sent() {
    let mut link = TestLink::reused();
    link.ask('a', Get).queue.wrote(1, 1);
    assert_eq!(link.end(LinkEnd::Closed), [replay('a', Get, true)]);
    let mut link = TestLink::reused();
    link.ask('a', Post).queue.wrote(1, 1);
    assert_eq!(link.end(LinkEnd::Closed), [fail('a', Cause::StaleNonidempotent)]);
}

// DR.3: RFC 9112 section 9.3.1, a proxy must not repeat what is not idempotent.
#[test]
fn a_stale_link_costs_any_other_request_its_answer() {
    for method in [Post, Patch, Method::Other] {
        let fates = sent(TestLink::reused(), method).end(LinkEnd::Closed);
        assert_eq!(fates, [fail('a', Cause::StaleNonidempotent)]);
    }
}

// DR.4: the member may be failing on this very request.
#[test]
fn on_a_fresh_link_nothing_is_repeated() {
    for method in [Get, Post] {
        let fates = sent(TestLink::fresh(), method).end(LinkEnd::Closed);
        assert_eq!(fates, [fail('a', Cause::BackendReset)], "{method:?}");
    }
}

// DR.5 and DR.6: any byte of an answer, 1xx included.
#[test]
fn once_an_answer_began_nothing_is_repeated() {
    for bytes in ["H", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n"] {
        let mut link = sent(TestLink::reused(), Get);
        assert_eq!(link.read(bytes), Ok(true));
        assert_eq!(link.end(LinkEnd::Closed), [fail('a', Cause::BackendReset)], "{bytes:?}");
    }
}

// P.5: an answer that the client has seen the start of is cut off.
#[test]
fn what_the_client_has_seen_is_cut() {
    for (why, cause) in [(LinkEnd::Closed, Cause::Truncated), (LinkEnd::Timeout, Cause::BackendTimeout)] {
        let mut link = sent(TestLink::reused(), Get);
        assert_eq!(link.read(&OK[..OK.len() - 1]), Ok(true));
        assert_eq!(link.end(why), [(Some('a'), Fate::Cut(cause))]);
    }
}

// DR.7, pipelined followers: once. P.5: what was answered is not repeated.
#[test]
fn followers_are_sent_again_whatever_ended_the_link() {
    for why in ENDS {
        let mut link = TestLink::reused();
        link.ask('a', Get).ask('b', Get).ask('c', Head).written();
        assert_eq!(link.read(&format!("{OK}HTTP")), Ok(true));
        let fates = link.end(why);
        assert_eq!(fates.len(), 2);
        match why {
            // What came may be left over from the answer before.
            LinkEnd::Desync(_) => assert_eq!(fates[0], replay('b', Get, true)),
            _ => assert!(matches!(fates[0], (Some('b'), Fate::Fail(_))), "{why:?}: {fates:?}"),
        }
        assert_eq!(fates[1], replay('c', Head, true), "{why:?}");
    }
}

// P.10: whatever shares a link, what is not idempotent is not repeated.
#[test]
fn a_follower_that_is_not_idempotent_is_not_sent_again() {
    let mut link = TestLink::reused();
    link.ask('a', Get).ask('b', Post).ask('c', Get).written();
    let fates = link.end(LinkEnd::Closed);
    assert_eq!(fates, [replay('a', Get, true), fail('b', Cause::StaleNonidempotent), replay('c', Get, true)]);
}

#[test]
fn the_head_is_to_blame_for_a_timeout_and_for_a_head_that_is_too_large() {
    for (why, cause) in [
        (LinkEnd::Timeout, Cause::BackendTimeout),
        (LinkEnd::Desync(Cause::ResponseTooLarge), Cause::ResponseTooLarge),
    ] {
        assert_eq!(sent(TestLink::reused(), Get).end(why), [fail('a', cause)]);
        let mut link = TestLink::reused();
        link.ask('a', Get).ask('b', Get).written();
        assert_eq!(link.end(why), [fail('a', cause), replay('b', Get, true)]);
    }
}

// P.7: what comes in the place of an answer may belong to the one before, and its request is innocent.
#[test]
fn bytes_that_are_no_answer_cost_an_innocent_nothing() {
    let why = LinkEnd::Desync(Cause::BadResponse);
    for method in [Get, Head, Options, Put] {
        assert_eq!(sent(TestLink::reused(), method).end(why), [replay('a', method, true)], "{method:?}");
        assert_eq!(
            sent(TestLink::fresh(), method).end(why),
            [fail('a', Cause::BadResponse)],
            "nothing was before it"
        );
    }
    assert_eq!(sent(TestLink::reused(), Post).end(why), [fail('a', Cause::BadResponse)]);
    let mut again = request(Get);
    again.replayed = true;
    assert_eq!(
        TestLink::reused().submit('a', again).written().end(why),
        [fail('a', Cause::BadResponse)],
        "twice"
    );
    let mut link = TestLink::reused();
    link.ask('a', Get).ask('b', Post).ask('c', Get).written();
    let fates = link.end(why);
    assert_eq!(fates, [replay('a', Get, true), fail('b', Cause::StaleNonidempotent), replay('c', Get, true)]);
}

// Something of its answer was shown, if only a 1xx.
#[test]
fn who_has_seen_an_interim_answer_is_not_sent_again() {
    let mut link = sent(TestLink::reused(), Get);
    assert_eq!(link.read("HTTP/1.1 103 Early Hints\r\n\r\n"), Ok(true));
    assert_eq!(link.end(LinkEnd::Desync(Cause::BadResponse)), [fail('a', Cause::BadResponse)]);
}

#[test]
fn nothing_is_sent_a_third_time() {
    let mut again = request(Get);
    again.replayed = true;
    let mut link = TestLink::reused();
    assert_eq!(link.submit('a', again).written().end(LinkEnd::Closed), [fail('a', Cause::BackendReset)]);
    let mut link = TestLink::reused();
    assert_eq!(link.submit('a', again).end(LinkEnd::Closed), [replay('a', Get, false)], "was not sent here");
}

#[test]
fn a_body_that_has_begun_cannot_be_had_again() {
    let mut put = request(Put);
    put.upload = CONTENT;
    for (mut link, cause) in
        [(TestLink::reused(), Cause::StaleNonidempotent), (TestLink::fresh(), Cause::BackendReset)]
    {
        link.submit('a', put).written();
        link.queue.send_data(b"half", None);
        assert_eq!(link.end(LinkEnd::Closed), [fail('a', cause)]);
    }
}

#[test]
fn a_body_that_has_not_begun_can_wait_for_another_link() {
    let mut post = request(Post);
    post.upload = CONTENT;
    assert_eq!(TestLink::reused().submit('a', post).end(LinkEnd::Closed), [replay('a', Post, false)]);
    let fates = TestLink::reused().submit('a', post).written().end(LinkEnd::Closed);
    assert_eq!(fates, [fail('a', Cause::StaleNonidempotent)], "its head was sent");
}

// DR.8: the client has left, so no.
#[test]
fn nobody_gets_what_nobody_awaits() {
    for why in ENDS {
        let mut link = sent(TestLink::reused(), Get);
        assert!(link.queue.abandon(|_| true));
        assert_eq!(link.end(why), [(None, Fate::Nobody)]);
    }
}
