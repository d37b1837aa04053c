//! Tests of links that are kept apart: for requests that go alone, for links that are held, and for those that clients keep.

use super::scheduler::{next, place, quick, scheduler, used_link, wait};
use crate::link::{Acquired, Sharing};

const ALONE: Sharing = Sharing::Alone;
const OWN: Sharing = Sharing::Own;
const SHARED: Sharing = Sharing::Shared;

// Those who are alone leave the links of the others to them, and the others theirs.
#[test]
fn what_is_shared_and_what_is_alone_keep_to_their_links() {
    let mut scheduler = quick(4, 8);
    let (a, b) = (used_link(&mut scheduler), used_link(&mut scheduler));
    assert_eq!(place(&mut scheduler, SHARED), Some((b, Acquired::Reused)));
    assert_eq!(
        place(&mut scheduler, ALONE),
        Some((a, Acquired::Reused)),
        "another's, where there is none of its own"
    );
    scheduler.settle(a, 0, 1);
    scheduler.turn_ended();
    assert_eq!(
        place(&mut scheduler, SHARED),
        Some((b, Acquired::Pipelined)),
        "behind another rather than there"
    );
    scheduler.settle(b, 0, 2);
    assert_eq!(place(&mut scheduler, ALONE), Some((a, Acquired::Reused)));
}

#[test]
fn a_link_that_is_held_takes_no_more_until_it_is_empty() {
    let mut scheduler = quick(1, 8);
    let a = used_link(&mut scheduler);
    place(&mut scheduler, SHARED);
    place(&mut scheduler, SHARED);
    assert!(scheduler.hold(a));
    assert!(!scheduler.hold(a), "it is already");
    assert_eq!(place(&mut scheduler, SHARED), None);
    wait(&mut scheduler, SHARED, 'a');
    scheduler.settle(a, 1, 1);
    assert_eq!(next(&mut scheduler, a), None);
    scheduler.settle(a, 0, 2);
    assert_eq!(next(&mut scheduler, a), Some(('a', Acquired::Reused)));
    assert!(scheduler.has_room(a), "as before");
}

#[test]
fn who_waits_behind_a_held_link_gets_another() {
    let mut scheduler = quick(2, 8);
    let a = used_link(&mut scheduler);
    place(&mut scheduler, SHARED);
    scheduler.hold(a);
    wait(&mut scheduler, SHARED, 'a');
    assert!(scheduler.open(0).is_some(), "it has no room for those who wait");
}

#[test]
fn one_link_is_left_to_those_who_do_not_keep_theirs() {
    let mut scheduler = quick(3, 8);
    let links = [used_link(&mut scheduler), used_link(&mut scheduler), used_link(&mut scheduler)];
    let (first, second) = (place(&mut scheduler, OWN).unwrap().0, place(&mut scheduler, OWN).unwrap().0);
    assert_eq!(place(&mut scheduler, OWN), None, "two of three are kept");
    wait(&mut scheduler, OWN, 'a');
    let left = links.into_iter().find(|link| ![first, second].contains(link)).unwrap();
    assert_eq!(next(&mut scheduler, left), None, "it is not for those who would keep it");
    assert_eq!(place(&mut scheduler, SHARED), Some((left, Acquired::Reused)));
    assert_eq!(place(&mut scheduler, ALONE), None);
    scheduler.settle(first, 0, 1);
    assert_eq!(next(&mut scheduler, first), Some(('a', Acquired::Reused)), "one was given back");
    scheduler.closed(second);
    assert_eq!(place(&mut scheduler, OWN), None, "though it may be opened for it");
}

#[test]
fn the_only_link_may_be_kept() {
    let mut scheduler = scheduler(1);
    let link = used_link(&mut scheduler);
    assert_eq!(place(&mut scheduler, OWN), Some((link, Acquired::Reused)));
}
