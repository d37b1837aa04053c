//! Defines the settings that the program runs with: plain fields with all defaults filled in.
//!
//! Only `resolve` makes these values, and all of them are valid, so that code that uses them checks nothing
//! again.

mod address;
mod ejection;
mod framing;
mod health;
mod http;

use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use address::{Address, Networks};
pub use ejection::Ejection;
pub use framing::{FrameKind, Framing, Prefix};
pub use health::{AllDown, CheckKind, HealthCheck, OnDown};
pub use http::{
    AccessLog, HostMatch, HttpRules, LogField, LogFormat, LogPart, LogTo, RouteRule, Underscores, Upgrades,
    own_name,
};

/// A complete and valid configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The address that serves `/metrics`, `/healthz` and `/readyz`; `None` for `admin: off`.
    pub admin: Option<SocketAddr>,
    /// The path of the Unix socket for commands; `None` for `control: off`.
    pub control: Option<Arc<Path>>,
    /// The number of workers, in which `auto` is resolved to the number of CPUs that this process may use.
    pub workers: NonZeroUsize,
    /// The time that a drain may take before remaining clients are closed.
    pub drain_timeout: Duration,
    /// The bytes of bodies and answers that may wait in the memory of the process, divided among the workers.
    pub buffer_budget: usize,
    /// The listeners, in the order of the file.
    pub listeners: Vec<Arc<Listener>>,
    /// The backends, in the order of the file.
    pub backends: Vec<Arc<Backend>>,
}

/// The settings of a bound socket and of the clients that it accepts.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// The name, which is the key in the file.
    pub name: Arc<str>,
    /// The address that the socket is bound to.
    pub bind: Address,
    /// The protocol of its clients.
    pub protocol: Protocol,
    /// The framing; `Some` exactly for lines, length_prefixed and resp.
    pub framing: Option<Arc<Framing>>,
    /// The default backend for requests or connections, as an index into [`Settings::backends`].
    pub backend: usize,
    /// The largest number of clients at a time; `None` for no limit.
    pub max_connections: Option<NonZeroUsize>,
    /// The bytes of a request's body that are read before the request takes a link; 0 for none.
    pub request_buffer: usize,
    /// The bytes of an answer that are kept for a slow client before the proxy stops reading the link.
    pub response_buffer: usize,
    /// Whether clients begin with a PROXY header.
    pub proxy_protocol: AcceptProxy,
    /// The networks whose PROXY headers are trusted; empty only if no header is expected.
    pub trusted: Networks,
    /// The length of the kernel's accept queue, in connections. The kernel limits it to `somaxconn`.
    pub backlog: u32,
    /// The time limits for its clients.
    pub timeouts: ClientTimeouts,
    /// The treatment of requests; the defaults if the listener does not speak HTTP.
    pub http: HttpRules,
    /// The rules that send requests to other backends than `backend`. The first match decides.
    pub routes: Vec<RouteRule>,
    /// The access log; `None` for none.
    pub access_log: Option<Arc<AccessLog>>,
    /// The limits of tunnels, of upgraded connections, and of RESP clients that keep a link for good.
    pub tunnel: TunnelLimits,
    /// The options of the accepted sockets.
    pub socket: SocketOptions,
}

/// The protocol between clients, the proxy and members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 and HTTP/1.0. Many clients share a few links.
    Http,
    /// Opaque bytes in both directions. Each client has a link of its own.
    Tcp,
    /// Frames that end with LF or CR LF. Each request is one line, and so is each answer.
    Lines,
    /// Frames with a length in their header. Each request is one frame, and so is each answer.
    LengthPrefixed,
    /// Redis (RESP2). Many clients share a few links, except for commands that need a dedicated one.
    Resp,
}

impl Protocol {
    /// Returns whether many clients share a few links; otherwise each client has a link of its own.
    #[must_use]
    pub const fn is_pooled(self) -> bool {
        match self {
            Self::Http | Self::Lines | Self::LengthPrefixed | Self::Resp => true,
            Self::Tcp => false,
        }
    }

    /// Returns the word for this protocol in the file.
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

/// The treatment of PROXY headers from clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptProxy {
    /// Clients send no PROXY header.
    Off,
    /// Each client begins with a PROXY header of version 1 or 2; a client without one is closed.
    Required,
}

