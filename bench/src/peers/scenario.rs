//! Lists the loads under which proxies are compared.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use penstock_bench::{Command, Plan, Protocol, Stop, Work};

use super::peer::Peer;

/// How the proxy treats the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Requests of HTTP share connections to the members.
    Http,
    /// Each client has a connection to its member; the requests are HTTP, and the proxy does not read them.
    Tcp,
    /// Requests of one line. Proxies that do not know lines relay connections.
    Lines,
    /// Commands of Redis. Proxies that do not know them relay connections.
    Resp,
}

/// What each request is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Request {
    Get(&'static str),
    /// A POST of so many bytes, which come back.
    Post(usize),
    /// One GET in a hundred is for the second path, which takes 200 ms. The latencies shown are those of the first.
    OneInHundredSlow(&'static str, &'static str),
    /// `add A B`, answered with the sum.
    Add,
    /// SET and GET of 3 bytes, one each.
    SetAndGet,
}

/// A load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) mode: Mode,
    pub(crate) request: Request,
    pub(crate) clients: usize,
    /// The requests that each client keeps in flight.
    pub(crate) depth: usize,
    /// The number of exchanges after which a client connects anew.
    pub(crate) per_connection: Option<u64>,
    /// The average rest of a client between exchanges, in milliseconds.
    pub(crate) pause_ms: u64,
    /// The most connections to each member.
    pub(crate) links: Option<u32>,
    /// Whether it runs when no scenario is named.
    pub(crate) usual: bool,
}

const HTTP: Scenario = Scenario {
    name: "",
    title: "",
    mode: Mode::Http,
    request: Request::Get("/hello"),
    clients: 64,
    depth: 1,
    per_connection: None,
    pause_ms: 0,
    links: None,
    usual: false,
};
const SLOW_PATH: Request = Request::OneInHundredSlow("/hello", "/delay/200");
const SLOW_ON_SAME_PATH: Request =
    Request::OneInHundredSlow("/mixed?slow=0/1&ms=0", "/mixed?slow=1/1&ms=200");
const SLOW: Scenario = Scenario { clients: 500, links: Some(512), request: SLOW_PATH, ..HTTP };
const TCP: Scenario = Scenario { mode: Mode::Tcp, ..HTTP };

pub(crate) const SCENARIOS: [Scenario; 17] = [
    Scenario { name: "http-c1", title: "1 client, a small GET", clients: 1, usual: true, ..HTTP },
    Scenario { name: "http-c64", title: "64 clients, a small GET", usual: true, ..HTTP },
    Scenario { name: "http-c1000", title: "1,000 clients, a small GET", clients: 1000, usual: true, ..HTTP },
    Scenario {
        name: "http-c10000",
        title: "10,000 clients, a small GET",
        clients: 10_000,
        usual: true,
        ..HTTP
    },
    Scenario {
        name: "http-pipelined",
        title: "100 clients with 16 small GETs in flight each",
        clients: 100,
        depth: 16,
        ..HTTP
    },
    Scenario {
        name: "http-connect",
        title: "64 clients, a new connection for each small GET",
        per_connection: Some(1),
        ..HTTP
    },
    Scenario {
        name: "http-64k-down",
        title: "64 clients, a GET of 64 KiB",
        request: Request::Get("/bytes/65536"),
        ..HTTP
    },
    Scenario {
        name: "http-64k-both",
        title: "64 clients, a POST of 64 KiB that comes back",
        request: Request::Post(64 << 10),
        ..HTTP
    },
    Scenario {
        name: "slow-path",
        title: "500 clients, one GET in a hundred takes 200 ms, on a path of its own",
        ..SLOW
    },
    Scenario {
        name: "slow-same-path",
        title: "500 clients, one GET in a hundred takes 200 ms, on the path of the others",
        request: SLOW_ON_SAME_PATH,
        ..SLOW
    },
    Scenario {
        name: "slow-path-paced",
        title: "500 clients that rest 40 ms, one GET in a hundred takes 200 ms, on a path of its own",
        pause_ms: 40,
        ..SLOW
    },
    Scenario {
        name: "slow-same-path-paced",
        title: "500 clients that rest 40 ms, one GET in a hundred takes 200 ms, on the path of the others",
        request: SLOW_ON_SAME_PATH,
        pause_ms: 40,
        ..SLOW
    },
    Scenario { name: "tcp-c64", title: "64 connections relayed as TCP, a small GET", usual: true, ..TCP },
    Scenario {
        name: "tcp-c1000",
        title: "1,000 connections relayed as TCP, a small GET",
        clients: 1000,
        ..TCP
    },
    Scenario {
        name: "tcp-connect",
        title: "64 clients relayed as TCP, a new connection for each small GET",
        per_connection: Some(1),
        ..TCP
    },
    Scenario {
        name: "lines-c2000",
        title: "2,000 clients of a service of lines that serves 8 connections; relays are left after 10 exchanges",
        mode: Mode::Lines,
        request: Request::Add,
        clients: 2000,
        links: Some(8),
        ..HTTP
    },
    Scenario {
        name: "redis-c500",
        title: "500 clients of Redis, SET and GET of 3 bytes, at most 8 connections where clients share them",
        mode: Mode::Resp,
        request: Request::SetAndGet,
        clients: 500,
        links: Some(8),
        ..HTTP
    },
];

