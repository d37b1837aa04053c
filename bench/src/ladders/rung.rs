//! Lists the ladders and their rungs.

use std::net::SocketAddr;
use std::time::Duration;

use penstock_bench::{Plan, Protocol, Stop, Work, mix};

use super::published::{ADDED_BY_HAPROXY, HELLO, IPC, PIPELINED, Published, SMALL_WINDOW};
use crate::peers::peer::Peer;
use crate::peers::scenario::{Mode, spread};

/// One measurement of a ladder.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rung {
    pub(super) label: &'static str,
    /// Direct, or through penstock as it is set up.
    pub(super) way: Peer,
    pub(super) mode: Mode,
    pub(super) members: usize,
    /// Whether the member is reached over a Unix socket.
    pub(super) unix: bool,
    /// Further options of `penstock-origin`.
    pub(super) origin: &'static [&'static str],
    /// Further lines for penstock's listener and backend.
    pub(super) extra: [&'static str; 2],
    pub(super) request: Request,
    pub(super) clients: usize,
    /// The requests that each client keeps in flight.
    pub(super) depth: usize,
    /// The requests per second of all clients together, in an open loop.
    pub(super) rate: Option<f64>,
    /// The size of the clients' socket buffers in bytes.
    pub(super) buffer: Option<usize>,
}

/// What each request is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Request {
    Get(&'static str),
    Post(usize),
    /// POST to `/add`, `/sub`, `/mul` and `/div`, whose results are checked.
    Calculate,
    /// A line `add A B`.
    Line,
}

/// A published run that users cite, made again.
pub(super) struct Ladder {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) rungs: fn() -> Vec<Rung>,
    pub(super) published: &'static [&'static Published],
    /// What the reader has to know of it.
    pub(super) notes: &'static [&'static str],
    /// The shortest window in seconds that means something.
    pub(super) least_seconds: f64,
    /// Whether rung after rung asks for more, until something is the limit.
    pub(super) climbs: bool,
}

const RUNG: Rung = Rung {
    label: "",
    way: Peer::Direct,
    mode: Mode::Http,
    members: 1,
    unix: false,
    origin: &[],
    extra: [""; 2],
    request: Request::Get("/hello"),
    clients: 64,
    depth: 1,
    rate: None,
    buffer: None,
};

/// The size of the small socket buffers in bytes. The kernel uses at least 2,304 bytes for receiving and 4,608 for sending.
const SMALL: usize = 1024;
const SMALL_SOCKET: &str = "    socket: { send_buffer: 1024B, receive_buffer: 1024B }\n";

pub(super) const LADDERS: [Ladder; 7] = [
    Ladder {
        name: "hello",
        title: "A small GET over 8 to 512 connections",
        rungs: hello,
        published: &[&HELLO, &ADDED_BY_HAPROXY],
        notes: &[],
        least_seconds: 0.0,
        climbs: false,
    },
    Ladder {
        name: "pipeline",
        title: "100 small GETs in flight on each of 1,000, 2,000 and 5,000 connections",
        rungs: pipeline,
        published: &[&PIPELINED],
        notes: &[
            "Each request waits behind up to half a million others, so the latencies are those of a queue and say nothing of \
                  a proxy with less to do.",
        ],
        least_seconds: 0.0,
        climbs: true,
    },
    Ladder {
        name: "rest",
        title: "POST to add, sub, mul and div, one at a time and 200 at a time",
        rungs: rest,
        published: &[&HELLO],
        notes: &[
            "The published `baseline` is a mix of GET and POST that is answered with the sum of two numbers.",
            "A source keeps its member, so one connection uses one of four members.",
        ],
        least_seconds: 0.0,
        climbs: false,
    },
    Ladder {
        name: "keepalive10k",
        title: "10,000 keep-alive connections, one request on each every 5 seconds",
        rungs: keepalive,
        published: &[],
        notes: &[
            "Memory by connection is the proxy's memory by the number of clients; the kernel's buffers are not in it.",
        ],
        least_seconds: 10.0,
        climbs: false,
    },
    Ladder {
        name: "small-window",
        title: "Socket buffers of 1,024 bytes against the default",
        rungs: small_window,
        published: &[&SMALL_WINDOW],
        notes: &[
            "The small buffers are the clients', and the proxy's on both sides.",
            "One window of 1,115 bytes for each round trip of 1 ms is 9 Mbit/s, whatever the proxy does.",
        ],
        least_seconds: 0.0,
        climbs: false,
    },
    Ladder {
        name: "ipc",
        title: "A member over loopback TCP against a Unix socket, 64 connections",
        rungs: ipc,
        published: &[&IPC],
        notes: &[
            "The generator connects over TCP in all rows: what differs is the way from proxy to member.",
        ],
        least_seconds: 0.0,
        climbs: false,
    },
    Ladder {
        name: "workstations",
        title: "5,000 clients, an address each, 5 messages a second each, in an open loop",
        rungs: workstations,
        published: &[],
        notes: &["Latencies count from the time at which a message was due."],
        least_seconds: 5.0,
        climbs: false,
    },
];