/// The limits of a tunnel, and the way in which its bytes are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelLimits {
    /// The time without a byte in either direction after which the tunnel is closed; `None` for no limit.
    pub idle: Option<Duration>,
    /// The time from the start after which the tunnel is closed, active or not; `None` for no limit.
    pub age: Option<Duration>,
    /// Whether bytes are spliced from socket to socket in the kernel.
    pub splice: bool,
}

/// The time limits for a client. Each is an absolute deadline from the start of its phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientTimeouts {
    /// The time between two requests.
    pub idle: Duration,
    /// The time from the first to the last byte of a request head or of a whole frame.
    pub head: Duration,
    /// The time between two bytes of a request body, or between two requests of a client that keeps a link
    /// for both.
    pub body: Duration,
    /// The time that an answer may wait for a client that does not read.
    pub write: Duration,
}

/// The limits of a request or response head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// The bytes of the whole head, from the start line to the final empty line.
    pub bytes: usize,
    /// The number of field lines, at most [`HeadLimits::MAX_FIELDS`].
    pub fields: usize,
    /// The bytes of one line, request line included.
    pub line: usize,
}

impl HeadLimits {
    /// The largest number of field lines that a configuration may allow. The parser's table of fields has
    /// this size.
    pub const MAX_FIELDS: usize = 256;
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { bytes: 32 << 10, fields: 100, line: 16 << 10 }
    }
}

/// The fields that give a member the client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarded {
    /// `X-Forwarded-For` and `X-Forwarded-Proto`.
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Rfc7239,
    /// Both kinds of fields.
    Both,
    /// No fields are added, and those that the client sent are removed.
    Remove,
    /// No fields are added, and those that the client sent pass unchanged.
    Off,
}

/// The options of a socket. A Unix socket has only its buffers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// `TCP_NODELAY`.
    pub nodelay: bool,
    /// `SO_KEEPALIVE` with this idle time in whole seconds, or `None` for off.
    pub keepalive: Option<Duration>,
    /// `TCP_USER_TIMEOUT` in whole milliseconds, or `None` for off: the time that sent data may stay
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
    /// The name, which is the key in the file.
    pub name: Arc<str>,
    /// The protocol of the listeners that use the backend; HTTP if none does.
    pub protocol: Protocol,
    /// The framing that all listeners of the backend share; `Some` exactly for lines, length_prefixed and
    /// resp.
    pub framing: Option<Arc<Framing>>,
    /// The PROXY header that each link begins with; always `None` if links are pooled.
    pub proxy_protocol: Option<ProxyVersion>,
    /// The local addresses of links, used in turn; empty for the kernel's choice. Each has the family of at
    /// least one member.
    pub source_addresses: Vec<IpAddr>,
    /// The rule that assigns a client to a member.
    pub affinity: Affinity,
    /// The limits and the sharing of its links.
    pub links: Links,
    /// The limits of the wait queues.
    pub queue: QueueLimits,
    /// The time from the last byte of a request to the first of its answer, and between two reads of an
    /// answer.
    pub response_timeout: Duration,
    /// The limits of a response head.
    pub head: HeadLimits,
    /// The check of each member; `None` for no other than that its clients connect.
    pub check: Option<Arc<HealthCheck>>,
    /// The treatment of clients while every member is down.
    pub all_down: AllDown,
    /// The treatment of the tunnels of a member that has been taken for down.
    pub on_down: OnDown,
    /// The rules by which members are ejected; `None` if they are not.
    pub ejection: Option<Arc<Ejection>>,
    /// The options of the sockets of its links.
    pub socket: SocketOptions,
    /// The members in the order of the file; never empty.
    pub members: Vec<MemberSettings>,
}

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyVersion {
    /// Version 1, one line of text.
    V1,
    /// Version 2, which is binary and has room for more than addresses.
    V2,
}

/// The rule that assigns a client to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// A rendezvous hash over the source's address, cut to these prefix lengths. 32 and 128 keep the whole
    /// address.
    Source {
        /// The leading bits of an IPv4 address that count, 1 to 32.
        v4: u8,
        /// The leading bits of an IPv6 address that count, 1 to 128.
        v6: u8,
    },
    /// The member with the fewest clients is chosen.
    None,
}

