//! Chooses the link for each request and keeps the wait queue: the pure half of one worker's pool.
//!
//! The scheduler knows no sockets and no bytes; a link is any handle that the caller keeps.

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

/// The links of one worker to one member. A request gets, in this order: an idle link, the newest first; a
/// place on the link with the fewest exchanges in flight, if the depth allows; a new link, within the
/// worker's share of the cap; a place in the wait queue.
///
/// Requests that arrive in one turn of the event loop form a bundle: they go to the link that took the last
/// of them, as far as the depth allows, because they then leave in one write.
#[derive(Debug)]
pub struct Scheduler<L, W> {
    share: usize,
    /// The largest number of links that clients may keep.
    owners: usize,
    queue_max: usize,
    entries: Vec<Option<LinkEntry<L>>>,
    /// The number of exchanges in flight on each link that may be shared now, and [`CLOSED`] for all others.
    /// An array of its own, because it is scanned for each request.
    loads: Vec<u16>,
    used: usize,
    connecting: usize,
    /// The number of links that close when what they carry has ended.
    closed_to_new: usize,
    reserved: usize,
    /// The number of links that clients keep.
    owned: usize,
    /// The number of links that carry requests that may hold them ([`holders`]).
    holding: usize,
    /// The number of links that one source may hold while others wait.
    per_source: usize,
    min_rate: Option<u64>,
    /// Whether others waited lately while links were held, so that requests that may hold links get half of
    /// them only.
    pressed: bool,
    pressed_now: bool,
    classes: HoldingClasses,
    /// The time of the last call that had one, in nanoseconds.
    now: Nanos,
    idle: Idle,
    wait_queue: WaitQueue<W>,
    /// The depth: the number of exchanges that one link may carry.
    pub depth: Depth,
    throttle: ConnectThrottle,
    /// The link that took requests in this turn, so that further ones leave in the same write.
    bundle: Option<LinkId>,
    /// The number of requests in the bundle.
    bundled: u16,
}

/// The load of a link that takes no further requests.
const CLOSED: u16 = u16::MAX;
/// The largest number of requests of one turn on the same link. More would save next to nothing, and a member
/// with many threads should get many links.
const BUNDLE: u16 = 16;
/// An exchange that has been first on its link for longer than this, in nanoseconds, is not expected to end
/// soon. A shorter wait costs less than a new link.
const SOON: Nanos = 10_000_000;
/// The number of shared links from which no further one is used while half of the depth is free, if the depth
/// is at least [`DEEP`].
const ENOUGH: usize = 16;
/// The depth at which [`ENOUGH`] links keep any member busy.
const DEEP: u16 = 8;

