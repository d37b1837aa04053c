//! Lists all options with their names, kinds, defaults as written in the file, and one sentence each.
//!
//! The sections as types, their reader (`table.rs`) and their schema (`schema.rs`) follow from this table.

use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};
use std::sync::Arc;

use serde_json::{Value, json};

use super::address::{AffinityKey, BackendRef, Bind, ListenAt, MemberAt, Network, OwnIp, SocketPath, Token};
use super::check::{CheckKindWord, CheckTarget, StatusRange};
use super::frame::{ByteOrder, Bytes, CountBytes, Refusal, Terminator};
use super::keywords::{Any, Automatic, Offered, Trusted};
use super::list::List;
use super::log::{LogLineFormat, LogPlace, OneOfSoMany};
use super::quantity::{DurationFrom, Percent, Size, Time, WholeUnits};
use super::route::{FieldValue, HostPattern, MethodWord, PathPrefix, UpgradeTo};
use super::scalar::{Auto, Flag, Off, OneOf, Or, ScalarKind, Spanned, WholeNumber, unexpected};
use super::sequence::Sequence;
use super::settings::{
    AcceptProxy, AdminState, AllDown, Forwarded, OnDown, PipelineMethods, Protocol, ProxyVersion, Underscores,
};
use super::table::{Named, sections};

/// The largest number of members in all backends together. Each member adds a row to every per-member metric.
pub(super) const MOST_MEMBERS: usize = 256;
/// The largest number of rules of a listener. Every request may be compared with each rule.
const MOST_ROUTES: usize = 256;
/// The largest number of fields in the condition of one rule.
const MOST_FIELDS: usize = 16;

const HTTP: &[Protocol] = &[Protocol::Http];
const LINES: &[Protocol] = &[Protocol::Lines];
const LENGTH_PREFIXED: &[Protocol] = &[Protocol::LengthPrefixed];
/// The protocols whose frames have no meaning to the proxy.
const BLIND: &[Protocol] = &[Protocol::Lines, Protocol::LengthPrefixed];
const FRAMED: &[Protocol] = &[Protocol::Lines, Protocol::LengthPrefixed, Protocol::Resp];
/// The protocols whose links are shared.
const POOLED: &[Protocol] = &[Protocol::Http, Protocol::Lines, Protocol::LengthPrefixed, Protocol::Resp];
/// The protocols in which a client may keep a link for good.
const KEPT: &[Protocol] = &[Protocol::Http, Protocol::Tcp, Protocol::Resp];
/// The protocol that gives each client a link of its own.
const TCP: &[Protocol] = &[Protocol::Tcp];
/// The protocols whose links may become opaque streams.
const STREAMS: &[Protocol] = &[Protocol::Http, Protocol::Tcp];

type Buffer = Or<Auto, Size<1024, { 1 << 30 }>>;
/// `TCP_KEEPIDLE` is a number of seconds, and the kernel accepts 32,767 at most (`MAX_TCP_KEEPIDLE`).
type Keepalive = Or<Off, WholeUnits<1_000_000, 32_767>>;
/// From 1 ms, so that a check is no flood, to a day.
type CheckInterval = WholeUnits<1_000, 86_400_000>;
/// Members are judged once a second, and each second of a window is kept in memory: 5 minutes at most.
type EjectionWindow = WholeUnits<1_000_000, 300>;
/// From 1 s, the time between two judgements, to a day.
type EjectionTime = WholeUnits<1_000_000, 86_400>;
/// `TCP_USER_TIMEOUT` is a C `int` of milliseconds, which allows 24 days.
type UserTimeout = Or<Off, WholeUnits<1_000, 2_073_600_000>>;

