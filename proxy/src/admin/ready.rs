//! The readiness of the proxy: the main thread sets it, and `/readyz` reads it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Whether new clients are welcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Readiness {
    /// Not yet: listeners or workers are still to come.
    Starting,
    /// They are.
    Ready,
    /// No longer: what is in flight ends, nothing new begins.
    Draining,
}

impl Readiness {
    /// The word `/readyz` answers.
    #[must_use]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
        }
    }
}

/// A [`Readiness`] that threads share. A clone is the same state; it begins as `Starting`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadyState(Arc<AtomicU8>);

impl ReadyState {
    /// Says how ready the proxy is.
    pub(crate) fn set(&self, readiness: Readiness) {
        self.0.store(readiness as u8, Ordering::Release);
    }

    /// How ready it is.
    #[must_use]
    pub(crate) fn get(&self) -> Readiness {
        match self.0.load(Ordering::Acquire) {
            0 => Readiness::Starting,
            1 => Readiness::Ready,
            _ => Readiness::Draining,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_read_on_a_clone() {
        let state = ReadyState::default();
        let clone = state.clone();
        assert_eq!(clone.get(), Readiness::Starting);
        for readiness in [Readiness::Ready, Readiness::Draining, Readiness::Starting] {
            state.set(readiness);
            assert_eq!(clone.get(), readiness);
        }
    }
}
