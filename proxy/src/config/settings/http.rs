//! The settings of HTTP listeners: limits, policies, routes and the access log.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::{Forwarded, HeadLimits, Networks};

/// The treatment of HTTP requests from the clients of a listener.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpRules {
    /// The limits of a request head.
    pub head: HeadLimits,
    /// The largest number of bytes of content in a request; `None` for no limit.
    pub body: Option<u64>,
    /// The largest number of unanswered requests of one client.
    pub look_ahead: NonZeroU32,
    /// The largest number of requests of one client; the last answer has `Connection: close`. `None` for no
    /// limit.
    pub requests: Option<NonZeroU32>,
    /// Whether TRACE is passed to members (RFC 9110 section 9.3.8); otherwise it is answered 405.
    pub trace: bool,
    /// Whether CONNECT is passed to members (RFC 9110 section 9.3.6); otherwise it is answered 405.
    pub connect: bool,
    /// The treatment of fields with an underscore in their name.
    pub underscores: Underscores,
    /// The protocols that a connection may be upgraded to (RFC 9110 section 7.8).
    pub upgrades: Upgrades,
    /// The fields that give members the source's address.
    pub forwarded: Forwarded,
    /// The proxies that are trusted to name a source in X-Forwarded-For or Forwarded.
    pub trusted_proxies: Networks,
    /// The pseudonym in `Via` (RFC 9110 section 7.6.3); with `None` no `Via` is added and loops are not
    /// detected.
    pub via: Option<Arc<str>>,
}

impl Default for HttpRules {
    fn default() -> Self {
        Self {
            head: HeadLimits::default(),
            body: None,
            look_ahead: const { NonZeroU32::new(1024).unwrap() },
            requests: None,
            trace: false,
            connect: false,
            underscores: Underscores::Pass,
            upgrades: Upgrades::default(),
            forwarded: Forwarded::XForwarded,
            trusted_proxies: Networks::default(),
            via: Some(own_name()),
        }
    }
}

/// Returns the name of this process in `Via` if the configuration gives none: `penstock-` and eight
/// hexadecimal digits that are drawn once. Two proxies in a row must have different names, or each request
/// would look like a loop to the second.
#[must_use]
pub fn own_name() -> Arc<str> {
    static NAME: OnceLock<Arc<str>> = OnceLock::new();
    // The keys of a new hasher are random, which is enough because the name protects no secret.
    let drawn = || RandomState::new().hash_one(std::process::id()) & 0xffff_ffff;
    NAME.get_or_init(|| format!("penstock-{:08x}", drawn()).into()).clone()
}

/// The treatment of fields with an underscore in their name. To a CGI program, `X_Real_IP` and `X-Real-IP`
/// are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Underscores {
    /// The fields are passed on, except those that a program may confuse with fields that the proxy writes.
    Pass,
    /// The fields are dropped.
    Drop,
    /// The request is rejected.
    Reject,
}

/// The protocols that a connection may be upgraded to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upgrades {
    /// No upgrades; the `Upgrade` field is dropped.
    Off,
    /// Every protocol that the client asks for and the member accepts, except `h2c`, whose requests could not
    /// be routed.
    Any,
    /// These protocols, in lower case.
    Only(Arc<[Arc<str>]>),
}

impl Default for Upgrades {
    fn default() -> Self {
        Self::Only(["websocket".into()].into())
    }
}

/// A rule that sends requests to another backend than the listener's own. A request must meet all conditions.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteRule {
    /// The host that the request must be for, if the rule names one.
    pub host: Option<HostMatch>,
    /// The path must be equal to this text, or continue with `/` after it. The text has no `/` at its end.
    /// Case matters.
    pub path_prefix: Option<Arc<str>>,
    /// The methods of which the request must have one; empty for any.
    pub methods: Vec<Arc<str>>,
    /// The fields that the request must have, each with this value if one is given. Names are in lower case.
    pub fields: Vec<(Arc<str>, Option<Arc<str>>)>,
    /// The destination, as an index into [`Settings::backends`](super::Settings::backends).
    pub backend: usize,
}

