//! Defines the options of `penstock-bench overhead`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use penstock_bench::{Plan, Protocol, Stop};

use super::asking::Asking;
use super::values::{address, duration};

const EXAMPLES: &str = "\
Without addresses, the origin and the proxy that come with penstock are started as processes of their own, on free ports, and
built first if they are not beside this program.

Examples:
  What does penstock cost on this machine?
    penstock-bench overhead
  What does my proxy cost in front of my service?
    penstock-bench overhead --direct http://127.0.0.1:9001/json --proxied http://127.0.0.1:8080/json
  The same for Redis (set, get and incr on keys of its own), with the counters of penstock
    penstock-bench overhead --protocol resp --direct 127.0.0.1:6380 --proxied 127.0.0.1:6379 \\
        --metrics http://127.0.0.1:9900/metrics
  A quick look, as JSON:
    penstock-bench overhead --connections 64 --rounds 1 --leg 500ms --json

docs/measuring.md explains the method, each figure, and the form of the JSON.

Exit status: 0 if all answers were right, 1 if any was not, 2 for bad arguments, 3 if a server cannot be reached or answers
wrongly, 4 if this machine lacks something (open files, a free port, a program), 130 after Ctrl-C. Ctrl-C keeps what was measured.";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Overhead {
    /// The service itself: http://HOST:PORT/PATH, or HOST:PORT for the other protocols
    #[arg(long, value_name = "URL", requires = "proxied")]
    direct: Option<String>,
    /// The same service through the proxy
    #[arg(long, value_name = "URL", requires = "direct")]
    proxied: Option<String>,
    /// Path of the requests to the included origin
    #[arg(long, default_value = "/hello", conflicts_with = "direct")]
    path: String,
    #[command(flatten)]
    asking: Asking,
    /// Numbers of connections for capacity, each in a closed loop
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,8,64,512")]
    connections: Vec<usize>,
    /// Number of connections for latency, in an open loop
    #[arg(short, long, default_value_t = 64)]
    clients: usize,
    /// Requests per second of the open loop, over all connections [default: a quarter of what both ways can do]
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// Requests that a client keeps in flight on its connection (pipelining)
    #[arg(long, default_value_t = 1)]
    depth: usize,
    /// Rounds of four legs (direct, proxied, proxied, direct) for latency; capacity takes half of them
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Duration of a leg
    #[arg(long, value_parser = duration, default_value = "2s")]
    leg: Duration,
    /// Number of threads of the generator
    #[arg(short, long, default_value_t = 1)]
    threads: usize,
    /// Processes of the proxy [default: those that listen on its port]
    #[arg(long, value_name = "PID,...", value_delimiter = ',', requires = "direct")]
    proxy_pid: Vec<u32>,
    /// Processes of the service [default: those that listen on its port]
    #[arg(long, value_name = "PID,...", value_delimiter = ',', requires = "direct")]
    origin_pid: Vec<u32>,
    /// The metrics of the proxy, if it is penstock: http://HOST:PORT/metrics
    #[arg(long, value_name = "URL", requires = "direct")]
    metrics: Option<String>,
    /// The program penstock to start [default: the one beside this program]
    #[arg(long, value_name = "FILE", conflicts_with = "direct")]
    penstock: Option<PathBuf>,
    /// The origin to start [default: the penstock-origin beside this program; for resp redis-server]
    #[arg(long, value_name = "FILE", conflicts_with = "direct")]
    origin: Option<PathBuf>,
    /// Workers of the started proxy; 0 is one for each CPU
    #[arg(long, default_value_t = 0, conflicts_with = "direct")]
    workers: usize,
    /// Port of the started proxy; 0 is any free one
    #[arg(long, default_value_t = 0, conflicts_with = "direct")]
    proxy_port: u16,
    /// Port of the started origin; 0 is any free one
    #[arg(long, default_value_t = 0, conflicts_with = "direct")]
    origin_port: u16,
    /// Longest wait for a connect and for an answer
    #[arg(long, value_parser = duration, default_value = "10s")]
    timeout: Duration,
    /// Seed of all random choices
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The file for the report with plots
    #[arg(long, value_name = "FILE", default_value = "penstock-overhead.html")]
    pub(crate) html: PathBuf,
    /// Write no report with plots
    #[arg(long, conflicts_with = "html")]
    pub(crate) no_html: bool,
    /// Print the figures as one JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// The addresses that the user gave.
pub(crate) struct Given {
    pub(crate) direct: SocketAddr,
    pub(crate) proxied: SocketAddr,
    pub(crate) path: String,
    pub(crate) metrics: Option<(SocketAddr, String)>,
    pub(crate) proxy_pids: Vec<u32>,
    pub(crate) origin_pids: Vec<u32>,
}

