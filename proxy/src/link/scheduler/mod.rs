//! The pure half of one worker's pool: it chooses the link for each request, and keeps the wait queue.
//!
//! It knows no sockets and no bytes: a link is whatever handle the caller keeps.

mod class_table;
mod connect_throttle;
pub(super) mod depth;
pub(super) mod holders;
mod link_entry;
mod link_id;
pub(super) mod rights;
pub(super) mod wait_queue;

use crate::config::{Links, QueueLimits};
use crate::event_loop::Nanos;

use connect_throttle::ConnectThrottle;
use depth::Depth;
use holders::HoldingClasses;
pub use link_entry::Acquired;
use link_entry::{EntryState, Idle, Intake, Lane, LinkEntry};
pub use link_id::LinkId;
use wait_queue::{Demand, NextInQueue, Sharing, SourceKey, WaitQueue};

/// The links to one member that one worker owns. See [`Acquired`] for the order in which they are used:
/// an idle link, newest first; a place on the link with the fewest in flight where the depth allows it;
/// a new link, up to this worker's share of the cap; a place in the wait queue. What comes in the same turn of
/// the event loop is one bundle: it goes on with the link that took the last of it, as far as the depth allows,
/// since it leaves in one write.
#[derive(Debug)]
pub struct Scheduler<L, W> {
    share: usize,
    /// Most links that their clients may keep.
    owners: usize,
    queue_max: usize,
    entries: Vec<Option<LinkEntry<L>>>,
    /// In flight on each link that may be shared now, [`CLOSED`] for all others. Dense, because it is scanned.
    loads: Vec<u16>,
    used: usize,
    connecting: usize,
    /// Links that close when what they carry has ended.
    closed_to_new: usize,
    reserved: usize,
    /// Links whose clients keep them.
    owned: usize,
    /// Links that carry what may hold them ([`holders`]).
    holding: usize,
    /// Links that one source may hold while others wait.
    per_source: usize,
    min_rate: Option<u64>,
    /// Others waited lately while links were held: what may hold links has its part of them and no more.
    pressed: bool,
    pressed_now: bool,
    classes: HoldingClasses,
    /// The time that it was told last.
    now: Nanos,
    idle: Idle,
    wait_queue: WaitQueue<W>,
    /// How many a link may carry.
    pub depth: Depth,
    throttle: ConnectThrottle,
    /// The link that took requests in this turn, and how many: the next ones leave in the same write.
    bundle: Option<LinkId>,
    bundled: u16,
}

const CLOSED: u16 = u16::MAX;
/// So many requests of one turn leave on the same link where its depth allows it. More would save next to
/// nothing, and a member with many threads should see many links.
const BUNDLE: u16 = 16;
/// What has been at the head of a link for longer is not expected to end soon. A shorter wait costs less than a link.
const SOON: Nanos = 10_000_000;
/// So many links that are shared
const ENOUGH: usize = 16;
/// at such a depth keep any member busy, and half of the depth is used before another one is.
const DEEP: u16 = 8;

impl<L: Clone, W> Scheduler<L, W> {
    /// One for at most `share` links.
    #[must_use]
    pub fn new(links: &Links, queue: &QueueLimits, share: usize, now: Nanos) -> Self {
        let mut scheduler = Self {
            share,
            owners: share.saturating_sub(1).max(1),
            queue_max: queue.max,
            entries: Vec::new(),
            loads: Vec::new(),
            used: 0,
            connecting: 0,
            closed_to_new: 0,
            reserved: 0,
            owned: 0,
            holding: 0,
            per_source: usize::MAX,
            min_rate: None,
            pressed: false,
            pressed_now: false,
            classes: HoldingClasses::default(),
            now,
            idle: Idle::default(),
            wait_queue: WaitQueue::default(),
            depth: Depth::new(links, now),
            throttle: ConnectThrottle::default(),
            bundle: None,
            bundled: 0,
        };
        scheduler.be_fair(links);
        scheduler
    }

