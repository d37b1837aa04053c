//! Decides for all workers whether requests may be pipelined to a member, and when the member is to be
//! probed.
//!
//! The decision rests on `Server` fields, offences, failures to connect and results of probes; `probe`
//! carries the probes out.

use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use crate::cause::Cause;
use crate::config::{Address, Backend, Vouched};
use crate::event_loop::{Nanos, clock};
use crate::link::pipeline::exchange::{Fate, Slot};
use crate::link::pipeline::link_end::LinkEnd;
use crate::link::pipeline::queue::is_farewell;
use crate::link::pool::link::Link;
use crate::link::scheduler::depth::Consent;
use crate::metrics::PipelineFault;
use crate::net::Peeked;
use crate::probe::{Fault, Software, judge};

use super::{Pool, Recipient};

/// Tells the prober that a member needs a probe or that its verdict is about to expire.
pub type ProberSender = UnboundedSender<Arc<Proof>>;

/// The part of a verdict that workers need.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum ProofState {
    /// The member has not answered yet, or not since it was unreachable.
    Unseen,
    /// The member has not been shown to keep the order of answers.
    Unproven,
    /// The member has been shown to keep the order.
    Proven,
    /// The member broke the rules of pipelining and has not been shown to keep them since.
    Offended,
}

/// The reason of a verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finding {
    /// No answer has been seen yet.
    Nothing,
    /// The answers have no `Server` field.
    Nameless,
    /// The `Server` field names software that is not in the table.
    Unknown,
    /// The `Server` field names software that is known to break the order.
    Breaks(&'static str),
    /// The software is known to keep the order, and a probe is pending.
    Awaited,
    /// A probe failed.
    Failed(Fault),
    /// A probe passed.
    Passed,
    /// The member broke the rules.
    Offended(PipelineFault),
    /// The member broke the rules and gets another chance, because its operator vouches for it.
    Forgiven,
}

/// A task of the prober for a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProbeTask {
    /// The member is to be probed; otherwise the verdict expires.
    pub probe: bool,
    /// The time at which the task is due.
    pub due: Instant,
    /// The state of the record that the task was made for. The task is void if the record has changed since.
    pub epoch: u64,
}

/// See the head of this file.
///
/// ```text
///                known software, probe passed
///   Unproven ────────────────────────────────▶ Proven
///      ▲ ▲      away, or another `Server`        │
///      │ └───────────────────────────────────────┤
///      │ other software                          │ offence
///      │ back-off has passed, and nobody         ▼
///      └────── would probe it ─────────────── Offended ──▶ (Proven by a probe; by the operator's
///                                                           word also when the back-off has passed)
/// ```
#[derive(Debug, Default)]
pub struct Proof {
    standing: AtomicU8,
    record: Mutex<ProofRecord>,
    changed: Notify,
}

/// The member that a verdict is about.
#[derive(Clone, Debug)]
pub struct ProofSubject {
    /// The settings of its backend.
    pub backend: Arc<Backend>,
    /// The name of the member.
    pub member: Arc<str>,
    /// The address of the member.
    pub address: Address,
    /// The channel to the prober.
    pub prober: ProberSender,
}

#[derive(Debug, Default)]
struct ProofRecord {
    about: Option<ProofSubject>,
    server: Server,
    finding: Option<Finding>,
    standing: Option<ProofState>,
    /// The number of failures and offences in a row.
    setbacks: u32,
    /// The time of the last setback or proof.
    since: Option<Instant>,
    epoch: u64,
    /// The prober has a task for this member.
    attended: bool,
    /// The notices that were written, so that each is written once.
    notices: Vec<String>,
}

/// The `Server` field of the last answer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
enum Server {
    #[default]
    Unseen,
    Nameless,
    Named(Vec<u8>),
}

/// The pause after the first setback. Each further one doubles it up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause after a setback.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// The time after which a new setback counts as the first, if it is also longer than four pauses.
const CALM: Duration = Duration::from_secs(60);
/// The largest number of different notices about one member.
const MOST_NOTICES: usize = 32;

impl Proof {
    /// Returns the verdict, as far as this worker can see it.
    #[must_use]
    pub fn standing(&self) -> ProofState {
        match self.standing.load(Ordering::Relaxed) {
            0 => ProofState::Unseen,
            1 => ProofState::Unproven,
            2 => ProofState::Proven,
            _ => ProofState::Offended,
        }
    }

