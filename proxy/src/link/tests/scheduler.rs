//! Tests of which link carries a request: each arrow of the pool's figure, and the order of P.9 in `docs/http-rules.md`.
//!
//! Links are numbers here, and requests that wait are letters.

use super::links;
use crate::config::QueueLimits;
use crate::link::{Acquired, LinkId, Scheduler, Sharing};
use std::time::Duration;

const ALONE: Sharing = Sharing::Alone;
const FRESH: Sharing = Sharing::Fresh;
const SHARED: Sharing = Sharing::Shared;

pub(super) fn scheduler(share: usize) -> Scheduler<usize, char> {
    let queue = QueueLimits { max: 100, timeout: Duration::from_secs(1) };
    Scheduler::new(&links(), &queue, share, 0)
}

/// Answers have been so quick that links may be shared by `depth`.
pub(super) fn quick(share: usize, depth: u64) -> Scheduler<usize, char> {
    let mut scheduler = scheduler(share);
    scheduler.depth.observe(&[0], false, 2_000_000 / depth, 0);
    assert_eq!(u64::from(scheduler.depth.limit()), depth);
    scheduler
}

/// A link that stands, idle, and was never used. Links are named by their entries.
pub(super) fn connect(scheduler: &mut Scheduler<usize, char>) -> LinkId {
    let link_id = scheduler.claim().unwrap();
    scheduler.connected(link_id, link_id, 0);
    link_id
}

/// A link that has answered, idle.
pub(super) fn used_link(scheduler: &mut Scheduler<usize, char>) -> LinkId {
    let link_id = connect(scheduler);
    scheduler.turn_ended();
    assert_eq!(place(scheduler, SHARED), Some((link_id, Acquired::Opened)));
    scheduler.turn_ended();
    scheduler.settle(link_id, 0, 0);
    link_id
}

pub(super) fn place(scheduler: &mut Scheduler<usize, char>, sharing: Sharing) -> Option<(LinkId, Acquired)> {
    scheduler.place(sharing).map(|(link_id, link, how)| {
        assert_eq!(link_id, link);
        (link_id, how)
    })
}

pub(super) fn wait(scheduler: &mut Scheduler<usize, char>, sharing: Sharing, who: char) {
    scheduler.wait(sharing, who, 0).unwrap();
}

pub(super) fn next(scheduler: &mut Scheduler<usize, char>, link_id: LinkId) -> Option<(char, Acquired)> {
    scheduler.next_for(link_id, |_, _| true).map(|(who, _, how)| (who, how))
}

#[test]
fn an_idle_link_is_taken_newest_first() {
    let mut scheduler = quick(3, 8);
    let (a, b) = (used_link(&mut scheduler), connect(&mut scheduler));
    assert_eq!(place(&mut scheduler, SHARED), Some((b, Acquired::Opened)));
    assert_eq!(place(&mut scheduler, SHARED), Some((a, Acquired::Reused)));
}

// P.9 in docs/http-rules.md: an idle link, then depth where it fits, then a new link, then the queue.
#[test]
fn the_link_with_the_fewest_in_flight_is_shared() {
    let mut scheduler = quick(2, 3);
    let a = used_link(&mut scheduler);
    let b = {
        place(&mut scheduler, SHARED);
        used_link(&mut scheduler)
    };
    assert_eq!(place(&mut scheduler, SHARED), Some((b, Acquired::Reused)));
    let hows: Vec<_> = (0..4).map(|_| place(&mut scheduler, SHARED).unwrap()).collect();
    assert_eq!(hows.iter().filter(|(link_id, _)| *link_id == a).count(), 2, "{hows:?}");
    assert!(hows.iter().all(|(_, how)| *how == Acquired::Pipelined));
    assert_eq!(place(&mut scheduler, SHARED), None, "both carry 3");
    scheduler.settle(a, 2, 0);
    assert_eq!(place(&mut scheduler, SHARED), Some((a, Acquired::Pipelined)));
}

#[test]
fn where_depth_is_used_up_a_link_is_opened() {
    let mut scheduler = scheduler(2);
    used_link(&mut scheduler);
    assert!(place(&mut scheduler, SHARED).is_some());
    assert_eq!(place(&mut scheduler, SHARED), None, "no evidence, depth 1");
    assert_eq!(scheduler.open(0), None, "nobody waits");
    wait(&mut scheduler, SHARED, 'a');
    let link_id = scheduler.open(0).unwrap();
    assert_eq!(scheduler.open(0), None, "one is enough for one");
    scheduler.connected(link_id, link_id, 0);
    assert_eq!(next(&mut scheduler, link_id), Some(('a', Acquired::Opened)));
    assert_eq!(next(&mut scheduler, link_id), None);
}