/// A condition on the host of a request, in lower case. The port of a request counts only if the rule names
/// one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostMatch {
    /// This host: `example.com`, `example.com:8080` or `[::1]`.
    Exactly(Arc<str>),
    /// Any host below this one. `*.example.com` becomes `.example.com` and does not match `example.com`
    /// itself.
    Below(Arc<str>),
}

/// The settings of an access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// The destination of lines.
    pub to: LogTo,
    /// The format of a line.
    pub format: LogFormat,
    /// The sampling rate: one exchange in this number is logged, 1 for all. Failed exchanges are always
    /// logged.
    pub one_of: NonZeroU32,
}

/// The destination of lines of an access log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogTo {
    /// The standard output.
    Stdout,
    /// This file, to which lines are appended. The file is reopened on SIGUSR1.
    File(PathBuf),
}

/// The format of a line of an access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object for each line.
    Json,
    /// Text and fields, in their order.
    Pattern(Arc<[LogPart]>),
}

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogPart {
    /// Literal text.
    Text(Arc<str>),
    /// A field of the exchange.
    Field(LogField),
}

/// A field of an exchange. Patterns and JSON use the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogField {
    /// `time`: the time of the first byte, RFC 3339 in UTC with milliseconds.
    Time,
    /// `time_common`: the same time in the form of the common log format; in patterns only.
    CommonTime,
    /// `source`: the client's address, after trusted proxies were believed.
    Source,
    /// `peer`: the address at the other end of the connection.
    Peer,
    /// `listener`.
    Listener,
    /// `backend`.
    Backend,
    /// `member`.
    Member,
    /// `method`.
    Method,
    /// `target`: the request target as it was received.
    Target,
    /// `protocol`: the version, such as `HTTP/1.1`.
    Protocol,
    /// `host`.
    Host,
    /// `status`: the status code that the client got.
    Status,
    /// `cause`: the reason for a failure, from the labels of the metric; empty for success.
    Cause,
    /// `received`: the bytes of the request's content, or the bytes that a tunnel received from the client.
    Received,
    /// `sent`: the bytes of the answer as written, head and framing included.
    Sent,
    /// `duration`: the seconds from the first byte of the request to the last of its answer.
    Duration,
    /// `service`: the seconds of the duration that the member took.
    Service,
    /// `ordinal`: the request's number on its connection, from 1.
    Ordinal,
    /// `user_agent`.
    UserAgent,
    /// `referer`.
    Referer,
}

impl LogField {
    /// All fields, in the order of a JSON line.
    pub const ALL: [Self; 20] = [
        Self::Time,
        Self::CommonTime,
        Self::Source,
        Self::Peer,
        Self::Listener,
        Self::Backend,
        Self::Member,
        Self::Method,
        Self::Target,
        Self::Protocol,
        Self::Host,
        Self::Status,
        Self::Cause,
        Self::Received,
        Self::Sent,
        Self::Duration,
        Self::Service,
        Self::Ordinal,
        Self::UserAgent,
        Self::Referer,
    ];

    /// Returns the name of the field in patterns and in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::CommonTime => "time_common",
            Self::Source => "source",
            Self::Peer => "peer",
            Self::Listener => "listener",
            Self::Backend => "backend",
            Self::Member => "member",
            Self::Method => "method",
            Self::Target => "target",
            Self::Protocol => "protocol",
            Self::Host => "host",
            Self::Status => "status",
            Self::Cause => "cause",
            Self::Received => "received",
            Self::Sent => "sent",
            Self::Duration => "duration",
            Self::Service => "service",
            Self::Ordinal => "ordinal",
            Self::UserAgent => "user_agent",
            Self::Referer => "referer",
        }
    }
}