    /// Sets the member that the verdict is about. A configuration that was read again clears the setbacks of
    /// the member even if nothing in it has changed, so that an operator can do so with SIGHUP.
    pub fn set_subject(self: &Arc<Self>, subject: ProofSubject) {
        let mut record = self.record();
        let same = record.about.as_ref().is_some_and(|old| Arc::ptr_eq(&old.backend, &subject.backend));
        if same {
            return;
        }
        record.about = Some(subject);
        // A proof stays valid, since a new configuration does not change the member.
        if record.standing != Some(ProofState::Proven) {
            (record.standing, record.setbacks, record.since) = (None, 0, None);
            record.notices.clear();
            self.reconsider(&mut record);
        }
    }

    /// Records a `Server` field that differs from the one that this worker saw last.
    pub fn named(self: &Arc<Self>, server: Option<&[u8]>, now: Instant) {
        let mut record = self.record();
        let same = match (&record.server, server) {
            (Server::Named(old), Some(new)) => old == new,
            (Server::Nameless, None) => true,
            _ => false,
        };
        if same {
            return;
        }
        record.server = server.map_or(Server::Nameless, |name| Server::Named(name.to_vec()));
        record.withdraw_proof(now);
        self.reconsider(&mut record);
    }

    /// Records that the member does not accept connections, since another program may answer next.
    pub fn away(self: &Arc<Self>, now: Instant) {
        let mut record = self.record();
        if record.server == Server::Unseen || record.by_word() {
            return;
        }
        record.server = Server::Unseen;
        record.withdraw_proof(now);
        self.reconsider(&mut record);
    }

    /// Records a broken rule of pipelining. One offence is enough.
    pub fn offended(self: &Arc<Self>, how: PipelineFault, now: Instant) {
        let mut record = self.record();
        // One offence often shows on several links, and counts once.
        if record.standing == Some(ProofState::Offended) {
            return;
        }
        record.set_back(now);
        record.standing = Some(ProofState::Offended);
        record.finding = Some(Finding::Offended(how));
        self.reconsider(&mut record);
    }

    /// Returns the prober's next task for this member, and ends the prober's work on it if there is none.
    #[must_use]
    pub fn next_task(self: &Arc<Self>, now: Instant) -> Option<ProbeTask> {
        let mut record = self.record();
        // The prober and the list of all proofs hold one reference each; without a third the member has left
        // the configuration.
        let wanted = Arc::strong_count(self) > 2;
        let task = record.task(now).filter(|_| wanted);
        record.attended = task.is_some();
        task
    }

    /// Waits until the record has changed.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Returns the member to probe, unless the task is void by now.
    #[must_use]
    pub fn subject(&self, task: &ProbeTask) -> Option<ProofSubject> {
        let record = self.record();
        record.about.clone().filter(|_| record.epoch == task.epoch)
    }

    /// Records the result of a probe, or the expiry of a verdict.
    pub fn conclude(&self, task: &ProbeTask, found: Result<(), Fault>, now: Instant) {
        let mut record = self.record();
        // The member changed during the probe, so that the result says nothing.
        if record.epoch != task.epoch {
            return;
        }
        let by_word = record.by_word();
        match found {
            // The operator's word is believed for a member that no probe can judge.
            Err(Fault::Indistinct) if by_word => record.mark_proven(Finding::Forgiven, now),
            Ok(()) if task.probe => record.mark_proven(Finding::Passed, now),
            Ok(()) if by_word => record.mark_proven(Finding::Forgiven, now),
            // The offence has expired; what the `Server` field says decides again.
            Ok(()) => {
                record.standing = None;
                record.find();
            }
            Err(fault) => {
                record.set_back(now);
                record.finding = Some(Finding::Failed(fault));
            }
        }
        self.show(&record);
    }

    /// Returns a notice for the operator, once for each text.
    #[must_use]
    pub fn news(&self) -> Option<String> {
        self.record().news()
    }

    /// Returns the reason of the current verdict.
    #[must_use]
    pub fn finding(&self) -> Finding {
        self.record().finding.unwrap_or(Finding::Nothing)
    }

