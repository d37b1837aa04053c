//! A legacy origin serves so many connections at a time, and resets the others or lets them wait.

use penstock_origin::{Options, OverLimit, Speaks};

use crate::wire::{Wire, eventually, start_with};

#[test]
fn connections_over_the_limit_are_reset_and_counted() {
    let origin = start_with(Options { legacy: Some(3), ..Options::default() });
    let mut served: Vec<_> = (0..3).map(|_| Wire::to(&origin)).collect();
    for wire in &mut served {
        assert_eq!(wire.get("/hello").status, 200);
    }
    for n in 1..=5 {
        assert!(Wire::to(&origin).ends_by_reset());
        assert_eq!(origin.stats().total().refused, n);
    }
    served.pop();
    eventually("one place is free", || origin.stats().total().open == 2);
    assert_eq!(Wire::to(&origin).get("/hello").status, 200);
    let stats = origin.stats().total();
    assert_eq!((stats.peak, stats.accepted, stats.refused, stats.requests), (3, 4, 5, 4));
}

#[test]
fn each_listener_has_its_own_limit() {
    let any = ([127, 0, 0, 1], 0).into();
    let listen = vec![("x".to_owned(), any), ("y".to_owned(), any)];
    let options = Options { listen, legacy: Some(1), ..Options::default() };
    let origin = penstock_origin::Origin::start(options).unwrap();
    let mut wires: Vec<_> = origin.addresses().iter().map(|(_, address)| Wire::connect(*address)).collect();
    for wire in &mut wires {
        assert_eq!(wire.get("/hello").status, 200);
    }
    for (_, address) in origin.addresses() {
        assert!(Wire::connect(*address).ends_by_reset());
    }
}

const LINES: Speaks = Speaks::Lines { crlf: false };

#[test]
fn connections_of_lines_over_the_limit_wait_until_others_have_gone() {
    let origin = start_with(Options { legacy: Some(2), speaks: LINES, ..Options::default() });
    let mut wires: Vec<_> = (0..5).map(|_| Wire::to(&origin)).collect();
    for wire in &mut wires {
        wire.send("id\n");
    }
    for (at, wire) in wires.iter_mut().enumerate() {
        // In the order in which they connected; the first two at once, the others each when one has gone.
        assert_eq!(wire.line(), format!("a {}", at + 1));
        let stats = origin.stats().total();
        assert!(stats.accepted as usize <= at + 2, "{stats:?}");
        wire.send("close\n");
    }
    let stats = origin.stats().total();
    assert_eq!((stats.peak, stats.accepted, stats.refused, stats.requests), (2, 5, 0, 5));
}

#[test]
fn what_becomes_of_those_over_the_limit_can_be_chosen() {
    let over_limit = Some(OverLimit::Reset);
    let origin = start_with(Options { legacy: Some(1), speaks: LINES, over_limit, ..Options::default() });
    let mut first = Wire::to(&origin);
    assert_eq!(first.say("echo x"), "x");
    assert!(Wire::to(&origin).ends_by_reset());
    assert_eq!(origin.stats().total().refused, 1);

    let over_limit = Some(OverLimit::Wait);
    let origin = start_with(Options { legacy: Some(1), over_limit, ..Options::default() });
    let (mut first, mut second) = (Wire::to(&origin), Wire::to(&origin));
    assert_eq!(first.get("/hello").status, 200);
    assert_eq!(origin.stats().total().accepted, 1);
    drop(first);
    assert_eq!(second.get("/hello").status, 200);
    let stats = origin.stats().total();
    assert_eq!((stats.peak, stats.accepted, stats.refused), (1, 2, 0));
}

#[test]
fn a_stop_ends_those_that_are_served_and_those_that_wait() {
    let origin = start_with(Options { legacy: Some(1), speaks: LINES, ..Options::default() });
    let (mut first, mut second) = (Wire::to(&origin), Wire::to(&origin));
    assert_eq!(first.say("echo x"), "x");
    first.send("delay 1000000 echo y\n");
    origin.stop();
    assert_eq!(first.rest(), b"");
    // What nobody has accepted the kernel resets.
    assert!(second.ends_by_reset());
}
