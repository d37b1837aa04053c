//! Prefers links that already speak a request's dialect (RESP2 or RESP3).
//!
//! A link that speaks the other one does as well, at the cost of a greeting.

use super::super::idle::Lane;
use super::super::lines::Demand;
use super::super::seat::{How, SeatId};
use super::{CLOSED, Pool};

impl<L: Clone, W> Pool<L, W> {
    /// A place for a request that has just come, unless it must wait. Of the links for which `alike` does not hold it gets
    /// only an idle one, or where no more may be opened, the one with the fewest in flight.
    pub fn place_speaking(&mut self, demand: Demand, alike: impl Fn(&L) -> bool) -> Option<(SeatId, L, How)> {
        let want = demand.want;
        if self.lines.count(want) > 0 || !self.kinds_for_old_links().contains(&want) {
            return None;
        }
        let lane = Lane::of(want);
        let shared = lane == Lane::Shared;
        if let Some(id) = self.bundle.filter(|id| shared && self.bundle_has_room(*id) && self.is(*id, &alike))
        {
            self.bundled += 1;
            return self.seat_on(id, demand, How::Pipelined);
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

    fn least_loaded_of(&self, below: u16, alike: impl Fn(&L) -> bool) -> Option<SeatId> {
        let loads = self.loads.iter().copied().enumerate();
        let open = loads.filter(|(id, load)| *load != CLOSED && self.is(*id, &alike));
        open.min_by_key(|(_, load)| *load).filter(|(_, load)| *load < below).map(|(id, _)| id)
    }

    fn is(&self, id: SeatId, alike: impl Fn(&L) -> bool) -> bool {
        self.seats.get(id).and_then(Option::as_ref).and_then(|seat| seat.link.as_ref()).is_some_and(alike)
    }
}