impl<L: Clone, W> Scheduler<L, W> {
    /// Makes a scheduler for at most `share` links.
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
        scheduler.set_fairness(links);
        scheduler
    }

    /// Sets new limits. Links above a lowered cap close as they become idle (see [`Scheduler::surplus`]).
    pub fn configure(&mut self, links: &Links, queue: &QueueLimits, share: usize) {
        (self.share, self.queue_max) = (share, queue.max);
        self.owners = share.saturating_sub(1).max(1);
        self.set_fairness(links);
        self.depth.configure(links);
    }

    /// Forgets which requests are slow and which hold links, as after a change of the member.
    pub fn forget_learned(&mut self, now: Nanos) {
        self.depth.forget_learned(now);
        self.classes = HoldingClasses::default();
        self.pressed = false;
    }

    /// Sets the number of links that there may be. Those above it close when what they carry has ended.
    pub fn set_share(&mut self, share: usize) {
        self.share = share;
    }

    /// Sets the number of links that clients may keep.
    pub fn set_owners(&mut self, owners: usize) {
        self.owners = owners;
    }

    /// Sets the current time.
    pub fn tick(&mut self, now: Nanos) {
        self.now = now;
    }

    /// Returns a link for a new request, or `None` if the request must wait.
    pub fn place(&mut self, demand: impl Into<Demand>) -> Option<(LinkId, L, Acquired)> {
        let demand = demand.into();
        let sharing = demand.sharing;
        // A new request must not overtake those that wait for the same kind of link.
        if self.wait_queue.count(sharing) > 0 || !self.kinds_for_old_links().contains(&sharing) {
            return None;
        }
        // The rest of the bundle leaves in the same write as its first request.
        if let Some(id) = self.bundle.filter(|id| sharing == Sharing::Shared && self.bundle_has_room(*id)) {
            self.bundled += 1;
            return self.put_on(id, demand, Acquired::Pipelined);
        }
        let lane = Lane::of(sharing);
        // With many deep links, more of them would gain nothing (see `are_enough`).
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
        // A link of the other lane is better than waiting.
        let id = self.idle.last(lane.other()).filter(|_| fair)?;
        self.take_idle(id, demand)
    }

    /// Returns whether as many deep links are shared as can be of use. Links that were opened in a slow time
    /// then become idle and close.
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

    /// Keeps a link from taking more requests until it is empty. Returns whether it took any until now.
    pub fn hold(&mut self, id: LinkId) -> bool {
        let Some(entry) = self.entries.get_mut(id).and_then(Option::as_mut) else { return false };
        let EntryState::Busy(intake) = entry.state else { return false };
        // Later requests of this turn must not follow on a held link.
        self.bundle = self.bundle.filter(|other| *other != id);
        let load = std::mem::replace(&mut self.loads[id], CLOSED);
        // A reserved link stays reserved for the request that must be alone.
        if intake == Intake::Open {
            entry.state = EntryState::Busy(Intake::Held);
        }
        intake == Intake::Open && load != CLOSED
    }

    /// Ends the bundle, because its requests have been written.
    pub fn turn_ended(&mut self) {
        self.bundle = None;
    }

    fn begin_bundle(&mut self, id: LinkId) {
        (self.bundle, self.bundled) = (Some(id), 1);
    }

    fn bundle_has_room(&self, id: LinkId) -> bool {
        self.bundled < BUNDLE && self.loads[id] < self.depth.limit()
    }

    /// Puts a request into the wait queue.
    ///
    /// # Errors
    /// Returns the waiter if the queue is full.
    pub fn wait(&mut self, demand: impl Into<Demand>, who: W, now: Nanos) -> Result<(), W> {
        self.now = now;
        if self.is_full() {
            return Err(who);
        }
        let demand = demand.into();
        self.wait_queue.push(demand, self.may_hold(&demand), who, now);
        Ok(())
    }

    /// Returns whether the wait queue is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        // Requests for which a link is being opened, or may be opened, do not wait for others.
        let coming = (self.share + self.connecting).saturating_sub(self.used);
        self.wait_queue.len() >= self.queue_max + coming
    }

    /// Returns an entry for a new link, if one should be opened now for the waiting requests.
    pub fn open(&mut self, now: Nanos) -> Option<LinkId> {
        self.now = now;
        // One link for each waiting request is the most that can be of use.
        let wanted = self.used < self.share && self.connecting < self.wait_queue.len() && self.lacks_room();
        // While the member refuses connections, one attempt at a time is enough to see when that ends.
        let tried = self.throttle.is_failing() && self.connecting > 0;
        if !wanted || tried || !self.throttle.may_open(now, self.used == 0) {
            return None;
        }
        self.claim()
    }

    /// Returns whether the existing links and those being opened do not suffice for the waiting requests.
    fn lacks_room(&self) -> bool {
        let fresh = self.wait_queue.count(Sharing::Fresh);
        let alone = self.wait_queue.count(Sharing::Alone) + self.owners_next();
        // Requests that need a new link, or a link alone, use up whole links first.
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

    /// Returns whether waiting requests can expect to be sent on this link soon: its first exchange does not
    /// seem to be late.
    fn will_be_free_soon(&self, entry: &LinkEntry<L>) -> bool {
        let shared = entry.lane == Lane::Shared && entry.state == EntryState::Busy(Intake::Open);
        shared && self.now.saturating_sub(entry.since) <= self.depth.hold_after().max(SOON)
    }

    /// Returns an entry for a new link if the share allows it, whether or not a request waits.
    pub fn claim(&mut self) -> Option<LinkId> {
        if self.used >= self.share {
            return None;
        }
        self.used += 1;
        self.connecting += 1;
        // Free indices are reused, so that the array of loads stays dense.
        let id = self.entries.iter().position(Option::is_none).unwrap_or(self.entries.len());
        if id == self.entries.len() {
            self.entries.push(None);
            self.loads.push(CLOSED);
        }
        self.entries[id] = Some(LinkEntry::connecting());
        Some(id)
    }

    /// Records that a new link stands. It is idle until [`Scheduler::next_for`] gives it work.
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

    /// Returns the next waiting request that this link can take, with the time since which it waited. The
    /// caller repeats this until it gets `None`. Requests that left meanwhile, according to `alive`, are
    /// dropped; the second argument of `alive` says whether others wait behind.
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
            // The class of the request may have become known as one that holds links after the request came.
            if self.must_wait(&next.demand) {
                self.wait_queue.set_aside(next);
                continue;
            }
            let (who, since) = self.wait_queue.take(next)?;
            if self.wait_queue.len() == 0 {
                self.throttle.relax();
            }
            // A client that left while waiting must not take a link.
            if alive(&who, self.wait_queue.len() > 0) {
                self.idle.remove(id);
                self.put_on(id, next.demand, how);
                return Some((who, since, how));
            }
        }
    }

    /// Returns an idle link that a waiting request may take, for use when no further link may be opened.
    #[must_use]
    pub fn idle_for_waiting(&self) -> Option<L> {
        let entry = self.entries[self.idle.newest()?].as_ref()?;
        self.next_for_idle(entry.taken_idle())?;
        entry.link.clone()
    }

    /// Returns whether a further request may be put on this link.
    #[must_use]
    pub fn has_room(&self, id: LinkId) -> bool {
        self.loads[id] < self.depth.limit()
    }

    /// Counts a further request on this link; the caller checked [`Scheduler::has_room`].
    pub fn join(&mut self, id: LinkId) {
        self.loads[id] = self.loads[id].saturating_add(1);
    }

    /// Records the number of exchanges that a link carries after some of its answers have ended.
    pub fn settle(&mut self, id: LinkId, in_flight: usize, now: Nanos) {
        self.now = now;
        let Some(entry) = self.entries.get_mut(id).and_then(Option::as_mut) else { return };
        (entry.answered, entry.since) = (true, now);
        // Such a link returns to no lane: it closes, or belongs to its client.
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
        // A held link stays closed until it is empty.
        } else if self.loads[id] != CLOSED {
            self.loads[id] = u16::try_from(in_flight).unwrap_or(CLOSED - 1);
        }
    }

    /// Gives the link to its client until it closes, also while it carries nothing.
    pub fn keep(&mut self, id: LinkId) {
        if let Some(entry) = self.entries.get_mut(id).and_then(Option::as_mut) {
            entry.kept = true;
        }
    }

    /// Keeps the link from taking any more requests.
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

    /// Frees the entry of a link that could not be connected, and lengthens the pause before the next
    /// attempt.
    pub fn not_connected(&mut self, id: LinkId, now: Nanos) {
        self.throttle.failed(now);
        self.closed(id);
    }

    /// Records that the member closed a link whose requests must be sent again.
    pub fn lost(&mut self, now: Nanos) {
        self.throttle.lost(now);
    }

    /// Frees the entry of a link that has closed or was never connected.
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
            // A link that several sources share counts for none of them.
            entry.source = if entry.source == source { source } else { Default::default() };
        } else {
            (entry.source, entry.since) = (source, self.now);
            self.holding -= usize::from(std::mem::replace(&mut entry.holds, holds));
            self.holding += usize::from(holds);
        }
        (entry.lane, entry.owned) = (Lane::of(sharing), sharing == Sharing::Own);
        self.owned += usize::from(entry.owned);
        // A link that has not answered yet carries one request only, because its member may not keep it open.
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

    /// Returns the next request for an idle link. A new link first serves requests that should not use an old
    /// one.
    fn next_for_idle(&self, how: Acquired) -> Option<(NextInQueue, Acquired)> {
        let first = match how {
            Acquired::Opened => self.next(&[Sharing::Fresh]),
            _ => None,
        };
        let any = || self.next(self.kinds_for_old_links());
        first.or_else(any).map(|next| (next, how))
    }

    /// Returns the next request for a busy link. If the oldest one must be alone and no new link is coming
    /// for it, this link is reserved for it: the link takes no others and becomes empty.
    fn next_for_busy(&mut self, id: LinkId) -> Option<NextInQueue> {
        // The usual case under load: nothing fits behind what the link carries.
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
        // Links that are being opened will serve such requests, too.
        if self.reserved + self.connecting < alone {
            self.reserved += 1;
            self.entries[id].as_mut()?.state = EntryState::Busy(Intake::Reserved);
            self.loads[id] = CLOSED;
            return None;
        }
        self.next_behind(&[Sharing::Shared])
    }

    /// Returns the kinds of requests that an old link may serve. If no further link may be opened, it also
    /// serves those that should have a new one.
    fn kinds_for_old_links(&self) -> &'static [Sharing] {
        match (self.used >= self.share || self.throttle.is_failing(), self.may_own() > 0) {
            (true, true) => &[Sharing::Shared, Sharing::Alone, Sharing::Fresh, Sharing::Own],
            (true, false) => &[Sharing::Shared, Sharing::Alone, Sharing::Fresh],
            (false, true) => &[Sharing::Shared, Sharing::Alone, Sharing::Own],
            (false, false) => &[Sharing::Shared, Sharing::Alone],
        }
    }

    /// Returns how many more links clients may keep.
    fn may_own(&self) -> usize {
        self.owners.saturating_sub(self.owned)
    }

    /// Returns the number of waiting requests that would take a link for themselves now.
    fn owners_next(&self) -> usize {
        self.wait_queue.count(Sharing::Own).min(self.may_own())
    }
}