    /// Takes new limits. Links above a lowered cap close as they become idle (see [`Scheduler::surplus`]).
    pub fn configure(&mut self, links: &Links, queue: &QueueLimits, share: usize) {
        (self.share, self.queue_max) = (share, queue.max);
        self.owners = share.saturating_sub(1).max(1);
        self.be_fair(links);
        self.depth.configure(links);
    }

    /// Forgets what it has learned of requests: what is slow, and what holds links.
    pub fn pardon(&mut self, now: Nanos) {
        self.depth.pardon(now);
        self.classes = HoldingClasses::default();
        self.pressed = false;
    }

    /// There may be so many links from now on. Those above it close when what they carry has ended.
    pub fn set_share(&mut self, share: usize) {
        self.share = share;
    }

    /// So many links may be kept by their clients from now on.
    pub fn set_owners(&mut self, owners: usize) {
        self.owners = owners;
    }

    /// It is so late now.
    pub fn tick(&mut self, now: Nanos) {
        self.now = now;
    }

    /// A place for a request that has just come, unless it must wait.
    pub fn place(&mut self, demand: impl Into<Demand>) -> Option<(LinkId, L, Acquired)> {
        let demand = demand.into();
        let sharing = demand.sharing;
        if self.wait_queue.count(sharing) > 0 || !self.kinds_for_old_links().contains(&sharing) {
            return None;
        }
        if let Some(id) = self.bundle.filter(|id| sharing == Sharing::Shared && self.bundle_has_room(*id)) {
            self.bundled += 1;
            return self.put_on(id, demand, Acquired::Pipelined);
        }
        let lane = Lane::of(sharing);
        if lane == Lane::Shared
            && self.are_enough()
            && let Some(id) = self.least_loaded(self.depth.limit() / 2)
        {
            return self.go_behind(id, demand);
        }
        let fair = self.may_take_idle(&demand);
        if let Some(id) = self.idle.last(lane).filter(|_| fair) {
            return self.take_idle(id, demand);
        }
        if lane == Lane::Shared
            && let Some(id) = self.least_loaded(self.depth.limit())
        {
            return self.go_behind(id, demand);
        }
        let id = self.idle.last(lane.other()).filter(|_| fair)?;
        self.take_idle(id, demand)
    }

    /// Where so many links are shared and may be deep, more of them would gain nothing: those that a slow time has left
    /// behind are to become unused.
    fn are_enough(&self) -> bool {
        let shared = || self.loads.iter().filter(|load| **load != CLOSED).count();
        self.depth.limit() >= DEEP && shared() >= ENOUGH
    }

    fn go_behind(&mut self, id: LinkId, demand: Demand) -> Option<(LinkId, L, Acquired)> {
        self.begin_bundle(id);
        self.put_on(id, demand, Acquired::Pipelined)
    }

    fn take_idle(&mut self, id: LinkId, demand: Demand) -> Option<(LinkId, L, Acquired)> {
        self.idle.take(self.entries[id].as_ref()?.lane, id);
        self.begin_bundle(id);
        let how = self.entries[id].as_ref()?.taken_idle();
        self.put_on(id, demand, how)
    }

    /// The link takes no more until it is empty. Tells whether it took any until now.
    pub fn hold(&mut self, id: LinkId) -> bool {
        let Some(entry) = self.entries.get_mut(id).and_then(Option::as_mut) else { return false };
        let EntryState::Busy(intake) = entry.state else { return false };
        self.bundle = self.bundle.filter(|other| *other != id);
        let load = std::mem::replace(&mut self.loads[id], CLOSED);
        if intake == Intake::Open {
            entry.state = EntryState::Busy(Intake::Held);
        }
        intake == Intake::Open && load != CLOSED
    }

    /// What was placed in this turn has been written.
    pub fn turn_ended(&mut self) {
        self.bundle = None;
    }

    fn begin_bundle(&mut self, id: LinkId) {
        (self.bundle, self.bundled) = (Some(id), 1);
    }

    fn bundle_has_room(&self, id: LinkId) -> bool {
        self.bundled < BUNDLE && self.loads[id] < self.depth.limit()
    }

