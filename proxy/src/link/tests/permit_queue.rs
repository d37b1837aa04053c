//! Tests of the order in which places of a member are handed out: sources take turns, and none goes beyond its share while others wait.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use crate::config::PerSource;
use crate::link::dedicated::permit_queue::PermitQueue;

fn source(number: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, number).into()
}

fn places(cap: u32, per_source: PerSource) -> PermitQueue<(u8, u32)> {
    let mut places = PermitQueue::default();
    places.configure(Some(cap), per_source);
    places
}

/// These sources wait; each with the number of its turn.
fn wait(places: &mut PermitQueue<(u8, u32)>, sources: &[u8]) {
    for (number, of) in sources.iter().enumerate() {
        places.wait(source(*of), (*of, number as u32));
    }
}

/// Who is served when places are given back one by one, each by who got it.
fn served(places: &mut PermitQueue<(u8, u32)>, by: u8) -> Vec<(u8, u32)> {
    let (mut all, mut last) = (Vec::new(), by);
    loop {
        places.give_back(Some(source(last)));
        let Some(next) = places.next() else { return all };
        assert!(places.next().is_none(), "one place was free");
        last = next.0;
        all.push(next);
    }
}

#[test]
fn the_room_of_a_crowd_is_given_back() {
    let mut places: PermitQueue<u32> = PermitQueue::default();
    places.configure(Some(5_000), PerSource::Quarter);
    let source = |i: u32| IpAddr::from((0x7f00_0000 + i).to_be_bytes());
    assert!((0..5_000).all(|i| places.take(Some(source(i)))));
    let numbers: Vec<_> = (5_000..10_000).map(|i| (i, places.wait(source(i), i))).collect();
    assert!(places.room().0 >= 5_000 && places.room().1 >= 5_000);
    // Half of them leave, the others are served, and all go.
    assert!(numbers[2_500..].iter().all(|(i, number)| places.leave(source(*i), *number)));
    for i in 0..2_500 {
        places.give_back(Some(source(i)));
        assert_eq!(places.next(), Some(5_000 + i));
    }
    assert!(places.room().0 <= 1024, "{:?}", places.room());
    (2_500..7_400).for_each(|i| places.give_back(Some(source(i))));
    assert!(places.room().1 <= 2048, "{:?}", places.room());
    (7_400..7_500).for_each(|i| places.give_back(Some(source(i))));
    assert!(places.take(Some(source(1))));
}

#[test]
fn one_source_is_served_in_the_order_in_which_it_came() {
    let mut places = places(1, PerSource::Quarter);
    assert!(places.take(Some(source(1))) && !places.take(Some(source(1))));
    wait(&mut places, &[1, 1, 1]);
    assert_eq!(served(&mut places, 1), [(1, 0), (1, 1), (1, 2)]);
    assert!(places.take(Some(source(2))), "it is free again");
}

#[test]
fn sources_take_turns_however_many_of_each_wait() {
    let mut places = places(1, PerSource::Unlimited);
    assert!(places.take(Some(source(9))));
    wait(&mut places, &[1, 1, 1, 1, 2, 3, 3]);
    let order: Vec<_> = served(&mut places, 9).into_iter().map(|(of, _)| of).collect();
    assert_eq!(order, [1, 2, 3, 1, 3, 1, 1]);
}

#[test]
fn who_has_its_share_is_passed_over_while_others_wait() {
    for (per_source, share) in
        [(PerSource::Quarter, 2), (PerSource::Most(3.try_into().unwrap()), 3), (PerSource::Unlimited, 6)]
    {
        let mut places = places(8, per_source);
        (0..8).for_each(|_| assert!(places.take(Some(source(9))), "nobody else wants them"));
        wait(&mut places, &[1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2]);
        let mut got = [0; 3];
        for _ in 0..8 {
            places.give_back(Some(source(9)));
            got[usize::from(places.next().unwrap().0)] += 1;
            assert!(places.next().is_none());
        }
        // Both have their share, or half of all where that is less; whose turn it is gets what nobody else may have.
        assert_eq!(got, [0, 4, 4], "{share}");
        places.give_back(Some(source(1)));
        places.give_back(Some(source(1)));
        wait(&mut places, &[3, 3, 3, 3]);
        let next: Vec<_> = std::iter::from_fn(|| places.next()).map(|(of, _)| of).collect();
        assert_eq!(next.contains(&3), per_source != PerSource::Unlimited, "{next:?}");
    }
}