/// The way in which links to the members of a backend are opened, shared and closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Links {
    /// The largest number of links to one member, exact for the process; [`Links::NO_CAP`] for no limit.
    pub max_per_member: NonZeroU32,
    /// The number of unused links that are kept connected for each member, for the process. At most
    /// `max_per_member`, and 0 if links are pooled.
    pub warm: u32,
    /// The largest number of links to one member that have become tunnels (upgrades, CONNECT), for the
    /// process. They do not count towards `max_per_member`.
    pub max_tunnels: u32,
    /// The largest number of exchanges in flight on one link; 1 is pooling without pipelining.
    pub pipeline: NonZeroU16,
    /// The reason why members are expected to answer in order.
    pub vouched: Vouched,
    /// The limit of `depth x least service time`, so that requests of one link do not wait long for each
    /// other.
    pub pipeline_budget: Duration,
    /// The requests that may share a link.
    pub pipeline_methods: PipelineMethods,
    /// If the first answer of a link takes longer than this, the requests behind it move to another link;
    /// `None` for never.
    pub rescue_after: Option<Duration>,
    /// The largest share of a backend's requests that may be sent twice for a rescue, in percent, 0 to 100.
    pub rescue_budget: u8,
    /// The largest number of links to one member that one source may hold while others wait.
    pub max_per_source: PerSource,
    /// The rate in bytes per second below which a client that holds a link is cut while others wait; `None`
    /// for never.
    pub min_rate: Option<usize>,
    /// While others wait for a link, a tunnel without a byte for this long is closed. `None` for never, and
    /// if links are pooled.
    pub evict_idle: Option<Duration>,
    /// The time after which an unused link is closed.
    pub idle_timeout: Duration,
    /// The age at which a link is closed at the end of its exchange; `None` for never.
    pub max_age: Option<Duration>,
    /// The number of requests after which a link is closed; `None` for never.
    pub max_requests: Option<NonZeroU32>,
    /// The time that connecting may take.
    pub connect_timeout: Duration,
}

impl Links {
    /// The value of `max_per_member` that stands for no limit: each client may have a link.
    pub const NO_CAP: NonZeroU32 = NonZeroU32::MAX;

    /// Returns the largest number of links to one member, if there is a limit.
    #[must_use]
    pub fn cap(&self) -> Option<u32> {
        Some(self.max_per_member).filter(|cap| *cap != Self::NO_CAP).map(NonZeroU32::get)
    }
}

/// The number of a member's links that one source may hold while others wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerSource {
    /// A quarter of the links, at least one.
    Quarter,
    /// Any number.
    Unlimited,
    /// This number, for the process.
    Most(NonZeroU32),
}

/// The reason why a member is expected to answer pipelined requests in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vouched {
    /// Tests have to show that the member does (`pipeline: auto`).
    ByProof,
    /// The operator says so (`pipeline: N`), or the protocol guarantees it.
    ByWord,
}

/// The requests that may be in flight on a link together with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PipelineMethods {
    /// GET and OPTIONS without a body. HEAD always goes alone: a response to it that wrongly has content could
    /// be taken for the next one.
    Safe,
    /// Any method but HEAD, without a body, for members that are known to cope. Requests that are not
    /// idempotent are still never replayed.
    All,
}

/// The limits of a member's wait queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// The number of requests that may wait for one member, for the process.
    pub max: usize,
    /// The longest wait.
    pub timeout: Duration,
}

/// The settings of one member.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberSettings {
    /// The name, which is the key in the file. The affinity hash reads the name, so a change of address moves
    /// no client.
    pub name: Arc<str>,
    /// The address that the member listens on.
    pub address: Address,
    /// The share of sources relative to the other members, 1 to 256.
    pub weight: u32,
    /// Whether the member serves only while no member that is no backup is up.
    pub backup: bool,
    /// What the operator lets the member serve.
    pub state: AdminState,
    /// The time after which a member that drains goes into maintenance.
    pub drain_for: Option<Duration>,
}

/// What the operator lets a member serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminState {
    /// All clients.
    Ready,
    /// The sources that have clients there, and no new one.
    Drain,
    /// Nobody.
    Maintenance,
}

impl Affinity {
    /// Returns the part of a source's address that decides on the member; `None` without affinity.
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
