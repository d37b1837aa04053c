//! The table of all options: name, kind, default as written in the file, and one sentence each.
//!
//! The sections as types, their reading (`table.rs`) and their schema (`schema.rs`) follow from this table.

use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};
use std::sync::Arc;

use serde_json::{Value, json};

use super::address::{AffinityKey, Bind, ListenAt, MemberAt, Network, OwnIp, Reference, Token};
use super::frame::{ByteOrder, CountBytes, Refusal, Terminator};
use super::list::List;
use super::log::{LogLine, LogPlace, OneOfSoMany};
use super::quantity::{Percent, Size, Span, Time, Whole};
use super::route::{FieldValue, Host, Method, PathPrefix, UpgradeTo};
use super::scalar::{Auto, Count, Flag, Kind, Marked, Off, OneOf, Or, unexpected};
use super::sequence::Sequence;
use super::settings::{AcceptProxy, Forwarded, PipelineMethods, Protocol, ProxyVersion, Underscores};
use super::table::{Named, sections};
use super::words::{Any, Automatic, Offered, Trusted};

/// Most members of all backends together: each is a row in every per-member metric.
pub(super) const MOST_MEMBERS: usize = 256;
/// Most rules of a listener: each may be looked at for every request.
const MOST_ROUTES: usize = 256;
/// Most fields that one rule asks for.
const MOST_FIELDS: usize = 16;

const HTTP: &[Protocol] = &[Protocol::Http];
const LINES: &[Protocol] = &[Protocol::Lines];
const LENGTH_PREFIXED: &[Protocol] = &[Protocol::LengthPrefixed];
/// Those that know nothing of what their frames mean.
const BLIND: &[Protocol] = &[Protocol::Lines, Protocol::LengthPrefixed];
const FRAMED: &[Protocol] = &[Protocol::Lines, Protocol::LengthPrefixed, Protocol::Resp];
/// Those whose links are shared.
const POOLED: &[Protocol] = &[Protocol::Http, Protocol::Lines, Protocol::LengthPrefixed, Protocol::Resp];
/// Those of which a client may keep a link for good.
const KEPT: &[Protocol] = &[Protocol::Http, Protocol::Tcp, Protocol::Resp];
/// What gives each client a link of its own.
const TCP: &[Protocol] = &[Protocol::Tcp];
/// Those whose links may become opaque streams.
const STREAMS: &[Protocol] = &[Protocol::Http, Protocol::Tcp];

type Buffer = Or<Auto, Size<1024, { 1 << 30 }>>;
/// TCP_KEEPIDLE is in seconds, and the kernel takes no more (MAX_TCP_KEEPIDLE).
type Keepalive = Or<Off, Whole<1_000_000, 32_767>>;
/// TCP_USER_TIMEOUT is an int of milliseconds: 24 days.
type UserTimeout = Or<Off, Whole<1_000, 2_073_600_000>>;

