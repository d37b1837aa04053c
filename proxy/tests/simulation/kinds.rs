//! Checks that the simulation shows what it should: each thing comes to pass often enough.

use crate::Counts;

/// Each with about a third of how often it came to pass when this was written. A change of the model, of the pool
/// or of depth that makes one rare takes something out of the tests.
const KINDS: [(&str, u64); 46] = [
    // How exchanges come to their links,
    ("opened", 1_200),
    ("reused", 10_000),
    ("pipelined", 7_000),
    ("joined", 4_000),
    ("goes alone", 300),
    // how they end,
    ("answered", 17_000),
    ("answered here", 100),
    ("gone", 1_000),
    ("given up", 15),
    ("discarded", 300),
    ("too long for nobody", 1),
    ("cut: truncated", 100),
    ("cut: backend_timeout", 5),
    ("queue_full", 5_000),
    ("queue_timeout", 2_000),
    ("connect_refused", 100),
    ("no_member", 500),
    ("stale_nonidempotent", 300),
    ("backend_reset", 40),
    ("backend_timeout", 12),
    ("bad_response", 45),
    ("bad_request", 20),
    ("body_too_large", 20),
    ("body_timeout", 15),
    // and what happens to them between.
    ("replayed", 250),
    ("sent elsewhere", 90),
    ("held: slow", 40),
    ("held: large", 9),
    ("held: reader", 9),
    ("rescued", 130),
    ("rescued before it was sent", 70),
    ("rescued and answered", 150),
    ("over the budget", 100),
    ("parted", 25),
    // What the member is taken for.
    ("closed amid a pipeline", 30),
    ("restarted", 20),
    // Conversations, and what is told instead of an answer.
    ("conversation", 90),
    ("conversation that cost its link", 25),
    ("blocked", 50),
    ("pushed", 300),
    ("lines: refused", 300),
    ("lines: closed", 150),
    ("length_prefixed: refused", 700),
    ("length_prefixed: closed", 500),
    ("resp: refused", 1_500),
    ("resp: refused with an error", 2_000),
];

pub(crate) fn each_came_to_pass(counts: &Counts) {
    for (kind, least) in KINDS {
        let count = counts.get(kind).copied().unwrap_or(0);
        assert!(count >= least, "the simulation shows too little: {count} of {kind}, not {least}");
    }
}
