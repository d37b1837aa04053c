//! Defines the options of `penstock-bench load`, and converts them to a [`Plan`].

use std::time::Duration;

use clap::Args;
use penstock_bench::{Plan, Protocol, Report, Stop, sources};

use super::asking::Asking;
use super::values::{address, duration, size};

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

  A thousand requests per second, whatever the server does; latencies count from the intended times:
    penstock-bench load http://127.0.0.1:8080/json --rate 1000 --clients 100
  Requests of your own, from a file with lines such as {\"method\": \"POST\", \"path\": \"/add\", \"body\": \"[1,2]\", \"weight\": 3}:
    penstock-bench load http://127.0.0.1:8080 --mix-file requests.jsonl
  Slow readers of large answers:
    penstock-bench load http://127.0.0.1:8080/bytes/1000000 --clients 200 --read-rate 64KiB --timeout 1m

Before the load, one exchange on a connection of its own finds mistakes; it is not in the report. Ctrl-C ends the load early and
reports what was measured; a second Ctrl-C ends at once. On a terminal, a row for each second shows how it goes.

Exit status: 0 if all answers were 2xx and right, 1 if any was not, 2 for bad arguments, 3 if the server cannot be reached or
answers wrongly before the load, 4 if this machine lacks something (open files, a free port), 130 after Ctrl-C.
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
    /// Open a new connection for each exchange, which is --per-connection 1
    #[arg(long, conflicts_with_all = ["per_connection", "depth"])]
    new_connections: bool,
    /// Slow readers: read this many bytes per second on each connection, such as 100 or 64KiB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    read_rate: Option<u64>,
    /// Slow writers: write this many bytes per second on each connection
    #[arg(long, value_name = "SIZE", value_parser = size)]
    write_rate: Option<u64>,
    /// Stop for this time in the middle of each request, and once more before reading its answer
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0s")]
    stall: Duration,
    /// Size of both socket buffers of each connection; a small one leads to small windows
    #[arg(long, value_name = "SIZE", value_parser = size)]
    socket_buffer: Option<u64>,
    /// Number of threads of the generator
    #[arg(short, long, default_value_t = 1)]
    threads: usize,
    /// Hang up on one exchange in N: after sending, before or amid the answer
    #[arg(long, value_name = "N")]
    abort_one_in: Option<u32>,
    /// Average pause before a request while no other is in flight, which paces the load
    #[arg(long, value_parser = duration, default_value = "0s")]
    pause: Duration,
    /// Start N exchanges per second, evenly spread (open loop), whatever the server does; latencies count from
    /// the intended time, so a stall of the server is in all that were due during it
    #[arg(long, value_name = "N", conflicts_with = "pause")]
    rate: Option<f64>,
    /// Fail only for wrong answers, not for lost connections and refusals; implies --no-check
    #[arg(long)]
    allow_breaks: bool,
    /// Begin without the exchange that finds mistakes, so that the server sees the load and nothing else
    #[arg(long)]
    no_check: bool,
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
            work: self.asking.work(path, to)?,
            stop,
            depth: self.depth,
            per_connection: if self.new_connections { Some(1) } else { self.per_connection },
            read_rate: self.read_rate,
            write_rate: self.write_rate,
            stall: self.stall,
            socket_buffer: self.socket_buffer.and_then(|size| usize::try_from(size).ok()),
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

    /// Returns whether one exchange is to find mistakes before the load.
    pub(crate) fn is_checked(&self) -> bool {
        !self.no_check && !self.allow_breaks
    }

    /// Returns whether the report satisfies the user.
    pub(crate) fn is_content(&self, report: &Report) -> bool {
        if self.allow_breaks { report.is_right() } else { report.is_clean() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;
    use penstock_bench::{Prefix, Work};

    fn plan(words: &[&str]) -> Result<Plan, String> {
        let words = ["penstock-bench", "load"].iter().chain(words);
        match Cli::try_parse_from(words).map_err(|error| error.to_string())?.command {
            Command::Load(load) => load.plan(),
            _ => panic!("the words are those of a load"),
        }
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
    fn contradictions_are_refused() {
        for words in [
            &["http://127.0.0.1/", "-n", "5", "-d", "5s"][..],
            &["http://[::1]/", "--sources", "127.0.0.1"],
            &["http://127.0.0.1/", "--rate", "5", "--pause", "1s"],
            &["http://127.0.0.1/", "--new-connections", "--depth", "2"],
            &["127.0.0.1:1", "--protocol", "echo", "--mix", "add=1"],
            &["127.0.0.1:1", "--protocol", "lines", "--mix-file", "/dev/null"],
            &["127.0.0.1:1", "--protocol", "lines", "--send", "a\nb"],
            &["127.0.0.1:1", "--protocol", "resp", "--send", "PING"],
            &["127.0.0.1:1", "--protocol", "lines", "--expect", "b"],
            &["http://127.0.0.1/", "--mix-file", "/there/is/no/such/file"],
        ] {
            assert!(plan(words).is_err(), "{words:?}");
        }
        let once = plan(&["http://127.0.0.1/", "--new-connections", "--read-rate", "1KiB"]).unwrap();
        assert_eq!((once.per_connection, once.read_rate), (Some(1), Some(1024)));
        let words = "127.0.0.1:1 --protocol length-prefixed --length-offset 2 --send ab --expect c";
        let Work::Literal(literal) = plan(&words.split(' ').collect::<Vec<_>>()).unwrap().work else {
            panic!("a text is sent as it stands")
        };
        assert_eq!(
            (&literal.wire[..], literal.answer.as_deref()),
            (&b"\0\0\0\0\0\x02ab"[..], Some(&b"c\0\0"[..]))
        );
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