    /// Lets a request wait; gives it back when too many do.
    ///
    /// # Errors
    /// The waiter, when the queue is full.
    pub fn wait(&mut self, demand: impl Into<Demand>, who: W, now: Nanos) -> Result<(), W> {
        self.now = now;
        if self.is_full() {
            return Err(who);
        }
        let demand = demand.into();
        self.wait_queue.push(demand, self.may_hold(&demand), who, now);
        Ok(())
    }

    /// Whether nobody else may wait.
    #[must_use]
    pub fn is_full(&self) -> bool {
        // Those for whom a link is being opened, or may be, do not wait for others.
        let coming = (self.share + self.connecting).saturating_sub(self.used);
        self.wait_queue.len() >= self.queue_max + coming
    }

    /// An entry for one more link, if one should be opened now for those who wait.
    pub fn open(&mut self, now: Nanos) -> Option<LinkId> {
        self.now = now;
        let wanted = self.used < self.share && self.connecting < self.wait_queue.len() && self.lacks_room();
        // While the member refuses, one attempt at a time is enough to see when it no longer does.
        let tried = self.throttle.is_failing() && self.connecting > 0;
        if !wanted || tried || !self.throttle.may_open(now, self.used == 0) {
            return None;
        }
        self.claim()
    }

    /// Whether the links there are, and those being opened, will not do for those who wait.
    fn lacks_room(&self) -> bool {
        let fresh = self.wait_queue.count(Sharing::Fresh);
        let alone = self.wait_queue.count(Sharing::Alone) + self.owners_next();
        let Some(new) = self.connecting.checked_sub(fresh) else { return true };
        let Some(free) = (new + self.idle.len()).checked_sub(alone) else { return true };
        let depth = usize::from(self.depth.limit());
        let behind = |(entry, load): (&Option<LinkEntry<L>>, &u16)| match entry.as_ref() {
            Some(entry) if self.will_be_free_soon(entry) => match *load {
                CLOSED => depth - 1, // its first answer is still to come
                load => depth.saturating_sub(load.into()),
            },
            _ => 0,
        };
        let room: usize = self.entries.iter().zip(&self.loads).map(behind).sum();
        self.wait_queue.count(Sharing::Shared) > free * depth + room
    }

    /// Whether those who wait may soon be put behind what this link carries: what is at its head is not late, as far as
    /// anybody can tell.
    fn will_be_free_soon(&self, entry: &LinkEntry<L>) -> bool {
        let shared = entry.lane == Lane::Shared && entry.state == EntryState::Busy(Intake::Open);
        shared && self.now.saturating_sub(entry.since) <= self.depth.hold_after().max(SOON)
    }

    /// An entry for one more link, whether somebody waits or not, if the share allows it.
    pub fn claim(&mut self) -> Option<LinkId> {
        if self.used >= self.share {
            return None;
        }
        self.used += 1;
        self.connecting += 1;
        let id = self.entries.iter().position(Option::is_none).unwrap_or(self.entries.len());
        if id == self.entries.len() {
            self.entries.push(None);
            self.loads.push(CLOSED);
        }
        self.entries[id] = Some(LinkEntry::connecting());
        Some(id)
    }

    /// A new link stands. It is idle until [`Scheduler::next_for`] gives it work.
    pub fn connected(&mut self, id: LinkId, link: L, now: Nanos) {
        self.now = now;
        let Some(entry) = self.entries[id].as_mut() else { return };
        if entry.state == EntryState::Connecting {
            self.connecting -= 1;
        }
        self.throttle.succeeded();
        (entry.link, entry.state) = (Some(link), EntryState::Idle { since: now });
        self.idle.push(entry.lane, id);
    }

