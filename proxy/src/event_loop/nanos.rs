//! Time as the workers count it.

use std::time::Duration;

/// Nanoseconds since the worker started.
pub type Nanos = u64;

/// Returns a duration as [`Nanos`]. A duration that does not fit (584 years) is [`Nanos::MAX`], which means "never".
#[must_use]
pub fn nanos(duration: Duration) -> Nanos {
    Nanos::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX)
}