#[test]
fn the_share_is_never_exceeded() {
    let mut scheduler = scheduler(2);
    ('a'..='e').for_each(|who| wait(&mut scheduler, SHARED, who));
    let link_ids: Vec<_> = std::iter::from_fn(|| scheduler.open(0)).collect();
    assert_eq!(link_ids.len(), 2);
    assert_eq!(scheduler.claim(), None);
    scheduler.closed(link_ids[0]);
    assert_eq!(scheduler.used(), 1);
    assert_eq!(scheduler.open(0), Some(link_ids[0]), "a link that could not be connected frees its entry");
    assert_eq!(scheduler.open(0), None);
    for link_id in link_ids {
        scheduler.connected(link_id, link_id, 0);
        next(&mut scheduler, link_id).unwrap();
        scheduler.close_to_new(link_id);
    }
    assert_eq!(scheduler.open(0), None, "barred links still stand");
}

#[test]
fn each_kind_waits_in_the_order_of_coming() {
    let mut scheduler = scheduler(1);
    let link_id = used_link(&mut scheduler);
    place(&mut scheduler, SHARED);
    for (sharing, who) in [(SHARED, 'a'), (ALONE, 'b'), (SHARED, 'c'), (FRESH, 'd'), (ALONE, 'e')] {
        wait(&mut scheduler, sharing, who);
    }
    let mut turns = String::new();
    for _ in 0..5 {
        scheduler.settle(link_id, 0, 0);
        turns.push(next(&mut scheduler, link_id).unwrap().0);
    }
    assert_eq!(turns, "abcde");
}

#[test]
fn who_comes_later_does_not_overtake() {
    let mut scheduler = scheduler(1);
    wait(&mut scheduler, SHARED, 'a');
    let link_id = connect(&mut scheduler);
    assert_eq!(place(&mut scheduler, SHARED), None, "the new link is for the one who waits");
    assert_eq!(next(&mut scheduler, link_id), Some(('a', Acquired::Opened)));
}

#[test]
fn the_queue_has_a_limit() {
    let queue = QueueLimits { max: 2, timeout: Duration::from_secs(1) };
    let mut scheduler: Scheduler<usize, char> = Scheduler::new(&links(), &queue, 1, 0);
    assert_eq!(scheduler.wait(SHARED, 'a', 0), Ok(()));
    assert_eq!(scheduler.wait(ALONE, 'b', 0), Ok(()));
    assert_eq!(scheduler.wait(SHARED, 'c', 0), Ok(()), "one waits for its own link, which may be opened");
    assert_eq!(scheduler.wait(FRESH, 'd', 0), Err('d'), "kinds share the limit");
}

// P.2: a request that may not be shared is a barrier.
#[test]
fn one_alone_takes_no_place_beside_others() {
    let mut scheduler = quick(1, 8);
    used_link(&mut scheduler);
    place(&mut scheduler, SHARED);
    assert_eq!(place(&mut scheduler, ALONE), None);
}

#[test]
fn nothing_goes_behind_one_alone() {
    let mut scheduler = quick(1, 8);
    let link_id = used_link(&mut scheduler);
    assert_eq!(place(&mut scheduler, ALONE), Some((link_id, Acquired::Reused)));
    assert_eq!(place(&mut scheduler, SHARED), None);
    assert!(!scheduler.has_room(link_id));
    wait(&mut scheduler, SHARED, 'a');
    assert_eq!(next(&mut scheduler, link_id), None);
    scheduler.settle(link_id, 0, 0);
    assert_eq!(next(&mut scheduler, link_id), Some(('a', Acquired::Reused)));
}

// A link is kept for one who must be alone, so that those who share cannot starve it.
#[test]
fn one_alone_is_not_starved_by_those_who_share() {
    let mut scheduler = quick(1, 8);
    let link_id = used_link(&mut scheduler);
    place(&mut scheduler, SHARED);
    place(&mut scheduler, SHARED);
    wait(&mut scheduler, ALONE, 'a');
    wait(&mut scheduler, SHARED, 'b');
    scheduler.settle(link_id, 1, 0);
    assert_eq!(next(&mut scheduler, link_id), None, "the link runs empty");
    assert_eq!(place(&mut scheduler, SHARED), None);
    assert!(!scheduler.has_room(link_id));
    scheduler.settle(link_id, 0, 0);
    assert_eq!(next(&mut scheduler, link_id), Some(('a', Acquired::Reused)));
    assert_eq!(next(&mut scheduler, link_id), None);
}

