//! Defines the time of a worker in nanoseconds.

use std::time::{Duration, Instant};

/// Nanoseconds since the worker started.
pub(crate) type Nanos = u64;

/// Converts a duration to [`Nanos`]. A duration that does not fit (584 years) becomes [`Nanos::MAX`], which means
/// "never".
#[must_use]
pub(crate) fn nanos(duration: Duration) -> Nanos {
    Nanos::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX)
}

/// Reads the clock that the timers of a worker go by.
#[cfg(not(test))]
#[inline]
#[must_use]
pub(crate) fn clock() -> Instant {
    Instant::now()
}

/// Reads the clock that the timers of a worker go by. In the simulation this clock stands still until the test moves it.
#[cfg(test)]
#[must_use]
pub(crate) fn clock() -> Instant {
    tokio::time::Instant::now().into_std()
}
