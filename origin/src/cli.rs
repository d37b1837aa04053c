//! The command line: what may be written, and what it means.
//! In go arguments as people write them; out come the origin's options.
//! It knows nothing of sockets beyond resolving names.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use clap::Parser;
use penstock_origin::{Address, Options, Speaks};

const MORE: &str = "\
Routes of http:
  GET  /hello /json /simple          small fixed answers
  GET  /bytes/N /chunked/N           N bytes, byte i is i % 251; by Content-Length, or chunked
  GET  /until-close/N                N bytes, ended by closing
  GET  /echo                         the request as JSON; POST and PUT send the body back
  GET  /delay/MS                     answers after so many milliseconds
  GET  /status/CODE                  answers with this status, 200 to 599
  POST /add /sub /mul /div           {\"args\":[a,b]} -> {\"result\":c}
  GET  /close                        answers, then closes
  GET  /stats                        connections, requests, bytes and clients of each member
  any  /fault/...                    close, reset, garbage, never, surplus, partial/N, close-after/K

What else --speaks takes (SIZE: 4096, 64KiB, 100MiB, 1GiB; k, M and G are powers of 1000):
  echo            sends back what comes, and shuts its side when the client has shut its own
  discard         reads, answers nothing
  generate:SIZE   sends so many bytes at once (byte i is i % 251), shuts its side, and reads on
  total           reads until the client shuts its side, then answers: COUNT FNV1A64-IN-HEX
  slow:SIZE       reads so many bytes a second through a small buffer, answers nothing
  banner          says '220 NAME ready' first; QUIT -> '221 bye', any other line -> '250 LINE'

Examples:
  penstock-origin --listen a=127.0.0.1:9001 --listen b=unix:/tmp/b.sock --threads 2
  penstock-origin --speaks echo --proxy-protocol --listen 9001 --stats 9100
      and then: printf 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\\r\\nhi' | nc -N 127.0.0.1 9001
                curl http://127.0.0.1:9100/stats";

/// The origin server that comes with penstock: answers, delays, echoes, counts, misbehaves.
#[derive(Parser, Debug)]
#[command(version, after_help = MORE)]
pub(crate) struct Arguments {
    /// Where to listen, and as which member; may be given several times.
    ///
    /// NAME=ADDRESS:PORT, ADDRESS:PORT, NAME=PORT, PORT, or unix:PATH in place of the address. Without a name
    /// the members are called a, b, c, and so on; without an address it is 127.0.0.1.
    #[arg(short, long, value_name = "[NAME=]ADDRESS", value_parser = parse_listen,
          default_values = ["a=127.0.0.1:9001", "b=127.0.0.1:9002", "c=127.0.0.1:9003"])]
    listen: Vec<Listen>,

    /// What all members speak; see below.
    #[arg(short, long, value_name = "WHAT", default_value = "http", value_parser = parse_speaks)]
    speaks: Speaks,

    /// Every connection to a member has to begin with a PROXY header, version 1 or 2; one that does not is
    /// closed. The client's address is then the one in the header, in /echo and in /stats.
    #[arg(long)]
    proxy_protocol: bool,

    /// Answer HTTP here too, as `http` does and without a PROXY header: for /stats of members that speak
    /// something else.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    stats: Option<SocketAddr>,

    /// Worker threads.
    #[arg(short, long, value_name = "N", default_value_t = 1,
          value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1024))]
    threads: usize,

    /// Serve as an old service does: a blocking thread for each connection, and at most N connections on
    /// each listener; those over it are reset. Speaks http only.
    #[arg(long, value_name = "N")]
    legacy: Option<usize>,

    /// Close connections that have been silent for so long, such as 60s, 500ms or 5m [default: never].
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    idle_timeout: Option<Duration>,

    /// How many connections may wait to be accepted, on each listener.
    #[arg(long, value_name = "N", default_value_t = 4096)]
    backlog: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Listen {
    member: Option<String>,
    address: Address,
}

impl From<Arguments> for Options {
    fn from(arguments: Arguments) -> Self {
        let mut options = Self {
            speaks: arguments.speaks,
            proxy_protocol: arguments.proxy_protocol,
            stats: arguments.stats,
            threads: arguments.threads,
            legacy: arguments.legacy,
            idle_timeout: arguments.idle_timeout,
            backlog: arguments.backlog,
            ..Self::default()
        };
        for (at, Listen { member, address }) in arguments.listen.into_iter().enumerate() {
            let member = member.unwrap_or_else(|| letters(at));
            match address {
                Address::Ip(address) => options.listen.push((member, address)),
                Address::Unix(path) => options.unix.push((member, path)),
            }
        }
        options
    }
}

/// a, b, ..., z, aa, ab, ...
fn letters(at: usize) -> String {
    let last = char::from(b'a' + (at % 26) as u8);
    if at < 26 { last.to_string() } else { letters(at / 26 - 1) + &last.to_string() }
}

fn parse_listen(text: &str) -> Result<Listen, String> {
    let (member, address) = match text.split_once('=') {
        // A path may have a = of its own.
        Some((member, address)) if !text.starts_with("unix:") => {
            (Some(member.trim().to_owned()), address.trim())
        }
        _ => (None, text.trim()),
    };
    if member.as_deref() == Some("") {
        return Err("the name before = is empty".to_owned());
    }
    let address = match address.strip_prefix("unix:") {
        Some("") => return Err("unix: needs a path".to_owned()),
        Some(path) => Address::Unix(path.into()),
        None => Address::Ip(parse_address(address)?),
    };
    Ok(Listen { member, address })
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    let mut found = text.to_socket_addrs().map_err(|error| format!("{text:?}: {error}"))?;
    found.next().ok_or_else(|| format!("{text:?} has no address"))
}

