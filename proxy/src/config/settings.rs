//! The settings that the program runs by: plain fields with all defaults filled in.
//!
//! `resolve` makes them, and it makes no invalid ones, so code that uses them checks nothing again.

mod address;
mod framing;
mod http;

use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

pub use address::{Address, Networks};
pub use framing::{FrameKind, Framing, Prefix};
pub use http::{
    AccessLog, HostMatch, HttpRules, LogField, LogFormat, LogPart, LogTo, RouteRule, Underscores, Upgrades,
    own_name,
};

/// One whole, valid configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where `/metrics`, `/healthz` and `/readyz` are served; `None` for `admin: off`.
    pub admin: Option<SocketAddr>,
    /// How many workers; `auto` (the number of CPUs this process may use) is already resolved.
    pub workers: NonZeroUsize,
    /// How long a drain may last before what is left is closed.
    pub drain_timeout: Duration,
    /// Most bytes of bodies and answers that wait in the proxy's own memory, for the process; divided among the
    /// workers.
    pub buffer_budget: usize,
    /// In the order of the file.
    pub listeners: Vec<Arc<Listener>>,
    /// In the order of the file.
    pub backends: Vec<Arc<Backend>>,
}

/// A bound socket, and how it treats the clients it accepts.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// Its key in the file.
    pub name: Arc<str>,
    /// The address it is bound to.
    pub bind: Address,
    /// What its clients speak.
    pub protocol: Protocol,
    /// Where the frames of its protocol end; `Some` exactly for lines, length_prefixed and resp.
    pub framing: Option<Arc<Framing>>,
    /// The backend its requests or connections go to: an index into [`Settings::backends`].
    pub backend: usize,
    /// Most clients at once; `None` for no limit.
    pub max_connections: Option<NonZeroUsize>,
    /// Bytes of a request's body that are read before the request takes a link; 0 for none.
    pub request_buffer: usize,
    /// Bytes of an answer that are kept for a client before the link is no longer read.
    pub response_buffer: usize,
    /// Whether a PROXY header comes before all else.
    pub proxy_protocol: AcceptProxy,
    /// Whose PROXY header is believed. Empty only where none is asked for.
    pub trusted: Networks,
    /// Length of the kernel's accept queue (the kernel cuts it to `somaxconn`).
    pub backlog: u32,
    /// How long a client may take.
    pub timeouts: ClientTimeouts,
    /// What it makes of requests; the defaults where it does not speak HTTP.
    pub http: HttpRules,
    /// Which requests go elsewhere than to `backend`: the first that matches.
    pub routes: Vec<RouteRule>,
    /// What is noted of each exchange; `None` for nothing.
    pub access_log: Option<Arc<AccessLog>>,
    /// Limits of its tunnels, of upgraded connections, and of RESP clients that keep a link for good.
    pub tunnel: TunnelLimits,
    /// Options of the accepted sockets.
    pub socket: SocketOptions,
}

/// What the two sides of a listener speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 and HTTP/1.0: many clients share a few links.
    Http,
    /// Opaque bytes both ways: each client has a link of its own.
    Tcp,
    /// Frames that end with LF or CR LF: one line asks, one line answers.
    Lines,
    /// Frames that say how long they are: one asks, one answers.
    LengthPrefixed,
    /// Redis (RESP2): many clients share a few links, but for commands that need one of their own.
    Resp,
}

impl Protocol {
    /// Whether many clients share a few links; where not, each has a link of its own.
    #[must_use]
    pub const fn is_pooled(self) -> bool {
        match self {
            Self::Http | Self::Lines | Self::LengthPrefixed | Self::Resp => true,
            Self::Tcp => false,
        }
    }

    /// As it is written in the file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tcp => "tcp",
            Self::Lines => "lines",
            Self::LengthPrefixed => "length_prefixed",
            Self::Resp => "resp",
        }
    }
}

/// What a listener makes of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptProxy {
    /// What comes first is the client's own.
    Off,
    /// A PROXY header, version 1 or 2, comes first; a client without one is closed.
    Required,
}

