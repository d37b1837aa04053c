//! Defines the fields of an access-log record and their values.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::cause::Cause;
use crate::config::LogField;
use crate::event_loop::Nanos;

/// The parts of a request that a log may need. They are copied when the request begins, and only if it will
/// be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestSummary {
    /// The method.
    pub method: Box<str>,
    /// The request target as it was received.
    pub target: Box<str>,
    /// The minor version of HTTP/1.
    pub minor_version: u8,
    /// The host as it was received.
    pub host: Option<Box<[u8]>>,
    /// The `User-Agent` field (RFC 9110 section 10.1.5).
    pub user_agent: Option<Box<[u8]>>,
    /// The `Referer` field (RFC 9110 section 10.1.3).
    pub referer: Option<Box<[u8]>>,
}

/// An exchange or a tunnel that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogRecord<'a> {
    /// The time of its first byte.
    pub began: SystemTime,
    /// The client's address, after trusted proxies were believed.
    pub source: IpAddr,
    /// The address at the other end of the connection.
    pub peer: IpAddr,
    /// The listener that accepted the client.
    pub listener: &'a str,
    /// The backend that the request went to, or was meant for.
    pub backend: &'a str,
    /// The member that got the request, if one did.
    pub member: Option<&'a str>,
    /// The request; `None` if it could not be parsed.
    pub request: Option<&'a RequestSummary>,
    /// The status code that the client got; 0 for none.
    pub status: u16,
    /// The reason for a failure; `None` for success.
    pub cause: Option<Cause>,
    /// The bytes of the request's content; for a tunnel, the bytes from the client.
    pub received: u64,
    /// The bytes of the answer as written, head and framing included.
    pub sent: u64,
    /// The time from the first byte of the request to the last of its answer.
    pub duration: Nanos,
    /// The part of the duration that the member took.
    pub service: Nanos,
    /// The request's number on its connection, from 1.
    pub ordinal: u32,
}

/// The value of a field before it is formatted.
#[derive(Clone, Copy, Debug)]
pub(super) enum LogValue<'a> {
    /// The value is unknown.
    Absent,
    /// The time since the Unix epoch.
    Time(Duration),
    /// The time since the Unix epoch, to be written in the common log format.
    CommonTime(Duration),
    Address(IpAddr),
    /// Bytes of the client, which are not necessarily text.
    Text(&'a [u8]),
    /// A minor version of HTTP/1.
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