impl Overhead {
    /// Returns the addresses, if the user gave them.
    pub(crate) fn given(&self) -> Result<Option<Given>, String> {
        let (Some(direct), Some(proxied)) = (&self.direct, &self.proxied) else { return Ok(None) };
        let http = self.protocol() == Protocol::Http;
        let ((direct, path), (proxied, other)) = (address(direct, http)?, address(proxied, http)?);
        if path != other {
            return Err(format!("both ways need the same path, and these are {path} and {other}"));
        }
        if direct == proxied {
            return Err(format!("--direct and --proxied are both {direct}; there is nothing to compare"));
        }
        let metrics = self.metrics.as_deref().map(|url| address(url, true)).transpose()?;
        Ok(Some(Given {
            direct,
            proxied,
            path: path.to_owned(),
            metrics: metrics.map(|(to, path)| (to, path.to_owned())),
            proxy_pids: self.proxy_pid.clone(),
            origin_pids: self.origin_pid.clone(),
        }))
    }

    pub(crate) fn wishes(&self) -> crate::overhead::Wishes {
        crate::overhead::Wishes {
            protocol: Some(self.protocol()),
            penstock: self.penstock.clone(),
            origin: self.origin.clone(),
            proxy_port: self.proxy_port,
            origin_port: self.origin_port,
            workers: self.workers,
            origin_threads: 1,
        }
    }

    pub(crate) fn protocol(&self) -> Protocol {
        self.asking.protocol()
    }

    /// Returns the path for the started origin.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Returns the scope of the measurement.
    pub(crate) fn scope(&self) -> Result<crate::overhead::Scope, String> {
        if self.connections.is_empty() || self.connections.contains(&0) || self.clients == 0 {
            return Err("--connections and --clients are at least 1".to_owned());
        }
        if let Some(rate) = self.rate.filter(|rate| !rate.is_finite() || *rate <= 0.0) {
            return Err(format!("--rate {rate}: it must be a number above 0"));
        }
        if self.leg.is_zero() {
            return Err("--leg must be longer than 0s".to_owned());
        }
        let mut connections = self.connections.clone();
        connections.sort_unstable();
        connections.dedup();
        Ok(crate::overhead::Scope {
            connections,
            clients: self.clients,
            rate: self.rate,
            rounds: self.rounds as usize,
            leg: self.leg,
        })
    }

    /// Returns the plan of a leg to this address, apart from the number of clients and the rate.
    pub(crate) fn plan(&self, to: SocketAddr, path: &str) -> Result<Plan, String> {
        Ok(Plan {
            protocol: self.protocol(),
            work: self.asking.work(path, to)?,
            refusal: self.asking.refusal()?,
            may_forget: self.asking.may_forget,
            depth: self.depth.max(1),
            threads: self.threads.max(1),
            stop: Stop::Duration(self.leg),
            timeout: self.timeout,
            seed: self.seed,
            ..Plan::new(to)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn overhead(words: &str) -> Result<Box<Overhead>, String> {
        let words = ["penstock-bench", "overhead"].into_iter().chain(words.split_whitespace());
        match Cli::try_parse_from(words).map_err(|error| error.to_string())?.command {
            Command::Overhead(options) => Ok(options),
            _ => panic!("the words are those of overhead"),
        }
    }

    #[test]
    fn both_addresses_are_given_or_none() {
        assert!(overhead("").unwrap().given().unwrap().is_none());
        assert!(overhead("--direct http://127.0.0.1:1/").is_err());
        let given = overhead("--direct http://127.0.0.1:1/a --proxied http://127.0.0.1:2/a").unwrap();
        let given = given.given().unwrap().unwrap();
        assert_eq!((given.direct.port(), given.proxied.port(), given.path.as_str()), (1, 2, "/a"));
        for words in [
            "--direct http://127.0.0.1:1/a --proxied http://127.0.0.1:2/b",
            "--direct http://127.0.0.1:1/a --proxied http://127.0.0.1:1/a",
            "--direct 127.0.0.1:1 --proxied 127.0.0.1:2",
        ] {
            assert!(overhead(words).unwrap().given().is_err(), "{words}");
        }
        let echo = overhead("--protocol echo --direct 127.0.0.1:1 --proxied 127.0.0.1:2").unwrap();
        assert!(echo.given().unwrap().is_some());
    }

    #[test]
    fn the_scope_is_checked() {
        let scope = overhead("--connections 64,8,8").unwrap().scope().unwrap();
        assert_eq!((scope.connections, scope.clients, scope.rounds), (vec![8, 64], 64, 4));
        for words in ["--connections 0", "--clients 0", "--rate 0", "--leg 0s"] {
            assert!(overhead(words).unwrap().scope().is_err(), "{words}");
        }
        assert!(overhead("--rounds 0").is_err());
    }
}