/// Returns each rung direct and through the proxy.
fn both(rungs: impl IntoIterator<Item = Rung>) -> Vec<Rung> {
    each(&[Peer::Direct, Peer::Penstock], rungs)
}

/// Returns each rung direct, through the proxy, and through the proxy that is told that members keep order.
fn all_three(rungs: impl IntoIterator<Item = Rung>) -> Vec<Rung> {
    each(&[Peer::Direct, Peer::Penstock, Peer::Pipelined], rungs)
}

fn each(ways: &[Peer], rungs: impl IntoIterator<Item = Rung>) -> Vec<Rung> {
    rungs.into_iter().flat_map(|rung| ways.iter().map(move |way| Rung { way: *way, ..rung })).collect()
}

fn hello() -> Vec<Rung> {
    let steps = [("8", 8), ("16", 16), ("32", 32), ("128", 128), ("512", 512)];
    all_three(steps.map(|(label, clients)| Rung { label, clients, ..RUNG }))
}

fn pipeline() -> Vec<Rung> {
    let steps = [("1,000 x 100", 1000), ("2,000 x 100", 2000), ("5,000 x 100", 5000)];
    all_three(steps.map(|(label, clients)| Rung { label, clients, depth: 100, ..RUNG }))
}

fn rest() -> Vec<Rung> {
    let one = Rung { request: Request::Calculate, clients: 1, ..RUNG };
    let many = Rung { clients: 200, ..one };
    vec![
        Rung { label: "1 connection", ..one },
        Rung { label: "1 connection, 1 member", way: Peer::Penstock, ..one },
        Rung { label: "1 connection, 4 members", way: Peer::Penstock, members: 4, ..one },
        Rung { label: "200 connections", ..many },
        Rung { label: "200 connections, 1 member", way: Peer::Penstock, ..many },
        Rung { label: "200 connections, 4 members", way: Peer::Penstock, members: 4, ..many },
    ]
}

fn keepalive() -> Vec<Rung> {
    both([Rung { label: "10,000", clients: 10_000, rate: Some(2000.0), ..RUNG }])
}

fn small_window() -> Vec<Rung> {
    // The origin's answers take 1 ms where the kernel cannot delay packets.
    let origin: &[&str] = if super::delay::is_inside() { &[] } else { &["--work", "1ms"] };
    let base = Rung { clients: 16, origin, ..RUNG };
    let requests = [
        ["28 B down, default", "28 B down, 1,024 B buffers"],
        ["64 KiB down, default", "64 KiB down, 1,024 B buffers"],
        ["64 KiB up and down, default", "64 KiB up and down, 1,024 B buffers"],
    ];
    let asked = [Request::Get("/hello"), Request::Get("/bytes/65536"), Request::Post(64 << 10)];
    both(requests.into_iter().zip(asked).flat_map(|([usual, small], request)| {
        let usual = Rung { label: usual, request, ..base };
        [usual, Rung { label: small, buffer: Some(SMALL), extra: [SMALL_SOCKET; 2], ..usual }]
    }))
}

