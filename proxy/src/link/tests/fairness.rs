//! Tests that no source, and no class of requests that hold links, keeps a pool's links from others.

use super::scheduler::{connect, quick, scheduler, used_link};
use crate::event_loop::Nanos;
use crate::link::{Acquired, Demand, GiveWay, HeldBy, Scheduler, Sharing, SourceKey};

const MILLI: Nanos = 1_000_000;
const SHARE: usize = 8;

fn of(source: u64) -> Demand {
    Demand { source: SourceKey(source), class: 1, ..Sharing::Alone.into() }
}

/// All links that there may be, idle.
fn connected() -> Scheduler<usize, char> {
    let mut scheduler = scheduler(SHARE);
    (0..SHARE).for_each(|_| _ = connect(&mut scheduler));
    scheduler
}

#[test]
fn the_last_link_is_kept_for_other_sources() {
    let mut scheduler = connected();
    let taken = std::iter::from_fn(|| scheduler.place(of(1))).count();
    assert_eq!(taken, SHARE - 1);
    assert!(scheduler.place(of(2)).is_some(), "somebody else may have it");
    assert!(scheduler.place(of(2)).is_none());
}

#[test]
fn a_source_without_limit_may_have_all() {
    let mut links = super::links();
    links.max_per_source = crate::config::PerSource::Unlimited;
    let queue = crate::config::QueueLimits { max: 100, timeout: std::time::Duration::from_secs(1) };
    let mut scheduler = connected();
    scheduler.configure(&links, &queue, SHARE);
    assert_eq!(std::iter::from_fn(|| scheduler.place(of(1))).count(), SHARE);
}

#[test]
fn a_source_that_has_its_part_is_passed_over_while_others_wait() {
    let mut scheduler = connected();
    let link_ids: Vec<_> =
        std::iter::from_fn(|| scheduler.place(of(1))).map(|(link_id, ..)| link_id).collect();
    scheduler.place(of(3)).unwrap();
    (0..3).for_each(|_| scheduler.wait(of(1), 'a', 0).unwrap());
    scheduler.wait(of(2), 'b', 0).unwrap();
    scheduler.settle(link_ids[0], 0, 1);
    assert_eq!(scheduler.next_for(link_ids[0], |_, _| true).map(|(who, ..)| who), Some('b'));
    scheduler.settle(link_ids[1], 0, 1);
    assert_eq!(scheduler.next_for(link_ids[1], |_, _| true).map(|(who, ..)| who), None, "the last is kept");
    scheduler.settle(link_ids[2], 0, 1);
    assert_eq!(
        scheduler.next_for(link_ids[2], |_, _| true).map(|(who, ..)| who),
        Some('a'),
        "nobody else waits"
    );
}

#[test]
fn a_source_that_has_its_part_still_goes_behind_others() {
    let shared = Demand { sharing: Sharing::Shared, ..of(1) };
    let mut scheduler = quick(SHARE, 4);
    (0..SHARE).for_each(|_| _ = used_link(&mut scheduler));
    let taken: Vec<_> = std::iter::from_fn(|| scheduler.place(shared)).map(|(link_id, ..)| link_id).collect();
    assert_eq!(taken.len(), 4 * (SHARE - 1));
    scheduler.wait(shared, 'a', 0).unwrap();
    scheduler.settle(taken[0], 3, 1);
    assert_eq!(
        scheduler.next_for(taken[0], |_, _| true).map(|(who, _, how)| (who, how)),
        Some(('a', Acquired::Pipelined))
    );
}

/// All links are held by clients that do not move, each of another source, and others wait.
fn held() -> (Scheduler<usize, char>, Vec<(usize, GiveWay)>) {
    let mut links = super::links();
    links.min_rate = Some(16 << 10);
    let queue = crate::config::QueueLimits { max: 100, timeout: std::time::Duration::from_secs(1) };
    let mut scheduler = connected();
    scheduler.configure(&links, &queue, SHARE);
    (0..SHARE as u64).for_each(|source| _ = scheduler.place(of(10 + source)).unwrap());
    (0..20).for_each(|i| scheduler.wait(of(100 + i), 'h', 0).unwrap());
    scheduler.wait(Demand { class: 2, ..of(200) }, 'q', 0).unwrap();
    let mut gone = Vec::new();
    for at in (0..=10).map(|tick| (1 + 25 * tick) * MILLI) {
        (0..SHARE).for_each(|link_id| scheduler.look(link_id, 0, HeldBy::Client { moved: 7 }, at));
        gone.extend(scheduler.give_way(|_| 1, at));
        if !gone.is_empty() {
            break;
        }
    }
    (scheduler, gone)
}

#[test]
fn those_who_hold_links_without_moving_give_half_of_them_back() {
    let (scheduler, gone) = held();
    assert_eq!(gone.len(), SHARE / 2);
    assert!(gone.iter().all(|(_, why)| *why == GiveWay::Slow));
    assert!(scheduler.is_pressed_now() && scheduler.is_of_holders(1) && !scheduler.is_of_holders(2));
}

#[test]
fn what_is_like_those_who_hold_links_waits_for_half_of_them() {
    let (mut scheduler, gone) = held();
    let next: Vec<_> = gone
        .iter()
        .filter_map(|(link_id, _)| {
            scheduler.closed(*link_id);
            let link_id = connect(&mut scheduler);
            scheduler.next_for(link_id, |_, _| true).map(|(who, ..)| who)
        })
        .collect();
    assert_eq!(next, ['q'], "the one of another class, though twenty came before it");
    scheduler.relax();
    let idle = scheduler.idle_since(Nanos::MAX);
    let next = scheduler.next_for(idle[0], |_, _| true).map(|(who, ..)| who);
    assert_eq!(next, Some('h'), "as soon as nobody is pressed");
}

#[test]
fn who_fills_the_queue_is_displaced_and_not_those_who_come_later() {
    let mut scheduler: Scheduler<usize, char> = scheduler(0);
    (0..100).for_each(|_| scheduler.wait(of(1), 'a', 0).unwrap());
    assert!(scheduler.is_full());
    assert_eq!(scheduler.wait(of(2), 'b', 0), Err('b'));
    assert_eq!(scheduler.displace(SourceKey(2)), Some('a'));
    assert_eq!(scheduler.wait(of(2), 'b', 0), Ok(()));
    assert_eq!(scheduler.displace(SourceKey(1)), None);
}