// Chooses links if some of them speak another dialect of their protocol. A link with another dialect is
// possible, too, at the cost of a greeting.

impl<L: Clone, W> Scheduler<L, W> {
    /// Returns a link for a new request, or `None` if the request must wait. Among links for which `alike`
    /// does not hold, the request gets only an idle one or, if no more may be opened, the one with the fewest
    /// exchanges in flight.
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
        // A greeting costs more than a link of the other lane that already speaks the dialect.
        let other = || self.idle.newest_of(lane.other(), |id| fair && self.is(id, &alike));
        if let Some(id) = other().or_else(|| self.idle.newest_of(lane, |_| fair)) {
            return self.take_idle(id, demand);
        }
        if let Some(id) = self.idle.newest_of(lane.other(), |_| fair) {
            return self.take_idle(id, demand);
        }
        // Sharing a link with another dialect is the last resort.
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

// Removes requests from the wait queue that waited for too long or whose clients left.

impl<L: Clone, W> Scheduler<L, W> {
    /// Removes all requests that came at `latest` or before.
    pub fn give_up_waiting(&mut self, latest: Nanos) -> Vec<W> {
        self.after_leaving(|wait_queue| wait_queue.pop_older(latest))
    }

    /// Removes one request to make room for a request of this source: the last one of the source with the
    /// most waiting requests.
    pub fn displace(&mut self, source: SourceKey) -> Option<W> {
        self.wait_queue.displace(source)
    }