fn ipc() -> Vec<Rung> {
    let proxied = Rung { way: Peer::Penstock, ..RUNG };
    let tcp = Rung { mode: Mode::Tcp, ..proxied };
    vec![
        Rung { label: "no proxy, TCP", ..RUNG },
        Rung { label: "http, member over TCP", ..proxied },
        Rung { label: "http, member over a Unix socket", unix: true, ..proxied },
        Rung { label: "tcp, member over TCP", ..tcp },
        Rung { label: "tcp, member over a Unix socket", unix: true, ..tcp },
    ]
}

fn workstations() -> Vec<Rung> {
    let http = Rung { clients: 5000, rate: Some(25_000.0), ..RUNG };
    let lines = Rung {
        label: "lines",
        mode: Mode::Lines,
        origin: &["--speaks", "lines"],
        request: Request::Line,
        ..http
    };
    both([lines, Rung { label: "http", ..http }])
}

/// The longest wait for an answer. Half a million requests in flight take a while.
const TIMEOUT: Duration = Duration::from_secs(60);
const CALCULATIONS: &str = r#"{"method": "POST", "path": "/add", "body": "{\"args\":[8,2]}", "answer": "{\"result\":10}"}
{"method": "POST", "path": "/sub", "body": "{\"args\":[8,2]}", "answer": "{\"result\":6}"}
{"method": "POST", "path": "/mul", "body": "{\"args\":[8,2]}", "answer": "{\"result\":16}"}
{"method": "POST", "path": "/div", "body": "{\"args\":[8,2]}", "answer": "{\"result\":4}"}
"#;

impl Rung {
    /// Returns the load on an address; each client has an address of its own.
    pub(super) fn plan(&self, to: SocketAddr, duration: Duration, threads: usize) -> Result<Plan, String> {
        let work = match self.request {
            Request::Get(path) => Work::Get(path.to_owned()),
            Request::Post(size) => Work::Post { sizes: vec![size] },
            Request::Calculate => Work::Mixed(mix("calculations", CALCULATIONS, to)?),
            Request::Line => Work::Add(String::new()),
        };
        Ok(Plan {
            clients: self.clients,
            sources: spread(self.clients),
            protocol: if self.mode == Mode::Lines { Protocol::Lines { crlf: false } } else { Protocol::Http },
            work,
            stop: Stop::Duration(duration),
            depth: self.depth,
            rate: self.rate,
            socket_buffer: self.buffer,
            timeout: TIMEOUT,
            threads,
            ..Plan::new(to)
        })
    }

    /// Returns whether the requests go through a proxy.
    pub(super) fn is_proxied(&self) -> bool {
        self.way != Peer::Direct
    }
}

/// Returns the ladders of these names, or all for `all`.
pub(super) fn select(names: &[String]) -> Result<Vec<Ladder>, String> {
    if let Some(name) =
        names.iter().find(|name| *name != "all" && LADDERS.iter().all(|ladder| ladder.name != *name))
    {
        let there = LADDERS.map(|ladder| ladder.name).join(", ");
        return Err(format!("there is no ladder {name}; there are {there}, and all"));
    }
    let selected = |ladder: &Ladder| names.iter().any(|name| name == "all" || name == ladder.name);
    Ok(LADDERS.into_iter().filter(selected).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ladder_has_rungs_whose_loads_can_be_made() {
        for ladder in LADDERS {
            let rungs = (ladder.rungs)();
            assert!(rungs.iter().any(|rung| rung.is_proxied()), "{}", ladder.name);
            for rung in rungs {
                let plan = rung.plan(([127, 0, 0, 1], 80).into(), Duration::from_secs(1), 1).unwrap();
                assert!(plan.clients <= 10_000 && plan.sources.len() == plan.clients, "{}", ladder.name);
            }
            for published in ladder.published {
                assert!(
                    published.rows.iter().all(|row| row.len() == published.columns.len()),
                    "{}",
                    published.what
                );
            }
        }
    }

    #[test]
    fn names_select_and_others_are_refused() {
        let names = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            select(&words).map(|ladders| ladders.iter().map(|ladder| ladder.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["ipc", "hello"]).unwrap(), ["hello", "ipc"]);
        assert_eq!(names(&["all"]).unwrap().len(), 7);
        assert!(names(&["hallo"]).unwrap_err().contains("workstations"));
    }
}
