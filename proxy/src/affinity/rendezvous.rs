//! Implements weighted rendezvous hashing: each member has a score for each source, and the highest score
//! wins (D7.2 in `docs/http-rules.md`).
//!
//! A score depends on the source's address and on the member's name and weight. It does not depend on ports,
//! on the order of the members or on their number, so that a change of members moves only the sources of the
//! members that changed.

use std::net::IpAddr;

/// The properties of a member that the hash uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The [`name_hash`] of the member's name.
    pub hash: u64,
    /// The member's share of the sources, relative to the others.
    pub weight: u32,
}

/// Returns the candidate with the highest score for `key`.
///
/// Only names, weights and address bytes count. The order of members changes nothing, and a member that is
/// removed moves only its own sources, which return to it when it does.
pub(crate) fn best<T>(key: IpAddr, candidates: impl Iterator<Item = (T, Candidate)>) -> Option<T> {
    let address = address_hash(key);
    candidates.map(|(who, c)| (score(address, c), c.hash, who)).max_by(order).map(|(_, _, who)| who)
}

/// Works like [`best`] for members given by the hash of their name and their weight, and returns the place of the
/// winner among them. Only the micro-benchmarks in `benches/` call this.
#[cfg(feature = "bench")]
#[must_use]
pub fn best_index(key: IpAddr, members: &[(u64, u32)]) -> Option<usize> {
    let candidate =
        |(index, (hash, weight)): (usize, &(u64, u32))| (index, Candidate { hash: *hash, weight: *weight });
    best(key, members.iter().enumerate().map(candidate))
}

/// Returns the hash of a member's name (FNV-1a, 64 bits).
#[must_use]
pub(crate) fn name_hash(name: &str) -> u64 {
    fnv(name.as_bytes())
}

fn address_hash(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(a) => fnv(&a.octets()),
        IpAddr::V6(a) => fnv(&a.octets()),
    }
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Returns `-weight / ln(u)` with u uniform in (0, 1). The largest score belongs to a member with a
/// probability proportional to its weight (Schindelhauer and Schomaker 2005).
fn score(address: u64, candidate: Candidate) -> f64 {
    let mixed = mix(address ^ mix(candidate.hash));
    // A double has 53 bits; the half keeps the value away from 0 and 1.
    let uniform = ((mixed >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    -f64::from(candidate.weight) / uniform.ln()
}

/// Applies the finaliser of SplitMix64, in which every bit of the input affects every bit of the output.
const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn order<T>(a: &(f64, u64, T), b: &(f64, u64, T)) -> std::cmp::Ordering {
    // Equal scores are decided by the name, so that all workers agree.
    a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn meets(source: u32, members: &[(&'static str, u32)]) -> &'static str {
        let key = IpAddr::V4(Ipv4Addr::from_bits(0x7f00_0000 + source));
        let candidates =
            members.iter().map(|(n, weight)| (*n, Candidate { hash: name_hash(n), weight: *weight }));
        best(key, candidates).unwrap()
    }

    fn counts(sources: u32, members: &[(&'static str, u32)]) -> Vec<u32> {
        let count = |name: &str| (0..sources).filter(|s| meets(*s, members) == name).count() as u32;
        members.iter().map(|(name, _)| count(name)).collect()
    }

    #[test]
    fn neighbouring_sources_spread_evenly() {
        for count in counts(3000, &[("a", 1), ("b", 1), ("c", 1)]) {
            assert!((900..1100).contains(&count), "{count} of 3000");
        }
    }

    #[test]
    fn weights_are_shares() {
        let counts = counts(8000, &[("a", 1), ("b", 2), ("c", 5)]);
        for (count, share) in counts.iter().zip([1000, 2000, 5000]) {
            assert!(count.abs_diff(share) < share / 8, "{counts:?}");
        }
    }

    #[test]
    fn order_does_not_count() {
        for source in 0..500 {
            let here = meets(source, &[("a", 1), ("b", 1), ("c", 1)]);
            assert_eq!(here, meets(source, &[("c", 1), ("a", 1), ("b", 1)]));
        }
    }

    #[test]
    fn a_member_that_goes_moves_only_its_own_sources() {
        for source in 0..500 {
            let before = meets(source, &[("a", 1), ("b", 1), ("c", 1)]);
            let after = meets(source, &[("a", 1), ("c", 1)]);
            assert!(before == after || before == "b");
        }
    }

    #[test]
    fn an_ipv4_source_is_itself_on_a_dual_socket() {
        let v4: IpAddr = "127.3.2.1".parse().unwrap();
        let mapped: IpAddr = "::ffff:127.3.2.1".parse().unwrap();
        assert_eq!(address_hash(v4), address_hash(mapped));
    }
}
