//! Remembers which request classes of a member are slow, in a table of bounded size that is keyed by a 32-bit
//! hash.
//!
//! The table reads no clock. The caller counts the turns by which old slowness fades.

/// The treatment of a class after one of its answers.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Heard {
    /// Requests of the class share links with others.
    Shared,
    /// Requests of the class get a link to themselves.
    Alone,
    /// Requests of the class get a link to themselves from now on. The number is the part of the recent
    /// slowness that this class caused.
    Turned(f32),
}

/// A table of 512 entries. If the eight entries that a hash may use are taken, the least recently used one is
/// replaced.
#[derive(Debug)]
pub(super) struct ClassTable {
    /// The class of each entry, 0 for a free one. The keys have an array of their own, so that those of one
    /// hash lie in one cache line.
    keys: Box<[u32; PLACES]>,
    entries: Box<[ClassEntry; PLACES]>,
    /// The number of answers recorded, by which the age of entries is measured.
    clock: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct ClassEntry {
    /// The value of the clock when the class was last recorded.
    heard: u32,
    /// The share of answers that are slow, in 1/65,536: of all answers of a new class, later a moving
    /// average.
    share: u32,
    /// The recent slow answers as of `turn`, which fade with each turn.
    slow: f32,
    turn: u32,
    /// The number of answers, up to [`MEMORY`].
    seen: u16,
    /// The number of slow answers, up to [`ENOUGH`].
    seen_slow: u8,
    alone: bool,
}

const PLACES: usize = 512;
const PROBE: usize = 8;
/// The number of answers over which a share is averaged. Slow answers that were requested together end
/// together, and a shorter average would take them for the rule.
const MEMORY: u16 = 256;
/// The number of slow answers from which they are not considered an accident.
const ENOUGH: u8 = 3;
const WHOLE: u32 = 1 << 16;
/// A class gets links to itself if more than this part of its answers is slow.
const SLOW: u32 = WHOLE / 8;
/// A class shares links again if less than this part of its answers is slow. The distance to [`SLOW`] keeps a
/// class from alternating.
const QUICK: u32 = WHOLE / 32;
/// The part of the slowness that is left after one turn.
pub(super) const FADE: f32 = 0.875;

impl Default for ClassTable {
    fn default() -> Self {
        Self { keys: Box::new([0; PLACES]), entries: Box::new([ClassEntry::default(); PLACES]), clock: 0 }
    }
}

impl ClassTable {
    /// Returns whether requests of this class should have a link to themselves.
    #[must_use]
    pub(super) fn goes_alone(&self, class: u32) -> bool {
        self.find(class).is_some_and(|at| self.entries[at].alone)
    }

    /// Records a quick answer of a class.
    pub(super) fn quick(&mut self, class: u32) -> Heard {
        match self.entry(class) {
            Some(entry) => entry.quick(),
            None => Heard::Shared,
        }
    }

    /// Records a slow answer of a class in the given turn.
    pub(super) fn slow(&mut self, class: u32, turn: u32) -> Heard {
        match self.entry(class) {
            Some(entry) => entry.slow(turn),
            None => Heard::Shared,
        }
    }

    /// Forgets all classes, after the member became faster or slower.
    pub(super) fn forget(&mut self) {
        self.keys.fill(0);
    }

    fn entry(&mut self, class: u32) -> Option<&mut ClassEntry> {
        // Class 0 stands for requests whose class is unknown.
        if class == 0 {
            return None;
        }
        self.clock = self.clock.wrapping_add(1);
        let at = self.find(class).unwrap_or_else(|| self.make_room(class));
        self.entries[at].heard = self.clock;
        Some(&mut self.entries[at])
    }

    fn find(&self, class: u32) -> Option<usize> {
        let start = start(class);
        let found = self.keys[start..start + PROBE].iter().position(|key| *key == class)?;
        (class != 0).then_some(start + found)
    }

    /// Returns a free entry for a class, or replaces the least recently used one.
    fn make_room(&mut self, class: u32) -> usize {
        let staleness = |at: &usize| match self.keys[*at] {
            0 => u32::MAX,
            _ => self.clock.wrapping_sub(self.entries[*at].heard),
        };
        let start = start(class);
        let at = (start..start + PROBE).max_by_key(staleness).unwrap_or(start);
        (self.keys[at], self.entries[at]) = (class, ClassEntry::default());
        at
    }
}

/// Returns the index of the first entry that a class may use.
fn start(class: u32) -> usize {
    let mixed = class.wrapping_mul(0x9e37_79b1) >> 16;
    mixed as usize % (PLACES / PROBE) * PROBE
}

impl ClassEntry {
    fn quick(&mut self) -> Heard {
        self.weigh(0);
        self.alone &= self.share >= QUICK;
        if self.alone { Heard::Alone } else { Heard::Shared }
    }

