//! A legacy origin serves so many connections at a time and resets the others.
//! In go more connections than it bears; out come answers, resets, and the count of each.
//! It knows nothing of threads.

use penstock_origin::Options;

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