    /// The next waiter this link can take, and since when it waited. Call until it gives none.
    /// Those who have left meanwhile, by `alive`, are passed over for good; it is told whether others wait behind.
    pub fn next_for(
        &mut self,
        id: LinkId,
        mut alive: impl FnMut(&W, bool) -> bool,
    ) -> Option<(W, Nanos, Acquired)> {
        loop {
            let entry = self.entries.get(id)?.as_ref()?;
            let (next, how) = match entry.state {
                EntryState::Idle { .. } => self.next_for_idle(entry.taken_idle())?,
                EntryState::Busy(_) => (self.next_for_busy(id)?, Acquired::Pipelined),
                EntryState::Connecting | EntryState::ClosedToNew => return None,
            };
            if self.must_stand_aside(&next.demand) {
                self.wait_queue.set_aside(next);
                continue;
            }
            let (who, since) = self.wait_queue.take(next)?;
            if self.wait_queue.len() == 0 {
                self.throttle.relax();
            }
            if alive(&who, self.wait_queue.len() > 0) {
                self.idle.remove(id);
                self.put_on(id, next.demand, how);
                return Some((who, since, how));
            }
        }
    }

    /// An idle link that one of those who wait may take, now that no further link may be opened.
    #[must_use]
    pub fn idle_for_waiting(&self) -> Option<L> {
        let entry = self.entries[self.idle.newest()?].as_ref()?;
        self.next_for_idle(entry.taken_idle())?;
        entry.link.clone()
    }

    /// Whether one more may be put on this link, besides those it carries.
    #[must_use]
    pub fn has_room(&self, id: LinkId) -> bool {
        self.loads[id] < self.depth.limit()
    }

    /// One more was put on this link, which [`Scheduler::has_room`].
    pub fn join(&mut self, id: LinkId) {
        self.loads[id] = self.loads[id].saturating_add(1);
    }

    /// What a link carries now that some of its answers have ended.
    pub fn settle(&mut self, id: LinkId, in_flight: usize, now: Nanos) {
        self.now = now;
        let Some(entry) = self.entries.get_mut(id).and_then(Option::as_mut) else { return };
        (entry.answered, entry.since) = (true, now);
        if entry.state == EntryState::ClosedToNew || entry.kept {
            return;
        }
        if in_flight == 0 {
            self.reserved -= usize::from(entry.state == EntryState::Busy(Intake::Reserved));
            self.holding -= usize::from(std::mem::take(&mut entry.holds));
            entry.state = EntryState::Idle { since: now };
            self.loads[id] = CLOSED;
            self.owned -= usize::from(std::mem::take(&mut entry.owned));
            self.idle.push(entry.lane, id);
        } else if self.loads[id] != CLOSED {
            self.loads[id] = u16::try_from(in_flight).unwrap_or(CLOSED - 1);
        }
    }

    /// The link is its client's until it closes, also while it carries nothing.
    pub fn keep(&mut self, id: LinkId) {
        if let Some(entry) = self.entries.get_mut(id).and_then(Option::as_mut) {
            entry.kept = true;
        }
    }

    /// The link takes no more requests.
    pub fn close_to_new(&mut self, id: LinkId) {
        let Some(entry) = self.entries.get_mut(id).and_then(Option::as_mut) else { return };
        if entry.state == EntryState::Connecting {
            return;
        }
        self.reserved -= usize::from(entry.state == EntryState::Busy(Intake::Reserved));
        self.closed_to_new += usize::from(entry.state != EntryState::ClosedToNew);
        entry.state = EntryState::ClosedToNew;
        self.loads[id] = CLOSED;
        self.idle.remove(id);
    }

    /// The link could not be connected: its entry is free, and no more are opened for a while.
    pub fn not_connected(&mut self, id: LinkId, now: Nanos) {
        self.throttle.failed(now);
        self.closed(id);
    }

    /// The member closed a link from which requests are to be sent again.
    pub fn lost(&mut self, now: Nanos) {
        self.throttle.lost(now);
    }

    /// The link is closed, or was never connected: its entry is free.
    pub fn closed(&mut self, id: LinkId) {
        self.close_to_new(id);
        let Some(entry) = self.entries.get_mut(id).and_then(Option::take) else { return };
        self.connecting -= usize::from(entry.state == EntryState::Connecting);
        self.closed_to_new -= usize::from(entry.state == EntryState::ClosedToNew);
        self.owned -= usize::from(entry.owned);
        self.holding -= usize::from(entry.holds);
        self.used -= 1;
    }

