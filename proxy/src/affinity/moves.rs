//! Counts the sources that another configuration sends to another member.
//!
//! [`compare`] serves `penstock affinity plan`, which asks for a sample of addresses, and a reload, which asks for the sources that
//! have clients. Both rank members as clients do ([`Ranking::choose`] is what [`best`] says), so that the numbers are those of the
//! moves that follow.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use crate::config::{AdminState, Affinity, Backend, MemberSettings};

use super::rendezvous::{Candidate, best, mix, name_hash};

/// The members of a backend under one configuration, as the choice of a member for a source sees them.
pub(crate) struct Ranking {
    affinity: Affinity,
    members: Vec<RankedMember>,
}

struct RankedMember {
    name: Arc<str>,
    candidate: Candidate,
    backup: bool,
    state: AdminState,
    is_up: bool,
}

impl Ranking {
    /// Makes the ranking of a backend whose members are up if `is_up` says so and they are not in maintenance.
    #[must_use]
    pub(crate) fn new(backend: &Backend, is_up: impl Fn(&MemberSettings) -> bool) -> Self {
        let member = |m: &MemberSettings| RankedMember {
            name: m.name.clone(),
            candidate: Candidate { hash: name_hash(&m.name), weight: m.weight },
            backup: m.backup,
            state: m.state,
            is_up: m.state != AdminState::Maintenance && is_up(m),
        };
        Self { affinity: backend.affinity, members: backend.members.iter().map(member).collect() }
    }

    /// Returns the place of the member that a new client of `source` gets, in the order of the file: the first in rank of those that
    /// are up and take new sources, or of all that take new sources while none is up, or of all in service (D7.3 in
    /// `docs/http-rules.md`); `None` without affinity.
    #[must_use]
    pub(crate) fn choose(&self, source: IpAddr) -> Option<usize> {
        let key = self.affinity.key(source)?;
        let takes_sources = |m: &RankedMember| m.state == AdminState::Ready;
        self.best_of(key, |_, m| m.is_up && takes_sources(m))
            .or_else(|| self.best_of(key, |_, m| takes_sources(m)))
            .or_else(|| self.best_of(key, |_, m| m.state != AdminState::Maintenance))
    }

    /// Returns the first in rank of these members. Backups come after all others.
    fn best_of(&self, key: IpAddr, may: impl Fn(usize, &RankedMember) -> bool) -> Option<usize> {
        let among = |backup: bool| {
            let members =
                self.members.iter().enumerate().filter(|(place, m)| m.backup == backup && may(*place, m));
            best(key, members.map(|(place, m)| (place, m.candidate)))
        };
        among(false).or_else(|| among(true))
    }

    /// Returns the places of all members, the first in rank for `source` first; `None` without affinity.
    #[must_use]
    pub(crate) fn rank(&self, source: IpAddr) -> Option<Vec<usize>> {
        let key = self.affinity.key(source)?;
        let mut ranked = Vec::new();
        while let Some(next) = self.best_of(key, |place, _| !ranked.contains(&place)) {
            ranked.push(next);
        }
        Some(ranked)
    }

    /// Returns the place of the member with this name hash if it drains, and so keeps the sources that have clients there.
    fn kept_by(&self, hash: u64) -> Option<usize> {
        let keeps = |place: &usize| {
            let member = &self.members[*place];
            member.state == AdminState::Drain && member.is_up
        };
        self.with_hash(hash).filter(keeps)
    }

    /// Returns the place of the member with this name hash.
    #[must_use]
    pub(crate) fn with_hash(&self, hash: u64) -> Option<usize> {
        self.members.iter().position(|m| m.candidate.hash == hash)
    }
}

/// The sources of a backend whose moves are to be counted.
pub(crate) enum SourceList {
    /// Whole addresses of sources without clients.
    Addresses(Arc<[IpAddr]>),
    /// The affinity keys of sources that have clients, and the name hash of the member that each has now.
    Keys(Vec<(IpAddr, u64)>),
}

/// The consequences that another configuration has for the sources of one backend.
pub(crate) struct BackendMoves {
    /// The backend as the new configuration has it, or as the old one does if the new one has none of this name.
    pub backend: Arc<Backend>,
    /// The consequences.
    pub change: BackendChange,
}