#[test]
fn no_more_links_are_kept_than_there_are_to_be_alone() {
    let mut scheduler = quick(2, 8);
    let (a, b) = (used_link(&mut scheduler), used_link(&mut scheduler));
    for _ in 0..4 {
        place(&mut scheduler, SHARED);
        scheduler.turn_ended();
    }
    wait(&mut scheduler, ALONE, 'a');
    wait(&mut scheduler, SHARED, 'b');
    scheduler.settle(a, 1, 0);
    assert_eq!(next(&mut scheduler, a), None, "kept");
    scheduler.settle(b, 1, 0);
    assert_eq!(next(&mut scheduler, b), Some(('b', Acquired::Pipelined)), "not kept");
    scheduler.closed(a);
    wait(&mut scheduler, SHARED, 'c');
    scheduler.settle(b, 1, 0);
    assert_eq!(next(&mut scheduler, b), None, "with the first link gone, the second is kept");
}

// DR.2: once, on a fresh connection.
#[test]
fn one_sent_again_waits_for_a_new_link_while_one_may_be_opened() {
    let mut scheduler = quick(2, 8);
    let old = used_link(&mut scheduler);
    assert_eq!(place(&mut scheduler, FRESH), None);
    wait(&mut scheduler, SHARED, 'a');
    wait(&mut scheduler, FRESH, 'b');
    let new = scheduler.open(0).unwrap();
    scheduler.connected(new, new, 0);
    assert_eq!(next(&mut scheduler, new), Some(('b', Acquired::Opened)), "before those who came earlier");
    assert_eq!(place(&mut scheduler, SHARED), None);
    assert_eq!(next(&mut scheduler, old), Some(('a', Acquired::Reused)));
}

#[test]
fn an_old_link_does_not_take_one_sent_again_while_a_new_one_may_be_opened() {
    let mut scheduler = quick(2, 8);
    let old = used_link(&mut scheduler);
    wait(&mut scheduler, FRESH, 'a');
    assert_eq!(next(&mut scheduler, old), None);
    assert_eq!(scheduler.idle_for_waiting(), None);
}

// Regression: it waited beside an idle link until another exchange ended, or for ever.
#[test]
fn one_sent_again_takes_an_idle_link_where_none_may_be_opened() {
    let mut scheduler = quick(1, 8);
    let link_id = used_link(&mut scheduler);
    assert_eq!(place(&mut scheduler, FRESH), Some((link_id, Acquired::Reused)));
    assert_eq!(place(&mut scheduler, SHARED), None, "and has it alone");
    assert!(!scheduler.has_room(link_id));
}

// Regression: of two sent again, the second waited beside an idle link while the first used the last entry.
#[test]
fn with_the_last_entry_taken_idle_links_serve_those_who_wait_for_a_new_one() {
    let mut scheduler = quick(2, 8);
    let old = used_link(&mut scheduler);
    wait(&mut scheduler, FRESH, 'a');
    wait(&mut scheduler, FRESH, 'b');
    let new = scheduler.open(0).unwrap();
    scheduler.connected(new, new, 0);
    assert_eq!(next(&mut scheduler, new), Some(('a', Acquired::Opened)));
    assert_eq!(scheduler.idle_for_waiting(), Some(old));
    assert_eq!(next(&mut scheduler, old), Some(('b', Acquired::Reused)));
    assert_eq!(scheduler.idle_for_waiting(), None);
}

// P.1: never on a link that has not answered yet.
#[test]
fn a_link_that_has_not_answered_carries_one() {
    let mut scheduler = quick(1, 8);
    let link_id = connect(&mut scheduler);
    assert_eq!(place(&mut scheduler, SHARED), Some((link_id, Acquired::Opened)));
    assert_eq!(place(&mut scheduler, SHARED), None);
    assert!(!scheduler.has_room(link_id));
    wait(&mut scheduler, SHARED, 'a');
    assert_eq!(next(&mut scheduler, link_id), None);
    scheduler.settle(link_id, 0, 0);
    assert_eq!(next(&mut scheduler, link_id), Some(('a', Acquired::Reused)));
    assert_eq!(place(&mut scheduler, SHARED), Some((link_id, Acquired::Pipelined)));
}