    fn put_on(&mut self, id: LinkId, demand: Demand, how: Acquired) -> Option<(LinkId, L, Acquired)> {
        let Demand { sharing, source, .. } = demand;
        let holds = self.may_hold(&demand);
        let entry = self.entries[id].as_mut()?;
        entry.state = EntryState::Busy(Intake::Open);
        if how == Acquired::Pipelined {
            self.depth.joined();
            entry.source = if entry.source == source { source } else { Default::default() };
        } else {
            (entry.source, entry.since) = (source, self.now);
            self.holding -= usize::from(std::mem::replace(&mut entry.holds, holds));
            self.holding += usize::from(holds);
        }
        (entry.lane, entry.owned) = (Lane::of(sharing), sharing == Sharing::Own);
        self.owned += usize::from(entry.owned);
        let shared = sharing == Sharing::Shared && entry.answered;
        self.loads[id] = match how {
            Acquired::Pipelined => self.loads[id] + 1,
            Acquired::Reused | Acquired::Opened if shared => 1,
            Acquired::Reused | Acquired::Opened => CLOSED,
        };
        Some((id, entry.link.clone()?, how))
    }

    fn least_loaded(&self, below: u16) -> Option<LinkId> {
        let (id, load) = self.loads.iter().enumerate().min_by_key(|(_, load)| **load)?;
        (*load < below).then_some(id)
    }

    /// A new link serves what must not go on an old one first.
    fn next_for_idle(&self, how: Acquired) -> Option<(NextInQueue, Acquired)> {
        let first = match how {
            Acquired::Opened => self.next(&[Sharing::Fresh]),
            _ => None,
        };
        let any = || self.next(self.kinds_for_old_links());
        first.or_else(any).map(|next| (next, how))
    }

    /// While one who must be alone waits longest, and no new link is coming for it, this link is kept for it: it
    /// takes nobody else and runs empty.
    fn next_for_busy(&mut self, id: LinkId) -> Option<NextInQueue> {
        if self.loads[id] >= self.depth.limit() {
            return None;
        }
        let first = self.next_behind(self.kinds_for_old_links())?;
        if first.demand.sharing == Sharing::Shared {
            return Some(first);
        }
        let alone = self.wait_queue.count(Sharing::Alone)
            + self.wait_queue.count(Sharing::Fresh)
            + self.owners_next();
        if self.reserved + self.connecting < alone {
            self.reserved += 1;
            self.entries[id].as_mut()?.state = EntryState::Busy(Intake::Reserved);
            self.loads[id] = CLOSED;
            return None;
        }
        self.next_behind(&[Sharing::Shared])
    }

    /// Where no further link may be opened, an old one must do for those who would rather have a new one.
    fn kinds_for_old_links(&self) -> &'static [Sharing] {
        match (self.used >= self.share || self.throttle.is_failing(), self.may_own() > 0) {
            (true, true) => &[Sharing::Shared, Sharing::Alone, Sharing::Fresh, Sharing::Own],
            (true, false) => &[Sharing::Shared, Sharing::Alone, Sharing::Fresh],
            (false, true) => &[Sharing::Shared, Sharing::Alone, Sharing::Own],
            (false, false) => &[Sharing::Shared, Sharing::Alone],
        }
    }

    /// How many more links may be kept by their clients.
    fn may_own(&self) -> usize {
        self.owners.saturating_sub(self.owned)
    }

    /// How many of those who wait would take a link of their own.
    fn owners_next(&self) -> usize {
        self.wait_queue.count(Sharing::Own).min(self.may_own())
    }
}

// Which link carries a request where some of them speak another dialect of their protocol. A link that speaks otherwise does as
// well, at the cost of a greeting.

