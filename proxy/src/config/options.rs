//! The table of all options: name, kind, default as written in the file, and its one sentence.
//! In: nothing. Out: the sections as types, which read themselves (`table.rs`), and their rows for the schema.
//! Knows nothing of what is believed in the end, but for the types of single values.

use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};

use serde_json::{Value, json};

use super::address::{Address, Bind, Reference, Token};
use super::quantity::{Size, Span, Time};
use super::scalar::{Auto, Count, Flag, Kind, Marked, Off, OneOf, Or, Words, unexpected};
use super::settings::{Affinity, Forwarded, PipelineMethods, Protocol};
use super::table::{Named, sections};

/// Most members of all backends together: each is a row in every per-member metric.
pub(super) const MOST_MEMBERS: usize = 256;

type Buffer = Or<Auto, Size<1024, { 1 << 30 }>>;

sections! {
    /// The file.
    Root {
        /// Address of /metrics, /healthz and /readyz, or off.
        admin: Marked<Or<Off, Bind>> = "127.0.0.1:9900",
        /// Threads that carry the traffic; auto is one per CPU.
        workers: Marked<Or<Auto, Count<NonZeroUsize, 1, 256>>> = "auto",
        /// How long open exchanges may take to end at a stop or reload.
        drain_timeout: Marked<Span<0>> = "30s",
        /// What is bound, by name.
        listeners: Named<Listener, 16>,
        /// What answers, by name.
        backends: Named<Backend, 32>,
    }

    /// A bound socket, and how it treats its clients.
    Listener {
        /// IP address and port to listen on.
        bind: Marked<Bind>,
        /// What its clients speak.
        protocol: Marked<OneOf<Protocol>> = "http",
        /// Name of the backend that answers.
        backend: Marked<Reference>,
        /// Connections the kernel holds until they are accepted.
        backlog: Marked<Count<u32, 1, 65535>> = "4096",
        /// How long a client may take.
        timeouts: Timeouts,
        /// How large a request head may be.
        limits: Limits,
        /// How members learn the source: x_forwarded, forwarded, both or off.
        forwarded: Marked<OneOf<Forwarded>> = "x_forwarded",
        /// Our name in the Via field, or off.
        via: Marked<Or<Off, Token>> = "penstock",
        /// Options of the accepted sockets.
        socket: Socket,
    }

    /// Limits on a client's time.
    Timeouts {
        /// Between two requests.
        idle: Marked<Time> = "60s",
        /// For a whole request head.
        head: Marked<Time> = "10s",
        /// Between two bytes of a request body.
        body: Marked<Time> = "30s",
        /// For a client that does not read its answer.
        write: Marked<Time> = "30s",
    }

    /// Limits on a head.
    Limits {
        /// Bytes of the whole head, 1KiB to 1MiB.
        head: Marked<Size<1024, 1_048_576>> = "32KiB",
        /// Field lines, 1 to 256.
        fields: Marked<Count<usize, 1, 256>> = "100",
        /// Bytes of one line, the request line included; at most head.
        line: Marked<Size<64, 1_048_576>> = "16KiB",
    }

    /// Options of TCP sockets.
    Socket {
        /// Send small writes at once (TCP_NODELAY).
        nodelay: Marked<Flag> = "true",
        /// Idle time before the kernel probes (SO_KEEPALIVE), or off.
        keepalive: Marked<Or<Off, Span<1_000_000>>> = "off",
        /// Bytes of SO_SNDBUF; auto leaves it to the kernel.
        send_buffer: Marked<Buffer> = "auto",
        /// Bytes of SO_RCVBUF; auto leaves it to the kernel.
        receive_buffer: Marked<Buffer> = "auto",
    }

    /// A named group of members.
    Backend {
        /// How a client meets its member.
        affinity: AffinitySection,
        /// The pooled connections to each member.
        links: Links,
        /// Requests that wait for a link.
        queue: Queue,
        /// For the first byte of an answer, and between two reads of it.
        response_timeout: Marked<Time> = "60s",
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

    /// How links are opened, shared and closed.
    Links {
        /// Most links to one member, exact for the process.
        max_per_member: Marked<Count<NonZeroU32, 1, 65535>> = "64",
        /// Most exchanges in flight on a link, 1 to 1024; 1 is plain pooling.
        pipeline: Marked<Count<NonZeroU16, 1, 1024>> = "32",
        /// Depth in use x service time stays within this.
        pipeline_budget: Marked<Time> = "2ms",
        /// What may share a link: safe (GET, HEAD, OPTIONS) or all.
        pipeline_methods: Marked<OneOf<PipelineMethods>> = "safe",
        /// An unused link is closed after this.
        idle_timeout: Marked<Time> = "4s",
        /// A link this old is closed after its exchange, or off.
        max_age: Marked<Or<Off, Time>> = "off",
        /// A link is closed after this many requests, or off.
        max_requests: Marked<Or<Off, Count<NonZeroU32, 1, 4_294_967_295>>> = "off",
        /// For connecting to a member.
        connect_timeout: Marked<Time> = "5s",
    }

    /// Limits of the wait queue.
    Queue {
        /// Most requests waiting for one member; 0 lets none wait.
        max: Marked<Count<usize, 0, 1_000_000>> = "20000",
        /// Longest wait; then 503.
        timeout: Marked<Time> = "10s",
    }

    /// One origin address, or just its address.
    Member or address {
        /// IP address and port of the member.
        address: Marked<Address>,
        /// Its share of the sources, 1 to 256.
        weight: Marked<Count<u32, 1, 256>> = "1",
    }
}

impl Words for Protocol {
    const WORDS: &'static [(&'static str, Self)] = &[("http", Self::Http)];
}

