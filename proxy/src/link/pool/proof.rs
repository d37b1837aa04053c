//! Decides for all workers whether requests may be pipelined to a member, and when the member is to be probed.
//!
//! It judges `Server` fields, offences, failures to connect and results of probes; `probe` carries the probes out.

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
use crate::link::connection::Link;
use crate::link::pipeline::exchange::{Fate, Slot};
use crate::link::pipeline::queue::{LinkEnd, is_farewell};
use crate::link::scheduler::depth::Consent;
use crate::metrics::PipelineFault;
use crate::net::Peeked;
use crate::probe::{Fault, Software, judge};

use super::{Pool, Recipient};

/// Tells the prober that there is something to be done for a member.
pub type ProberSender = UnboundedSender<Arc<Proof>>;

/// What workers must know of a verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum ProofState {
    /// The member has answered nobody yet, or not since it was away.
    Unseen,
    /// It was not shown to keep order.
    Unproven,
    /// It was shown to keep order.
    Proven,
    /// It broke the rules of pipelining, and was not shown to keep them since.
    Offended,
}

/// Why a verdict is what it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finding {
    /// No answer has been seen yet.
    Nothing,
    /// Its answers have no `Server` field.
    Nameless,
    /// Its `Server` field names no software of the table.
    Unknown,
    /// Its `Server` field names software that is known to break order.
    Breaks(&'static str),
    /// Its software keeps order, and a probe is to come or on its way.
    Awaited,
    /// A probe failed.
    Failed(Fault),
    /// A probe passed.
    Passed,
    /// It broke the rules.
    Offended(PipelineFault),
    /// It broke the rules, and has been given another chance, which its operator's word allows.
    Forgiven,
}

/// What is to be done for a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProbeTask {
    /// Probe it; else the verdict expires.
    pub probe: bool,
    /// When.
    pub due: Instant,
    /// The state of things that it is for: it is void when that has changed.
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
    case: Mutex<ProofRecord>,
    changed: Notify,
}

/// The member whose verdict it is.
#[derive(Clone, Debug)]
pub struct ProofSubject {
    /// Its backend.
    pub backend: Arc<Backend>,
    /// Its name.
    pub member: Arc<str>,
    /// Where it listens.
    pub address: Address,
    /// Who is told when there is something to be done.
    pub bell: ProberSender,
}

#[derive(Debug, Default)]
struct ProofRecord {
    about: Option<ProofSubject>,
    server: Server,
    finding: Option<Finding>,
    standing: Option<ProofState>,
    /// Failures and offences in a row.
    setbacks: u32,
    /// When it was last set back, or proven.
    since: Option<Instant>,
    epoch: u64,
    /// The prober is at it.
    attended: bool,
    /// What has been said of it, so that it is said once.
    said: Vec<String>,
}

/// What the `Server` field of its last answer said.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
enum Server {
    #[default]
    Unseen,
    Nameless,
    Named(Vec<u8>),
}

/// The first pause after a setback; each doubles,
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// Setbacks further apart than this, and than four pauses, do not add up.
const CALM: Duration = Duration::from_secs(60);
/// So many different lines are said of one member.
const MOST_SAID: usize = 32;

impl Proof {
    /// The verdict, as far as this worker can see it.
    #[must_use]
    pub fn standing(&self) -> ProofState {
        match self.standing.load(Ordering::Relaxed) {
            0 => ProofState::Unseen,
            1 => ProofState::Unproven,
            2 => ProofState::Proven,
            _ => ProofState::Offended,
        }
    }

    /// Whose verdict it is. A configuration that was read anew clears what was held against the member, also where it says
    /// what it said before: so its operator does, with SIGHUP.
    pub fn concern(self: &Arc<Self>, accused: ProofSubject) {
        let mut case = self.case();
        let same = case.about.as_ref().is_some_and(|old| Arc::ptr_eq(&old.backend, &accused.backend));
        if same {
            return;
        }
        case.about = Some(accused);
        if case.standing != Some(ProofState::Proven) {
            (case.standing, case.setbacks, case.since) = (None, 0, None);
            case.said.clear();
            self.reconsider(&mut case);
        }
    }