    fn record(&self) -> MutexGuard<'_, ProofRecord> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides again after a change, informs workers, and gives the prober a task.
    fn reconsider(self: &Arc<Self>, record: &mut ProofRecord) {
        record.epoch += 1;
        record.find();
        self.show(record);
        let Some(about) = &record.about else { return };
        if record.attended {
            self.changed.notify_one();
        } else {
            // The prober is missing only at the end of the process, when nobody needs it.
            record.attended = about.prober.send(self.clone()).is_ok();
        }
    }

    fn show(&self, record: &ProofRecord) {
        let standing = match record.standing {
            Some(standing) => standing,
            None if record.server == Server::Unseen => ProofState::Unseen,
            None => ProofState::Unproven,
        };
        self.standing.store(standing as u8, Ordering::Relaxed);
    }
}

impl ProofRecord {
    fn by_word(&self) -> bool {
        self.about.as_ref().is_some_and(|about| about.backend.links.vouched == Vouched::ByWord)
    }

    fn speaks_http(&self) -> bool {
        self.about.as_ref().is_some_and(|about| about.backend.framing.is_none())
    }

    fn pause(&self) -> Duration {
        let doubled = 1u32.checked_shl(self.setbacks.saturating_sub(1)).unwrap_or(u32::MAX);
        if self.setbacks == 0 {
            Duration::ZERO
        } else {
            (FIRST_PAUSE * doubled.min(1 << 16)).min(LONGEST_PAUSE)
        }
    }

    fn is_calm(&self, now: Instant) -> bool {
        let quiet = self.since.map_or(Duration::MAX, |since| now.saturating_duration_since(since));
        quiet > CALM.max(4 * self.pause())
    }

    fn set_back(&mut self, now: Instant) {
        self.setbacks = if self.is_calm(now) { 1 } else { self.setbacks + 1 };
        self.since = Some(now);
    }

    /// Withdraws a proof, so that the member is probed again: at once, unless that happens often.
    fn withdraw_proof(&mut self, now: Instant) {
        if self.standing != Some(ProofState::Proven) {
            return;
        }
        self.standing = None;
        self.setbacks = if self.is_calm(now) { 0 } else { self.setbacks + 1 };
        self.since = Some(now);
    }

    fn mark_proven(&mut self, finding: Finding, now: Instant) {
        (self.standing, self.finding, self.since) = (Some(ProofState::Proven), Some(finding), Some(now));
    }

    /// Derives the reason from the `Server` field, unless more is known.
    fn find(&mut self) {
        // A proof or an offence is stronger evidence than the name of the software.
        if self.standing.is_some() {
            return;
        }
        self.finding = Some(match &self.server {
            Server::Unseen => Finding::Nothing,
            Server::Nameless => Finding::Nameless,
            Server::Named(name) => match judge(name) {
                Software::KeepsOrder(_) => Finding::Awaited,
                Software::Breaks(entry) => Finding::Breaks(entry.evidence),
                Software::Unknown => Finding::Unknown,
            },
        });
    }

    fn task(&self, now: Instant) -> Option<ProbeTask> {
        let about = self.about.as_ref()?;
        let known =
            matches!(&self.server, Server::Named(name) if matches!(judge(name), Software::KeepsOrder(_)));
        let wanted = match (self.standing, about.backend.links.vouched) {
            (Some(ProofState::Proven), _) => false,
            (standing, Vouched::ByProof) => known || standing == Some(ProofState::Offended),
            (standing, Vouched::ByWord) => standing == Some(ProofState::Offended),
        };
        let wanted = wanted && about.backend.links.pipeline.get() > 1;
        let due = self.since.map_or(now, |since| since + self.pause());
        // Software that is not known to keep the order is not probed; there the verdict expires.
        let probe = self.speaks_http() && (known || self.by_word());
        wanted.then_some(ProbeTask { probe, due, epoch: self.epoch })
    }