impl<L: Clone, W> Scheduler<L, W> {
    /// A place for a request that has just come, unless it must wait. Of the links for which `alike` does not hold it gets
    /// only an idle one, or where no more may be opened, the one with the fewest in flight.
    pub fn place_speaking(
        &mut self,
        demand: Demand,
        alike: impl Fn(&L) -> bool,
    ) -> Option<(LinkId, L, Acquired)> {
        let sharing = demand.sharing;
        if self.wait_queue.count(sharing) > 0 || !self.kinds_for_old_links().contains(&sharing) {
            return None;
        }
        let lane = Lane::of(sharing);
        let shared = lane == Lane::Shared;
        if let Some(id) = self.bundle.filter(|id| shared && self.bundle_has_room(*id) && self.is(*id, &alike))
        {
            self.bundled += 1;
            return self.put_on(id, demand, Acquired::Pipelined);
        }
        let below = self.depth.limit();
        if shared
            && self.are_enough()
            && let Some(id) = self.least_loaded_of(below / 2, &alike)
        {
            return self.go_behind(id, demand);
        }
        let fair = self.may_take_idle(&demand);
        if let Some(id) = self.idle.newest_of(lane, |id| fair && self.is(id, &alike)) {
            return self.take_idle(id, demand);
        }
        if shared && let Some(id) = self.least_loaded_of(below, &alike) {
            return self.go_behind(id, demand);
        }
        let other = || self.idle.newest_of(lane.other(), |id| fair && self.is(id, &alike));
        if let Some(id) = other().or_else(|| self.idle.newest_of(lane, |_| fair)) {
            return self.take_idle(id, demand);
        }
        if let Some(id) = self.idle.newest_of(lane.other(), |_| fair) {
            return self.take_idle(id, demand);
        }
        let full = shared && self.used >= self.share;
        let id = self.least_loaded(below).filter(|_| full)?;
        self.go_behind(id, demand)
    }

    fn least_loaded_of(&self, below: u16, alike: impl Fn(&L) -> bool) -> Option<LinkId> {
        let loads = self.loads.iter().copied().enumerate();
        let open = loads.filter(|(id, load)| *load != CLOSED && self.is(*id, &alike));
        open.min_by_key(|(_, load)| *load).filter(|(_, load)| *load < below).map(|(id, _)| id)
    }

    fn is(&self, id: LinkId, alike: impl Fn(&L) -> bool) -> bool {
        self.entries.get(id).and_then(Option::as_ref).and_then(|entry| entry.link.as_ref()).is_some_and(alike)
    }
}

// Those who leave the lines without a link: they waited too long, or went away.

impl<L: Clone, W> Scheduler<L, W> {
    /// Takes out all who have waited since `latest` or longer.
    pub fn give_up_waiting(&mut self, latest: Nanos) -> Vec<W> {
        self.after_leaving(|wait_queue| wait_queue.pop_older(latest))
    }

    /// Takes out one who makes room for a request of this source: the last of the source that has the most of those who
    /// wait.
    pub fn displace(&mut self, source: SourceKey) -> Option<W> {
        self.wait_queue.displace(source)
    }

    /// Takes out those for whom `gone` holds.
    pub fn remove_waiting(&mut self, gone: impl FnMut(&W) -> bool) -> Vec<W> {
        self.after_leaving(|wait_queue| wait_queue.remove(gone))
    }

    fn after_leaving(&mut self, leave: impl FnOnce(&mut WaitQueue<W>) -> Vec<W>) -> Vec<W> {
        let left = leave(&mut self.wait_queue);
        if self.wait_queue.len() == 0 {
            self.throttle.relax();
        }
        left
    }
}

// What the scheduler tells of itself; none of this changes anything.

impl<L: Clone, W> Scheduler<L, W> {
    /// Idle links that have been so since `latest` or longer, oldest first.
    #[must_use]
    pub fn idle_since(&self, latest: Nanos) -> Vec<L> {
        let long = |id: &LinkId| matches!(self.idle_at(*id), Some(since) if since <= latest);
        self.idle.iter().filter(long).filter_map(|id| self.entries[id].as_ref()?.link.clone()).collect()
    }

    /// When the oldest idle link became so.
    #[must_use]
    pub fn oldest_idle(&self) -> Option<Nanos> {
        self.idle.iter().filter_map(|id| self.idle_at(id)).min()
    }

