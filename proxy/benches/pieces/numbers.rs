//! The choice of a member for a source, and the record of a latency.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use penstock::affinity::best_index;
use penstock::metrics::Histogram;

use crate::Piece;

pub(crate) const PIECES: [Piece; 3] = [
    Piece { name: "rendezvous-3-members", run: |rounds| rendezvous(3, rounds) },
    Piece { name: "rendezvous-64-members", run: |rounds| rendezvous(64, rounds) },
    Piece { name: "histogram-record", run: histogram },
];

/// Chooses a member for one source after the other, among this number.
fn rendezvous(members: u64, rounds: u64) {
    let members: Vec<(u64, u32)> =
        (1..=members).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15), 1)).collect();
    for round in 0..rounds {
        let source = IpAddr::V4(Ipv4Addr::from_bits(0x7f01_0000 + (round & 0xffff) as u32));
        black_box(best_index(black_box(source), black_box(&members)));
    }
}

/// Records latencies from 16 microseconds to a second.
fn histogram(rounds: u64) {
    let histogram = Histogram::default();
    for round in 0..rounds {
        histogram.observe_nanos(black_box(16_384 << (round % 16)));
    }
    black_box(&histogram);
}