sections! {
    /// The file.
    Root {
        /// Address of /metrics, /healthz and /readyz, or off.
        admin: Marked<Or<Off, Bind>> = "127.0.0.1:9900",
        /// Threads that carry the traffic; auto is one per CPU.
        workers: Marked<Or<Auto, Count<NonZeroUsize, 1, 256>>> = "auto",
        /// How long open exchanges may take to end at a stop or reload.
        drain_timeout: Marked<Span<0>> = "30s",
        /// Most bytes of requests and answers in its memory, and 16 KiB a client.
        buffer_budget: Marked<Size<{ 1 << 20 }, { 1 << 40 }>> = "256MiB",
        /// What is bound, by name.
        listeners: Named<Listener, 16>,
        /// What answers, by name.
        backends: Named<Backend, 32>,
    }

    /// A bound socket, and how it treats its clients.
    Listener {
        /// IP address and port to listen on, or unix:/path.
        bind: Marked<ListenAt>,
        /// What its clients speak: http, lines, length_prefixed, resp, or tcp (any).
        protocol: Marked<OneOf<Protocol>> = "http",
        /// Where the frames of lines, length_prefixed and resp end.
        #[only(FRAMED)]
        framing: Framing,
        /// Name of the backend that answers.
        backend: Marked<Reference>,
        /// Connections the kernel holds until they are accepted.
        backlog: Marked<Count<u32, 1, 65535>> = "4096",
        /// Most clients at once, or off; more are closed at once.
        max_connections: Marked<Or<Off, Count<NonZeroUsize, 1, 1_000_000>>> = "off",
        /// Bytes of a body that are read before its request takes a link.
        #[only(POOLED)]
        request_buffer: Marked<Size<0, { 1 << 30 }>> = "64KiB",
        /// Bytes of an answer that are kept for a client that reads slowly.
        #[only(POOLED)]
        response_buffer: Marked<Size<16384, { 1 << 30 }>> = "256KiB",
        /// Whether clients begin with a PROXY header (v1 or v2): off or required.
        proxy_protocol: Marked<OneOf<AcceptProxy>> = "off",
        /// Whose PROXY header is believed: none, any or networks: [10.0.0.0/8, ::1].
        trusted: List<Network, Trusted> = "none",
        /// How long a client may take.
        timeouts: Timeouts,
        /// How much a client may ask.
        #[only(HTTP)]
        limits: Limits,
        /// Limits of tunnels (tcp, upgraded http), and of clients that keep a link.
        #[only(KEPT)]
        tunnel: Tunnel,
        /// Whose X-Forwarded-For or Forwarded is believed: none, any or networks.
        #[only(HTTP)]
        trusted_proxies: List<Network, Trusted> = "none",
        /// How the source is told: x_forwarded, forwarded, both, remove or off.
        #[only(HTTP)]
        forwarded: Marked<OneOf<Forwarded>> = "x_forwarded",
        /// Our name in Via, by which loops are noticed; auto (unique) or off.
        #[only(HTTP)]
        via: Marked<Or<Off, Or<Auto, Token>>> = "auto",
        /// What connections may become: off, any or protocols: [websocket, a/1].
        #[only(HTTP)]
        upgrades: List<UpgradeTo, Offered> = "websocket",
        /// Whether TRACE goes to members; else 405.
        #[only(HTTP)]
        trace: Marked<Flag> = "false",
        /// Whether CONNECT goes to members; else 405.
        #[only(HTTP)]
        connect: Marked<Flag> = "false",
        /// Fields whose names have _: pass, drop or reject.
        #[only(HTTP)]
        underscores: Marked<OneOf<Underscores>> = "pass",
        /// Which requests go elsewhere: the first rule that matches.
        #[only(HTTP)]
        routes: Sequence<Route, MOST_ROUTES>,
        /// A line for each exchange.
        #[only(HTTP)]
        access_log: AccessLog,
        /// Options of the accepted sockets.
        socket: Socket,
    }

    /// How frames are told apart, and what may be done with them.
    Framing {
        /// Longest request, and for lines and length_prefixed longest answer.
        max_length: Marked<Or<Auto, Size<1, { 1 << 30 }>>> = "auto",
        /// What ends a line: lf (a CR before it is content) or crlf (lines).
        #[only(LINES)]
        terminator: Marked<OneOf<Terminator>> = "lf",
        /// Width of the count: 1, 2, 4 or 8 bytes (length_prefixed).
        #[only(LENGTH_PREFIXED)]
        length_bytes: Marked<CountBytes> = "4",
        /// Which byte of the count comes first: that of the big end, or the little.
        #[only(LENGTH_PREFIXED)]
        byte_order: Marked<OneOf<ByteOrder>> = "big",
        /// Bytes before the count, 0 to 65535.
        #[only(LENGTH_PREFIXED)]
        length_offset: Marked<Count<u16, 0, 65535>> = "0",
        /// Whether the count includes itself and what is before it.
        #[only(LENGTH_PREFIXED)]
        length_includes_header: Marked<Flag> = "false",
        /// Requests change nothing and may be sent twice (lines, length_prefixed).
        #[only(BLIND)]
        repeatable: Marked<Flag> = "false",
        /// If there is no answer: auto, close, text ("ERR busy\n") or hex:00ff.
        refusal: Marked<Or<Auto, Refusal>> = "auto",
    }

    /// Limits on a client's time.
    Timeouts {
        /// Between two requests.
        #[only(POOLED)]
        idle: Marked<Time> = "60s",
        /// For a whole request head or frame, and for a PROXY header.
        head: Marked<Time> = "10s",
        /// Between two bytes of a body, or two requests that keep a link (MULTI).
        #[only(POOLED)]
        body: Marked<Time> = "30s",
        /// For a client that does not read its answer.
        #[only(POOLED)]
        write: Marked<Time> = "30s",
    }

    /// Limits on what a client asks.
    Limits {
        /// Bytes of the whole head, 1KiB to 1MiB.
        head: Marked<Size<1024, 1_048_576>> = "32KiB",
        /// Field lines, 1 to 256.
        fields: Marked<Count<usize, 1, 256>> = "100",
        /// Bytes of one line, the request line included; at most head.
        line: Marked<Size<64, 1_048_576>> = "16KiB",
        /// Bytes of a request's content, 1B to 1TiB, or off; more is answered 413.
        body: Marked<Or<Off, Size<1, { 1 << 40 }>>> = "off",
        /// Requests of one client in flight, 1 to 1024.
        look_ahead: Marked<Count<NonZeroU32, 1, 1024>> = "1024",
        /// Requests on one connection, or off.
        requests: Marked<Or<Off, Count<NonZeroU32, 1, 4_294_967_295>>> = "off",
    }

    /// A rule: which requests go where.
    Route {
        /// What a request must have, all of it.
        matches as "match": Match,
        /// Name of the backend that answers it.
        backend: Marked<Reference>,
    }

    /// What a request must have.
    Match {
        /// Its host: example.com, *.example.com (all below it), or any.
        host: Marked<Or<Any, Host>> = "any",
        /// What its path begins with, in whole segments; or any.
        path_prefix: Marked<Or<Any, PathPrefix>> = "any",
        /// Its method: one, a list of them, or any.
        method: List<Method, Any> = "any",
        /// Fields it has, with their whole value; any for whatever value.
        header: Named<Marked<Or<Any, FieldValue>>, MOST_FIELDS, 0>,
    }

    /// The access log.
    AccessLog {
        /// Where lines go: off, stdout or a file's path (reopened on SIGUSR1).
        to: Marked<Or<Off, LogPlace>> = "off",
        /// json, common, combined or a pattern such as '{source} {status}'.
        format: Marked<LogLine> = "json",
        /// Share of exchanges, as 10% or 1/1000; what ended badly is always there.
        sample: Marked<OneOfSoMany> = "100%",
    }

    /// Limits of opaque connections.
    Tunnel {
        /// A tunnel in which nothing moved for this long is closed, or off.
        idle_timeout: Marked<Or<Off, Time>> = "1h",
        /// A tunnel this old is closed, whatever it does, or off.
        max_age: Marked<Or<Off, Time>> = "off",
        /// Move streams from socket to socket by splice(2), uncopied (tcp, http).
        #[only(STREAMS)]
        splice: Marked<Flag> = "true",
    }

    /// Options of sockets.
    Socket {
        /// Send small writes at once (TCP_NODELAY).
        nodelay: Marked<Flag> = "true",
        /// Idle time before the kernel probes (SO_KEEPALIVE), or off.
        keepalive: Marked<Keepalive> = "off",
        /// Longest time without an acknowledgement (TCP_USER_TIMEOUT), or off.
        user_timeout: Marked<UserTimeout> = "off",
        /// Bytes of SO_SNDBUF; auto leaves it to the kernel.
        send_buffer: Marked<Buffer> = "auto",
        /// Bytes of SO_RCVBUF; auto leaves it to the kernel.
        receive_buffer: Marked<Buffer> = "auto",
        /// IP_TOS or IPV6_TCLASS, 0 to 255; auto leaves it to the kernel.
        tos: Marked<Or<Auto, Count<u8, 0, 255>>> = "auto",
        /// SO_MARK, 1 to 4294967295, or off; needs CAP_NET_ADMIN.
        mark: Marked<Or<Off, Count<NonZeroU32, 1, 4_294_967_295>>> = "off",
        /// TCP_CONGESTION, such as cubic or bbr; auto leaves it to the kernel.
        congestion: Marked<Or<Auto, Congestion>> = "auto",
    }

    /// A named group of members.
    Backend {
        /// How a client meets its member.
        affinity: AffinitySection,
        /// Connections to each member: pooled, or one for each client (tcp).
        links: Links,
        /// Requests, or clients (tcp), that wait for a link.
        queue: Queue,
        /// For the first byte of an answer, and between two reads of it.
        #[only(POOLED)]
        response_timeout: Marked<Time> = "60s",
        /// How large the head of an answer may be.
        #[only(HTTP)]
        limits: AnswerLimits,
        /// PROXY header that links begin with: off, v1 or v2 (tcp).
        proxy_protocol: Marked<Or<Off, OneOf<ProxyVersion>>> = "off",
        /// Own addresses its links come from, in turn; auto leaves it to the kernel.
        source_addresses: List<OwnIp, Automatic> = "auto",
        /// Options of the sockets of its links.
        socket: Socket,
        /// Addresses that answer, by name.
        members: Named<Member, MOST_MEMBERS>,
    }

    /// What ties a client to a member.
    AffinitySection {
        /// source, source/24 (IPv4), source/56 (IPv6), source/24+56 or none.
        key: Marked<AffinityKey> = "source",
    }

    /// Limits on the head of an answer.
    AnswerLimits {
        /// Bytes of the whole head, 1KiB to 1MiB.
        head: Marked<Size<1024, 1_048_576>> = "32KiB",
        /// Field lines, 1 to 256.
        fields: Marked<Count<usize, 1, 256>> = "100",
        /// Bytes of one line, the status line included; at most head.
        line: Marked<Size<64, 1_048_576>> = "16KiB",
    }

    /// How links are opened, shared and closed.
    Links {
        /// Most links to one member, exact for the process; auto: 64, no cap (tcp).
        max_per_member: Marked<Or<Auto, Count<NonZeroU32, 1, 65535>>> = "auto",
        /// Unused links kept connected to each member, 0 to 10000 (tcp).
        warm: Marked<Count<u32, 0, 10_000>> = "0",
        /// Most tunnels to each member, beside its links; 0 allows none (http).
        #[only(HTTP)]
        max_tunnels: Marked<Count<u32, 0, 1_000_000>> = "1024",
        /// Most in flight on a link; auto: 32 if proven (http), 1024 (resp), else 1.
        #[only(POOLED)]
        pipeline: Marked<Or<Auto, Count<NonZeroU16, 1, 1024>>> = "auto",
        /// Depth in use x service time stays within this.
        #[only(POOLED)]
        pipeline_budget: Marked<Time> = "2ms",
        /// What may share a link: safe (GET, HEAD, OPTIONS) or all (http).
        #[only(HTTP)]
        pipeline_methods: Marked<OneOf<PipelineMethods>> = "safe",
        /// What waits longer behind one answer goes elsewhere, if it may; or off.
        #[only(POOLED)]
        rescue_after: Marked<Or<Off, Time>> = "20ms",
        /// Most requests that may be sent twice for that, 0% to 100% of all.
        #[only(POOLED)]
        rescue_budget: Marked<Percent> = "10%",
        /// While others wait, who moves fewer bytes a second is cut, or off.
        #[only(POOLED)]
        min_rate: Marked<Or<Off, Size<1, { 1 << 30 }>>> = "16KiB",
        /// Most that a source holds while others wait; auto: a quarter; or off.
        max_per_source: Marked<Or<Auto, Or<Off, Count<NonZeroU32, 1, 65535>>>> = "auto",
        /// While others wait, who is idle this long gives way, or off (tcp).
        #[only(TCP)]
        evict_idle: Marked<Or<Off, Time>> = "off",
        /// An unused link is closed after this.
        #[only(POOLED)]
        idle_timeout: Marked<Time> = "4s",
        /// A link this old is closed after its exchange, or off.
        #[only(POOLED)]
        max_age: Marked<Or<Off, Time>> = "off",
        /// A link is closed after this many requests, or off.
        #[only(POOLED)]
        max_requests: Marked<Or<Off, Count<NonZeroU32, 1, 4_294_967_295>>> = "off",
        /// For connecting to a member, and for one to answer again where none does.
        connect_timeout: Marked<Time> = "5s",
    }

    /// Limits of the wait queue.
    Queue {
        /// Most that wait for one member; 0 lets none wait.
        max: Marked<Count<usize, 0, 1_000_000>> = "20000",
        /// Longest wait; then 503, the refusal, or the client is closed (tcp).
        timeout: Marked<Time> = "10s",
    }

    /// One origin address, or just its address.
    Member or address {
        /// IP address and port of the member, or unix:/path.
        address: Marked<MemberAt>,
        /// Its share of the sources, 1 to 256.
        weight: Marked<Count<u32, 1, 256>> = "1",
    }
}

/// What the kernel calls a way of congestion control (TCP_CA_NAME_MAX is 16, NUL included).
#[derive(Debug)]
pub(super) struct Congestion;

impl Kind for Congestion {
    type Value = Arc<str>;
    const EXPECTED: &'static str = "a name such as `cubic` or `bbr`";

    fn parse(text: &str) -> Result<Arc<str>, String> {
        let letter = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-');
        let name = (1..=15).contains(&text.len()) && text.chars().all(letter);
        if name { Ok(text.into()) } else { Err(unexpected::<Self>(text)) }
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[a-z0-9_-]{1,15}$" })
    }
}
