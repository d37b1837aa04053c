//! Tests of the verdict on a member, and of what is done for a better one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::config::parse;
use crate::link::{ProbeTask, ProberSender, Proof, ProofState, ProofSubject};
use crate::metrics::PipelineFault;
use crate::probe::Fault;

const SECOND: Duration = Duration::from_secs(1);

struct Member {
    proof: Arc<Proof>,
    /// As if a worker had it.
    _worker: Arc<Proof>,
    prober: ProberSender,
    requests: UnboundedReceiver<Arc<Proof>>,
    now: Instant,
}

fn member(protocol: &str, pipeline: &str) -> Member {
    let (prober, requests) = unbounded_channel();
    let proof = Arc::<Proof>::default();
    let member = Member { _worker: proof.clone(), proof, prober, requests, now: Instant::now() };
    member.configure(protocol, pipeline);
    member
}

impl Member {
    fn configure(&self, protocol: &str, pipeline: &str) {
        let text = format!(
            "listeners: {{ web: {{ bind: 127.0.0.1:0, protocol: {protocol}, backend: app }} }}\n\
             backends: {{ app: {{ members: {{ a: 127.0.0.1:9 }}, links: {{ pipeline: {pipeline} }} }} }}\n"
        );
        let settings = parse("test.yaml", &text, &|_| None).unwrap_or_else(|m| panic!("{m}")).settings;
        let backend = settings.backends[0].clone();
        let (member, address) = (backend.members[0].name.clone(), backend.members[0].address.clone());
        self.proof.set_subject(ProofSubject { backend, member, address, prober: self.prober.clone() });
    }

    /// What the prober would do, and after how long.
    fn task(&mut self) -> Option<(ProbeTask, Duration)> {
        while self.requests.try_recv().is_ok() {}
        let held = self.proof.clone(); // as the list of all has it
        let task = held.next_task(self.now)?;
        Some((task, task.due.saturating_duration_since(self.now)))
    }

    /// The prober does it when it is due.
    fn does(&mut self, found: Result<(), Fault>) -> Duration {
        let (task, after) = self.task().expect("something to do");
        self.now += after;
        self.proof.conclude(&task, found, self.now);
        after
    }
}

