//! How far requests are to be spread, so that a member with many threads is kept busy.
//! In: what whole windows say. Out: a cap on the depth.
//! Knows nothing of threads: it asks whether more links would be served as well.

use crate::turn::Nanos;

use super::speed::Past;

/// While answers take no longer than they would if nothing were in their way, and requests wait behind others, another
/// link would be served as well: the depth is halved, and more links open. When answers take twice as long, the
/// member has no more to give, and the depth comes back.
#[derive(Debug)]
pub(super) struct Spread {
    cap: u16,
}

/// No worker has more to send than one request in this time. Where the links that are busy do as much, nothing is
/// gained by more of them.
const WORK: f32 = 10_000.0;
/// A quarter of the requests waits behind others: that is no accident.
const CROWDED: f32 = 0.25;
/// With this part of its speed left, a member has room for more.
const FREE: f32 = 0.8;
const FULL: f32 = 0.5;

impl Default for Spread {
    fn default() -> Self {
        Self { cap: u16::MAX }
    }
}

impl Spread {
    /// The cap that makes the member's links as many as it has use for.
    #[must_use]
    pub(super) fn cap(&self) -> u16 {
        self.cap
    }

    /// A window has ended. Answers take `base` where nothing is in their way, which would allow for `depth`.
    pub(super) fn turn(&mut self, past: &Past, base: Nanos, depth: u16) {
        let speed = past.best as f32 / (past.typical as f32).max(1.0);
        let useful = past.busy >= FREE && past.busy < base as f32 / WORK;
        if speed >= FREE && useful && past.joined >= CROWDED {
            self.cap = (self.cap.min(depth) / 2).max(1);
        } else if speed < FULL {
            self.cap = if self.cap >= depth.div_ceil(2) { u16::MAX } else { self.cap * 2 };
        }
    }
}
