//! The built program on the default configuration, with its origin; only the addresses are its own.
//!
//! At the end, what was counted in and what was counted out have to agree.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use crate::support::child::{Child, Run};
use crate::support::place::{Directory, eventually, own_address};
use crate::support::program::{Program, are_here};

const PENSTOCK: Program = Program::new(env!("CARGO_BIN_EXE_penstock"), "none, cargo builds it");
const IN: &str = "penstock_requests_total";
const OUT: &str = "penstock_backend_requests_total";
const ERRORS: &str = "penstock_request_errors_total";
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../config.yaml");

/// Whether clients talk to the origin itself: what fails then, too, is not the proxy's doing.
fn is_direct() -> bool {
    match std::env::var("PENSTOCK_TEST_THROUGH").as_deref() {
        Err(_) | Ok("penstock") => false,
        Ok("direct") => true,
        Ok(other) => panic!("PENSTOCK_TEST_THROUGH={other} is none of penstock, direct"),
    }
}

/// A proxy that runs, and a directory for what its clients leave behind.
pub(crate) struct Front {
    _proxy: Child,
    web: SocketAddr,
    admin: SocketAddr,
    members: [SocketAddr; 3],
    directory: Directory,
}

impl Front {
    /// Where the clients are not here, there is no need for one.
    #[track_caller]
    pub(crate) fn before(clients: &[Program]) -> Option<Self> {
        are_here(clients).then(Self::start)
    }

    /// It accepts connections when this returns.
    pub(crate) fn start() -> Self {
        let directory = Directory::new("clients");
        let [admin, web, a, b, c] = [(); 5].map(|()| own_address());
        // What is counted at the origin is to be the clients' alone: no probe, as the origin is vouched for.
        let mut config =
            std::fs::read_to_string(CONFIG).unwrap().replacen("pipeline: auto", "pipeline: 32  ", 1);
        assert!(config.contains("pipeline: 32"), "config.yaml and its pipeline");
        for (port, address) in [(9900, admin), (8080, web), (9001, a), (9002, b), (9003, c)] {
            let usual = format!("127.0.0.1:{port}");
            assert_eq!(config.matches(&usual).count(), 1, "config.yaml and {usual}");
            config = config.replace(&usual, &address.to_string());
        }
        let run = Run::new(PENSTOCK, directory.path()).args("run --with-origin -c");
        let mut proxy = run.arg(directory.write("config.yaml", config)).start();
        proxy.until_it_says("try ");
        Self { _proxy: proxy, web, admin, members: [a, b, c], directory }
    }

    /// Where clients connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        if is_direct() { self.members[0] } else { self.web }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Waits until so many are counted: the sum over the series of this name, with this label if there is one.
    #[track_caller]
    pub(crate) fn counts(&self, name: &str, label: &str, expected: RangeInclusive<u64>) {
        let what = format!("{name} {label} within {expected:?}, after {}", self.count(name, label));
        eventually(&what, || is_direct() || expected.contains(&self.count(name, label)));
    }

    #[track_caller]
    fn count(&self, name: &str, label: &str) -> u64 {
        let text = get(self.admin, "/metrics");
        let named = text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
        let values: Vec<f64> = named
            .filter(|line| line.contains(label))
            .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
            .collect();
        assert!(!values.is_empty(), "no metric is called {name}, with {label}");
        values.iter().sum::<f64>() as u64
    }

    /// Requests that all members have answered.
    fn answered(&self) -> u64 {
        let stats: serde_json::Value = serde_json::from_str(&get(self.members[0], "/stats")).unwrap();
        stats["total"]["requests"].as_u64().unwrap()
    }

    /// Waits until all clients have left, and asserts that so many requests came in, that as many were answered
    /// behind, and that none ended badly.
    #[track_caller]
    pub(crate) fn carried(&self, requests: u64) {
        if is_direct() {
            return assert_eq!(self.answered(), requests);
        }
        self.all_left();
        assert_eq!(self.count(IN, ""), requests, "requests in; {}", self.errors());
        assert_eq!(self.count(ERRORS, ""), 0, "{}", self.errors());
        let again = self.count("penstock_retries_total", "");
        let (sent, answered) = (self.count(OUT, ""), self.answered());
        // Once each, or twice where a request was sent again.
        let range = requests..=requests + again;
        assert!(range.contains(&sent) && range.contains(&answered), "{range:?}: {sent} {answered}");
    }

    /// The same, of clients that leave when they have seen so many answers, in the midst of up to so many more.
    #[track_caller]
    pub(crate) fn carried_at_least(&self, requests: u64, more: u64) {
        if is_direct() {
            return assert!(self.answered() >= requests);
        }
        self.all_left();
        let carried = self.count(IN, "");
        assert!((requests..=requests + more).contains(&carried), "{carried} in, {requests} seen");
        let (errors, left) = (self.count(ERRORS, ""), self.count(ERRORS, "cause=\"client_abort\""));
        assert!(errors == left && left <= more, "{}", self.errors());
    }

    #[track_caller]
    fn all_left(&self) {
        eventually("all clients have left", || self.count("penstock_client_connections", "") == 0);
    }

    /// The causes that were counted, in words.
    fn errors(&self) -> String {
        let text = get(self.admin, "/metrics");
        let errors = text.lines().filter(|line| line.starts_with(ERRORS));
        errors.filter(|line| !line.ends_with(" 0")).collect()
    }
}

/// The content of a page, by a client that is in nobody's way.
#[track_caller]
pub(crate) fn get(at: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {at}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, content) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    assert!(head.split(' ').nth(1) == Some("200"), "{path}: {head}");
    content.to_owned()
}

/// `count` bytes as the origin sends them: byte `i` is `i % 251`.
pub(crate) fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at % 251) as u8).collect()
}