    /// Removes the requests for which `gone` holds.
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

// Answers questions about the scheduler; none of these functions changes anything.

impl<L: Clone, W> Scheduler<L, W> {
    /// Returns the links that have been idle since `latest` or longer, oldest first.
    #[must_use]
    pub fn idle_since(&self, latest: Nanos) -> Vec<L> {
        let long = |id: &LinkId| matches!(self.idle_at(*id), Some(since) if since <= latest);
        self.idle.iter().filter(long).filter_map(|id| self.entries[id].as_ref()?.link.clone()).collect()
    }

    /// Returns the time at which the oldest idle link became idle.
    #[must_use]
    pub fn oldest_idle(&self) -> Option<Nanos> {
        self.idle.iter().filter_map(|id| self.idle_at(id)).min()
    }

    /// Returns the idle links above the share, which must close.
    #[must_use]
    pub fn surplus(&self) -> Vec<L> {
        let count = self.above_share();
        self.idle.iter().take(count).filter_map(|id| self.entries[id].as_ref()?.link.clone()).collect()
    }

    /// Returns the number of links that have to close, beyond those that already will, because the share was
    /// lowered.
    fn above_share(&self) -> usize {
        (self.used - self.closed_to_new).saturating_sub(self.share)
    }

    /// Returns whether this link closes when what it carries has ended: it was closed to new requests, or
    /// there are more links than the share allows. A link that a client keeps is not taken from the client.
    #[must_use]
    pub fn is_to_close(&self, id: LinkId) -> bool {
        let Some(entry) = self.entries.get(id).and_then(Option::as_ref) else { return false };
        entry.state == EntryState::ClosedToNew || (self.above_share() > 0 && !entry.kept && !entry.owned)
    }

