//! Takes requests off a link whose head takes too long, so that they can be sent elsewhere (P.12 in `docs/http-rules.md`).
//!
//! The link takes no more from then on.

use std::ops::Range;

use super::super::exchange::{Request, Slot};
use super::Queue;

impl<T> Queue<T> {
    /// Takes off those behind the head that may be sent elsewhere, `most` of them, in order; with them the requests
    /// as they were sent, and whether they had been. Answers of one client stay in order: `same` tells clients, and
    /// what has one of its own at the head, or another that stays, stays. If any is taken the link is leaving.
    pub fn rescue(&mut self, most: usize, same: impl Fn(&T, &T) -> bool) -> Vec<(T, Request, Vec<u8>, bool)> {
        let mut taken = Vec::new();
        let mut end = self.kept + self.slots.iter().map(|slot| slot.len).sum::<usize>();
        for i in (1..self.slots.len()).rev() {
            let at = end - self.slots[i].len;
            if taken.len() < most && self.slots[i].may_move() && self.stands_alone(i, &same) {
                taken.extend(self.take_off(i, at..end));
            }
            end = at;
        }
        self.leaving |= !taken.is_empty();
        taken.reverse();
        taken
    }

    /// Whether some were taken off it, to be sent elsewhere.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// How many are behind the head whose clients still wait.
    #[must_use]
    pub fn followers(&self) -> usize {
        self.slots.iter().skip(1).filter(|slot| slot.ticket.is_some()).count()
    }

    /// This one's client awaits nothing at the head or behind this one, nor what must stay: it would only wait for it.
    fn stands_alone(&self, i: usize, same: impl Fn(&T, &T) -> bool) -> bool {
        let Some(mine) = &self.slots[i].ticket else { return false };
        let stays = |(j, slot): &(usize, &Slot<T>)| *j == 0 || *j > i || (*j < i && !slot.may_move());
        let others = self.slots.iter().enumerate().filter(stays);
        !others.filter_map(|(_, slot)| slot.ticket.as_ref()).any(|other| same(other, mine))
    }

    /// What has been written keeps its place, as its answer will come; what has not is gone.
    fn take_off(&mut self, i: usize, bytes: Range<usize>) -> Option<(T, Request, Vec<u8>, bool)> {
        let head = self.slots[i].own(&self.out[bytes.clone()]).to_vec();
        if self.slots[i].touched {
            let slot = &mut self.slots[i];
            return slot.ticket.take().map(|ticket| (ticket, slot.request, head, true));
        }
        self.out.drain(bytes);
        let slot = self.slots.remove(i)?;
        slot.ticket.map(|ticket| (ticket, slot.request, head, false))
    }
}
