//! Defines the settings by which members are ejected for failing the requests of clients.

use std::time::Duration;

/// The rules by which the members of a backend are ejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// The share of failures at which a member is ejected, in percent, 1 to 100.
    pub failures: u8,
    /// The number of exchanges in the window below which a member is not judged.
    pub volume: u64,
    /// The time over which exchanges are counted.
    pub window: Duration,
    /// The time for which a member is ejected at first. Each further ejection is twice as long.
    pub base_time: Duration,
    /// The longest time for which a member is ejected, at least `base_time`.
    pub max_time: Duration,
    /// The share of the members, in percent, that are never ejected. At least one member is not.
    pub keep: u8,
    /// Whether an answer of 5xx is a failure; always false if the protocol is not HTTP.
    pub server_errors: bool,
}