#[test]
fn known_software_is_probed_at_once_and_then_ever_more_seldom() {
    let mut member = member("http", "auto");
    assert_eq!((member.proof.standing(), member.task()), (ProofState::Unseen, None));
    member.proof.named(Some(b"nginx/1.22.1"), member.now);
    assert_eq!(member.proof.standing(), ProofState::Unproven);
    let pauses: Vec<_> = (0..13).map(|_| member.does(Err(Fault::Dropped)).as_secs()).collect();
    assert_eq!(pauses, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
    assert_eq!(member.proof.standing(), ProofState::Unproven);
    member.does(Ok(()));
    assert_eq!((member.proof.standing(), member.task()), (ProofState::Proven, None));
}

#[test]
fn other_software_is_never_probed() {
    for server in [None, Some(&b"foo/1.0"[..]), Some(b"TwistedWeb/23.8.0")] {
        let mut member = member("http", "auto");
        member.proof.named(server, member.now);
        assert_eq!((member.proof.standing(), member.task()), (ProofState::Unproven, None), "{server:?}");
        assert!(member.proof.news().is_some_and(|news| news.contains("backends.app.members.a")));
        assert_eq!(member.proof.news(), None, "once");
    }
}

#[test]
fn proof_is_lost_with_the_field_and_when_the_member_was_away() {
    let mut member = member("http", "auto");
    for lost in [|m: &Member| m.proof.named(None, m.now), |m: &Member| m.proof.away(m.now)] {
        member.now += 3600 * SECOND;
        member.proof.named(Some(b"nginx"), member.now);
        assert_eq!(member.does(Ok(())), Duration::ZERO, "after a calm time it is probed at once");
        assert_eq!(member.proof.standing(), ProofState::Proven);
        lost(&member);
        assert_ne!(member.proof.standing(), ProofState::Proven);
        assert_eq!(member.task(), None);
    }
}

#[test]
fn a_probe_of_what_has_changed_meanwhile_proves_nothing() {
    let mut member = member("http", "auto");
    member.proof.named(Some(b"nginx"), member.now);
    let (task, _) = member.task().expect("a probe");
    member.proof.named(Some(b"foo"), member.now);
    member.proof.conclude(&task, Ok(()), member.now);
    assert_eq!(member.proof.standing(), ProofState::Unproven);
}

#[test]
fn one_offence_is_enough_and_each_further_one_costs_twice_as_much() {
    for (protocol, pipeline, probes) in
        [("http", "32", true), ("lines", "32", false), ("resp", "auto", false)]
    {
        let mut member = member(protocol, pipeline);
        for pause in [1, 2, 4] {
            assert_ne!(member.proof.standing(), ProofState::Offended, "{protocol}");
            member.proof.offended(PipelineFault::Closed, member.now);
            member.proof.offended(PipelineFault::Answer, member.now);
            assert_eq!(member.proof.standing(), ProofState::Offended);
            assert_eq!(member.task().map(|(task, _)| task.probe), Some(probes));
            assert_eq!(member.does(Ok(())), pause * SECOND, "{protocol}");
        }
        member.now += 3600 * SECOND;
        member.proof.offended(PipelineFault::Closed, member.now);
        assert_eq!(member.does(Ok(())), SECOND, "after a calm time");
    }
}

#[test]
fn by_the_operators_word_who_cannot_be_probed_is_forgiven() {
    let mut member = member("http", "8");
    member.proof.offended(PipelineFault::Surplus, member.now);
    assert_eq!(member.does(Err(Fault::Dropped)), SECOND);
    assert_eq!(member.proof.standing(), ProofState::Offended);
    assert_eq!(member.does(Err(Fault::Indistinct)), 2 * SECOND);
    assert_eq!((member.proof.standing(), member.task()), (ProofState::Proven, None));
}

/// It is still not pipelined to; but that is not because of what it did, which is told for as long as it counts.
#[test]
fn what_other_software_did_is_forgotten_in_time() {
    for server in [None, Some(&b"foo/1.0"[..]), Some(b"TwistedWeb/23.8.0")] {
        let mut member = member("http", "auto");
        member.proof.named(server, member.now);
        for pause in [1, 2, 4] {
            member.proof.offended(PipelineFault::Surplus, member.now);
            assert_eq!(member.proof.standing(), ProofState::Offended);
            let (task, after) = member.task().expect("an expiry");
            assert!(!task.probe && after == pause * SECOND, "{after:?}");
            member.does(Ok(()));
            assert_eq!((member.proof.standing(), member.task()), (ProofState::Unproven, None), "{server:?}");
        }
    }
}

#[test]
fn a_reload_of_an_unchanged_file_clears_what_was_held_against_a_member() {
    let mut member = member("http", "auto");
    member.proof.named(Some(b"nginx/1.22.1"), member.now);
    member.does(Ok(()));
    (0..5).for_each(|_| {
        member.proof.offended(PipelineFault::Closed, member.now);
        member.does(Ok(()));
    });
    member.proof.offended(PipelineFault::Closed, member.now);
    assert!(member.task().expect("a probe").1 > 10 * SECOND);
    member.configure("http", "auto");
    assert_eq!(member.proof.standing(), ProofState::Unproven);
    assert_eq!(member.does(Ok(())), Duration::ZERO, "it is probed at once");
}

#[test]
fn a_reload_clears_what_was_held_against_a_member() {
    let mut member = member("http", "8");
    member.proof.offended(PipelineFault::Surplus, member.now);
    member.configure("http", "8");
    assert_ne!(member.proof.standing(), ProofState::Offended);
    assert_eq!(member.task(), None);
}

#[test]
fn who_never_pipelines_has_nothing_to_prove() {
    let mut member = member("http", "1");
    member.proof.named(Some(b"nginx"), member.now);
    member.proof.offended(PipelineFault::Surplus, member.now);
    assert_eq!((member.task(), member.proof.news()), (None, None));
}