impl Words for Forwarded {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("x_forwarded", Self::XForwarded),
        ("forwarded", Self::Rfc7239),
        ("both", Self::Both),
        ("off", Self::Off),
    ];
}

impl Words for PipelineMethods {
    const WORDS: &'static [(&'static str, Self)] = &[("safe", Self::Safe), ("all", Self::All)];
}

/// `none`, or `source` with the bits of the address that count.
#[derive(Debug)]
pub(super) struct AffinityKey;

impl Kind for AffinityKey {
    type Value = Affinity;
    const EXPECTED: &'static str = "`source`, `source/24`, `source/56`, `source/24+56` or `none`";

    fn parse(text: &str) -> Result<Affinity, String> {
        let whole = (32, 128);
        let bits = match text.strip_prefix("source") {
            None if text == "none" => return Ok(Affinity::None),
            None => None,
            Some("") => Some(whole),
            Some(cut) => cut.strip_prefix('/').and_then(|cut| match cut.split_once('+') {
                Some((v4, v6)) => Some((prefix(v4, 32)?, prefix(v6, 128)?)),
                // One number is meant for the family in which only it cuts something.
                None => prefix(cut, 128).map(|n| if n <= 32 { (n, 128) } else { (32, n) }),
            }),
        };
        bits.map(|(v4, v6)| Affinity::Source { v4, v6 }).ok_or_else(|| unexpected::<Self>(text))
    }

    fn schema() -> Value {
        let (v4, v6) = ("([1-9]|[12][0-9]|3[0-2])", "([1-9]|[1-9][0-9]|1[01][0-9]|12[0-8])");
        let pattern = format!("^(none|source(/({v4}\\+)?{v6})?)$");
        json!({ "type": "string", "pattern": pattern, "examples": ["source", "source/24", "source/56", "none"] })
    }
}

fn prefix(text: &str, most: u8) -> Option<u8> {
    let plain = text.starts_with(|c: char| matches!(c, '1'..='9'));
    text.parse().ok().filter(|bits| plain && (1..=most).contains(bits))
}