/// Limits on a tunnel's time, and how its bytes move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelLimits {
    /// Since something last moved, in either direction; `None` for no limit.
    pub idle: Option<Duration>,
    /// From its start, whatever it does; `None` for no limit.
    pub age: Option<Duration>,
    /// Whether streams go from socket to socket without being copied.
    pub splice: bool,
}

/// Limits on a client's time. Each is an absolute deadline from the start of its phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientTimeouts {
    /// Between two requests.
    pub idle: Duration,
    /// From the first byte of a request head, or of a whole frame, to its last.
    pub head: Duration,
    /// Between two bytes of a request body, or two requests of a client that keeps a link for both.
    pub body: Duration,
    /// How long an answer may wait for a client that does not read.
    pub write: Duration,
}

/// Limits on a request or response head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the whole head, start line and final empty line included.
    pub bytes: usize,
    /// Number of field lines (at most [`HeadLimits::MAX_FIELDS`]).
    pub fields: usize,
    /// Bytes of one line, the request line included.
    pub line: usize,
}

impl HeadLimits {
    /// No configuration may allow more field lines than this.
    pub const MAX_FIELDS: usize = 256;
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { bytes: 32 << 10, fields: 100, line: 16 << 10 }
    }
}

/// Which fields tell a member who the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarded {
    /// `X-Forwarded-For` and `X-Forwarded-Proto`.
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Rfc7239,
    /// Both.
    Both,
    /// Neither, and what the client sent of them is removed.
    Remove,
    /// Neither; what the client sent passes as it is.
    Off,
}

/// Options of a socket. A Unix socket has only its buffers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// `TCP_NODELAY`.
    pub nodelay: bool,
    /// `SO_KEEPALIVE` with this idle time in whole seconds, or `None` for off.
    pub keepalive: Option<Duration>,
    /// `TCP_USER_TIMEOUT` in whole milliseconds, or `None` for off: how long what was sent may stay
    /// unacknowledged (RFC 5482).
    pub user_timeout: Option<Duration>,
    /// `SO_SNDBUF` in bytes, or the kernel's choice.
    pub send_buffer: Option<usize>,
    /// `SO_RCVBUF` in bytes, or the kernel's choice.
    pub receive_buffer: Option<usize>,
    /// `IP_TOS` or `IPV6_TCLASS`, or the kernel's choice.
    pub tos: Option<u8>,
    /// `SO_MARK`, or `None` for off; needs `CAP_NET_ADMIN`.
    pub mark: Option<NonZeroU32>,
    /// `TCP_CONGESTION`, or the kernel's choice: 1 to 15 of `a-z 0-9 _ -`.
    pub congestion: Option<Arc<str>>,
}

/// A named group of members.
#[derive(Clone, Debug, PartialEq)]
pub struct Backend {
    /// Its key in the file.
    pub name: Arc<str>,
    /// What the listeners that use it speak; HTTP where none does.
    pub protocol: Protocol,
    /// That of the listeners that use it, which agree; `Some` exactly for lines, length_prefixed and resp.
    pub framing: Option<Arc<Framing>>,
    /// The PROXY header that each link begins with; always `None` where links are pooled.
    pub proxy_protocol: Option<ProxyVersion>,
    /// The local addresses that links come from, in turn; empty for the kernel's choice. Each is of the family
    /// of some member.
    pub source_addresses: Vec<IpAddr>,
    /// How a client meets its member.
    pub affinity: Affinity,
    /// How its links are pooled.
    pub links: Links,
    /// Who may wait for a link, and for how long.
    pub queue: QueueLimits,
    /// From the last byte of a request to the first of its answer, and between two reads of an answer.
    pub response_timeout: Duration,
    /// How large the head of an answer may be.
    pub head: HeadLimits,
    /// Options of the sockets of its links.
    pub socket: SocketOptions,
    /// In the order of the file; never empty.
    pub members: Vec<MemberSettings>,
}

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyVersion {
    /// One line of text.
    V1,
    /// Binary, with room for more than addresses.
    V2,
}

