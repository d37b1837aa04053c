//! Holds the readiness of the proxy, which the main thread sets and `/readyz` reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// The readiness of the proxy for new clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Readiness {
    /// Listeners or workers are still being started.
    Starting,
    /// New clients are accepted.
    Ready,
    /// Exchanges in flight may end, and new clients are not accepted.
    Draining,
}

impl Readiness {
    /// Returns the word that `/readyz` answers.
    #[must_use]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
        }
    }
}

/// A [`Readiness`] that threads share. Clones share one state, which begins as `Starting`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadyState(Arc<AtomicU8>);

impl ReadyState {
    /// Sets the readiness.
    pub(crate) fn set(&self, readiness: Readiness) {
        self.0.store(readiness as u8, Ordering::Release);
    }

    /// Returns the readiness.
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
