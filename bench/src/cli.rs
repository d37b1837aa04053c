//! Converts the command line to a [`Plan`] and the form of the report.

mod asking;

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use penstock_bench::{Plan, Protocol, Report, Stop, sources};

use asking::Asking;

/// Loads a server of HTTP/1.1, frames or Redis with keep-alive clients, and checks every answer.
#[derive(Parser, Debug)]
#[command(version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Load an address, check the answers and report the result.
    Load(Box<Load>),
}

const EXAMPLES: &str = "\
Examples:
  Ten thousand clients from sixty-five thousand sources, ten seconds:
    penstock-bench load http://127.0.0.1:8080/json --clients 10000 --sources 127.1.0.0/16 --duration 10s
  Does a client ever get the answer of another client? (needs /echo of penstock-origin)
    penstock-bench load http://127.0.0.1:8080 --work ids --clients 500 --requests 100
  The same with bodies up and down, chunked answers, and clients that hang up one time in twenty:
    penstock-bench load http://127.0.0.1:8080 --work mixed --sizes 1,1000,100000 \\
        --clients 200 --requests 50 --abort-one-in 20 --seed 7
  One request in a hundred is slow; the report shows the latencies of each kind:
    penstock-bench load http://127.0.0.1:8080 --mix /hello=99 --mix /delay/200=1 --clients 500
  Lines, with four requests in flight for each client; every sum must be right and the client's own:
    penstock-bench load 127.0.0.1:7000 --protocol lines --clients 2000 --pipeline 4
  Redis, while it is killed and started again; broken connections are replaced and counted, only a wrong answer fails:
    penstock-bench load 127.0.0.1:6379 --protocol resp --clients 500 -n 2000 --abort-one-in 50 --allow-breaks

Exit status: 0 if all answers were 2xx and right, 1 if any was not, 2 if the load could not be run.
With --allow-breaks, lost exchanges, refused connects and refusals are counted, but only wrong answers give 1.
Without --rate, each client is a closed loop: it starts the next exchange when an answer has come (--depth of them at a time).";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Load {
    /// http://HOST:PORT/PATH (the path counts with --work get only), or HOST:PORT for the other protocols
    url: String,
    /// Number of keep-alive clients, which all connect before the first request
    #[arg(short, long, default_value_t = 64)]
    clients: usize,
    /// Source addresses, used in turn: 127.1.0.0/16, 127.1.0.1-127.1.0.200, or a list with commas
    #[arg(short, long)]
    sources: Option<String>,
    /// How long clients start exchanges: 10s, 500ms, 2m [default: 10s]
    #[arg(short, long, value_parser = duration, conflicts_with = "requests")]
    duration: Option<Duration>,
    /// Number of exchanges of each client, instead of a duration
    #[arg(short = 'n', long)]
    requests: Option<u64>,
    #[command(flatten)]
    asking: Asking,
    /// Requests that a client keeps in flight on its connection (pipelining)
    #[arg(long, visible_alias = "pipeline", default_value_t = 1)]
    depth: usize,
    /// Close a connection in order after N exchanges, and open a new one
    #[arg(long, value_name = "N")]
    per_connection: Option<u64>,
    /// Number of threads of the generator
    #[arg(short, long, default_value_t = 1)]
    threads: usize,
    /// Hang up on one exchange in N: after sending, before or amid the answer
    #[arg(long, value_name = "N")]
    abort_one_in: Option<u32>,
    /// Average pause before a request while no other is in flight, which paces the load
    #[arg(long, value_parser = duration, default_value = "0s")]
    pause: Duration,
    /// Start N exchanges per second, evenly spread (open loop); latencies count from the intended time, and
    /// include the generator's own timer, which is 1 to 2 ms late
    #[arg(long, value_name = "N", conflicts_with = "pause")]
    rate: Option<f64>,
    /// Fail only for wrong answers, not for lost connections and refusals
    #[arg(long)]
    allow_breaks: bool,
    /// Longest wait for a connect and for an answer
    #[arg(long, value_parser = duration, default_value = "10s")]
    timeout: Duration,
    /// Seed of all random choices: sizes, contents, mixes, aborts
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the report as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

impl Load {
    /// Returns the plan that the arguments describe.
    pub(crate) fn plan(&self) -> Result<Plan, String> {
        let protocol = self.asking.protocol();
        let (to, path) = address(&self.url, protocol == Protocol::Http)?;
        let stop = match (self.requests, self.duration) {
            (Some(requests), _) => Stop::Requests(requests),
            (None, duration) => Stop::Duration(duration.unwrap_or(Duration::from_secs(10))),
        };
        let from = self.sources.as_deref().map(sources).transpose();
        let from = from.map_err(|error| format!("--sources: {error}"))?.unwrap_or_default();
        if !from.is_empty() && !to.is_ipv4() {
            return Err(format!("--sources are IPv4 addresses, but {to} is not"));
        }
        Ok(Plan {
            to,
            clients: self.clients,
            sources: from,
            protocol,
            work: self.asking.work(path)?,
            stop,
            depth: self.depth,
            per_connection: self.per_connection,
            pause: self.pause,
            rate: self.rate,
            refusal: self.asking.refusal()?,
            may_forget: self.asking.may_forget,
            seed: self.seed,
            abort_one_in: self.abort_one_in,
            timeout: self.timeout,
            threads: self.threads,
        })
    }

    /// Returns whether the report satisfies the user.
    pub(crate) fn is_content(&self, report: &Report) -> bool {
        if self.allow_breaks { report.is_right() } else { report.is_clean() }
    }
}

