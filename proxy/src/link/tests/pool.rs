//! Tests of which link carries a request: each arrow of the pool's figure, and the order of P.9 in `docs/http-rules.md`.
//!
//! Links are numbers here, and requests that wait are letters.

use super::links;
use crate::config::QueueLimits;
use crate::link::{How, Pool, SeatId, Want};
use std::time::Duration;

const ALONE: Want = Want::Alone;
const FRESH: Want = Want::Fresh;
const SHARED: Want = Want::Shared;

pub(super) fn pool(share: usize) -> Pool<usize, char> {
    let queue = QueueLimits { max: 100, timeout: Duration::from_secs(1) };
    Pool::new(&links(), &queue, share, 0)
}

/// Answers have been so quick that links may be shared by `depth`.
pub(super) fn quick(share: usize, depth: u64) -> Pool<usize, char> {
    let mut pool = pool(share);
    pool.depth.observe(&[0], false, 2_000_000 / depth, 0);
    assert_eq!(u64::from(pool.depth.limit()), depth);
    pool
}

/// A link that stands, idle, and was never used. Links are named by their seats.
pub(super) fn connect(pool: &mut Pool<usize, char>) -> SeatId {
    let seat = pool.claim().unwrap();
    pool.connected(seat, seat, 0);
    seat
}

/// A link that has answered, idle.
pub(super) fn used_link(pool: &mut Pool<usize, char>) -> SeatId {
    let seat = connect(pool);
    pool.turn_ended();
    assert_eq!(place(pool, SHARED), Some((seat, How::Opened)));
    pool.turn_ended();
    pool.settle(seat, 0, 0);
    seat
}

pub(super) fn place(pool: &mut Pool<usize, char>, want: Want) -> Option<(SeatId, How)> {
    pool.place(want).map(|(seat, link, how)| {
        assert_eq!(seat, link);
        (seat, how)
    })
}

pub(super) fn wait(pool: &mut Pool<usize, char>, want: Want, who: char) {
    pool.wait(want, who, 0).unwrap();
}

pub(super) fn next(pool: &mut Pool<usize, char>, seat: SeatId) -> Option<(char, How)> {
    pool.next_for(seat, |_, _| true).map(|(who, _, how)| (who, how))
}

#[test]
fn an_idle_link_is_taken_newest_first() {
    let mut pool = quick(3, 8);
    let (a, b) = (used_link(&mut pool), connect(&mut pool));
    assert_eq!(place(&mut pool, SHARED), Some((b, How::Opened)));
    assert_eq!(place(&mut pool, SHARED), Some((a, How::Reused)));
}

// P.9 in docs/http-rules.md: an idle link, then depth where it fits, then a new link, then the queue.
#[test]
fn the_link_with_the_fewest_in_flight_is_shared() {
    let mut pool = quick(2, 3);
    let a = used_link(&mut pool);
    let b = {
        place(&mut pool, SHARED);
        used_link(&mut pool)
    };
    assert_eq!(place(&mut pool, SHARED), Some((b, How::Reused)));
    let hows: Vec<_> = (0..4).map(|_| place(&mut pool, SHARED).unwrap()).collect();
    assert_eq!(hows.iter().filter(|(seat, _)| *seat == a).count(), 2, "{hows:?}");
    assert!(hows.iter().all(|(_, how)| *how == How::Pipelined));
    assert_eq!(place(&mut pool, SHARED), None, "both carry 3");
    pool.settle(a, 2, 0);
    assert_eq!(place(&mut pool, SHARED), Some((a, How::Pipelined)));
}

#[test]
fn where_depth_is_used_up_a_link_is_opened() {
    let mut pool = pool(2);
    used_link(&mut pool);
    assert!(place(&mut pool, SHARED).is_some());
    assert_eq!(place(&mut pool, SHARED), None, "no evidence, depth 1");
    assert_eq!(pool.open(0), None, "nobody waits");
    wait(&mut pool, SHARED, 'a');
    let seat = pool.open(0).unwrap();
    assert_eq!(pool.open(0), None, "one is enough for one");
    pool.connected(seat, seat, 0);
    assert_eq!(next(&mut pool, seat), Some(('a', How::Opened)));
    assert_eq!(next(&mut pool, seat), None);
}