    /// Returns the time at which the oldest waiting request came.
    #[must_use]
    pub fn oldest_waiting(&self) -> Option<Nanos> {
        self.wait_queue.oldest()
    }

    /// Returns the earliest time at which [`Scheduler::open`] may succeed again, if requests wait and the
    /// share allows it.
    #[must_use]
    pub fn next_opening(&self, now: Nanos) -> Option<Nanos> {
        (self.wait_queue.len() > self.connecting && self.used < self.share)
            .then(|| self.throttle.next(now, self.used == 0))?
    }

    /// Returns the number of waiting requests.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.wait_queue.len()
    }

    /// Returns the number of links that carry something.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.used - self.connecting - self.idle.len()
    }

    /// Returns the number of entries in use: links that stand and links that are being opened.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used
    }

    /// Returns the largest number of entries.
    #[must_use]
    pub fn share(&self) -> usize {
        self.share
    }

    /// Returns the link in this entry, if it stands.
    pub fn link(&self, id: LinkId) -> Option<&L> {
        self.entries.get(id)?.as_ref()?.link.as_ref()
    }

    /// Returns the number of links that clients may keep.
    #[must_use]
    pub fn owners(&self) -> usize {
        self.owners
    }

    /// Returns the number of links that clients keep.
    #[must_use]
    pub fn owned(&self) -> usize {
        self.owned
    }

    /// Returns the number of links that serve any client, including those that are being opened.
    #[must_use]
    pub fn usable(&self) -> usize {
        self.entries.iter().flatten().filter(|entry| entry.serves_anybody()).count()
    }

    /// Returns the number of waiting requests that would take a link now. Requests that keep their link may
    /// have to wait for another right.
    #[must_use]
    pub fn eager(&self) -> usize {
        self.wait_queue.len() - self.wait_queue.count(Sharing::Own) + self.owners_next()
    }

    /// Returns whether one more link may be kept by its client.
    #[must_use]
    pub fn may_keep(&self) -> bool {
        self.owned < self.owners
    }

    /// Returns whether a request waits to keep a link and no more links may be kept.
    #[must_use]
    pub fn lacks_owners(&self) -> bool {
        self.wait_queue.count(Sharing::Own) > 0 && self.owned >= self.owners
    }

    /// Returns whether more links may be kept than clients keep or wait for.
    #[must_use]
    pub fn spares_owners(&self) -> bool {
        self.owners > self.owned + self.wait_queue.count(Sharing::Own)
    }

    /// Returns whether more links may be opened than the existing ones and those that waiting requests need.
    #[must_use]
    pub fn spares_share(&self) -> bool {
        self.share > self.used && self.eager() <= self.connecting
    }

    /// Returns whether this link belongs to no client and may close when what it carries has ended.
    #[must_use]
    pub fn may_close(&self, id: LinkId) -> bool {
        let entry = self.entries.get(id).and_then(Option::as_ref);
        entry.is_some_and(LinkEntry::serves_anybody)
    }

    /// Returns every link that stands.
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