    /// A worker got an answer with another `Server` field than it saw last.
    pub fn named(self: &Arc<Self>, server: Option<&[u8]>, now: Instant) {
        let mut case = self.case();
        let same = match (&case.server, server) {
            (Server::Named(old), Some(new)) => old == new,
            (Server::Nameless, None) => true,
            _ => false,
        };
        if same {
            return;
        }
        case.server = server.map_or(Server::Nameless, |name| Server::Named(name.to_vec()));
        case.lose_proof(now);
        self.reconsider(&mut case);
    }

    /// The member does not accept connections: who answers next may be another one.
    pub fn away(self: &Arc<Self>, now: Instant) {
        let mut case = self.case();
        if case.server == Server::Unseen || case.by_word() {
            return;
        }
        case.server = Server::Unseen;
        case.lose_proof(now);
        self.reconsider(&mut case);
    }

    /// The member broke a rule of pipelining. Once is enough.
    pub fn offended(self: &Arc<Self>, how: PipelineFault, now: Instant) {
        let mut case = self.case();
        if case.standing == Some(ProofState::Offended) {
            return;
        }
        case.set_back(now);
        case.standing = Some(ProofState::Offended);
        case.finding = Some(Finding::Offended(how));
        self.reconsider(&mut case);
    }

    /// What is to be done next. Who asks has attended to the member until now; where there is nothing to do, no more.
    #[must_use]
    pub fn next_task(self: &Arc<Self>, now: Instant) -> Option<ProbeTask> {
        let mut case = self.case();
        // The one who asks has it, and the list of all; no worker does where the member left the configuration.
        let wanted = Arc::strong_count(self) > 2;
        let task = case.task(now).filter(|_| wanted);
        case.attended = task.is_some();
        task
    }

    /// Waits until the state of things has changed.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Who is to be probed, unless the task is void by now.
    #[must_use]
    pub fn accused(&self, task: &ProbeTask) -> Option<ProofSubject> {
        let case = self.case();
        case.about.clone().filter(|_| case.epoch == task.epoch)
    }

    /// A probe has ended, or the time of an expiry has come.
    pub fn conclude(&self, task: &ProbeTask, found: Result<(), Fault>, now: Instant) {
        let mut case = self.case();
        if case.epoch != task.epoch {
            return;
        }
        let by_word = case.by_word();
        match found {
            // Whom nobody can probe is believed by the word of the operator.
            Err(Fault::Indistinct) if by_word => case.acquit(Finding::Forgiven, now),
            Ok(()) if task.probe => case.acquit(Finding::Passed, now),
            Ok(()) if by_word => case.acquit(Finding::Forgiven, now),
            // It is not pipelined to for what it is, no longer for what it did.
            Ok(()) => {
                case.standing = None;
                case.find();
            }
            Err(fault) => {
                case.set_back(now);
                case.finding = Some(Finding::Failed(fault));
            }
        }
        self.show(&case);
    }

    /// What whoever runs the proxy should be told now, once.
    #[must_use]
    pub fn news(&self) -> Option<String> {
        self.case().news()
    }

    /// What was found last.
    #[must_use]
    pub fn finding(&self) -> Finding {
        self.case().finding.unwrap_or(Finding::Nothing)
    }

    fn case(&self) -> MutexGuard<'_, ProofRecord> {
        self.case.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something has changed: shows it to workers, and rings for the prober.
    fn reconsider(self: &Arc<Self>, case: &mut ProofRecord) {
        case.epoch += 1;
        case.find();
        self.show(case);
        let Some(about) = &case.about else { return };
        if case.attended {
            self.changed.notify_one();
        } else {
            // Without a prober, at the end of the process, nobody needs one.
            case.attended = about.bell.send(self.clone()).is_ok();
        }
    }