    fn slow(&mut self, turn: u32) -> Heard {
        self.weigh(WHOLE);
        self.seen_slow = (self.seen_slow + 1).min(ENOUGH);
        self.slow = self.slow * fade(turn.wrapping_sub(self.turn)) + 1.0;
        self.turn = turn;
        if self.alone {
            return Heard::Alone;
        }
        // A few early answers must not decide, so both a share and a number are needed.
        self.alone = self.share >= SLOW && self.seen_slow >= ENOUGH;
        if self.alone { Heard::Turned(std::mem::take(&mut self.slow)) } else { Heard::Shared }
    }

    fn weigh(&mut self, sample: u32) {
        // A new class averages all its answers; later a moving average forgets old ones.
        if self.seen < MEMORY {
            self.seen += 1;
            let seen = u32::from(self.seen);
            self.share = (self.share * (seen - 1) + sample) / seen;
        } else {
            let memory = u32::from(MEMORY);
            self.share = (self.share * (memory - 1) + sample) / memory;
        }
    }
}

/// Returns the part of the slowness that is left after this number of turns.
fn fade(turns: u32) -> f32 {
    FADE.powi(turns.min(200) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_route_goes_alone_and_takes_its_slowness_with_it() {
        let mut classes = ClassTable::default();
        assert_eq!(classes.slow(7, 0), Heard::Shared);
        assert_eq!(classes.slow(7, 0), Heard::Shared, "two may be an accident");
        assert_eq!(classes.slow(7, 0), Heard::Turned(3.0));
        assert!(classes.goes_alone(7));
        assert_eq!(classes.slow(7, 0), Heard::Alone);
        assert!(!classes.goes_alone(8));
    }

    #[test]
    fn slowness_fades() {
        let mut classes = ClassTable::default();
        (0..2).for_each(|_| assert_eq!(classes.slow(7, 0), Heard::Shared));
        assert_eq!(classes.slow(7, 1), Heard::Turned(2.0 * FADE + 1.0));
    }

    #[test]
    fn a_route_with_few_slow_ones_is_shared() {
        let mut classes = ClassTable::default();
        for i in 0..10_000 {
            let heard = if i % 20 == 19 { classes.slow(7, 0) } else { classes.quick(7) };
            assert_eq!(heard, Heard::Shared, "after {i}");
        }
    }

    #[test]
    fn slow_ones_that_end_together_are_not_the_rule() {
        let mut classes = ClassTable::default();
        (0..1000).for_each(|_| _ = classes.quick(7));
        (0..20).for_each(|_| assert_eq!(classes.slow(7, 0), Heard::Shared));
    }

    #[test]
    fn a_route_that_becomes_quick_is_shared_again() {
        let mut classes = ClassTable::default();
        (0..1000).for_each(|_| _ = classes.slow(7, 0));
        let alone = (0..2000).take_while(|_| classes.quick(7) == Heard::Alone).count();
        assert!((20..1000).contains(&alone), "{alone}");
        assert!(!classes.goes_alone(7));
    }

    #[test]
    fn no_route_is_nobody() {
        let mut classes = ClassTable::default();
        (0..100).for_each(|_| assert_eq!(classes.slow(0, 0), Heard::Shared));
        assert!(!classes.goes_alone(0));
    }

    #[test]
    fn many_routes_push_out_those_not_heard_of() {
        let mut classes = ClassTable::default();
        (0..3).for_each(|_| _ = classes.slow(7, 0));
        (1000..200_000).for_each(|class| _ = classes.quick(class));
        assert!(!classes.goes_alone(7), "forgotten");
        assert!(classes.entries.len() == PLACES && size_of::<ClassEntry>() <= 20);
    }

    #[test]
    fn who_is_heard_of_stays() {
        let mut classes = ClassTable::default();
        for class in 1000..200_000 {
            classes.slow(7, 0);
            classes.quick(class);
        }
        assert!(classes.goes_alone(7));
    }
}