#[test]
fn a_source_with_its_share_goes_behind_one_that_has_less() {
    let mut places = places(8, PerSource::Quarter);
    (0..7).for_each(|_| assert!(places.take(Some(source(1)))));
    assert!(places.take(Some(source(9))));
    wait(&mut places, &[1, 1, 2, 2, 2]);
    places.give_back(Some(source(9)));
    assert_eq!(places.next(), Some((2, 2)), "1 came first, and has more than its share");
    places.give_back(Some(source(1)));
    assert_eq!(places.next(), Some((2, 3)));
    places.give_back(Some(source(1)));
    assert_eq!(places.next(), Some((1, 0)), "now both have their share, and it is the turn of 1");
}

#[test]
fn who_leaves_is_passed_over_and_a_lower_cap_counts_who_is_there() {
    let mut places = places(2, PerSource::Quarter);
    assert!(places.take(Some(source(1))) && places.take(None));
    let number = places.wait(source(2), (2, 0));
    wait(&mut places, &[3]);
    assert!(places.leave(source(2), number) && !places.leave(source(2), number));
    assert_eq!(places.waiting(), 1);
    places.configure(Some(1), PerSource::Quarter);
    places.give_back(None);
    assert_eq!(places.next(), None, "one is there, as many as may be");
    places.give_back(Some(source(1)));
    assert_eq!(places.next(), Some((3, 0)));
    places.configure(None, PerSource::Quarter);
    assert!(places.take(Some(source(4))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// Nobody waits while a place is free, the cap holds, everybody is served or leaves, and a source with its share
    /// is served only where no source with less waits.
    #[test]
    fn whatever_happens_places_are_exact_and_fair(
        cap in 1_u32..12,
        most in 1_u32..6,
        steps in prop::collection::vec((0_u8..3, 0_u8..5, any::<prop::sample::Index>()), 1..300),
    ) {
        let mut places = places(cap, PerSource::Most(most.try_into().unwrap()));
        let mut held: Vec<u8> = Vec::new();
        let mut waiting: Vec<(u8, u32, u64)> = Vec::new();
        for (step, (what, of, which)) in (0_u32..).zip(steps) {
            match what {
                0 if places.take(Some(source(of))) => held.push(of),
                0 => waiting.push((of, step, places.wait(source(of), (of, step)))),
                1 if !held.is_empty() => {
                    places.give_back(Some(source(held.swap_remove(which.index(held.len())))));
                }
                2 if !waiting.is_empty() => {
                    let (of, _, number) = waiting.remove(which.index(waiting.len()));
                    prop_assert!(places.leave(source(of), number));
                }
                _ => {}
            }
            while let Some((of, number)) = places.next() {
                let share = |of: u8| held.iter().filter(|other| **other == of).count() >= most as usize;
                let less = waiting.iter().any(|(other, ..)| !share(*other));
                prop_assert!(!share(of) || !less);
                let at = waiting.iter().position(|(other, ..)| *other == of).unwrap();
                prop_assert_eq!(waiting.remove(at).1, number, "the first of its source");
                held.push(of);
            }
            prop_assert!(held.len() <= cap as usize);
            prop_assert!(waiting.is_empty() || held.len() == cap as usize);
            prop_assert_eq!(places.waiting(), waiting.len());
        }
        let mut counts = HashMap::new();
        held.iter().for_each(|of| *counts.entry(*of).or_insert(0) += 1);
        for (of, count) in counts {
            (0..count).for_each(|_| places.give_back(Some(source(of))));
        }
    }
}