    fn news(&mut self) -> Option<String> {
        let about = self.about.as_ref().filter(|about| about.backend.links.pipeline.get() > 1)?;
        let by_word = self.by_word();
        let server = if let Server::Named(name) = &self.server {
            format!("`{}`", name.escape_ascii())
        } else {
            "without a value".to_owned()
        };
        let why = match self.finding? {
            Finding::Offended(how) => format!("because {}", why(how)),
            Finding::Failed(fault) => format!("because a probe failed: {fault}"),
            _ if by_word => return None,
            Finding::Nameless => "because its answers have no `Server` field".to_owned(),
            Finding::Unknown => {
                format!("because its `Server` field {server} names no software that is known to keep order")
            }
            Finding::Breaks(evidence) => {
                format!(
                    "because its `Server` field {server} names software that is known to break order ({evidence})"
                )
            }
            Finding::Nothing | Finding::Awaited | Finding::Passed | Finding::Forgiven => return None,
        };
        let probed = if matches!(about.address, Address::Ip(_)) && about.backend.framing.is_none() {
            format!("try `penstock probe http://{}/` and ", about.address)
        } else {
            String::new()
        };
        let advice = match (self.finding?, by_word) {
            (Finding::Offended(_) | Finding::Failed(_), true) => {
                format!("{probed}set `links.pipeline: 1` if it cannot do better")
            }
            _ => format!("{probed}set `links.pipeline`"),
        };
        let place = format!("backends.{}.members.{}", about.backend.name, about.member);
        let line = format!("penstock: {place}: requests are not pipelined, {why}; {advice}");
        if self.notices.contains(&line) || self.notices.len() >= MOST_NOTICES {
            return None;
        }
        self.notices.push(line.clone());
        Some(line)
    }
}

fn why(how: PipelineFault) -> &'static str {
    match how {
        PipelineFault::Surplus => "it sent unrequested bytes",
        PipelineFault::Answer => "its answer cannot belong to the request",
        PipelineFault::Missing => "it answered fewer requests than it was sent",
        PipelineFault::Closed => "it closed a connection with several requests unanswered",
        PipelineFault::Timeout => "it did not answer in time while several requests were unanswered",
        PipelineFault::Silence => "it was silent for 5 s while several requests were unanswered",
    }
}

// Applies the verdict to a pool, and reports what its links learn.

/// The time in nanoseconds for which a link rests after an answer that may be followed by content that it
/// must not have.
const REST: Nanos = Duration::from_millis(1).as_nanos() as Nanos;
/// The number of bytes that are enough to recognize a farewell such as 408 before a close.
const FAREWELL: usize = 16;
/// The silence in nanoseconds after which a request with others behind it counts as never answered.
const SILENCE: Nanos = Duration::from_secs(5).as_nanos() as Nanos;

/// A link that ended an answer after which more bytes may come, and the end of its rest.
pub(super) struct Resting<T: Recipient> {
    link: Rc<Link<T>>,
    until: Nanos,
}

impl<T: Recipient> Pool<T> {
    /// Applies the verdict that all workers share, if it has changed. This costs a relaxed load.
    pub(super) fn apply_proof(&self) {
        let standing = self.proof.standing();
        if self.standing.replace(standing) != standing {
            self.apply_standing(standing);
        }
    }

    #[cold]
    fn apply_standing(&self, standing: ProofState) {
        if standing == ProofState::Unseen {
            *self.server.borrow_mut() = None;
        }
        // An operator's word needs no proof until the member breaks a rule.
        let by_proof = self.settings.borrow().links.vouched == Vouched::ByProof;
        let consent = match standing {
            ProofState::Offended => Consent::Withdrawn,
            ProofState::Unseen | ProofState::Unproven if by_proof => Consent::Missing,
            _ => Consent::Given,
        };
        let mut scheduler = self.scheduler.borrow_mut();
        scheduler.depth.consent(consent);
        self.show_depth(&scheduler.depth);
    }

    /// Applies the verdict again, because the settings have changed.
    pub(super) fn reapply_proof(&self) {
        self.standing.set(self.proof.standing());
        self.apply_standing(self.standing.get());
    }

    /// Compares the `Server` field of a final answer with the known one.
    pub(in crate::link) fn served_by(&self, server: Option<&[u8]>) {
        let known = self.server.borrow().as_ref().is_some_and(|known| known.as_deref() == server);
        if !known {
            self.learn_server(server);
        }
    }

    #[cold]
    fn learn_server(&self, server: Option<&[u8]>) {
        *self.server.borrow_mut() = Some(server.map(<[u8]>::to_vec));
        self.proof.named(server, clock());
        self.apply_proof();
    }

    /// Reports a broken rule of pipelining, after which no requests are pipelined until the member is proven
    /// again.
    pub(in crate::link) fn offended(&self, how: PipelineFault) {
        self.backend_cells.offences[how].inc();
        self.proof.offended(how, clock());
        self.apply_proof();
    }