    fn show(&self, case: &ProofRecord) {
        let standing = match case.standing {
            Some(standing) => standing,
            None if case.server == Server::Unseen => ProofState::Unseen,
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

    /// Who was proven has to be so anew: at once, unless that happens often.
    fn lose_proof(&mut self, now: Instant) {
        if self.standing != Some(ProofState::Proven) {
            return;
        }
        self.standing = None;
        self.setbacks = if self.is_calm(now) { 0 } else { self.setbacks + 1 };
        self.since = Some(now);
    }

    fn acquit(&mut self, finding: Finding, now: Instant) {
        (self.standing, self.finding, self.since) = (Some(ProofState::Proven), Some(finding), Some(now));
    }

    /// What the `Server` field says, unless more is known.
    fn find(&mut self) {
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
        // Nobody probes software of which it is not known that it keeps order: there the verdict expires.
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
        if self.said.contains(&line) || self.said.len() >= MOST_SAID {
            return None;
        }
        self.said.push(line.clone());
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

// Whether a pool may pipeline to its member, and what its links tell of that.

/// A link rests for so long after an answer behind which content may come that should not.
const REST: Nanos = Duration::from_millis(1).as_nanos() as Nanos;
/// So many bytes tell what is a farewell.
const FAREWELL: usize = 16;
/// A head that is silent for so long, while others were sent behind it, may never be answered.
const SILENCE: Nanos = Duration::from_secs(5).as_nanos() as Nanos;

/// A link on which an answer ended behind which more may come, and until when it rests.
pub(super) struct Resting<T: Recipient> {
    link: Rc<Link<T>>,
    until: Nanos,
}

impl<T: Recipient> Pool<T> {
    /// Takes over what all workers know by now. Costs a relaxed load.
    pub(super) fn heed_proof(&self) {
        let standing = self.proof.standing();
        if self.standing.replace(standing) != standing {
            self.take_standing(standing);
        }
    }

    #[cold]
    fn take_standing(&self, standing: ProofState) {
        if standing == ProofState::Unseen {
            *self.server.borrow_mut() = None;
        }
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

    /// The settings have changed: looks again, whatever was known.
    pub(super) fn heed_proof_anew(&self) {
        self.standing.set(self.proof.standing());
        self.take_standing(self.standing.get());
    }

    /// The final head of an answer had this `Server` field, or none.
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
        self.heed_proof();
    }

    /// The member broke a rule of pipelining: nobody pipelines to it until it is proven anew.
    pub(in crate::link) fn offended(&self, how: PipelineFault) {
        self.backend_cells.offences[how].inc();
        self.proof.offended(how, clock());
        self.heed_proof();
    }

    /// What the end of a link tells of the member, which still owed these.
    pub(super) fn judge_end(&self, link: &Link<T>, why: LinkEnd, fates: &[(Slot<T>, Fate)]) {
        let reused = link.queue.borrow().answered() > 0;
        let head_since = link.queue.borrow().head_since();
        // What was sent before it came to the head was sent behind another, also if it is alone by now.
        let was_behind = |slot: &Slot<T>| slot.sent_at != 0 && slot.sent_at < head_since;
        let behind = fates.iter().skip(1).any(|(slot, _)| slot.sent_at != 0)
            || fates.first().is_some_and(|(slot, _)| was_behind(slot));
        let how = match why {
            LinkEnd::Desync(_) if fates.iter().all(|(slot, _)| slot.sent_at == 0) => PipelineFault::Surplus,
            LinkEnd::Desync(Cause::BadResponse) if reused || behind => PipelineFault::Answer,
            LinkEnd::Closed if behind => PipelineFault::Closed,
            LinkEnd::Timeout if behind => PipelineFault::Timeout,
            _ => return,
        };
        self.offended(how);
    }

    /// Why an unused link must not be used: it has ended, or says what nobody asked for.
    pub(super) fn unfit(link: &Link<T>) -> LinkEnd {
        let mut seen = [0; FAREWELL];
        match link.sight(&mut seen) {
            Peeked::Bytes(n) if !is_farewell(&seen[..n]) => LinkEnd::Desync(Cause::BadResponse),
            _ => LinkEnd::Closed,
        }
    }

    /// An answer has ended behind which content may come that it should not have. If the link carries nothing now, it
    /// rests, or is looked at, before it is free.
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

    /// A link that has rested. Where there is none, looks again when there will be one.
    pub(super) fn next_rested(&self, now: Nanos) -> Option<Rc<Link<T>>> {
        let mut resting = self.resting.borrow_mut();
        let until = resting.front()?.until;
        if until > now {
            self.event_loop.arm(self.key.get(), until);
            return None;
        }
        resting.pop_front().map(|resting| resting.link)
    }

    /// A link that has rested is free now, if it is quiet.
    pub(super) fn end_rest(self: &Rc<Self>, link: &Rc<Link<T>>, now: Nanos) {
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

    /// Heads that have been silent for long, while others were sent behind them, are reason enough not to do it again.
    pub(super) fn judge_silence(&self, now: Nanos) {
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