/// A kind of consequences for the sources of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BackendChange {
    /// Only the new configuration has the backend.
    Added,
    /// Only the old configuration has the backend, which had so many of the sources.
    Removed(usize),
    /// Neither configuration assigns sources to members.
    NoAffinity,
    /// Only the new configuration assigns sources to members.
    AffinityBegins,
    /// Only the old configuration assigns sources to members, so many of them.
    AffinityEnds(usize),
    /// The new affinity key tells addresses apart that were one source. Only the old keys of so many sources are known, so that
    /// moves cannot be counted.
    FinerKey(usize),
    /// The moves are counted.
    Counted(SourceMoves),
}

/// The numbers of sources that go from each member to each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SourceMoves {
    /// The flows that have sources, in the order of the old file and then of the new one.
    pub flows: Vec<SourceFlow>,
}

/// The sources that one member has before, and another one, or the same one, after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceFlow {
    /// The name of the member before.
    pub from: Arc<str>,
    /// The name of the member after.
    pub to: Arc<str>,
    /// The number of sources.
    pub sources: usize,
}

impl SourceFlow {
    /// Returns whether these sources meet another member after.
    #[must_use]
    pub(crate) fn is_move(&self) -> bool {
        self.from != self.to
    }
}

impl SourceMoves {
    /// Counts the flows of these sources. A source whose present member is in the old configuration comes from there, and any
    /// other one from the member that the old configuration chooses.
    fn count(
        before: &Ranking,
        after: &Ranking,
        sources: impl Iterator<Item = (IpAddr, Option<u64>)>,
    ) -> Self {
        let mut pairs = BTreeMap::<_, usize>::new();
        for (source, present) in sources {
            let from = present.and_then(|hash| before.with_hash(hash)).or_else(|| before.choose(source));
            let to = present.and_then(|hash| after.kept_by(hash)).or_else(|| after.choose(source));
            if let (Some(from), Some(to)) = (from, to) {
                *pairs.entry((from, to)).or_default() += 1;
            }
        }
        let flow = |((from, to), sources): ((usize, usize), usize)| SourceFlow {
            from: before.members[from].name.clone(),
            to: after.members[to].name.clone(),
            sources,
        };
        Self { flows: pairs.into_iter().map(flow).collect() }
    }

    /// Returns the number of sources.
    #[must_use]
    pub(crate) fn sources(&self) -> usize {
        self.flows.iter().map(|flow| flow.sources).sum()
    }

    /// Returns the number of sources that meet another member after.
    #[must_use]
    pub(crate) fn moved(&self) -> usize {
        self.flows.iter().filter(|flow| flow.is_move()).map(|flow| flow.sources).sum()
    }
}

/// Returns the consequences of changing from the backends `before` to the backends `after`: first those of the new configuration, in
/// the order of its file, then those that are gone. `sources` lists the sources of a backend of the old configuration.
#[must_use]
pub(crate) fn compare(
    before: &[Arc<Backend>],
    after: &[Arc<Backend>],
    is_up: impl Fn(&Backend, &MemberSettings) -> bool,
    sources: impl Fn(&Backend) -> SourceList,
) -> Vec<BackendMoves> {
    let find = |all: &[Arc<Backend>], name: &str| all.iter().find(|other| *other.name == *name).cloned();
    let change = |new: &Arc<Backend>| {
        let change = find(before, &new.name)
            .map_or(BackendChange::Added, |old| compare_backend(&old, new, &is_up, || sources(&old)));
        BackendMoves { backend: new.clone(), change }
    };
    let removed = before.iter().filter(|old| find(after, &old.name).is_none()).map(|old| BackendMoves {
        backend: old.clone(),
        change: BackendChange::Removed(sources(old).len_of(old)),
    });
    after.iter().map(change).chain(removed).collect()
}

fn compare_backend(
    old: &Backend,
    new: &Backend,
    is_up: impl Fn(&Backend, &MemberSettings) -> bool,
    sources: impl FnOnce() -> SourceList,
) -> BackendChange {
    let (old_bits, new_bits) = match (old.affinity, new.affinity) {
        (Affinity::None, Affinity::None) => return BackendChange::NoAffinity,
        (Affinity::None, _) => return BackendChange::AffinityBegins,
        (_, Affinity::None) => return BackendChange::AffinityEnds(sources().len_of(old)),
        (Affinity::Source { v4, v6 }, Affinity::Source { v4: new_v4, v6: new_v6 }) => {
            ((v4, v6), (new_v4, new_v6))
        }
    };
    let before = Ranking::new(old, |member| is_up(old, member));
    let after = Ranking::new(new, |member| is_up(new, member));
    BackendChange::Counted(match sources() {
        SourceList::Addresses(addresses) => {
            SourceMoves::count(&before, &after, addresses.iter().map(|address| (*address, None)))
        }
        // A key that was cut does not say how the addresses behind it go on.
        SourceList::Keys(keys) if new_bits.0 > old_bits.0 || new_bits.1 > old_bits.1 => {
            return BackendChange::FinerKey(keys.len());
        }
        SourceList::Keys(keys) => {
            SourceMoves::count(&before, &after, keys.into_iter().map(|(key, member)| (key, Some(member))))
        }
    })
}