/// The longest wait for an answer. Relays in front of few connections make clients wait for seconds.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The exchanges after which a client of a relay leaves its connection to others.
const RELAY_TURN: u64 = 10;

impl Scenario {
    /// Returns the load on an address. Clients come from as many sources as there are clients.
    pub(crate) fn plan(&self, to: SocketAddr, peer: Peer, duration: Duration, threads: usize) -> Plan {
        let work = match self.request {
            Request::Get(path) => Work::Get(path.to_owned()),
            Request::Post(size) => Work::Post { sizes: vec![size] },
            Request::OneInHundredSlow(fast, slow) => {
                Work::Mixed(vec![(99, Work::Get(fast.to_owned())), (1, Work::Get(slow.to_owned()))])
            }
            Request::Add => Work::Add(String::new()),
            Request::SetAndGet => {
                let keys = |command| (1, Work::Keys { command, sizes: vec![3] });
                Work::Mixed(vec![keys(Command::Set), keys(Command::Get)])
            }
        };
        let relayed = self.mode == Mode::Lines && !matches!(peer, Peer::Penstock | Peer::Before);
        Plan {
            clients: self.clients,
            sources: spread(self.clients),
            protocol: match self.mode {
                Mode::Http | Mode::Tcp => Protocol::Http,
                Mode::Lines => Protocol::Lines { crlf: false },
                Mode::Resp => Protocol::Resp,
            },
            work,
            stop: Stop::Duration(duration),
            depth: self.depth,
            per_connection: if relayed { Some(RELAY_TURN) } else { self.per_connection },
            pause: Duration::from_millis(self.pause_ms),
            timeout: TIMEOUT,
            threads,
            ..Plan::new(to)
        }
    }

    /// Returns the part of the requests whose latencies are shown, if not all.
    pub(crate) fn fast_class(&self) -> Option<&'static str> {
        match self.request {
            Request::OneInHundredSlow(fast, _) => Some(fast),
            _ => None,
        }
    }
}

/// Returns the scenarios that these words select: a name, the beginning of some, or `all`. Without words, the usual ones.
pub(crate) fn select(words: &[String]) -> Result<Vec<Scenario>, String> {
    if words.is_empty() {
        return Ok(SCENARIOS.into_iter().filter(|scenario| scenario.usual).collect());
    }
    let mut selected = Vec::new();
    for word in words {
        let exact = SCENARIOS.iter().any(|scenario| scenario.name == word);
        let fits = |scenario: &Scenario| match exact {
            true => scenario.name == word,
            false => word == "all" || scenario.name.starts_with(word.as_str()),
        };
        let before = selected.len();
        selected.extend(SCENARIOS.into_iter().filter(fits));
        if selected.len() == before {
            let names = SCENARIOS.map(|scenario| scenario.name).join(", ");
            return Err(format!("there is no scenario {word}; there are {names}, and all"));
        }
    }
    Ok(selected)
}

/// Returns so many addresses, from 127.1.0.1 on.
pub(crate) fn spread(count: usize) -> Vec<Ipv4Addr> {
    let first = Ipv4Addr::new(127, 1, 0, 1).to_bits();
    (first..).take(count).map(Ipv4Addr::from_bits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(words: &[&str]) -> Result<Vec<&'static str>, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Ok(select(&words)?.iter().map(|scenario| scenario.name).collect())
    }

    #[test]
    fn words_are_names_or_beginnings() {
        assert_eq!(names(&["http-c1"]).unwrap(), ["http-c1"]);
        assert_eq!(names(&["tcp", "http-c64"]).unwrap(), ["tcp-c64", "tcp-c1000", "tcp-connect", "http-c64"]);
        assert_eq!(names(&["all"]).unwrap().len(), SCENARIOS.len());
        assert!(names(&[]).unwrap().contains(&"http-c10000"));
        assert!(names(&["http-c65"]).unwrap_err().contains("http-c64"));
    }

    #[test]
    fn each_client_has_an_address_of_its_own() {
        let sources = spread(10_000);
        assert_eq!(
            (sources[0].to_string().as_str(), sources[9_999].to_string().as_str()),
            ("127.1.0.1", "127.1.39.16")
        );
    }
}