/// Returns the address and the path of a URL, or of a plain address.
fn address(written: &str, http: bool) -> Result<(SocketAddr, &str), String> {
    if http {
        return parse_url(written);
    }
    let host = written.strip_prefix("tcp://").unwrap_or(written);
    if written.starts_with("http://") {
        return Err(format!("{written}: only --protocol http has URLs, write HOST:PORT"));
    }
    Ok((resolve(host)?, ""))
}

fn parse_url(url: &str) -> Result<(SocketAddr, &str), String> {
    let rest = url.strip_prefix("http://").ok_or_else(|| format!("{url}: a URL begins with http://"))?;
    let (host, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
    if path.contains(|c: char| c.is_ascii_control() || c == ' ') {
        return Err(format!("{url}: the path holds a blank or a control character"));
    }
    let with_port = |host: &str| {
        if host.ends_with(']') || !host.contains(':') { format!("{host}:80") } else { host.to_owned() }
    };
    Ok((resolve(&with_port(host))?, path))
}

fn resolve(host: &str) -> Result<SocketAddr, String> {
    let mut addresses = host.to_socket_addrs().map_err(|error| format!("{host}: {error}"))?;
    addresses.next().ok_or_else(|| format!("{host} has no address"))
}

/// Parses `10s`, `250ms`, `2m` or `1h`; a plain number is seconds.
fn duration(written: &str) -> Result<Duration, String> {
    let digits = written.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(written.len());
    let (number, unit) = written.split_at(digits);
    let scale = match unit.trim() {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        other => return Err(format!("{other:?} is no unit of time: ms, s, m, h")),
    };
    let number: f64 = number.parse().map_err(|_| format!("{written:?} is not a time like 10s or 250ms"))?;
    Duration::try_from_secs_f64(number * scale).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use penstock_bench::{Prefix, Work};

    fn plan(words: &[&str]) -> Result<Plan, String> {
        let words = ["penstock-bench", "load"].iter().chain(words);
        let Command::Load(load) = Cli::try_parse_from(words).map_err(|error| error.to_string())?.command;
        load.plan()
    }

    #[test]
    fn the_line_of_the_readme_is_understood() {
        let line = "http://127.0.0.1:8080/json --clients 10000 --sources 127.1.0.0/16 --duration 10s --depth 4 --threads 2 --json";
        let plan = plan(&line.split(' ').collect::<Vec<_>>()).unwrap();
        assert_eq!((plan.to.to_string().as_str(), plan.clients, plan.depth), ("127.0.0.1:8080", 10_000, 4));
        assert_eq!(plan.sources.len(), 65_534);
        assert!(matches!(plan.stop, Stop::Duration(d) if d == Duration::from_secs(10)));
        assert!(matches!(plan.work, Work::Get(path) if path == "/json"));
    }

    #[test]
    fn urls_and_times_are_read_or_refused() {
        assert_eq!(parse_url("http://127.0.0.1").unwrap(), ("127.0.0.1:80".parse().unwrap(), "/"));
        assert_eq!(parse_url("http://[::1]:81/x?y").unwrap(), ("[::1]:81".parse().unwrap(), "/x?y"));
        assert!(parse_url("https://127.0.0.1/").is_err());
        assert!(parse_url("http://127.0.0.1/a b").is_err());
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert!(duration("10 parsecs").is_err() && duration("s").is_err() && duration("").is_err());
        assert!(plan(&["http://127.0.0.1/", "-n", "5", "-d", "5s"]).is_err());
        assert!(plan(&["http://[::1]/", "--sources", "127.0.0.1"]).is_err());
    }

    #[test]
    fn mixes_and_protocols_are_read_or_refused() {
        let mixed = |words: &[&str]| match plan(words).unwrap().work {
            Work::Mixed(parts) => parts,
            work => panic!("{work:?} is no mix"),
        };
        let parts = mixed(&["http://127.0.0.1", "--mix", "/=99", "--mix", "/a?b=c=1"]);
        assert!(matches!(&parts[..], [(99, Work::Get(a)), (1, Work::Get(b))] if a == "/" && b == "/a?b=c"));
        let words = ["127.0.0.1:7", "--protocol", "lines", "--mix", "add=3", "--mix", "delay 200=1"];
        let parts = mixed(&words);
        assert!(
            matches!(&parts[..], [(3, Work::Add(a)), (1, Work::Add(b))] if a.is_empty() && b == "delay 200")
        );
        assert_eq!(mixed(&["127.0.0.1:7", "--protocol", "resp"]).len(), 3);
        let words = "tcp://127.0.0.1:7 --protocol length-prefixed --length-bytes 2 --byte-order little --length-offset 3";
        let prefix = Prefix { length_bytes: 2, little_endian: true, includes_header: false, offset: 3 };
        assert_eq!(
            plan(&words.split(' ').collect::<Vec<_>>()).unwrap().protocol,
            Protocol::LengthPrefixed(prefix)
        );
        for bad in [
            "http://127.0.0.1 --mix /",
            "http://127.0.0.1 --mix /=x",
            "http://127.0.0.1 --mix /=0",
            "http://127.0.0.1 --mix add=1",
            "http://127.0.0.1 --protocol lines",
            "127.0.0.1:7 --protocol resp --mix del=1",
            "127.0.0.1:7 --protocol lines --work ids",
            "127.0.0.1 --protocol lines",
            "127.0.0.1:7 --protocol length-prefixed --length-bytes 3",
        ] {
            assert!(plan(&bad.split(' ').collect::<Vec<_>>()).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_commands_hold_together() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
