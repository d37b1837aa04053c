//! Whether the simulation shows what it should.
//! In: how often each thing came to pass. Out: a panic where one came too seldom.
//! Knows nothing of how.

use crate::Counts;

const KINDS: [(&str, u64); 1] = [
    ("answered", 15_000),
];

pub(crate) fn each_came_to_pass(counts: &Counts) {
    for (kind, least) in KINDS {
        let count = counts.get(kind).copied().unwrap_or(0);
        assert!(count >= least, "the simulation shows too little: {count} of {kind}, not {least}");
    }
}