#[test]
fn the_share_is_never_exceeded() {
    let mut pool = pool(2);
    ('a'..='e').for_each(|who| wait(&mut pool, SHARED, who));
    let seats: Vec<_> = std::iter::from_fn(|| pool.open(0)).collect();
    assert_eq!(seats.len(), 2);
    assert_eq!(pool.claim(), None);
    pool.closed(seats[0]);
    assert_eq!(pool.used(), 1);
    assert_eq!(pool.open(0), Some(seats[0]), "a link that could not be connected frees its seat");
    assert_eq!(pool.open(0), None);
    for seat in seats {
        pool.connected(seat, seat, 0);
        next(&mut pool, seat).unwrap();
        pool.bar(seat);
    }
    assert_eq!(pool.open(0), None, "barred links still stand");
}

#[test]
fn each_kind_waits_in_the_order_of_coming() {
    let mut pool = pool(1);
    let seat = used_link(&mut pool);
    place(&mut pool, SHARED);
    for (want, who) in [(SHARED, 'a'), (ALONE, 'b'), (SHARED, 'c'), (FRESH, 'd'), (ALONE, 'e')] {
        wait(&mut pool, want, who);
    }
    let mut turns = String::new();
    for _ in 0..5 {
        pool.settle(seat, 0, 0);
        turns.push(next(&mut pool, seat).unwrap().0);
    }
    assert_eq!(turns, "abcde");
}

#[test]
fn who_comes_later_does_not_overtake() {
    let mut pool = pool(1);
    wait(&mut pool, SHARED, 'a');
    let seat = connect(&mut pool);
    assert_eq!(place(&mut pool, SHARED), None, "the new link is for the one who waits");
    assert_eq!(next(&mut pool, seat), Some(('a', How::Opened)));
}

#[test]
fn the_queue_has_a_limit() {
    let queue = QueueLimits { max: 2, timeout: Duration::from_secs(1) };
    let mut pool: Pool<usize, char> = Pool::new(&links(), &queue, 1, 0);
    assert_eq!(pool.wait(SHARED, 'a', 0), Ok(()));
    assert_eq!(pool.wait(ALONE, 'b', 0), Ok(()));
    assert_eq!(pool.wait(SHARED, 'c', 0), Ok(()), "one waits for its own link, which may be opened");
    assert_eq!(pool.wait(FRESH, 'd', 0), Err('d'), "kinds share the limit");
}

// P.2: a request that may not be shared is a barrier.
#[test]
fn one_alone_takes_no_place_beside_others() {
    let mut pool = quick(1, 8);
    used_link(&mut pool);
    place(&mut pool, SHARED);
    assert_eq!(place(&mut pool, ALONE), None);
}

#[test]
fn nothing_goes_behind_one_alone() {
    let mut pool = quick(1, 8);
    let seat = used_link(&mut pool);
    assert_eq!(place(&mut pool, ALONE), Some((seat, How::Reused)));
    assert_eq!(place(&mut pool, SHARED), None);
    assert!(!pool.has_room(seat));
    wait(&mut pool, SHARED, 'a');
    assert_eq!(next(&mut pool, seat), None);
    pool.settle(seat, 0, 0);
    assert_eq!(next(&mut pool, seat), Some(('a', How::Reused)));
}

// A link is kept for one who must be alone, so that those who share cannot starve it.
#[test]
fn one_alone_is_not_starved_by_those_who_share() {
    let mut pool = quick(1, 8);
    let seat = used_link(&mut pool);
    place(&mut pool, SHARED);
    place(&mut pool, SHARED);
    wait(&mut pool, ALONE, 'a');
    wait(&mut pool, SHARED, 'b');
    pool.settle(seat, 1, 0);
    assert_eq!(next(&mut pool, seat), None, "the link runs empty");
    assert_eq!(place(&mut pool, SHARED), None);
    assert!(!pool.has_room(seat));
    pool.settle(seat, 0, 0);
    assert_eq!(next(&mut pool, seat), Some(('a', How::Reused)));
    assert_eq!(next(&mut pool, seat), None);
}

