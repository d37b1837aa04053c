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
pub(super) const fn mix(mut x: u64) -> u64 {
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

    /// The sources that meet another member, by the member that they meet then.
    fn moved(
        sources: u32,
        before: &[(&'static str, u32)],
        after: &[(&'static str, u32)],
    ) -> Vec<(u32, &'static str)> {
        let met = |source| (meets(source, before), meets(source, after));
        (0..sources)
            .filter_map(|source| Some((source, met(source))).filter(|(_, (b, a))| b != a))
            .map(|(s, (_, a))| (s, a))
            .collect()
    }

    /// Returns whether so many of `of` are a likely number of successes at this share: within five standard deviations.
    fn is_likely(count: usize, of: u32, share: f64) -> bool {
        let (mean, deviation) = (f64::from(of) * share, (f64::from(of) * share * (1.0 - share)).sqrt());
        (count as f64 - mean).abs() <= 5.0 * deviation
    }

    const NAMES: [&str; 8] =
        ["a", "b", "c", "web-1", "web-2", "10.0.0.1:80", "é", "a-much-longer-name-than-the-others"];

    #[test]
    fn a_member_that_comes_moves_only_those_whom_it_wins() {
        const SOURCES: u32 = 20_000;
        for n in 1..NAMES.len() {
            let all: Vec<_> = NAMES[..=n].iter().map(|name| (*name, 1)).collect();
            let (new, before) = all.split_last().unwrap();
            let moved = moved(SOURCES, before, &all);
            assert!(moved.iter().all(|(_, to)| *to == new.0), "{n}: nobody moves among the others");
            assert!(is_likely(moved.len(), SOURCES, 1.0 / (n as f64 + 1.0)), "{n}: {} moved", moved.len());
        }
    }

    #[test]
    fn a_weight_that_grows_moves_as_many_as_the_share_grows_and_all_to_its_member() {
        const SOURCES: u32 = 20_000;
        for (before, after) in [(1, 2), (1, 8), (3, 4), (10, 256)] {
            let with = |weight| [("a", 5), ("b", weight), ("c", 1)];
            let share = |weight: u32| f64::from(weight) / f64::from(weight + 6);
            let moved = moved(SOURCES, &with(before), &with(after));
            assert!(moved.iter().all(|(_, to)| *to == "b"), "{before} to {after}");
            assert!(
                is_likely(moved.len(), SOURCES, share(after) - share(before)),
                "{before} to {after}: {}",
                moved.len()
            );
            let back = self::moved(SOURCES, &with(after), &with(before));
            assert_eq!(back.len(), moved.len(), "whoever came goes back");
        }
    }

    /// The hash is a promise to other processes, machines and versions: the members of 100,000 sources in one number.
    #[test]
    fn all_processes_agree() {
        let members = [("a", 1), ("b", 2), ("c", 3), ("d", 1), ("e", 16)];
        let together = (0..100_000).fold(0xcbf2_9ce4_8422_2325_u64, |all, source| {
            (all ^ name_hash(meets(source, &members))).wrapping_mul(0x0000_0100_0000_01b3)
        });
        assert_eq!(
            together, 18_351_152_065_745_465_167,
            "each source meets another member than in earlier versions"
        );
    }

    #[test]
    fn an_ipv4_source_is_itself_on_a_dual_socket() {
        let v4: IpAddr = "127.3.2.1".parse().unwrap();
        let mapped: IpAddr = "::ffff:127.3.2.1".parse().unwrap();
        assert_eq!(address_hash(v4), address_hash(mapped));
    }
}
