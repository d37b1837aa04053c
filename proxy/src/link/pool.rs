//! The pool of one worker's links to one member: it chooses the link for each request, and keeps the wait queue.
//!
//! It knows no sockets and no bytes: a link is whatever handle the caller keeps. Seats of links, the idle ones and the queue
//! are in `seat`, `idle` and `lines`.

mod fairness;
mod leaving;
mod speaking;
mod state;

use crate::config::{Links, WaitQueue};
use crate::turn::Nanos;

use super::depth::Depth;
use super::holders::Classes;
use super::idle::{Idle, Lane};
use super::lines::{Demand, Lines, Next, Want};
use super::opening::Opening;
pub use super::seat::{How, SeatId};
use super::seat::{Seat, State};

/// The links to one member that one worker owns. See [`How`] for the order in which they are used:
/// an idle link, newest first; a place on the link with the fewest in flight where the depth allows it;
/// a new link, up to this worker's share of the cap; a place in the wait queue. What comes in the same turn of
/// the event loop is one bundle: it goes on with the link that took the last of it, as far as the depth allows,
/// since it leaves in one write.
#[derive(Debug)]
pub struct Pool<L, W> {
    share: usize,
    /// Most links that their clients may keep.
    owners: usize,
    queue_max: usize,
    seats: Vec<Option<Seat<L>>>,
    /// In flight on each link that may be shared now, [`CLOSED`] for all others. Dense, because it is scanned.
    loads: Vec<u16>,
    used: usize,
    connecting: usize,
    /// Links that close when what they carry has ended.
    barred: usize,
    reserved: usize,
    /// Links whose clients keep them.
    owned: usize,
    /// Links that carry what may hold them ([`fairness`]).
    holding: usize,
    /// Links that one source may hold while others wait.
    per_source: usize,
    min_rate: Option<u64>,
    /// Others waited lately while links were held: what may hold links has its part of them and no more.
    pressed: bool,
    pressed_now: bool,
    classes: Classes,
    /// The time that it was told last.
    now: Nanos,
    idle: Idle,
    lines: Lines<W>,
    /// How many a link may carry.
    pub depth: Depth,
    opening: Opening,
    /// The link that took requests in this turn, and how many: the next ones leave in the same write.
    bundle: Option<SeatId>,
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

impl<L: Clone, W> Pool<L, W> {
    /// An empty shelf for at most `share` links.
    #[must_use]
    pub fn new(links: &Links, queue: &WaitQueue, share: usize, now: Nanos) -> Self {
        let mut pool = Self {
            share,
            owners: share.saturating_sub(1).max(1),
            queue_max: queue.max,
            seats: Vec::new(),
            loads: Vec::new(),
            used: 0,
            connecting: 0,
            barred: 0,
            reserved: 0,
            owned: 0,
            holding: 0,
            per_source: usize::MAX,
            min_rate: None,
            pressed: false,
            pressed_now: false,
            classes: Classes::default(),
            now,
            idle: Idle::default(),
            lines: Lines::default(),
            depth: Depth::new(links, now),
            opening: Opening::default(),
            bundle: None,
            bundled: 0,
        };
        pool.be_fair(links);
        pool
    }

    /// Takes new limits. Links above a lowered cap close as they become idle (see [`Pool::surplus`]).
    pub fn configure(&mut self, links: &Links, queue: &WaitQueue, share: usize) {
        (self.share, self.queue_max) = (share, queue.max);
        self.owners = share.saturating_sub(1).max(1);
        self.be_fair(links);
        self.depth.configure(links);
    }