#[test]
fn no_more_links_are_kept_than_there_are_to_be_alone() {
    let mut pool = quick(2, 8);
    let (a, b) = (used_link(&mut pool), used_link(&mut pool));
    for _ in 0..4 {
        place(&mut pool, SHARED);
        pool.turn_ended();
    }
    wait(&mut pool, ALONE, 'a');
    wait(&mut pool, SHARED, 'b');
    pool.settle(a, 1, 0);
    assert_eq!(next(&mut pool, a), None, "kept");
    pool.settle(b, 1, 0);
    assert_eq!(next(&mut pool, b), Some(('b', How::Pipelined)), "not kept");
    pool.closed(a);
    wait(&mut pool, SHARED, 'c');
    pool.settle(b, 1, 0);
    assert_eq!(next(&mut pool, b), None, "with the first link gone, the second is kept");
}

// DR.2: once, on a fresh connection.
#[test]
fn one_sent_again_waits_for_a_new_link_while_one_may_be_opened() {
    let mut pool = quick(2, 8);
    let old = used_link(&mut pool);
    assert_eq!(place(&mut pool, FRESH), None);
    wait(&mut pool, SHARED, 'a');
    wait(&mut pool, FRESH, 'b');
    let new = pool.open(0).unwrap();
    pool.connected(new, new, 0);
    assert_eq!(next(&mut pool, new), Some(('b', How::Opened)), "before those who came earlier");
    assert_eq!(place(&mut pool, SHARED), None);
    assert_eq!(next(&mut pool, old), Some(('a', How::Reused)));
}

#[test]
fn an_old_link_does_not_take_one_sent_again_while_a_new_one_may_be_opened() {
    let mut pool = quick(2, 8);
    let old = used_link(&mut pool);
    wait(&mut pool, FRESH, 'a');
    assert_eq!(next(&mut pool, old), None);
    assert_eq!(pool.idle_for_waiting(), None);
}

// Regression: it waited beside an idle link until another exchange ended, or for ever.
#[test]
fn one_sent_again_takes_an_idle_link_where_none_may_be_opened() {
    let mut pool = quick(1, 8);
    let seat = used_link(&mut pool);
    assert_eq!(place(&mut pool, FRESH), Some((seat, How::Reused)));
    assert_eq!(place(&mut pool, SHARED), None, "and has it alone");
    assert!(!pool.has_room(seat));
}

// Regression: of two sent again, the second waited beside an idle link while the first used the last seat.
#[test]
fn with_the_last_seat_taken_idle_links_serve_those_who_wait_for_a_new_one() {
    let mut pool = quick(2, 8);
    let old = used_link(&mut pool);
    wait(&mut pool, FRESH, 'a');
    wait(&mut pool, FRESH, 'b');
    let new = pool.open(0).unwrap();
    pool.connected(new, new, 0);
    assert_eq!(next(&mut pool, new), Some(('a', How::Opened)));
    assert_eq!(pool.idle_for_waiting(), Some(old));
    assert_eq!(next(&mut pool, old), Some(('b', How::Reused)));
    assert_eq!(pool.idle_for_waiting(), None);
}

// P.1: never on a link that has not answered yet.
#[test]
fn a_link_that_has_not_answered_carries_one() {
    let mut pool = quick(1, 8);
    let seat = connect(&mut pool);
    assert_eq!(place(&mut pool, SHARED), Some((seat, How::Opened)));
    assert_eq!(place(&mut pool, SHARED), None);
    assert!(!pool.has_room(seat));
    wait(&mut pool, SHARED, 'a');
    assert_eq!(next(&mut pool, seat), None);
    pool.settle(seat, 0, 0);
    assert_eq!(next(&mut pool, seat), Some(('a', How::Reused)));
    assert_eq!(place(&mut pool, SHARED), Some((seat, How::Pipelined)));
}