/// What ties a client to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// Rendezvous hash over the source's address, cut to these prefix lengths (32 and 128: whole).
    Source {
        /// Bits of an IPv4 address that count, 1 to 32.
        v4: u8,
        /// Bits of an IPv6 address that count, 1 to 128.
        v6: u8,
    },
    /// The member with the fewest clients.
    None,
}

/// How links to the members of a backend are opened, shared and closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Links {
    /// Most links to one member, exact for the process; [`Links::NO_CAP`] for no limit.
    pub max_per_member: NonZeroU32,
    /// Links kept connected and unused for each member, for the process; at most `max_per_member`, and 0
    /// where links are pooled.
    pub warm: u32,
    /// Most links to one member that have become tunnels (upgrades, CONNECT), for the process; they are not among
    /// `max_per_member`.
    pub max_tunnels: u32,
    /// Most exchanges in flight on one link; 1 is plain pooling.
    pub pipeline: NonZeroU16,
    /// Who vouches that members keep the order of what is in flight on a link.
    pub vouched: Vouched,
    /// `depth x least service time` stays within this.
    pub pipeline_budget: Duration,
    /// Which requests may share a link.
    pub pipeline_methods: PipelineMethods,
    /// Followers of a head that takes longer than this are sent elsewhere; `None` for never.
    pub rescue_after: Option<Duration>,
    /// Most of a backend's requests that may be sent twice for that, in percent, 0 to 100.
    pub rescue_budget: u8,
    /// Most links of one member that one source may hold while others wait.
    pub max_per_source: PerSource,
    /// Bytes a second below which a client that holds a link is cut while others wait; `None` for never.
    pub min_rate: Option<usize>,
    /// While others wait for a link, a tunnel in which nothing moved for this long gives way; `None` for never, and where
    /// links are pooled.
    pub evict_idle: Option<Duration>,
    /// An unused link is closed after this.
    pub idle_timeout: Duration,
    /// A link is closed at the end of the exchange in which it gets older than this; `None` for never.
    pub max_age: Option<Duration>,
    /// A link is closed after this many requests; `None` for never.
    pub max_requests: Option<NonZeroU32>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
}

impl Links {
    /// As many links to one member as there are clients for it.
    pub const NO_CAP: NonZeroU32 = NonZeroU32::MAX;

    /// Most links to one member, if there is a limit.
    #[must_use]
    pub fn cap(&self) -> Option<u32> {
        Some(self.max_per_member).filter(|cap| *cap != Self::NO_CAP).map(NonZeroU32::get)
    }
}

/// How many of a member's links one source may hold while others wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerSource {
    /// A quarter of them, and one at least.
    Quarter,
    /// As many as it likes.
    Unlimited,
    /// So many, for the process.
    Most(NonZeroU32),
}

/// Who vouches that a member answers pipelined requests in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vouched {
    /// The member has to be shown to do so (`pipeline: auto`).
    ByProof,
    /// The operator says so (`pipeline: N`), or the protocol does.
    ByWord,
}

/// Which requests may be in flight on a link together with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PipelineMethods {
    /// GET, HEAD and OPTIONS without a body.
    Safe,
    /// Any method (for members that are yours). What is not idempotent is still never replayed.
    All,
}

/// Limits of a member's wait queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Most requests waiting for one member, for the process.
    pub max: usize,
    /// Longest wait.
    pub timeout: Duration,
}

/// One origin address.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberSettings {
    /// Its key in the file; what the affinity hash sees.
    pub name: Arc<str>,
    /// Where it listens.
    pub address: Address,
    /// Its share of the sources, 1 to 256.
    pub weight: u32,
}

impl Affinity {
    /// The part of a source's address that ties it to a member; `None` where nothing does.
    /// IPv4-mapped IPv6 addresses count as IPv4.
    #[must_use]
    pub fn key(self, source: IpAddr) -> Option<IpAddr> {
        let Self::Source { v4, v6 } = self else { return None };
        Some(match source.to_canonical() {
            IpAddr::V4(a) => IpAddr::V4((a.to_bits() & (u32::MAX << (32 - v4))).into()),
            IpAddr::V6(a) => IpAddr::V6((a.to_bits() & (u128::MAX << (128 - v6))).into()),
        })
    }
}
