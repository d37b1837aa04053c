//! The command line: its arguments, and the options of an origin that they mean.

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
  GET  /websocket                    a WebSocket whose messages come back; 426 to who does not ask for one
  GET  /websocket.html               a page that sends 100 messages there and tells the result in its title
  any  /upgrade                      101 to any other Upgrade, then bytes come back until the client shuts
                                     its side; CONNECT, to whatever target, does the same
  GET  /trailers                     chunked, with trailers; to POST: the trailers it got, as JSON
  GET  /early                        103 with a Link, then 200
  GET  /old                          an answer in HTTP/1.0, ended by closing
  GET  /nodate                       an answer without Date
  any  /headers                      the request's head as it came
  any  /ntlm                         NTLM (any password): 401, 401 with a challenge, then 200 with the user's
                                     name, and so to whatever is asked on this connection from then on
  any  /fault/...                    close, reset, garbage, never, surplus, partial/N, close-after/K

Requests of lines and length-prefixed, one answer each, in order:
  echo TEXT                          -> TEXT
  add|sub|mul|div A B                -> the result, or 'error: division by zero'
  fnv TEXT                           -> FNV-1a of the text, 16 hex digits
  size N                             -> N visible bytes, byte i is 33 + i % 89
  id                                 -> the member's name and the number of the connection
  never                              is not answered, nor what follows on this connection
  toolong N                          -> N bytes and no end of the line or of what was counted
  close, reset                       close or reset without an answer
  raw HEX                            -> these bytes, with nothing around them
  anything else                      -> error: ...
and in front of a request, also several:
  tag WORD                           WORD and a blank stand before the answer
  delay MS                           takes so long, and holds a place of --at-once meanwhile
  late MS                            the answer is ready, and held back so long
  twice                              answered twice
  early MS                           answered, and after so long again, though nobody asked
  midclose                           half of the answer, then the end
  close                              the answer, then the end

What else --speaks takes (SIZE: 4096, 64KiB, 100MiB, 1GiB; k, M and G are powers of 1000):
  lines           requests and answers end with LF; with lines:crlf both end with CRLF
  length-prefixed:WIDTH[be|le][,header][,offset=N]
                  a count of 1, 2, 4 or 8 bytes (by itself: 4be) stands before each; header: it
                  includes all up to its own end; offset: N bytes stand before it, and come back
  echo            sends back what comes, and shuts its side when the client has shut its own
  discard         reads, answers nothing
  generate:SIZE   sends so many bytes at once (byte i is i % 251), shuts its side, and reads on
  total           reads until the client shuts its side, then answers: COUNT FNV1A64-IN-HEX
  slow:SIZE       reads so many bytes a second through a small buffer, answers nothing
  banner          says '220 NAME ready' first; QUIT -> '221 bye', any other line -> '250 LINE'

Examples:
  penstock-origin --listen a=127.0.0.1:9001 --listen b=unix:/tmp/b.sock --threads 2
  penstock-origin --speaks lines --listen 9001 --legacy 8
      and then: printf 'add 2 3\\ntag x delay 200 echo hi\\n' | nc -N 127.0.0.1 9001
  penstock-origin --at-once 8 --work 5ms
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
    /// each listener. Speaks http, lines or length-prefixed.
    #[arg(long, value_name = "N")]
    legacy: Option<usize>,

    /// What becomes of the connections over the legacy limit: they are reset, or wait to be accepted
    /// [default: reset with http, wait with lines and length-prefixed].
    #[arg(long, value_name = "reset|wait", value_parser = parse_over_limit, requires = "legacy")]
    over_limit: Option<OverLimit>,

    /// Each member works at K requests at once, as a service of K threads does, on however many connections
    /// they came; the others wait. Speaks http, lines or length-prefixed.
    #[arg(long, value_name = "K",
          value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    at_once: Option<usize>,

    /// What each request takes, such as 5ms or 100us [default: nothing].
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    work: Option<Duration>,

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