// P.11: the next of the same client goes on the same link while it has room.
#[test]
fn a_client_joins_its_own_link_up_to_the_depth() {
    let mut scheduler = quick(1, 3);
    let link_id = used_link(&mut scheduler);
    place(&mut scheduler, SHARED);
    for _ in 0..2 {
        assert!(scheduler.has_room(link_id));
        scheduler.join(link_id);
    }
    assert!(!scheduler.has_room(link_id));
    scheduler.settle(link_id, 2, 0);
    assert!(scheduler.has_room(link_id));
}

#[test]
fn a_barred_link_takes_nobody_and_stays_so() {
    let mut scheduler = quick(1, 8);
    let link_id = used_link(&mut scheduler);
    place(&mut scheduler, SHARED);
    scheduler.close_to_new(link_id);
    assert_eq!(place(&mut scheduler, SHARED), None);
    wait(&mut scheduler, SHARED, 'a');
    scheduler.settle(link_id, 0, 0);
    assert_eq!(next(&mut scheduler, link_id), None);
    assert_eq!(scheduler.oldest_idle(), None);
    scheduler.closed(link_id);
    assert_eq!(scheduler.used(), 0);
}

#[test]
fn an_idle_link_that_closes_is_forgotten() {
    let mut scheduler = quick(2, 8);
    let (a, b) = (used_link(&mut scheduler), used_link(&mut scheduler));
    scheduler.closed(b);
    assert_eq!(place(&mut scheduler, SHARED), Some((a, Acquired::Reused)));
    assert_eq!(scheduler.links().copied().collect::<Vec<_>>(), [a]);
}

#[test]
fn those_who_left_are_passed_over() {
    let mut scheduler = scheduler(1);
    wait(&mut scheduler, SHARED, 'a');
    wait(&mut scheduler, SHARED, 'b');
    let link_id = connect(&mut scheduler);
    let turn = scheduler.next_for(link_id, |who, _| *who != 'a').map(|(who, ..)| who);
    assert_eq!((turn, scheduler.waiting()), (Some('b'), 0));
}

#[test]
fn waiting_has_an_end() {
    let mut scheduler = scheduler(1);
    for (who, since) in [('a', 5), ('b', 9)] {
        scheduler.wait(SHARED, who, since).unwrap();
    }
    assert_eq!(scheduler.oldest_waiting(), Some(5));
    assert_eq!(scheduler.give_up_waiting(8), ['a']);
    assert_eq!(scheduler.remove_waiting(|who| *who == 'b'), ['b']);
    assert_eq!(scheduler.oldest_waiting(), None);
}

#[test]
fn idle_links_are_told_oldest_first() {
    let mut scheduler = scheduler(3);
    for now in [7, 3, 5] {
        let link_id = connect(&mut scheduler);
        scheduler.place(SHARED);
        scheduler.settle(link_id, 0, now);
    }
    assert_eq!(scheduler.oldest_idle(), Some(3));
    assert_eq!(scheduler.idle_since(5), [1, 2]);
}

#[test]
fn a_lowered_share_closes_the_oldest_idle_links_and_opens_none() {
    let mut scheduler = scheduler(3);
    let link_ids: Vec<_> = (0..3).map(|_| connect(&mut scheduler)).collect();
    scheduler.configure(&links(), &QueueLimits { max: 1, timeout: Duration::ZERO }, 1);
    assert_eq!(scheduler.surplus(), link_ids[..2]);
    wait(&mut scheduler, ALONE, 'a');
    assert_eq!(scheduler.open(0), None);
}

// Regression: with a link standing, a member that refused more was asked again at once, without end.
#[test]
fn a_member_that_refuses_more_links_is_not_asked_again_at_once() {
    let mut scheduler = scheduler(3);
    let old = used_link(&mut scheduler);
    wait(&mut scheduler, FRESH, 'a');
    let new = scheduler.open(5).unwrap();
    scheduler.not_connected(new, 5);
    assert_eq!(scheduler.open(5), None);
    let again = scheduler.next_opening(5).unwrap();
    assert!(again > 1_000_000);
    assert_eq!(scheduler.idle_for_waiting(), Some(old), "the old link must do meanwhile");
    assert_eq!(next(&mut scheduler, old), Some(('a', Acquired::Reused)));
    wait(&mut scheduler, ALONE, 'b');
    assert_eq!((scheduler.open(again - 1), scheduler.open(again)), (None, Some(new)));
}