fn parse_speaks(text: &str) -> Result<Speaks, String> {
    match text.split_once(':') {
        None => match text {
            "http" => Ok(Speaks::Http),
            "echo" => Ok(Speaks::Echo),
            "discard" => Ok(Speaks::Discard),
            "total" => Ok(Speaks::Total),
            "banner" => Ok(Speaks::Banner),
            "generate" | "slow" => Err(format!("{text} needs a size, as in {text}:64KiB")),
            _ => Err("use http, echo, discard, generate:SIZE, total, slow:SIZE or banner".to_owned()),
        },
        Some(("generate", size)) => Ok(Speaks::Generate { bytes: parse_size(size)? }),
        Some(("slow", size)) => match parse_size(size)? {
            0 => Err("a slow reader reads at least 1 byte a second".to_owned()),
            bytes_per_second => Ok(Speaks::SlowReader { bytes_per_second }),
        },
        Some((what, _)) => Err(format!("{what:?} takes no size; only generate and slow do")),
    }
}

fn parse_size(text: &str) -> Result<u64, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let number: u64 =
        number.parse().map_err(|_| format!("{text:?}: expected a number and a unit, such as 64KiB"))?;
    let unit = match unit.trim() {
        "" | "B" => 1,
        "k" | "kB" => 1000,
        "M" | "MB" => 1_000_000,
        "G" | "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        other => return Err(format!("unknown unit {other:?}: use B, KiB, MiB, GiB, kB, MB or GB")),
    };
    number.checked_mul(unit).ok_or_else(|| format!("{text:?} is out of range"))
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let number: u64 =
        number.parse().map_err(|_| format!("{text:?}: expected a number and a unit, such as 60s"))?;
    let millis = match unit.trim() {
        "ms" => Some(number),
        "s" | "" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        other => return Err(format!("unknown unit {other:?}: use ms, s, m or h")),
    };
    match millis {
        Some(millis) if millis > 0 => Ok(Duration::from_millis(millis)),
        _ => Err(format!("{text:?} is out of range")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> Result<Options, String> {
        let arguments = std::iter::once(&"penstock-origin").chain(arguments);
        Arguments::try_parse_from(arguments).map(Options::from).map_err(|error| error.to_string())
    }

    fn listen(arguments: &[&str]) -> Vec<String> {
        let listen = options(arguments).unwrap().listen;
        listen.into_iter().map(|(member, address)| format!("{member}={address}")).collect()
    }

    #[test]
    fn addresses_are_read_in_any_form() {
        let written = ["-l", "x=127.0.0.1:1", "-l", "127.0.0.2:2", "-l", "3", "-l", ":4", "-l", "y=[::1]:5"];
        let believed = ["x=127.0.0.1:1", "b=127.0.0.2:2", "c=127.0.0.1:3", "d=127.0.0.1:4", "y=[::1]:5"];
        assert_eq!(listen(&written), believed);
        assert_eq!(listen(&[]), ["a=127.0.0.1:9001", "b=127.0.0.1:9002", "c=127.0.0.1:9003"]);
        assert_eq!(
            (letters(25), letters(26), letters(701), letters(702)),
            ("z".into(), "aa".into(), "zz".into(), "aaa".into())
        );
    }

    #[test]
    fn paths_stand_beside_addresses() {
        let written = ["-l", "x=unix:/tmp/x", "-l", "1", "-l", "unix:/tmp/a=b"];
        let options = options(&written).unwrap();
        assert_eq!(options.unix, [("x".to_owned(), "/tmp/x".into()), ("c".to_owned(), "/tmp/a=b".into())]);
        assert_eq!(options.listen, [("b".to_owned(), ([127, 0, 0, 1], 1).into())]);
    }

    #[test]
    fn what_is_spoken_may_have_a_size() {
        let speaks = |text| options(&["--speaks", text]).map(|options| options.speaks);
        assert_eq!(options(&[]).unwrap().speaks, Speaks::Http);
        assert_eq!(speaks("http"), Ok(Speaks::Http));
        assert_eq!(speaks("echo"), Ok(Speaks::Echo));
        assert_eq!(speaks("generate:100MiB"), Ok(Speaks::Generate { bytes: 100 << 20 }));
        assert_eq!(speaks("generate:0"), Ok(Speaks::Generate { bytes: 0 }));
        assert_eq!(speaks("slow:64KiB"), Ok(Speaks::SlowReader { bytes_per_second: 65_536 }));
        assert_eq!(speaks("slow:2k"), Ok(Speaks::SlowReader { bytes_per_second: 2000 }));
        for wrong in ["", "Echo", "echo:1", "generate", "generate:", "generate:1KB", "slow:0", "slow:-1"] {
            assert!(speaks(wrong).is_err(), "{wrong:?}");
        }
        assert!(speaks("generate:99999999999GiB").is_err());
    }

    #[test]
    fn durations_need_a_number_and_a_known_unit() {
        let idle = |text| options(&["--idle-timeout", text]).map(|options| options.idle_timeout);
        assert_eq!(idle("60s"), Ok(Some(Duration::from_secs(60))));
        assert_eq!(idle("250ms"), Ok(Some(Duration::from_millis(250))));
        assert_eq!(idle("2m"), Ok(Some(Duration::from_secs(120))));
        for wrong in ["", "s", "0s", "5x", "99999999999999999999s", "-1s"] {
            assert!(idle(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in [
            ["-l", "nonsense"],
            ["-l", "=127.0.0.1:1"],
            ["-t", "0"],
            ["--legacy", "x"],
            ["-l", "unix:"],
            ["--stats", "nonsense"],
        ] {
            assert!(options(&wrong).is_err(), "{wrong:?}");
        }
    }
}
