//! The fields of an access-log entry, and the value that each field has, if any.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::cause::Cause;
use crate::config::LogField;
use crate::event_loop::Nanos;

/// What a request says that the log may want. Taken when it begins, and only if it is to be noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestSummary {
    /// Its method.
    pub method: Box<str>,
    /// Its target, as it came.
    pub target: Box<str>,
    /// The version is HTTP/1 and this.
    pub minor_version: u8,
    /// Which host it is for, as it came.
    pub host: Option<Box<[u8]>>,
    /// Its `User-Agent` (RFC 9110 section 10.1.5).
    pub user_agent: Option<Box<[u8]>>,
    /// Its `Referer` (RFC 9110 section 10.1.3).
    pub referer: Option<Box<[u8]>>,
}

/// An exchange (or a tunnel) that has ended.
#[derive(Clone, Copy, Debug)]
pub struct LogRecord<'a> {
    /// When its first byte came.
    pub began: SystemTime,
    /// The client's address, after trusted proxies.
    pub source: IpAddr,
    /// The address of whoever is connected to us.
    pub peer: IpAddr,
    /// The listener it came to.
    pub listener: &'a str,
    /// The backend it went to, or would have.
    pub backend: &'a str,
    /// The member that got it, if one did.
    pub member: Option<&'a str>,
    /// What it said; `None` where it was not understood.
    pub request: Option<&'a RequestSummary>,
    /// The status the client was answered with, or 0 for none.
    pub status: u16,
    /// Why it ended badly.
    pub cause: Option<Cause>,
    /// Bytes of its content; of a tunnel: bytes that came from the client.
    pub received: u64,
    /// Bytes of its answer as they were written, head and framing included.
    pub sent: u64,
    /// From its first byte to the last of its answer.
    pub duration: Nanos,
    /// How long the member took of that.
    pub service: Nanos,
    /// The how-manieth on its connection it was, from 1.
    pub ordinal: u32,
}

/// What a field says, before it is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum LogValue<'a> {
    /// Nothing is known.
    Absent,
    /// Since the Unix epoch.
    Time(Duration),
    /// The same, as web servers write it.
    CommonTime(Duration),
    Address(IpAddr),
    /// Any bytes a client may send.
    Text(&'a [u8]),
    /// HTTP/1 and this.
    Version(u8),
    Number(u64),
    Seconds(Nanos),
}

impl<'a> LogRecord<'a> {
    fn since_epoch(&self) -> Duration {
        self.began.duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    pub(super) fn value(&self, field: LogField) -> LogValue<'a> {
        match field {
            LogField::Time => LogValue::Time(self.since_epoch()),
            LogField::CommonTime => LogValue::CommonTime(self.since_epoch()),
            LogField::Source => LogValue::Address(self.source),
            LogField::Peer => LogValue::Address(self.peer),
            LogField::Listener => LogValue::Text(self.listener.as_bytes()),
            LogField::Backend => LogValue::Text(self.backend.as_bytes()),
            LogField::Member => text(self.member.map(str::as_bytes)),
            LogField::Method => text(self.request.map(|noted| noted.method.as_bytes())),
            LogField::Target => text(self.request.map(|noted| noted.target.as_bytes())),
            LogField::Protocol => {
                self.request.map_or(LogValue::Absent, |noted| LogValue::Version(noted.minor_version))
            }
            LogField::Host => text(self.request.and_then(|noted| noted.host.as_deref())),
            LogField::Status if self.status == 0 => LogValue::Absent,
            LogField::Status => LogValue::Number(self.status.into()),
            LogField::Cause => text(self.cause.map(|cause| cause.name().as_bytes())),
            LogField::Received => LogValue::Number(self.received),
            LogField::Sent => LogValue::Number(self.sent),
            LogField::Duration => LogValue::Seconds(self.duration),
            LogField::Service => LogValue::Seconds(self.service),
            LogField::Ordinal => LogValue::Number(self.ordinal.into()),
            LogField::UserAgent => text(self.request.and_then(|noted| noted.user_agent.as_deref())),
            LogField::Referer => text(self.request.and_then(|noted| noted.referer.as_deref())),
        }
    }
}

fn text(text: Option<&[u8]>) -> LogValue<'_> {
    text.map_or(LogValue::Absent, LogValue::Text)
}
