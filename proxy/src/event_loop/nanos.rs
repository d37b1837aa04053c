//! Defines the time of a worker in nanoseconds.

use std::time::Duration;

/// Nanoseconds since the worker started.
pub(crate) type Nanos = u64;

/// Converts a duration to [`Nanos`]. A duration that does not fit (584 years) becomes [`Nanos::MAX`], which means
/// "never".
#[must_use]
pub(crate) fn nanos(duration: Duration) -> Nanos {
    Nanos::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX)
}
