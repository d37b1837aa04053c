//! The settings of HTTP listeners: limits, policies, routes and the access log.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::{Forwarded, HeadLimits, Networks};

/// What a listener makes of the requests of its clients.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpRules {
    /// How large a request head may be.
    pub head: HeadLimits,
    /// Most bytes of content in a request; `None` for no limit.
    pub body: Option<u64>,
    /// Most requests of one client that are begun and not answered.
    pub look_ahead: NonZeroU32,
    /// Most requests of one client; the last is answered with `Connection: close`. `None` for no limit.
    pub requests: Option<NonZeroU32>,
    /// TRACE goes to members (RFC 9110 section 9.3.8); else it is answered 405.
    pub trace: bool,
    /// CONNECT goes to members (RFC 9110 section 9.3.6); else it is answered 405.
    pub connect: bool,
    /// What becomes of fields whose name has an underscore.
    pub underscores: Underscores,
    /// What a connection may become (RFC 9110 section 7.8).
    pub upgrades: Upgrades,
    /// How the source is told to members.
    pub forwarded: Forwarded,
    /// Who may say, in X-Forwarded-For or Forwarded, for whom it speaks.
    pub trusted_proxies: Networks,
    /// The pseudonym in `Via` (RFC 9110 section 7.6.3), or `None` to add none and to look for no loops.
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

/// Returns the name that this process has in `Via` if nobody gives it another: `penstock-` and eight hexadecimal digits
/// that are drawn once. Two processes in a row must not have the same, or each request looks like a loop to the second.
#[must_use]
pub fn own_name() -> Arc<str> {
    static NAME: OnceLock<Arc<str>> = OnceLock::new();
    // The keys of a new hasher are random; nothing secret hangs on the name.
    let drawn = || RandomState::new().hash_one(std::process::id()) & 0xffff_ffff;
    NAME.get_or_init(|| format!("penstock-{:08x}", drawn()).into()).clone()
}

/// What becomes of fields whose name has an underscore: to a CGI program `X_Real_IP` and `X-Real-IP` are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Underscores {
    /// They travel on (but for twins of the fields that we write).
    Pass,
    /// They are left behind.
    Drop,
    /// The request is refused.
    Reject,
}

/// What a connection may become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upgrades {
    /// Nothing: `Upgrade` is left behind.
    Off,
    /// Whatever the client asks for and the member agrees to, but for `h2c`: what passes through it could not be routed.
    Any,
    /// These protocols, in lower case.
    Only(Arc<[Arc<str>]>),
}

impl Default for Upgrades {
    fn default() -> Self {
        Self::Only(["websocket".into()].into())
    }
}

/// Which requests go to another backend than the listener's own. The first rule that matches counts.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteRule {
    /// All of it must hold.
    pub host: Option<HostMatch>,
    /// The path is this, or goes on with `/` after it; without a `/` at its end. Case matters.
    pub path_prefix: Option<Arc<str>>,
    /// The method is one of these; empty for any.
    pub methods: Vec<Arc<str>>,
    /// Each of these fields is there, with this value if one is named. Names in lower case.
    pub fields: Vec<(Arc<str>, Option<Arc<str>>)>,
    /// Where it goes: an index into [`Settings::backends`](super::Settings::backends).
    pub backend: usize,
}

/// Which host a request is for; in lower case. A port in the request counts only where the rule names one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostMatch {
    /// This one: `example.com`, `example.com:8080` or `[::1]`.
    Exactly(Arc<str>),
    /// Any below this one: `.example.com` for `*.example.com`, which is not `example.com` itself.
    Below(Arc<str>),
}

/// What is noted of each exchange, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// Where lines go.
    pub to: LogTo,
    /// What a line looks like.
    pub format: LogFormat,
    /// One exchange of so many is noted, 1 for all. What ended badly always is.
    pub one_of: NonZeroU32,
}

/// Where lines of an access log go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogTo {
    /// The standard output.
    Stdout,
    /// This file, at the end of what is in it. It is opened anew on SIGUSR1.
    File(PathBuf),
}

/// What a line of an access log looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object.
    Json,
    /// Text and fields, in turn.
    Pattern(Arc<[LogPart]>),
}

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogPart {
    /// As it is.
    Text(Arc<str>),
    /// What is known of the exchange.
    Field(LogField),
}

/// What may be said of an exchange. The names are those in patterns and in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogField {
    /// `time`: when its first byte came, RFC 3339 in UTC with milliseconds.
    Time,
    /// `time_common`: the same in the form of the common log format, in patterns only.
    CommonTime,
    /// `source`: the client's address, after trusted proxies.
    Source,
    /// `peer`: the address of whoever is connected to us.
    Peer,
    /// `listener`.
    Listener,
    /// `backend`.
    Backend,
    /// `member`.
    Member,
    /// `method`.
    Method,
    /// `target`: as it came.
    Target,
    /// `protocol`: `HTTP/1.1`.
    Protocol,
    /// `host`.
    Host,
    /// `status`: that the client was answered with.
    Status,
    /// `cause`: why it ended badly (the closed set of the metric), or nothing.
    Cause,
    /// `received`: bytes of the request's content (of a tunnel: bytes that came from the client).
    Received,
    /// `sent`: bytes of the answer as they were written, head and framing included.
    Sent,
    /// `duration`: seconds from the first byte of the request to the last of its answer.
    Duration,
    /// `service`: seconds that the member took of that.
    Service,
    /// `ordinal`: the how-manieth request it was on its connection, from 1.
    Ordinal,
    /// `user_agent`.
    UserAgent,
    /// `referer`.
    Referer,
}

impl LogField {
    /// All there are, in the order of a JSON line.
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

    /// As it is written in patterns and in JSON.
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