/// Returns a sample of so many IPv4 addresses, always the same ones (SplitMix64).
pub(crate) fn sample(count: u32) -> impl Iterator<Item = IpAddr> {
    let bits = |i: u32| mix(u64::from(i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    (0..count).map(move |i| Ipv4Addr::from_bits((bits(i) >> 32) as u32).into())
}

impl SourceList {
    /// Returns the number of sources that the backend assigns to members.
    fn len_of(&self, backend: &Backend) -> usize {
        match self {
            _ if backend.affinity == Affinity::None => 0,
            Self::Addresses(addresses) => addresses.len(),
            Self::Keys(keys) => keys.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;
    use crate::config::parse;

    /// A backend with this affinity key and these members.
    fn backend(key: &str, members: &str) -> Arc<Backend> {
        let text = format!(
            "listeners: {{ web: {{ bind: 127.0.0.1:1, backend: app }} }}\n\
             backends: {{ app: {{ affinity: {{ key: {key} }}, members: {{ {members} }} }} }}"
        );
        let mut settings = parse("test.yaml", &text, &|_| None).unwrap_or_else(|m| panic!("{m}")).settings;
        settings.backends.swap_remove(0)
    }

    const THREE: &str = "a: 127.0.0.1:2, b: 127.0.0.1:3, c: 127.0.0.1:4";

    fn address(i: u32) -> IpAddr {
        IpAddr::from((0x7f00_0000 + i).to_be_bytes())
    }

    fn addresses(count: u32) -> SourceList {
        SourceList::Addresses((0..count).map(address).collect())
    }

    fn change(
        before: &Arc<Backend>,
        after: &Arc<Backend>,
        is_up: impl Fn(&str) -> bool,
        sources: impl Fn() -> SourceList,
    ) -> BackendChange {
        let is_up = |_: &Backend, m: &MemberSettings| is_up(&m.name);
        let all = compare(std::slice::from_ref(before), std::slice::from_ref(after), is_up, |_| sources());
        assert_eq!(all.len(), 1);
        all.into_iter().next().unwrap().change
    }

    fn counted(before: &Arc<Backend>, after: &Arc<Backend>) -> SourceMoves {
        match change(before, after, |_| true, || addresses(3000)) {
            BackendChange::Counted(moves) => moves,
            other => panic!("{other:?}"),
        }
    }

    /// What the hash says of each source, one by one.
    fn by_hand(before: &Backend, after: &Backend) -> BTreeMap<(Arc<str>, Arc<str>), usize> {
        let choice = |backend: &Backend, source| {
            let key = backend.affinity.key(source).unwrap();
            let hashed = |m: &MemberSettings| {
                (m.name.clone(), Candidate { hash: name_hash(&m.name), weight: m.weight })
            };
            best(key, backend.members.iter().map(hashed)).unwrap()
        };
        let mut found = BTreeMap::new();
        for source in (0..3000).map(address) {
            *found.entry((choice(before, source), choice(after, source))).or_default() += 1;
        }
        found
    }

    #[test]
    fn the_flows_are_what_the_hash_says_of_each_source() {
        let before = backend("source", THREE);
        for (key, members) in [
            ("source", "a: 127.0.0.1:2, b: 127.0.0.1:3, c: 127.0.0.1:4, d: 127.0.0.1:5"),
            ("source", "a: 127.0.0.1:2, c: 127.0.0.1:4"),
            ("source", "c: 127.0.0.1:2, b: { address: 127.0.0.1:3, weight: 3 }, a: 127.0.0.1:4"),
            ("source/24", THREE),
            ("source", "x: 127.0.0.1:2"),
        ] {
            let after = backend(key, members);
            let moves = counted(&before, &after);
            let flows = moves.flows.iter().map(|f| ((f.from.clone(), f.to.clone()), f.sources)).collect();
            assert_eq!(by_hand(&before, &after), flows, "{members}");
            assert_eq!(moves.sources(), 3000);
            assert!(moves.moved() > 0, "{members}");
        }
    }

    #[test]
    fn a_new_address_and_another_order_move_nobody() {
        let moves = counted(
            &backend("source", THREE),
            &backend("source", "c: 127.0.0.9:1, a: 127.0.0.9:2, b: 127.0.0.9:3"),
        );
        assert_eq!((moves.moved(), moves.sources()), (0, 3000));
    }

    #[test]
    fn a_member_that_goes_moves_exactly_its_own_sources() {
        let moves = counted(&backend("source", THREE), &backend("source", "a: 127.0.0.1:2, c: 127.0.0.1:4"));
        assert!(moves.flows.iter().all(|flow| flow.is_move() == (&*flow.from == "b")), "{moves:?}");
    }

    /// Each source of b is at another member while b is down, and stays there if b goes.
    #[test]
    fn a_member_that_is_down_has_no_sources_to_lose() {
        let (before, after) = (backend("source", THREE), backend("source", "a: 127.0.0.1:2, c: 127.0.0.1:4"));
        let BackendChange::Counted(moves) = change(&before, &after, |name| name != "b", || addresses(3000))
        else {
            panic!()
        };
        assert_eq!((moves.moved(), moves.sources()), (0, 3000), "{moves:?}");
        let BackendChange::Counted(moves) = change(&before, &after, |_| false, || addresses(3000)) else {
            panic!()
        };
        assert!(moves.moved() > 900, "while none is up, sources wait at their first choice: {moves:?}");
    }

    #[test]
    fn a_member_that_drains_keeps_those_who_are_there_and_a_backup_waits() {
        let before = backend("source", THREE);
        let drains =
            backend("source", &THREE.replace("127.0.0.1:3", "{ address: 127.0.0.1:3, state: drain }"));
        let at_b = || SourceList::Keys((0..300).map(|i| (address(i), name_hash("b"))).collect());
        let moved = |after: &Arc<Backend>, is_up: &dyn Fn(&str) -> bool, sources: &dyn Fn() -> SourceList| {
            match change(&before, after, is_up, sources) {
                BackendChange::Counted(moves) => moves,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(moved(&drains, &|_| true, &at_b).moved(), 0);
        assert_eq!(moved(&drains, &|name| name != "b", &at_b).moved(), 300, "it is down");
        let new = moved(&drains, &|_| true, &|| addresses(3000));
        assert!(new.flows.iter().all(|flow| flow.is_move() == (&*flow.from == "b")), "{new:?}");
        for state in ["backup: true", "state: maintenance"] {
            let out = THREE.replace("127.0.0.1:3", &format!("{{ address: 127.0.0.1:3, {state} }}"));
            assert_eq!(moved(&backend("source", &out), &|_| true, &at_b).moved(), 300, "{state}");
        }
        let backup = backend("source", "a: 127.0.0.1:2, b: { address: 127.0.0.1:3, backup: true }");
        assert_eq!(Ranking::new(&backup, |m| &*m.name == "b").choose(address(0)), Some(1));
        assert_eq!(Ranking::new(&backup, |_| true).rank(address(0)), Some(vec![0, 1]));
    }

    #[test]
    fn a_rank_begins_with_the_choice_and_goes_on_without_it() {
        let all = backend("source", THREE);
        let ranking = Ranking::new(&all, |_| true);
        for source in (0..100).map(address) {
            let rank = ranking.rank(source).unwrap();
            assert_eq!(rank.len(), 3);
            assert_eq!(ranking.choose(source), Some(rank[0]));
            let without_first = Ranking::new(&all, |m| m.name != all.members[rank[0]].name);
            assert_eq!(without_first.choose(source), Some(rank[1]), "{rank:?}");
        }
        assert_eq!(Ranking::new(&backend("none", THREE), |_| true).rank(address(0)), None);
    }

    /// The list of members in the file, with these weights.
    fn weighted(weights: &[u32]) -> String {
        let member = |(i, weight)| format!("m{i}: {{ address: 127.0.0.1:{}, weight: {weight} }}", i + 1);
        weights.iter().enumerate().map(member).collect::<Vec<_>>().join(", ")
    }

    /// Counts the moves of the sample from one list of members to another.
    fn of_sample(before: &str, after: &str) -> SourceMoves {
        let all = || SourceList::Addresses(sample(20_000).collect());
        match change(&backend("source", before), &backend("source", after), |_| true, all) {
            BackendChange::Counted(moves) => moves,
            other => panic!("{other:?}"),
        }
    }

    fn config() -> ProptestConfig {
        println!("seed 15");
        let (cases, rng_seed) = (24, RngSeed::Fixed(15));
        ProptestConfig { cases, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
    }

    proptest! {
        #![proptest_config(config())]

        /// A new member takes its share, of all others, and nobody else moves; when it goes, each of its sources returns.
        #[test]
        fn what_a_new_member_takes_returns_when_it_goes(weights in vec(1..=9_u32, 2..8)) {
            let (more, fewer) = (weighted(&weights), weighted(&weights[..weights.len() - 1]));
            let new = format!("m{}", weights.len() - 1);
            let (comes, goes) = (of_sample(&fewer, &more), of_sample(&more, &fewer));
            prop_assert!(comes.flows.iter().all(|flow| flow.is_move() == (*flow.to == *new)), "{:?}", comes);
            prop_assert!(goes.flows.iter().all(|flow| flow.is_move() == (*flow.from == *new)), "{:?}", goes);
            prop_assert_eq!(comes.moved(), goes.moved());
            // Five standard deviations of a binomial distribution.
            let sum: u32 = weights.iter().sum();
            let share = f64::from(weights[weights.len() - 1]) / f64::from(sum);
            let bound = 5.0 * (20_000.0 * share * (1.0 - share)).sqrt();
            let off = (comes.moved() as f64 - 20_000.0 * share).abs();
            prop_assert!(off < bound, "{} of 20000, not {share}", comes.moved());
        }

        /// A member whose weight grows takes the difference of its shares, and nobody else moves.
        #[test]
        fn a_weight_that_grows_moves_the_difference(weights in vec(1..=9_u32, 2..8), more in 1..=9_u32) {
            let mut after = weights.clone();
            after[0] += more;
            let moves = of_sample(&weighted(&weights), &weighted(&after));
            prop_assert!(moves.flows.iter().all(|flow| !flow.is_move() || &*flow.to == "m0"), "{:?}", moves);
            let share = |weights: &[u32]| f64::from(weights[0]) / f64::from(weights.iter().sum::<u32>());
            let expected = share(&after) - share(&weights);
            let bound = 5.0 * (20_000.0 * expected * (1.0 - expected)).sqrt();
            let off = (moves.moved() as f64 - 20_000.0 * expected).abs();
            prop_assert!(off < bound, "{} of 20000, not {expected}", moves.moved());
        }
    }

    #[test]
    fn a_source_comes_from_where_it_is() {
        let before = backend("source", THREE);
        let source =
            (0..).map(address).find(|source| Ranking::new(&before, |_| true).choose(*source) == Some(0));
        let keys = |member: &str| SourceList::Keys(vec![(source.unwrap(), name_hash(member))]);
        let flow = |member: &str| match change(&before, &before, |_| true, || keys(member)) {
            BackendChange::Counted(moves) => moves.flows[0].clone(),
            other => panic!("{other:?}"),
        };
        let expected = |from: &str| SourceFlow { from: from.into(), to: "a".into(), sources: 1 };
        assert_eq!(flow("b"), expected("b"), "it is kept at another member, and goes back");
        assert_eq!(flow("long gone"), expected("a"), "it has moved since");
    }

    #[test]
    fn what_cannot_be_counted_is_said() {
        let keys = || SourceList::Keys(vec![(address(0), name_hash("a")); 7]);
        let of = |before: &str, after: &str| {
            change(&backend(before, THREE), &backend(after, THREE), |_| true, keys)
        };
        assert_eq!(of("none", "none"), BackendChange::NoAffinity);
        assert_eq!(of("none", "source"), BackendChange::AffinityBegins);
        assert_eq!(of("source", "none"), BackendChange::AffinityEnds(7));
        assert_eq!(of("source/24", "source"), BackendChange::FinerKey(7));
        assert_eq!(of("source/56", "source/64"), BackendChange::FinerKey(7));
        assert!(matches!(of("source/24", "source/16"), BackendChange::Counted(_)));
        let app = backend("source", THREE);
        let only = |before: &[Arc<Backend>], after: &[Arc<Backend>]| {
            compare(before, after, |_, _| true, |_| keys()).swap_remove(0).change
        };
        assert_eq!(only(&[], std::slice::from_ref(&app)), BackendChange::Added);
        assert_eq!(only(std::slice::from_ref(&app), &[]), BackendChange::Removed(7));
    }
}
