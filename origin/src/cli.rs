//! Defines the command line, and converts its arguments to the options of an origin.

mod values;

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use penstock_origin::{Address, Options, OverLimit, Speaks};

use self::values::{parse_address, parse_duration, parse_over_limit, parse_speaks};

const MORE: &str = "\
Routes of http:
  GET  /hello /json /simple          small fixed answers
  GET  /bytes/N /chunked/N           N bytes, byte i is i % 251; by Content-Length, or chunked
  GET  /until-close/N                N bytes, ended by closing
  GET  /echo                         the request as JSON; POST and PUT send the body back
  GET  /delay/MS                     answers after so many milliseconds
  GET  /mixed?slow=1/100&ms=200      each 100th answer takes 200 ms, the others come at once
  GET  /status/CODE                  answers with this status, 200 to 599
  POST /add /sub /mul /div           {\"args\":[a,b]} -> {\"result\":c}
  GET  /close                        answers, then closes
  GET  /stats                        connections, requests, bytes and clients of each member
  GET  /websocket                    a WebSocket that echoes messages; 426 without an upgrade
  GET  /websocket.html               a page that sends 100 messages there and shows the result in its title
  any  /upgrade                      101 to any other Upgrade, then an echo of all bytes until the client
                                     shuts its side; CONNECT to any target does the same
  GET  /trailers                     chunked, with trailers; POST answers with the request's trailers as JSON
  GET  /early                        103 with a Link, then 200
  GET  /old                          an answer in HTTP/1.0, ended by closing
  GET  /nodate                       an answer without Date
  any  /headers                      the request's head as it came
  any  /ntlm                         NTLM (any password): 401, 401 with a challenge, then 200 with the user's
                                     name, also for all further requests on this connection
  any  /fault/...                    close, reset, garbage, never, surplus, partial/N, close-after/K

Requests of lines and length-prefixed, one answer each, in order:
  echo TEXT                          -> TEXT
  add|sub|mul|div A B                -> the result, or 'error: division by zero'
  fnv TEXT                           -> FNV-1a of the text, 16 hex digits
  size N                             -> N visible bytes, byte i is 33 + i % 89
  id                                 -> the member's name and the number of the connection
  never                              no answer to this and to all further requests on this connection
  toolong N                          -> N bytes without the end of the line or of the frame
  close, reset                       close or reset without an answer
  raw HEX                            -> these bytes, with nothing around them
  anything else                      -> error: ...
One or more of these words may stand in front of a request:
  tag WORD                           the answer begins with WORD and a blank
  delay MS                           takes MS milliseconds, and holds a place of --at-once meanwhile
  late MS                            holds the finished answer back for MS milliseconds
  twice                              sends the answer twice
  early MS                           sends the answer, and once more MS milliseconds later
  midclose                           sends half of the answer, then closes
  close                              sends the answer, then closes

Other values of --speaks (SIZE: 4096, 64KiB, 100MiB, 1GiB; k, M and G are powers of 1000):
  lines           requests and answers end with LF; with lines:crlf both end with CRLF
  length-prefixed:WIDTH[be|le][,header][,offset=N]
                  each frame begins with a count of 1, 2, 4 or 8 bytes (default 4be); header: the
                  count includes itself and the bytes before it; offset: N bytes come before
                  the count, and the answer repeats them
  echo            sends all bytes back, and shuts its side when the client has shut its own
  discard         reads and answers nothing
  generate:SIZE   sends SIZE bytes at once (byte i is i % 251), shuts its side, and reads on
  total           reads until the client shuts its side, then answers: COUNT FNV1A64-IN-HEX
  slow:SIZE       reads SIZE bytes per second through a small buffer, and answers nothing
  banner          sends '220 NAME ready' first; QUIT -> '221 bye', any other line -> '250 LINE'

Examples:
  penstock-origin --listen a=127.0.0.1:9001 --listen b=unix:/tmp/b.sock --threads 2
  penstock-origin --speaks lines --listen 9001 --legacy 8
      and then: printf 'add 2 3\\ntag x delay 200 echo hi\\n' | nc -N 127.0.0.1 9001
  penstock-origin --at-once 8 --work 5ms
  penstock-origin --speaks echo --proxy-protocol --listen 9001 --stats 9100
      and then: printf 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\\r\\nhi' | nc -N 127.0.0.1 9001
                curl http://127.0.0.1:9100/stats";

/// The origin server that comes with penstock: it answers, delays, echoes, counts and misbehaves.
#[derive(Parser, Debug)]
#[command(version, after_help = MORE)]
pub(crate) struct Arguments {
    /// An address to listen on, and the member's name; may be given several times.
    ///
    /// Write NAME=ADDRESS:PORT, ADDRESS:PORT, NAME=PORT, PORT, or unix:PATH in place of the address. The default
    /// names are a, b, c, and so on; the default address is 127.0.0.1.
    #[arg(short, long, value_name = "[NAME=]ADDRESS", value_parser = parse_listen,
          default_values = ["a=127.0.0.1:9001", "b=127.0.0.1:9002", "c=127.0.0.1:9003"])]
    listen: Vec<Listen>,

    /// The protocol of all members; see below.
    #[arg(short, long, value_name = "WHAT", default_value = "http", value_parser = parse_speaks)]
    speaks: Speaks,

    /// Require a PROXY header, version 1 or 2, at the start of every connection, and close the others. /echo and
    /// /stats then show the address in the header as the client's.
    #[arg(long)]
    proxy_protocol: bool,

    /// Answer HTTP on this address too, without a PROXY header. This gives access to /stats if the members speak
    /// another protocol.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    stats: Option<SocketAddr>,

    /// The number of worker threads.
    #[arg(short, long, value_name = "N", default_value_t = 1,
          value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1024))]
    threads: usize,

    /// Behave like an old service, with a blocking thread for each connection and at most N connections on
    /// each listener. Works with http, lines and length-prefixed.
    #[arg(long, value_name = "N")]
    legacy: Option<usize>,

    /// Reset the connections over the legacy limit, or let them wait to be accepted
    /// [default: reset with http, wait with lines and length-prefixed].
    #[arg(long, value_name = "reset|wait", value_parser = parse_over_limit, requires = "legacy")]
    over_limit: Option<OverLimit>,

    /// Let each member work on K requests at a time, as a service of K threads does, whatever their connections;
    /// further requests wait. Works with http, lines and length-prefixed.
    #[arg(long, value_name = "K",
          value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    at_once: Option<usize>,

    /// The time that each request takes, such as 5ms or 100us [default: none].
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    work: Option<Duration>,

    /// Close connections that have been silent for this time, such as 60s, 500ms or 5m [default: never].
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    idle_timeout: Option<Duration>,

    /// The number of connections that may wait to be accepted on each listener.
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
            over_limit: arguments.over_limit,
            at_once: arguments.at_once,
            work: arguments.work.unwrap_or_default(),
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

#[cfg(test)]
mod tests;
