//! Caps the depth if some of a member's answers are slow, so that few requests wait behind a slow one.

use crate::link::scheduler::class_table::FADE;

/// Sums over about a second, which fade turn by turn, and sums over the last and the present turn, which show
/// at once that a member became slow.
#[derive(Debug, Default)]
pub(super) struct Mix {
    faded: MixSums,
    last: MixSums,
    present: MixSums,
    turn: u32,
    /// The number of slow exchanges that a rescue counted before they ended.
    counted_early: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct MixSums {
    answers: f32,
    slow: f32,
}

/// At most one request in this number should meet a slow one before it on its link.
const RARE: f32 = 200.0;
/// The number of slow answers in a turn from which they are not considered an accident.
const SOME: f32 = 8.0;

impl Mix {
    /// Counts answers, slow ones included.
    pub(super) fn answered(&mut self, count: usize) {
        self.faded.answers += count as f32;
        self.present.answers += count as f32;
    }

    /// Counts a slow answer, which [`Mix::answered`] counts too.
    pub(super) fn was_slow(&mut self) {
        self.faded.slow += 1.0;
        self.present.slow += 1.0;
    }

    /// Subtracts the slowness of a class that gets links to itself from now on.
    pub(super) fn is_gone(&mut self, slow: f32) {
        self.faded.slow = (self.faded.slow - slow).max(0.0);
        self.present.slow = (self.present.slow - slow).max(0.0);
        self.last.slow = (self.last.slow - slow).max(0.0);
    }

    /// Returns the number of the present turn.
    #[must_use]
    pub(super) fn turn(&self) -> u32 {
        self.turn
    }

    /// Ends a turn.
    pub(super) fn turned(&mut self) {
        self.faded.answers *= FADE;
        self.faded.slow *= FADE;
        self.last = std::mem::take(&mut self.present);
        self.turn = self.turn.wrapping_add(1);
    }

    /// Forgets all sums, because the member became faster or slower.
    pub(super) fn forget(&mut self) {
        *self = Self { turn: self.turn, ..Self::default() };
    }

    /// Counts an exchange as slow before it has ended.
    pub(super) fn count_early(&mut self) {
        self.counted_early += 1;
    }

    /// Returns whether a slow exchange that has ended now was counted before.
    pub(super) fn was_counted_early(&mut self) -> bool {
        let was = self.counted_early > 0;
        self.counted_early -= u32::from(was);
        was
    }

    /// Returns the largest depth for which `(depth - 1) x share of slow answers <= 1 / RARE`.
    #[must_use]
    pub(super) fn cap(&self) -> u16 {
        // Few slow answers in a short time may be chance, so that a turn needs more of them.
        let of = |sums: &MixSums, least: f32| if sums.slow < least { u16::MAX } else { sums.cap() };
        of(&self.faded, 0.5).min(of(&self.last, SOME)).min(of(&self.present, SOME))
    }
}

impl MixSums {
    fn cap(&self) -> u16 {
        ((self.answers / (self.slow * RARE)) as u16).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mix(answers: usize, slow: usize) -> Mix {
        let mut mix = Mix::default();
        mix.answered(answers);
        (0..slow).for_each(|_| mix.was_slow());
        mix
    }

    #[test]
    fn one_in_two_hundred_may_be_held_up() {
        for (answers, slow, cap) in
            [(10, 0, u16::MAX), (10_000, 1, 51), (10_000, 10, 6), (10_000, 100, 1), (5, 5, 1)]
        {
            assert_eq!(mix(answers, slow).cap(), cap, "{slow} of {answers}");
        }
    }

    #[test]
    fn what_is_slow_from_now_on_shows_at_once() {
        let mut mix = mix(100_000, 0);
        mix.turned();
        mix.answered(20);
        (0..20).for_each(|_| mix.was_slow());
        assert_eq!(mix.cap(), 1);
        mix.turned();
        assert_eq!(mix.cap(), 1, "and in the next turn");
    }

    #[test]
    fn what_goes_alone_does_not_count() {
        let mut mix = mix(10_000, 100);
        mix.is_gone(100.0);
        assert_eq!(mix.cap(), u16::MAX);
    }
}