sections! {
    /// The file.
    RootSection {
        /// Address of /metrics, /healthz and /readyz, or off.
        admin: Spanned<Or<Off, Bind>> = "127.0.0.1:9900",
        /// Unix socket for commands such as penstock reload, as unix:/path, or off.
        control: Spanned<Or<Off, SocketPath>> = "off",
        /// Threads that carry the traffic; auto is one per CPU.
        workers: Spanned<Or<Auto, WholeNumber<NonZeroUsize, 1, 256>>> = "auto",
        /// How long open exchanges may take to end at a stop or reload.
        drain_timeout: Spanned<DurationFrom<0>> = "30s",
        /// Most memory for requests and answers, besides 16 KiB per client.
        buffer_budget: Spanned<Size<{ 1 << 20 }, { 1 << 40 }>> = "256MiB",
        /// Listening sockets, by name.
        listeners: Named<ListenerSection, 16>,
        /// Groups of members that answer requests, by name.
        backends: Named<BackendSection, 32>,
    }

    /// A bound socket, and how it treats its clients.
    ListenerSection {
        /// IP address and port to listen on, or unix:/path.
        bind: Spanned<ListenAt>,
        /// Protocol of its clients: http, lines, length_prefixed, resp or tcp (any).
        protocol: Spanned<OneOf<Protocol>> = "http",
        /// Framing of lines, length_prefixed and resp.
        #[only(FRAMED)]
        framing: FramingSection,
        /// Name of the backend that answers.
        backend: Spanned<BackendRef>,
        /// Connections the kernel holds until they are accepted.
        backlog: Spanned<WholeNumber<u32, 1, 65535>> = "4096",
        /// Most clients at a time, or off; further ones are closed at once.
        max_connections: Spanned<Or<Off, WholeNumber<NonZeroUsize, 1, 1_000_000>>> = "off",
        /// Bytes of a body that are read before its request takes a link.
        #[only(POOLED)]
        request_buffer: Spanned<Size<0, { 1 << 30 }>> = "64KiB",
        /// Bytes of an answer that are kept for a client that reads slowly.
        #[only(POOLED)]
        response_buffer: Spanned<Size<16384, { 1 << 30 }>> = "256KiB",
        /// Whether clients begin with a PROXY header (v1 or v2): off or required.
        proxy_protocol: Spanned<OneOf<AcceptProxy>> = "off",
        /// Networks whose PROXY headers are trusted: none, any or [10.0.0.0/8, ::1].
        trusted: List<Network, Trusted> = "none",
        /// Time limits for clients.
        timeouts: TimeoutsSection,
        /// Limits of requests.
        #[only(HTTP)]
        limits: LimitsSection,
        /// Limits of tunnels (tcp, upgraded http), and of clients that keep a link.
        #[only(KEPT)]
        tunnel: TunnelSection,
        /// Proxies whose X-Forwarded-For or Forwarded is trusted: none, any, a list.
        #[only(HTTP)]
        trusted_proxies: List<Network, Trusted> = "none",
        /// Fields for a client's address: x_forwarded, forwarded, both, remove, off.
        #[only(HTTP)]
        forwarded: Spanned<OneOf<Forwarded>> = "x_forwarded",
        /// Name of this proxy in Via, to detect loops; auto (unique) or off.
        #[only(HTTP)]
        via: Spanned<Or<Off, Or<Auto, Token>>> = "auto",
        /// Protocols that clients may upgrade to: off, any or [websocket, a/1].
        #[only(HTTP)]
        upgrades: List<UpgradeTo, Offered> = "websocket",
        /// Whether TRACE is passed to members; otherwise it is answered 405.
        #[only(HTTP)]
        trace: Spanned<Flag> = "false",
        /// Whether CONNECT is passed to members; otherwise it is answered 405.
        #[only(HTTP)]
        connect: Spanned<Flag> = "false",
        /// Fields with an underscore in their name: pass, drop or reject.
        #[only(HTTP)]
        underscores: Spanned<OneOf<Underscores>> = "pass",
        /// Rules that send requests to other backends; the first match decides.
        #[only(HTTP)]
        routes: Sequence<RouteSection, MOST_ROUTES>,
        /// Access log, with one line for each exchange.
        #[only(HTTP)]
        access_log: AccessLogSection,
        /// Options of the accepted sockets.
        socket: SocketSection,
    }

    /// The framing of requests and answers.
    FramingSection {
        /// Longest request; for lines and length_prefixed also longest answer.
        max_length: Spanned<Or<Auto, Size<1, { 1 << 30 }>>> = "auto",
        /// End of a line: lf (a CR before it is content) or crlf (lines).
        #[only(LINES)]
        terminator: Spanned<OneOf<Terminator>> = "lf",
        /// Width of the count: 1, 2, 4 or 8 bytes (length_prefixed).
        #[only(LENGTH_PREFIXED)]
        length_bytes: Spanned<CountBytes> = "4",
        /// Byte order of the count: big or little (length_prefixed).
        #[only(LENGTH_PREFIXED)]
        byte_order: Spanned<OneOf<ByteOrder>> = "big",
        /// Bytes before the count, 0 to 65535.
        #[only(LENGTH_PREFIXED)]
        length_offset: Spanned<WholeNumber<u16, 0, 65535>> = "0",
        /// Whether the count includes itself and the bytes before it.
        #[only(LENGTH_PREFIXED)]
        length_includes_header: Spanned<Flag> = "false",
        /// Whether all requests may be sent twice (lines, length_prefixed).
        #[only(BLIND)]
        repeatable: Spanned<Flag> = "false",
        /// Sent if there is no answer: auto, close, text ("ERR busy\n") or hex:00ff.
        refusal: Spanned<Or<Auto, Refusal>> = "auto",
    }

    /// Time limits for a client.
    TimeoutsSection {
        /// Longest pause between two requests.
        #[only(POOLED)]
        idle: Spanned<Time> = "60s",
        /// Longest time for a request head or frame, and for a PROXY header.
        head: Spanned<Time> = "10s",
        /// Longest pause in a body, or between requests that keep a link (MULTI).
        #[only(POOLED)]
        body: Spanned<Time> = "30s",
        /// Longest time in which a client reads nothing of its answer.
        #[only(POOLED)]
        write: Spanned<Time> = "30s",
    }

    /// Limits of requests.
    LimitsSection {
        /// Bytes of the whole head, 1KiB to 1MiB.
        head: Spanned<Size<1024, 1_048_576>> = "32KiB",
        /// Field lines, 1 to 256.
        fields: Spanned<WholeNumber<usize, 1, 256>> = "100",
        /// Bytes of one line, the request line included; at most head.
        line: Spanned<Size<64, 1_048_576>> = "16KiB",
        /// Bytes of a request's content, 1B to 1TiB, or off; above it, 413.
        body: Spanned<Or<Off, Size<1, { 1 << 40 }>>> = "off",
        /// Requests of one client in flight, 1 to 1024.
        look_ahead: Spanned<WholeNumber<NonZeroU32, 1, 1024>> = "1024",
        /// Requests on one connection, or off.
        requests: Spanned<Or<Off, WholeNumber<NonZeroU32, 1, 4_294_967_295>>> = "off",
    }

    /// A rule that sends matching requests to a backend.
    RouteSection {
        /// Conditions on the request; all of them must hold.
        matches as "match": MatchSection,
        /// Name of the backend that answers it.
        backend: Spanned<BackendRef>,
    }

    /// The conditions that a request must meet.
    MatchSection {
        /// Its host: example.com, *.example.com (all names below), or any.
        host: Spanned<Or<Any, HostPattern>> = "any",
        /// Beginning of its path, in whole segments, or any.
        path_prefix: Spanned<Or<Any, PathPrefix>> = "any",
        /// Its method, a list of methods, or any.
        method: List<MethodWord, Any> = "any",
        /// Its fields, with their whole values; any matches every value.
        header: Named<Spanned<Or<Any, FieldValue>>, MOST_FIELDS, 0>,
    }

    /// The access log.
    AccessLogSection {
        /// Destination: off, stdout or a file's path (reopened on SIGUSR1).
        to: Spanned<Or<Off, LogPlace>> = "off",
        /// Format: json, common, combined or a pattern such as '{source} {status}'.
        format: Spanned<LogLineFormat> = "json",
        /// Share of exchanges, as 10% or 1/1000; failed ones are always logged.
        sample: Spanned<OneOfSoMany> = "100%",
    }

    /// Limits of tunnels.
    TunnelSection {
        /// A tunnel without traffic for this long is closed; or off.
        idle_timeout: Spanned<Or<Off, Time>> = "1h",
        /// A tunnel of this age is closed; or off.
        max_age: Spanned<Or<Off, Time>> = "off",
        /// Whether streams are moved by splice(2), without a copy (tcp, http).
        #[only(STREAMS)]
        splice: Spanned<Flag> = "true",
    }

    /// Options of sockets.
    SocketSection {
        /// Whether small writes are sent at once (TCP_NODELAY).
        nodelay: Spanned<Flag> = "true",
        /// Idle time before the kernel probes (SO_KEEPALIVE), or off.
        keepalive: Spanned<Keepalive> = "off",
        /// Longest time without an acknowledgement (TCP_USER_TIMEOUT), or off.
        user_timeout: Spanned<UserTimeout> = "off",
        /// Bytes of SO_SNDBUF; auto leaves it to the kernel.
        send_buffer: Spanned<Buffer> = "auto",
        /// Bytes of SO_RCVBUF; auto leaves it to the kernel.
        receive_buffer: Spanned<Buffer> = "auto",
        /// IP_TOS or IPV6_TCLASS, 0 to 255; auto leaves it to the kernel.
        tos: Spanned<Or<Auto, WholeNumber<u8, 0, 255>>> = "auto",
        /// SO_MARK, 1 to 4294967295, or off; needs CAP_NET_ADMIN.
        mark: Spanned<Or<Off, WholeNumber<NonZeroU32, 1, 4_294_967_295>>> = "off",
        /// TCP_CONGESTION, such as cubic or bbr; auto leaves it to the kernel.
        congestion: Spanned<Or<Auto, Congestion>> = "auto",
    }

    /// A named group of members.
    BackendSection {
        /// How a client is assigned to a member.
        affinity: AffinitySection,
        /// Connections to each member: pooled, or one for each client (tcp).
        links: LinksSection,
        /// Queue of requests, or of clients (tcp), that wait for a link.
        queue: QueueSection,
        /// Longest time to the first byte of an answer, and between two reads.
        #[only(POOLED)]
        response_timeout: Spanned<Time> = "60s",
        /// Limits of the head of an answer.
        #[only(HTTP)]
        limits: AnswerLimitsSection,
        /// Checks of each member, besides those that clients' connections make.
        health: HealthSection,
        /// Ejection of members that fail the requests of clients.
        ejection: EjectionSection,
        /// PROXY header at the start of each link: off, v1 or v2 (tcp).
        proxy_protocol: Spanned<Or<Off, OneOf<ProxyVersion>>> = "off",
        /// Local addresses of its links, in turn; auto leaves it to the kernel.
        source_addresses: List<OwnIp, Automatic> = "auto",
        /// Options of the sockets of its links.
        socket: SocketSection,
        /// Addresses of the members, by name.
        members: Named<MemberSection, MOST_MEMBERS>,
    }

    /// The rule that assigns a client to a member.
    AffinitySection {
        /// source, source/24 (IPv4), source/56 (IPv6), source/24+56 or none.
        key: Spanned<AffinityKey> = "source",
    }

    /// Limits of the head of an answer.
    AnswerLimitsSection {
        /// Bytes of the whole head, 1KiB to 1MiB.
        head: Spanned<Size<1024, 1_048_576>> = "32KiB",
        /// Field lines, 1 to 256.
        fields: Spanned<WholeNumber<usize, 1, 256>> = "100",
        /// Bytes of one line, the status line included; at most head.
        line: Spanned<Size<64, 1_048_576>> = "16KiB",
    }

    /// The way in which links are opened, shared and closed.
    LinksSection {
        /// Most links to one member, over all workers; auto: 64, or no cap (tcp).
        max_per_member: Spanned<Or<Auto, WholeNumber<NonZeroU32, 1, 65535>>> = "auto",
        /// Unused links kept connected to each member, 0 to 10000 (tcp).
        warm: Spanned<WholeNumber<u32, 0, 10_000>> = "0",
        /// Most tunnels to each member, besides its links; 0 allows none (http).
        #[only(HTTP)]
        max_tunnels: Spanned<WholeNumber<u32, 0, 1_000_000>> = "1024",
        /// Most requests on a link; auto: 32 if proven (http), 1024 (resp), else 1.
        #[only(POOLED)]
        pipeline: Spanned<Or<Auto, WholeNumber<NonZeroU16, 1, 1024>>> = "auto",
        /// Depth x service time of a link stays within this.
        #[only(POOLED)]
        pipeline_budget: Spanned<Time> = "2ms",
        /// Methods that share a link: safe (GET, OPTIONS) or all but HEAD (http).
        #[only(HTTP)]
        pipeline_methods: Spanned<OneOf<PipelineMethods>> = "safe",
        /// A request that waits longer behind one answer moves, if it may; or off.
        #[only(POOLED)]
        rescue_after: Spanned<Or<Off, Time>> = "20ms",
        /// Most requests that rescue_after may send twice, 0% to 100% of all.
        #[only(POOLED)]
        rescue_budget: Spanned<Percent> = "10%",
        /// While others wait, clients with fewer bytes per second are cut; or off.
        #[only(POOLED)]
        min_rate: Spanned<Or<Off, Size<1, { 1 << 30 }>>> = "16KiB",
        /// Most links of one source while others wait; auto: a quarter; or off.
        max_per_source: Spanned<Or<Auto, Or<Off, WholeNumber<NonZeroU32, 1, 65535>>>> = "auto",
        /// While others wait, tunnels idle for this long are closed; or off (tcp).
        #[only(TCP)]
        evict_idle: Spanned<Or<Off, Time>> = "off",
        /// An unused link is closed after this time.
        #[only(POOLED)]
        idle_timeout: Spanned<Time> = "4s",
        /// A link of this age is closed after its exchange; or off.
        #[only(POOLED)]
        max_age: Spanned<Or<Off, Time>> = "off",
        /// A link is closed after this many requests; or off.
        #[only(POOLED)]
        max_requests: Spanned<Or<Off, WholeNumber<NonZeroU32, 1, 4_294_967_295>>> = "off",
        /// Longest time to connect, and longest wait while no member answers.
        connect_timeout: Spanned<Time> = "5s",
    }

    /// Limits of the wait queue.
    QueueSection {
        /// Most requests that wait for one member; 0 lets none wait.
        max: Spanned<WholeNumber<usize, 0, 1_000_000>> = "20000",
        /// Longest wait; it ends with 503, the refusal, or a close (tcp).
        timeout: Spanned<Time> = "10s",
    }

    /// The checks of members.
    HealthSection {
        /// Check: off, connect, http, ping (Redis) or bytes (send and expect).
        check: Spanned<OneOf<CheckKindWord>> = "off",
        /// Time between two checks of a member, give or take a tenth.
        interval: Spanned<CheckInterval> = "2s",
        /// Longest time for one check.
        timeout: Spanned<Time> = "1s",
        /// Checks in a row that succeed before a member that was down is up.
        rise: Spanned<WholeNumber<u32, 1, 100>> = "2",
        /// Checks in a row that fail before a member is down.
        fall: Spanned<WholeNumber<u32, 1, 100>> = "3",
        /// Path and query of the request (http).
        path: Spanned<CheckTarget> = "/",
        /// Host of the request; auto is the member's address (http).
        host: Spanned<Or<Auto, FieldValue>> = "auto",
        /// Statuses that are good, such as 200 or 200-299 (http).
        status: Spanned<StatusRange> = "200-399",
        /// Bytes to send first, as text ("HELO\r\n") or hex:00ff, or off (bytes).
        send: Spanned<Or<Off, Bytes>> = "off",
        /// Text or hex:00ff that the answer must contain, or any (http, bytes).
        expect: Spanned<Or<Any, Bytes>> = "any",
        /// While every member is down: try (the source's own member) or refuse.
        all_down: Spanned<OneOf<AllDown>> = "try",
        /// Tunnels of a member that is ill, ejected or taken out: keep or close.
        on_down: Spanned<OneOf<OnDown>> = "keep",
    }

    /// The ejection of members, or just the share of failures.
    EjectionSection or failures {
        /// A member is ejected if it fails this share of its requests; or off.
        failures: Spanned<Or<Off, Percent>> = "off",
        /// Fewest requests in the window by which a member is judged.
        volume: Spanned<WholeNumber<u64, 1, 1_000_000>> = "20",
        /// Time in which requests and failures are counted.
        window: Spanned<EjectionWindow> = "10s",
        /// Time of the first ejection; each further one takes twice as long.
        base_time: Spanned<EjectionTime> = "10s",
        /// Longest time for which a member is ejected.
        max_time: Spanned<EjectionTime> = "5m",
        /// Share of the members that are never ejected; at least one stays.
        keep: Spanned<Percent> = "50%",
        /// Whether an answer of 500 to 599 is a failure (http).
        #[only(HTTP)]
        server_errors: Spanned<Flag> = "true",
    }

    /// One origin address, or just its address.
    MemberSection or address {
        /// IP address and port of the member, or unix:/path.
        address: Spanned<MemberAt>,
        /// Relative share of the sources, 1 to 256.
        weight: Spanned<WholeNumber<u32, 1, 256>> = "1",
        /// Whether it serves only while no other member is up.
        backup: Spanned<Flag> = "false",
        /// What it serves: ready, drain (no new source) or maintenance (nothing).
        state: Spanned<OneOf<AdminState>> = "ready",
        /// Time after which a member that drains goes into maintenance, or off.
        drain_for: Spanned<Or<Off, Time>> = "off",
    }
}

/// The kernel's name of a congestion control algorithm (`TCP_CA_NAME_MAX` is 16 bytes, NUL included).
#[derive(Debug)]
pub(super) struct Congestion;

impl ScalarKind for Congestion {
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