    /// Derives an offence from the end of a link and the exchanges that were not answered.
    pub(super) fn check_end(&self, link: &Link<T>, why: LinkEnd, fates: &[(Slot<T>, Fate)]) {
        let reused = link.queue.borrow().answered() > 0;
        let head_since = link.queue.borrow().head_since();
        // A request that was sent before it became the head was sent behind another, even if no other is
        // left.
        let was_behind = |slot: &Slot<T>| slot.sent_at != 0 && slot.sent_at < head_since;
        let behind = fates.iter().skip(1).any(|(slot, _)| slot.sent_at != 0)
            || fates.first().is_some_and(|(slot, _)| was_behind(slot));
        let how = match why {
            LinkEnd::Desync(_) if fates.iter().all(|(slot, _)| slot.sent_at == 0) => PipelineFault::Surplus,
            LinkEnd::Desync(Cause::BadResponse) if reused || behind => PipelineFault::Answer,
            // A close without pipelined requests is normal.
            LinkEnd::Closed if behind => PipelineFault::Closed,
            LinkEnd::Timeout if behind => PipelineFault::Timeout,
            _ => return,
        };
        self.offended(how);
    }

    /// Returns why an idle link must not be used: it has ended, or the member sent bytes without a request.
    pub(super) fn unfit(link: &Link<T>) -> LinkEnd {
        let mut seen = [0; FAREWELL];
        match link.peek(&mut seen) {
            Peeked::Bytes(n) if !is_farewell(&seen[..n]) => LinkEnd::Desync(Cause::BadResponse),
            _ => LinkEnd::Closed,
        }
    }

    /// Handles the end of an answer that may be followed by content that it must not have. A link that
    /// carries nothing now rests, or is checked, before it is used again.
    pub(super) fn settle_doubt(&self, link: &Rc<Link<T>>, now: Nanos) -> ControlFlow<Option<LinkEnd>> {
        let doubt = link.doubt.get();
        if !doubt.looks() || link.kept.get() || link.queue.borrow().in_flight() > 0 {
            return ControlFlow::Continue(());
        }
        if doubt.rests() {
            self.scheduler.borrow_mut().hold(link.id);
            let until = now + REST;
            self.resting.borrow_mut().push_back(Resting { link: link.clone(), until });
            self.event_loop.arm(self.key.get(), until);
            return ControlFlow::Break(None);
        }
        match Self::unfit(link) {
            LinkEnd::Closed => ControlFlow::Continue(()),
            why => ControlFlow::Break(Some(why)),
        }
    }

    /// Returns a link whose rest is over, or sets the timer for the next one.
    pub(super) fn next_rested(&self, now: Nanos) -> Option<Rc<Link<T>>> {
        let mut resting = self.resting.borrow_mut();
        let until = resting.front()?.until;
        if until > now {
            self.event_loop.arm(self.key.get(), until);
            return None;
        }
        resting.pop_front().map(|resting| resting.link)
    }

    /// Ends the rest of a link, which is free now if no bytes have come.
    pub(super) fn end_rest(self: &Rc<Self>, link: &Rc<Link<T>>, now: Nanos) {
        // The link has ended during its rest, or has work again.
        if link.is_condemned() || link.has_ended() || link.queue.borrow().in_flight() > 0 {
            return;
        }
        link.doubt.set(link.doubt.get().rested());
        let end = match self.settle_doubt(link, now) {
            ControlFlow::Break(end) => end,
            ControlFlow::Continue(()) => self.freed(link, now),
        };
        if let Some(why) = end {
            self.scheduler.borrow_mut().close_to_new(link.id);
            link.condemn(why);
        }
    }

    /// Reports an offence if a link has been silent for long with requests behind its first one.
    pub(super) fn check_silence(&self, now: Nanos) {
        // Without pipelining, silence is a matter of the response timeout.
        if self.scheduler.borrow().depth.limit() == 1 {
            return;
        }
        let silent = self.scheduler.borrow().links().any(|link| {
            let queue = link.queue.borrow();
            let since = queue
                .head()
                .and_then(|slot| slot.silent_since(queue.head_since(), !queue.unwritten().is_empty()));
            let long = since.is_some_and(|since| now.saturating_sub(since) >= SILENCE);
            long && queue.sent() > 1 && !link.is_head_full()
        });
        if silent {
            self.offended(PipelineFault::Silence);
        }
    }
}
