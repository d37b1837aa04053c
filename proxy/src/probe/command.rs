//! Implements `penstock probe`: its arguments, the URL, the progress on a terminal, and the exit code.

use std::io::{self, IsTerminal, Write};
use std::net::ToSocketAddrs;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use crate::config::Address;

use super::battery::{self, Plan};
use super::report::Report;

/// The width of the progress bar in characters.
const WIDTH: usize = 40;

/// The arguments of `penstock probe`.
#[derive(Args, Debug)]
#[command(
    after_help = "The probe sends GET, HEAD and OPTIONS requests without content. First it learns how the server answers \
each request alone. Then it sends pipelines on many connections, 2 to 64 requests deep: in one segment, cut inside of heads, \
each request in its own segment, and byte by byte. If the answer of the service repeats the query, the path or X-Request-Id, \
every request carries its own token, which makes the best test: use such a URL if you have one.\n\n\
Some servers break the order only when a request takes longer than the next one: name a slow URL with --slow.\n\n\
Exit code: 0 the server keeps the order; 1 a fault was found (drops, reorders, closes, lies); 2 nothing was shown (the \
server could not be reached, or its answers look alike).\n\n\
Try it:\n  penstock run --with-origin\n  penstock probe http://127.0.0.1:9001/echo --slow /delay/50\n\n\
docs/pipelining.md describes what can go wrong, and how penstock decides by itself."
)]
pub struct ProbeArguments {
    /// The URL to request: `http://HOST[:PORT][/PATH]`, or `unix:/path/of.sock`.
    #[arg(value_name = "URL")]
    url: String,
    /// A path or URL of the same server that takes longer. The probe requests it in front of quick ones.
    #[arg(long, value_name = "URL")]
    slow: Option<String>,
    /// About how many pipelined requests to send; every case is tried at least once.
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    requests: u32,
    /// The number of connections to use at the same time.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=4096))]
    links: u16,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the battery and prints the report.
#[must_use]
pub fn command(arguments: &ProbeArguments) -> ExitCode {
    let outcome = plan(arguments).and_then(|plan| run(&plan));
    let report = match outcome {
        Ok(report) => report,
        Err(why) => {
            print_error(&format!("penstock probe: {why}\n"));
            return ExitCode::from(2);
        }
    };
    let url = &arguments.url;
    let text = if arguments.json { format!("{:#}\n", report.json(url)) } else { report.text(url) };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // A reader that closes the pipe early (`| head`) is no error.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            print_error(&format!("penstock probe: cannot print: {error}\n"));
            ExitCode::from(2)
        }
        _ => ExitCode::from(report.exit_code()),
    }
}

fn run(plan: &Plan) -> Result<Report, String> {
    crate::net::raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start the runtime: {error}"))?;
    let shows = io::stderr().is_terminal();
    let mut progress = |sent: usize| {
        if shows {
            show(sent, plan.requests);
        }
    };
    let report = runtime.block_on(battery::run(plan, &mut progress));
    if shows {
        print_error("\r\x1b[K"); // erases the progress bar
    }
    Ok(report)
}

fn show(sent: usize, of: usize) {
    let full = WIDTH * sent.min(of) / of.max(1);
    let (done, rest) = ("#".repeat(full), " ".repeat(WIDTH - full));
    print_error(&format!("\r[{done}{rest}] {sent} of {of} requests"));
}

/// Prints an error. If that fails, the exit code must do.
fn print_error(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

fn plan(arguments: &ProbeArguments) -> Result<Plan, String> {
    let ProbeUrl { address, host, target } = place(&arguments.url)?;
    let slow = arguments.slow.as_deref().map(|slow| slow_target(slow, &host)).transpose()?;
    let (requests, links) = (arguments.requests as usize, arguments.links.into());
    Ok(Plan { address, host, target, slow, requests, links })
}

/// The parts of a URL.
#[derive(Debug)]
struct ProbeUrl {
    address: Address,
    host: String,
    target: String,
}

fn place(url: &str) -> Result<ProbeUrl, String> {
    if let Some(path) = url.strip_prefix("unix:") {
        let address = Address::Unix(Path::new(path).into());
        return Ok(ProbeUrl { address, host: "localhost".to_owned(), target: "/".to_owned() });
    }
    let (host, target) = split(url)?;
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let with_port = if has_port { host.to_owned() } else { format!("{host}:80") };
    let mut found = with_port.to_socket_addrs().map_err(|error| format!("{with_port}: {error}"))?;
    let address = found.next().ok_or_else(|| format!("{with_port} has no address"))?;
    Ok(ProbeUrl { address: address.into(), host: host.to_owned(), target: target.to_owned() })
}

fn split(url: &str) -> Result<(&str, &str), String> {
    let rest = url.strip_prefix("http://").ok_or_else(|| match url.split_once("://") {
        Some(("https", _)) => {
            "penstock cannot speak TLS yet; use an address at which the service speaks plain HTTP".to_owned()
        }
        _ => format!("`{url}` is no URL such as http://127.0.0.1:9001/"),
    })?;
    let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
    let (host, target) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
    if host.is_empty() || host.contains(['@', '?']) || !is_plain(host) || !is_plain(target) {
        return Err(format!("`{url}` is no URL such as http://127.0.0.1:9001/"));
    }
    Ok((host, if target.is_empty() { "/" } else { target }))
}

fn slow_target(slow: &str, host: &str) -> Result<String, String> {
    if slow.starts_with('/') && slow.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(slow.to_owned());
    }
    match split(slow)? {
        (other, target) if other.eq_ignore_ascii_case(host) => Ok(target.to_owned()),
        (other, _) => Err(format!("--slow has to name something on the same server: {other} is not {host}")),
    }
}

#[cfg(test)]
mod tests {
    use super::{place, slow_target, split};

    #[test]
    fn urls_are_split_into_host_and_target() {
        assert_eq!(split("http://a:1/b?c#d"), Ok(("a:1", "/b?c")));
        assert_eq!(split("http://[::1]:8080"), Ok(("[::1]:8080", "/")));
        for bad in ["a", "ftp://a/", "http://", "http:///x", "http://u@h/", "http://a/ b", "http://a?b"] {
            assert!(split(bad).unwrap_err().contains("is no URL"), "{bad}");
        }
        assert!(split("https://a/").unwrap_err().contains("TLS"));
    }

    #[test]
    fn a_place_is_an_address_with_port_80_where_none_is_named() {
        assert_eq!(place("http://127.0.0.1/x").unwrap().address.to_string(), "127.0.0.1:80");
        assert_eq!(place("http://[::1]/x").unwrap().address.to_string(), "[::1]:80");
        assert_eq!(place("http://127.0.0.1:81/x").unwrap().address.to_string(), "127.0.0.1:81");
        let unix = place("unix:/run/app.sock").unwrap();
        assert_eq!((unix.address.to_string(), unix.target), ("unix:/run/app.sock".into(), "/".into()));
    }

    #[test]
    fn what_is_slow_is_on_the_same_server() {
        assert_eq!(slow_target("/slow?x", "a:1").as_deref(), Ok("/slow?x"));
        assert_eq!(slow_target("http://A:1/slow", "a:1").as_deref(), Ok("/slow"));
        assert!(slow_target("http://b:1/slow", "a:1").unwrap_err().contains("same server"));
    }
}