    /// Idle links above the share, which must close.
    #[must_use]
    pub fn surplus(&self) -> Vec<L> {
        let count = self.above_share();
        self.idle.iter().take(count).filter_map(|id| self.entries[id].as_ref()?.link.clone()).collect()
    }

    /// So many links have to close that do not yet, because there may be no more.
    fn above_share(&self) -> usize {
        (self.used - self.closed_to_new).saturating_sub(self.share)
    }

    /// Whether this link closes when what it carries has ended: it is known to, or there are more links than there may be. A
    /// link that its client keeps is not taken from it.
    #[must_use]
    pub fn is_to_close(&self, id: LinkId) -> bool {
        let Some(entry) = self.entries.get(id).and_then(Option::as_ref) else { return false };
        entry.state == EntryState::ClosedToNew || (self.above_share() > 0 && !entry.kept && !entry.owned)
    }

    /// When the first of those who wait came.
    #[must_use]
    pub fn oldest_waiting(&self) -> Option<Nanos> {
        self.wait_queue.oldest()
    }

    /// When [`Scheduler::open`] may say yes again, if requests wait and the share allows it.
    #[must_use]
    pub fn next_opening(&self, now: Nanos) -> Option<Nanos> {
        (self.wait_queue.len() > self.connecting && self.used < self.share)
            .then(|| self.throttle.next(now, self.used == 0))?
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.wait_queue.len()
    }

    /// How many links carry something.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.used - self.connecting - self.idle.len()
    }

    /// How many entries are taken: links that stand, and those being opened.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used
    }

    /// How many entries there may be.
    #[must_use]
    pub fn share(&self) -> usize {
        self.share
    }

    /// The link in this entry, if it stands.
    pub fn link(&self, id: LinkId) -> Option<&L> {
        self.entries.get(id)?.as_ref()?.link.as_ref()
    }

    /// How many links may be kept by their clients.
    #[must_use]
    pub fn owners(&self) -> usize {
        self.owners
    }

    /// How many links are kept by their clients.
    #[must_use]
    pub fn owned(&self) -> usize {
        self.owned
    }

    /// How many links, with those that are being opened, serve whoever comes.
    #[must_use]
    pub fn usable(&self) -> usize {
        self.entries.iter().flatten().filter(|entry| entry.serves_anybody()).count()
    }

    /// How many of those who wait would take a link now. (Who would keep it may have to wait for another right.)
    #[must_use]
    pub fn eager(&self) -> usize {
        self.wait_queue.len() - self.wait_queue.count(Sharing::Own) + self.owners_next()
    }

    /// Whether one more link may be kept by its client.
    #[must_use]
    pub fn may_keep(&self) -> bool {
        self.owned < self.owners
    }

    /// Whether somebody waits to keep a link, and no more may be kept.
    #[must_use]
    pub fn lacks_owners(&self) -> bool {
        self.wait_queue.count(Sharing::Own) > 0 && self.owned >= self.owners
    }

    /// Whether more links may be kept than anybody keeps or waits for.
    #[must_use]
    pub fn spares_owners(&self) -> bool {
        self.owners > self.owned + self.wait_queue.count(Sharing::Own)
    }

    /// Whether more links may be opened than there are, or those who wait need.
    #[must_use]
    pub fn spares_share(&self) -> bool {
        self.share > self.used && self.eager() <= self.connecting
    }

    /// Whether this link is nobody's, and may close when what it carries has ended.
    #[must_use]
    pub fn may_close(&self, id: LinkId) -> bool {
        let entry = self.entries.get(id).and_then(Option::as_ref);
        entry.is_some_and(LinkEntry::serves_anybody)
    }

    /// Every link that stands.
    pub fn links(&self) -> impl Iterator<Item = &L> {
        self.entries.iter().flatten().filter_map(|entry| entry.link.as_ref())
    }

    fn idle_at(&self, id: LinkId) -> Option<Nanos> {
        match self.entries[id].as_ref()?.state {
            EntryState::Idle { since } => Some(since),
            _ => None,
        }
    }
}
