//! Holds figures that others published, each with its source and its hardware.
//!
//! Only what a reader can look up stands here. A ladder without published figures says so.

/// A table that somebody published.
pub(crate) struct Published {
    /// What was measured, in words.
    pub(crate) what: &'static str,
    /// Where the figures stand.
    pub(crate) source: &'static str,
    pub(crate) hardware: &'static str,
    /// In which ways it is another measurement than ours.
    pub(crate) differs: &'static str,
    pub(crate) columns: &'static [&'static str],
    pub(crate) rows: &'static [&'static [&'static str]],
}

const ARENA: &str = "HttpArena, github.com/MDA2AV/HttpArena, commit 28606ba of 2026-04-29, site/data";
const ARENA_HARDWARE: &str = "AMD Ryzen Threadripper PRO 3995WX (64 cores, 128 threads), 251 GiB, Linux 6.17, loopback, 64 threads for the load";
const ARENA_COLUMNS: &[&str] =
    &["server", "connections", "requests/s", "average latency", "p99", "CPU %", "memory"];

/// A small answer for each request.
pub(crate) const HELLO: Published = Published {
    what: "servers and proxies that answer by themselves, one request in flight on each connection (`baseline`)",
    source: ARENA,
    hardware: ARENA_HARDWARE,
    differs: "64 cores against a part of a small machine; nginx, Envoy, Pingora and Caddy answer themselves there, and have no \
              origin behind them; compare the shape over connections, not the rates",
    columns: ARENA_COLUMNS,
    rows: &[
        &["nginx", "512", "2,927,306", "174 µs", "3.09 ms", "6,546", "3.4 GiB"],
        &["hyper", "512", "2,944,730", "173 µs", "409 µs", "6,442", "42 MiB"],
        &["pingora", "512", "1,026,126", "499 µs", "1.34 ms", "3,124", "80 MiB"],
        &["envoy", "512", "680,913", "747 µs", "1.37 ms", "6,077", "124 MiB"],
        &["caddy", "512", "403,783", "1.27 ms", "37.2 ms", "4,862", "152 MiB"],
        &["nginx", "4,096", "3,153,087", "1.30 ms", "6.77 ms", "6,371", "3.5 GiB"],
        &["pingora", "4,096", "1,132,903", "3.60 ms", "6.45 ms", "3,945", "435 MiB"],
        &["envoy", "4,096", "671,415", "6.08 ms", "16.9 ms", "6,362", "193 MiB"],
    ],
};

/// What a proxy adds to the latency of going direct.
pub(crate) const ADDED_BY_HAPROXY: Published = Published {
    what: "the average response time with and without HAProxy, when its machine is saturated",
    source: "W. Tarreau, \"HAProxy Forwards Over 2 Million HTTP Requests per Second on a Single Arm-based AWS Graviton2 Instance\", \
             haproxy.com/blog, April 2021; the times as tfir.io repeats them",
    hardware: "an AWS instance with 64 Graviton2 cores",
    differs: "three machines with a network between them; here everything shares one machine",
    columns: &["way", "requests/s", "average response time"],
    rows: &[&["direct", "not told", "160 µs"], &["through HAProxy 2.3", "2,040,000 to 2,050,000", "560 µs"]],
};

/// Requests that are sent before earlier ones are answered.
pub(crate) const PIPELINED: Published = Published {
    what: "servers that answer by themselves, 16 requests in flight on each connection (`pipelined`)",
    source: ARENA,
    hardware: ARENA_HARDWARE,
    differs: "16 in flight and not 100; no origin behind. Envoy answered 1,024 requests per second, and Caddy and Pingora none \
              with a status of 2xx",
    columns: ARENA_COLUMNS,
    rows: &[
        &["hyper", "512", "16,389,433", "499 µs", "992 µs", "6,545", "34 MiB"],
        &["actix", "512", "16,269,526", "502 µs", "536 µs", "6,572", "65 MiB"],
        &["h2o", "512", "4,380,608", "1.87 ms", "9.75 ms", "6,375", "35 MiB"],
        &["nginx", "512", "3,829,658", "2.14 ms", "8.14 ms", "6,625", "3.4 GiB"],
        &["envoy", "512", "1,024", "472 µs", "1.62 ms", "18", "117 MiB"],
        &["hyper", "4,096", "16,218,012", "4.03 ms", "5.31 ms", "6,409", "126 MiB"],
        &["nginx", "4,096", "3,801,212", "17.2 ms", "35.5 ms", "6,280", "3.5 GiB"],
    ],
};

/// A sender with a small buffer on a path with a delay.
pub(crate) const SMALL_WINDOW: Published = Published {
    what: "a transfer of 22 MB with a small send buffer",
    source: "plantegg.github.io, 2020-09-28, on TCP and the sizes of send and receive buffers (in Chinese)",
    hardware: "a line of 100 Mbit/s with a round trip of 20 ms; the machines are not named",
    differs: "16 KiB and not 1,024 bytes; a path with a real round trip",
    columns: &["send buffer", "time", "rate"],
    rows: &[
        &["16 KiB", "about 25 s", "about 0.9 MB/s"],
        &["chosen by the kernel", "about 2 s", "about 11 MB/s"],
    ],
};

/// Sockets of both kinds on one machine.
pub(crate) const IPC: Published = Published {
    what: "messages between two processes on one machine",
    source: "github.com/rigtorp/ipc-bench, results in an answer to \"TCP loopback connection vs Unix Domain Socket performance\" on \
             Stack Overflow",
    hardware: "one CPU of 3.3 GHz, Linux",
    differs: "bare messages without a protocol and without a proxy; ours are requests of HTTP, of which the sockets are a part",
    columns: &["socket", "average latency", "messages/s"],
    rows: &[&["TCP", "6 µs", "253,702"], &["Unix", "2 µs", "1,733,874"], &["pipe", "2 µs", "1,682,796"]],
};