    /// Forgets what it has learned of requests: what is slow, and what holds links.
    pub fn pardon(&mut self, now: Nanos) {
        self.depth.pardon(now);
        self.classes = Classes::default();
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
    pub fn place(&mut self, demand: impl Into<Demand>) -> Option<(SeatId, L, How)> {
        let demand = demand.into();
        let want = demand.want;
        if self.lines.count(want) > 0 || !self.kinds_for_old_links().contains(&want) {
            return None;
        }
        if let Some(id) = self.bundle.filter(|id| want == Want::Shared && self.bundle_has_room(*id)) {
            self.bundled += 1;
            return self.seat_on(id, demand, How::Pipelined);
        }
        let lane = Lane::of(want);
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
        let id = self.idle.last_other(lane).filter(|_| fair)?;
        self.take_idle(id, demand)
    }

    /// Where so many links are shared and may be deep, more of them would gain nothing: those that a slow time has left
    /// behind are to become unused.
    fn are_enough(&self) -> bool {
        let shared = || self.loads.iter().filter(|load| **load != CLOSED).count();
        self.depth.limit() >= DEEP && shared() >= ENOUGH
    }

    fn go_behind(&mut self, id: SeatId, demand: Demand) -> Option<(SeatId, L, How)> {
        self.begin_bundle(id);
        self.seat_on(id, demand, How::Pipelined)
    }

    fn take_idle(&mut self, id: SeatId, demand: Demand) -> Option<(SeatId, L, How)> {
        self.idle.take(self.seats[id].as_ref()?.lane, id);
        self.begin_bundle(id);
        let how = self.seats[id].as_ref()?.taken_idle();
        self.seat_on(id, demand, how)
    }

    /// The link takes no more until it is empty. Tells whether it took any until now.
    pub fn hold(&mut self, id: SeatId) -> bool {
        let Some(seat) = self.seats.get_mut(id).and_then(Option::as_mut) else { return false };
        if seat.state != State::Busy {
            return false;
        }
        self.bundle = self.bundle.filter(|other| *other != id);
        let load = std::mem::replace(&mut self.loads[id], CLOSED);
        !std::mem::replace(&mut seat.held, true) && load != CLOSED
    }

    /// What was placed in this turn has been written.
    pub fn turn_ended(&mut self) {
        self.bundle = None;
    }

    fn begin_bundle(&mut self, id: SeatId) {
        (self.bundle, self.bundled) = (Some(id), 1);
    }

    fn bundle_has_room(&self, id: SeatId) -> bool {
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
        self.lines.push(demand, self.may_hold(&demand), who, now);
        Ok(())
    }

    /// Whether nobody else may wait.
    #[must_use]
    pub fn is_full(&self) -> bool {
        // Those for whom a link is being opened, or may be, do not wait for others.
        let coming = (self.share + self.connecting).saturating_sub(self.used);
        self.lines.len() >= self.queue_max + coming
    }

    /// A seat for one more link, if one should be opened now for those who wait.
    pub fn open(&mut self, now: Nanos) -> Option<SeatId> {
        self.now = now;
        let wanted = self.used < self.share && self.connecting < self.lines.len() && self.lacks_room();
        // While the member refuses, one attempt at a time is enough to see when it no longer does.
        let tried = self.opening.is_failing() && self.connecting > 0;
        if !wanted || tried || !self.opening.may_open(now, self.used == 0) {
            return None;
        }
        self.claim()
    }

    /// Whether the links there are, and those being opened, will not do for those who wait.
    fn lacks_room(&self) -> bool {
        let fresh = self.lines.count(Want::Fresh);
        let alone = self.lines.count(Want::Alone) + self.owners_next();
        let Some(new) = self.connecting.checked_sub(fresh) else { return true };
        let Some(free) = (new + self.idle.len()).checked_sub(alone) else { return true };
        let depth = usize::from(self.depth.limit());
        let behind = |(seat, load): (&Option<Seat<L>>, &u16)| match seat.as_ref() {
            Some(seat) if self.will_be_free_soon(seat) => match *load {
                CLOSED => depth - 1, // its first answer is still to come
                load => depth.saturating_sub(load.into()),
            },
            _ => 0,
        };
        let room: usize = self.seats.iter().zip(&self.loads).map(behind).sum();
        self.lines.count(Want::Shared) > free * depth + room
    }

    /// Whether those who wait may soon be put behind what this link carries: what is at its head is not late, as far as
    /// anybody can tell.
    fn will_be_free_soon(&self, seat: &Seat<L>) -> bool {
        let shared = seat.state == State::Busy && !seat.alone && !seat.reserved && !seat.held;
        shared && self.now.saturating_sub(seat.since) <= self.depth.hold_after().max(SOON)
    }

    /// A seat for one more link, whether somebody waits or not, if the share allows it.
    pub fn claim(&mut self) -> Option<SeatId> {
        if self.used >= self.share {
            return None;
        }
        self.used += 1;
        self.connecting += 1;
        let id = self.seats.iter().position(Option::is_none).unwrap_or(self.seats.len());
        if id == self.seats.len() {
            self.seats.push(None);
            self.loads.push(CLOSED);
        }
        self.seats[id] = Some(Seat::connecting());
        Some(id)
    }

    /// A new link stands. It is idle until [`Pool::next_for`] gives it work.
    pub fn connected(&mut self, id: SeatId, link: L, now: Nanos) {
        self.now = now;
        let Some(seat) = self.seats[id].as_mut() else { return };
        if seat.state == State::Connecting {
            self.connecting -= 1;
        }
        self.opening.succeeded();
        (seat.link, seat.state) = (Some(link), State::Idle { since: now });
        self.idle.push(seat.lane, id);
    }

    /// The next waiter this link can take, and since when it waited. Call until it gives none.
    /// Those who have left meanwhile, by `alive`, are passed over for good; it is told whether others wait behind.
    pub fn next_for(
        &mut self,
        id: SeatId,
        mut alive: impl FnMut(&W, bool) -> bool,
    ) -> Option<(W, Nanos, How)> {
        loop {
            let seat = self.seats.get(id)?.as_ref()?;
            let (next, how) = match seat.state {
                State::Idle { .. } => self.next_for_idle(seat.taken_idle())?,
                State::Busy => (self.next_for_busy(id)?, How::Pipelined),
                State::Connecting | State::Barred => return None,
            };
            if self.must_stand_aside(&next.demand) {
                self.lines.set_aside(next);
                continue;
            }
            let (who, since) = self.lines.take(next)?;
            if self.lines.len() == 0 {
                self.opening.relax();
            }
            if alive(&who, self.lines.len() > 0) {
                self.idle.remove(id);
                self.seat_on(id, next.demand, how);
                return Some((who, since, how));
            }
        }
    }

    /// An idle link that one of those who wait may take, now that no further link may be opened.
    #[must_use]
    pub fn idle_for_waiting(&self) -> Option<L> {
        let seat = self.seats[self.idle.newest()?].as_ref()?;
        self.next_for_idle(seat.taken_idle())?;
        seat.link.clone()
    }

    /// Whether one more may be put on this link, besides those it carries.
    #[must_use]
    pub fn has_room(&self, id: SeatId) -> bool {
        self.loads[id] < self.depth.limit()
    }

    /// One more was put on this link, which [`Pool::has_room`].
    pub fn join(&mut self, id: SeatId) {
        self.loads[id] = self.loads[id].saturating_add(1);
    }

    /// What a link carries now that some of its answers have ended.
    pub fn settle(&mut self, id: SeatId, in_flight: usize, now: Nanos) {
        self.now = now;
        let Some(seat) = self.seats.get_mut(id).and_then(Option::as_mut) else { return };
        (seat.answered, seat.since) = (true, now);
        if seat.state == State::Barred || seat.kept {
            return;
        }
        if in_flight == 0 {
            self.reserved -= usize::from(std::mem::take(&mut seat.reserved));
            self.holding -= usize::from(std::mem::take(&mut seat.holds));
            (seat.state, seat.held) = (State::Idle { since: now }, false);
            self.loads[id] = CLOSED;
            self.owned -= usize::from(std::mem::take(&mut seat.owned));
            self.idle.push(seat.lane, id);
        } else if self.loads[id] != CLOSED {
            self.loads[id] = u16::try_from(in_flight).unwrap_or(CLOSED - 1);
        }
    }

    /// The link is its client's until it closes, also while it carries nothing.
    pub fn keep(&mut self, id: SeatId) {
        if let Some(seat) = self.seats.get_mut(id).and_then(Option::as_mut) {
            seat.kept = true;
        }
    }

    /// The link takes no more requests.
    pub fn bar(&mut self, id: SeatId) {
        let Some(seat) = self.seats.get_mut(id).and_then(Option::as_mut) else { return };
        if seat.state == State::Connecting {
            return;
        }
        self.reserved -= usize::from(std::mem::take(&mut seat.reserved));
        self.barred += usize::from(seat.state != State::Barred);
        seat.state = State::Barred;
        self.loads[id] = CLOSED;
        self.idle.remove(id);
    }

    /// The link could not be connected: its seat is free, and no more are opened for a while.
    pub fn not_connected(&mut self, id: SeatId, now: Nanos) {
        self.opening.failed(now);
        self.closed(id);
    }

    /// The member closed a link from which requests are to be sent again.
    pub fn lost(&mut self, now: Nanos) {
        self.opening.lost(now);
    }

    /// The link is closed, or was never connected: its seat is free.
    pub fn closed(&mut self, id: SeatId) {
        self.bar(id);
        let Some(seat) = self.seats.get_mut(id).and_then(Option::take) else { return };
        self.connecting -= usize::from(seat.state == State::Connecting);
        self.barred -= usize::from(seat.state == State::Barred);
        self.owned -= usize::from(seat.owned);
        self.holding -= usize::from(seat.holds);
        self.used -= 1;
    }

    fn seat_on(&mut self, id: SeatId, demand: Demand, how: How) -> Option<(SeatId, L, How)> {
        let Demand { want, source, .. } = demand;
        let holds = self.may_hold(&demand);
        let seat = self.seats[id].as_mut()?;
        seat.state = State::Busy;
        if how == How::Pipelined {
            self.depth.joined();
            seat.source = if seat.source == source { source } else { Default::default() };
        } else {
            (seat.source, seat.since) = (source, self.now);
            self.holding -= usize::from(std::mem::replace(&mut seat.holds, holds));
            self.holding += usize::from(holds);
        }
        (seat.alone, seat.lane, seat.owned) = (want != Want::Shared, Lane::of(want), want == Want::Own);
        self.owned += usize::from(seat.owned);
        let shared = want == Want::Shared && seat.answered;
        self.loads[id] = match how {
            How::Pipelined => self.loads[id] + 1,
            How::Reused | How::Opened if shared => 1,
            How::Reused | How::Opened => CLOSED,
        };
        Some((id, seat.link.clone()?, how))
    }

    fn least_loaded(&self, below: u16) -> Option<SeatId> {
        let (id, load) = self.loads.iter().enumerate().min_by_key(|(_, load)| **load)?;
        (*load < below).then_some(id)
    }

    /// A new link serves what must not go on an old one first.
    fn next_for_idle(&self, how: How) -> Option<(Next, How)> {
        let first = match how {
            How::Opened => self.next(&[Want::Fresh]),
            _ => None,
        };
        let any = || self.next(self.kinds_for_old_links());
        first.or_else(any).map(|next| (next, how))
    }

    /// While one who must be alone waits longest, and no new link is coming for it, this link is kept for it: it
    /// takes nobody else and runs empty.
    fn next_for_busy(&mut self, id: SeatId) -> Option<Next> {
        if self.loads[id] >= self.depth.limit() {
            return None;
        }
        let first = self.next_behind(self.kinds_for_old_links())?;
        if first.demand.want == Want::Shared {
            return Some(first);
        }
        let alone = self.lines.count(Want::Alone) + self.lines.count(Want::Fresh) + self.owners_next();
        if self.reserved + self.connecting < alone {
            self.reserved += 1;
            self.seats[id].as_mut()?.reserved = true;
            self.loads[id] = CLOSED;
            return None;
        }
        self.next_behind(&[Want::Shared])
    }

    /// Where no further link may be opened, an old one must do for those who would rather have a new one.
    fn kinds_for_old_links(&self) -> &'static [Want] {
        match (self.used >= self.share || self.opening.is_failing(), self.may_own() > 0) {
            (true, true) => &[Want::Shared, Want::Alone, Want::Fresh, Want::Own],
            (true, false) => &[Want::Shared, Want::Alone, Want::Fresh],
            (false, true) => &[Want::Shared, Want::Alone, Want::Own],
            (false, false) => &[Want::Shared, Want::Alone],
        }
    }

    /// How many more links may be kept by their clients.
    fn may_own(&self) -> usize {
        self.owners.saturating_sub(self.owned)
    }

    /// How many of those who wait would take a link of their own.
    fn owners_next(&self) -> usize {
        self.lines.count(Want::Own).min(self.may_own())
    }
}
