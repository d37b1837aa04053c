//! The command line: what may be written, and what it means.
//! In go arguments as people write them; out come the origin's options.
//! It knows nothing of sockets beyond resolving names.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use clap::Parser;
use penstock_origin::Options;

const ROUTES: &str = "\
Routes:
  GET  /hello /json /simple          small fixed answers
  GET  /bytes/N /chunked/N           N bytes, byte i is i % 251; by Content-Length, or chunked
  GET  /until-close/N                N bytes, ended by closing
  GET  /echo                         the request as JSON; POST and PUT send the body back
  GET  /delay/MS                     answers after so many milliseconds
  GET  /status/CODE                  answers with this status, 200 to 599
  POST /add /sub /mul /div           {\"args\":[a,b]} -> {\"result\":c}
  GET  /close                        answers, then closes
  GET  /stats                        connections, requests and bytes of each listener
  any  /fault/...                    close, reset, garbage, never, surplus, partial/N, close-after/K

Example:
  penstock-origin --listen a=127.0.0.1:9001 --listen b=127.0.0.1:9002 --threads 2";

/// The origin server that comes with penstock: answers, delays, echoes, counts, misbehaves.
#[derive(Parser, Debug)]
#[command(version, after_help = ROUTES)]
pub(crate) struct Arguments {
    /// Where to listen, and as which member; may be given several times.
    ///
    /// NAME=ADDRESS:PORT, ADDRESS:PORT, NAME=PORT or PORT. Without a name the members are called a, b, c,
    /// and so on; without an address it is 127.0.0.1.
    #[arg(short, long, value_name = "[NAME=]ADDRESS", value_parser = parse_listen,
          default_values = ["a=127.0.0.1:9001", "b=127.0.0.1:9002", "c=127.0.0.1:9003"])]
    listen: Vec<Listen>,

    /// Worker threads.
    #[arg(short, long, value_name = "N", default_value_t = 1,
          value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1024))]
    threads: usize,

    /// Serve as an old service does: a blocking thread for each connection, and at most N connections on
    /// each listener; those over it are reset.
    #[arg(long, value_name = "N")]
    pub(crate) legacy: Option<usize>,

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
    address: SocketAddr,
}

impl From<Arguments> for Options {
    fn from(arguments: Arguments) -> Self {
        let listen = arguments.listen.into_iter().enumerate();
        Self {
            listen: listen
                .map(|(at, listen)| (listen.member.unwrap_or_else(|| letters(at)), listen.address))
                .collect(),
            threads: arguments.threads,
            legacy: arguments.legacy,
            idle_timeout: arguments.idle_timeout,
            backlog: arguments.backlog,
            ..Self::default()
        }
    }
}

/// a, b, ..., z, aa, ab, ...
fn letters(at: usize) -> String {
    let last = char::from(b'a' + (at % 26) as u8);
    if at < 26 { last.to_string() } else { letters(at / 26 - 1) + &last.to_string() }
}

fn parse_listen(text: &str) -> Result<Listen, String> {
    let (member, address) = match text.split_once('=') {
        Some((member, address)) => (Some(member.trim().to_owned()), address.trim()),
        None => (None, text.trim()),
    };
    if member.as_deref() == Some("") {
        return Err("the name before = is empty".to_owned());
    }
    Ok(Listen { member, address: parse_address(address)? })
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    let mut found = text.to_socket_addrs().map_err(|error| format!("{text:?}: {error}"))?;
    found.next().ok_or_else(|| format!("{text:?} has no address"))
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
        for wrong in [["-l", "nonsense"], ["-l", "=127.0.0.1:1"], ["-t", "0"], ["--legacy", "x"]] {
            assert!(options(&wrong).is_err(), "{wrong:?}");
        }
    }
}
