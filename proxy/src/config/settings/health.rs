//! Defines the settings by which members are checked.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// The check of a member, which one task makes for the whole process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// The question that a check asks.
    pub kind: CheckKind,
    /// The time between two checks. Each pause differs from it by a tenth at most, so that the checks of many members spread.
    pub interval: Duration,
    /// The longest time for one check, connecting included.
    pub timeout: Duration,
    /// The checks in a row that have to succeed before a member that was down is up.
    pub rise: u32,
    /// The checks in a row that have to fail before a member is down.
    pub fall: u32,
}

/// The question that a check asks a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// The member accepts a connection.
    Connect,
    /// The member answers a GET.
    Http {
        /// The target of the request in origin form.
        target: Arc<str>,
        /// The value of `Host`; `None` for the address of the member.
        host: Option<Arc<str>>,
        /// The statuses that are good.
        status: RangeInclusive<u16>,
        /// The bytes that the content must contain, if it matters.
        content: Option<Arc<[u8]>>,
    },
    /// The member answers the command PING of Redis.
    Ping,
    /// The member says something.
    Bytes {
        /// The bytes that the member gets first; empty for none.
        send: Arc<[u8]>,
        /// The bytes that its answer must contain.
        expect: Arc<[u8]>,
    },
}

/// The treatment of the tunnels of a member that has been taken for down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDown {
    /// They last for as long as both sides like.
    Keep,
    /// They are closed.
    Close,
}

/// The treatment of clients while every member of a backend is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllDown {
    /// Each client uses the member of its source all the same.
    Try,
    /// Requests are answered 503, and connections are closed.
    Refuse,
}