// P.11: the next of the same client goes on the same link while it has room.
#[test]
fn a_client_joins_its_own_link_up_to_the_depth() {
    let mut pool = quick(1, 3);
    let seat = used_link(&mut pool);
    place(&mut pool, SHARED);
    for _ in 0..2 {
        assert!(pool.has_room(seat));
        pool.join(seat);
    }
    assert!(!pool.has_room(seat));
    pool.settle(seat, 2, 0);
    assert!(pool.has_room(seat));
}

#[test]
fn a_barred_link_takes_nobody_and_stays_so() {
    let mut pool = quick(1, 8);
    let seat = used_link(&mut pool);
    place(&mut pool, SHARED);
    pool.bar(seat);
    assert_eq!(place(&mut pool, SHARED), None);
    wait(&mut pool, SHARED, 'a');
    pool.settle(seat, 0, 0);
    assert_eq!(next(&mut pool, seat), None);
    assert_eq!(pool.oldest_idle(), None);
    pool.closed(seat);
    assert_eq!(pool.used(), 0);
}

#[test]
fn an_idle_link_that_closes_is_forgotten() {
    let mut pool = quick(2, 8);
    let (a, b) = (used_link(&mut pool), used_link(&mut pool));
    pool.closed(b);
    assert_eq!(place(&mut pool, SHARED), Some((a, How::Reused)));
    assert_eq!(pool.links().copied().collect::<Vec<_>>(), [a]);
}

#[test]
fn those_who_left_are_passed_over() {
    let mut pool = pool(1);
    wait(&mut pool, SHARED, 'a');
    wait(&mut pool, SHARED, 'b');
    let seat = connect(&mut pool);
    let turn = pool.next_for(seat, |who, _| *who != 'a').map(|(who, ..)| who);
    assert_eq!((turn, pool.waiting()), (Some('b'), 0));
}

#[test]
fn waiting_has_an_end() {
    let mut pool = pool(1);
    for (who, since) in [('a', 5), ('b', 9)] {
        pool.wait(SHARED, who, since).unwrap();
    }
    assert_eq!(pool.oldest_waiting(), Some(5));
    assert_eq!(pool.give_up_waiting(8), ['a']);
    assert_eq!(pool.remove_waiting(|who| *who == 'b'), ['b']);
    assert_eq!(pool.oldest_waiting(), None);
}

#[test]
fn idle_links_are_told_oldest_first() {
    let mut pool = pool(3);
    for now in [7, 3, 5] {
        let seat = connect(&mut pool);
        pool.place(SHARED);
        pool.settle(seat, 0, now);
    }
    assert_eq!(pool.oldest_idle(), Some(3));
    assert_eq!(pool.idle_since(5), [1, 2]);
}

#[test]
fn a_lowered_share_closes_the_oldest_idle_links_and_opens_none() {
    let mut pool = pool(3);
    let seats: Vec<_> = (0..3).map(|_| connect(&mut pool)).collect();
    pool.configure(&links(), &QueueLimits { max: 1, timeout: Duration::ZERO }, 1);
    assert_eq!(pool.surplus(), seats[..2]);
    wait(&mut pool, ALONE, 'a');
    assert_eq!(pool.open(0), None);
}

// Regression: with a link standing, a member that refused more was asked again at once, without end.
#[test]
fn a_member_that_refuses_more_links_is_not_asked_again_at_once() {
    let mut pool = pool(3);
    let old = used_link(&mut pool);
    wait(&mut pool, FRESH, 'a');
    let new = pool.open(5).unwrap();
    pool.not_connected(new, 5);
    assert_eq!(pool.open(5), None);
    let again = pool.next_opening(5).unwrap();
    assert!(again > 1_000_000);
    assert_eq!(pool.idle_for_waiting(), Some(old), "the old link must do meanwhile");
    assert_eq!(next(&mut pool, old), Some(('a', How::Reused)));
    wait(&mut pool, ALONE, 'b');
    assert_eq!((pool.open(again - 1), pool.open(again)), (None, Some(new)));
}
