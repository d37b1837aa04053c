//! Defines the options of `penstock-bench peers`.

use std::path::PathBuf;

use clap::Args;

use super::peer::Peer;

const MORE: &str = "\
Proxies: direct (none), penstock (its defaults), penstock-pipelined (told that members keep order: `pipeline: 32`),
penstock-before (another build, PENSTOCK_BEFORE_BIN), nginx, haproxy, haproxy-few (32
connections for each server, requests wait), envoy, caddy, pingora (pingora-lb: http|tcp LISTEN THREADS MEMBER...), twemproxy (Redis only). Their programs are taken from PENSTOCK_BIN,
NGINX_BIN, HAPROXY_BIN, ENVOY_BIN, CADDY_BIN, PINGORA_BIN and NUTCRACKER_BIN, else from beside penstock-bench and from PATH; the
origin from PENSTOCK_ORIGIN_BIN and REDIS_BIN. A proxy that is not installed is named and skipped, or is a mistake if --peers
names it.

Before any load, each proxy is checked: its answers come from the origin, a source keeps its member, members are told the
source's address, and clients share connections to members. Then each round starts every proxy anew, in an order that turns,
loads it for a second, and measures --seconds. The proxy has CPUs of its own, one for each worker; origin and generator have the
other half of the machine, whatever the number of workers. All clients have addresses of their own and check every answer.

Examples:
  penstock-bench peers                                the table of the README; about 10 minutes
  penstock-bench peers http-c64 --rounds 1 --seconds 1
  penstock-bench peers slow redis lines               slow answers among quick ones, Redis, a service of 8 connections
  penstock-bench peers --peers penstock,nginx --workers 1,2,4 http-c1000
  penstock-bench peers --html report.html --json report.json > report.md

Ctrl-C ends the run and reports what was measured. Exit status: 0 if all was measured and no answer was wrong, 1 if not, 2 for bad
arguments, 3 if a proxy does not do what it should, 4 if this machine lacks something, 130 after Ctrl-C.";

/// Options of `penstock-bench peers`.
#[derive(Args, Debug)]
#[command(after_help = MORE)]
pub(crate) struct Options {
    /// The loads: names, beginnings of names, or `all` [default: http-c1, -c64, -c1000, -c10000, tcp-c64]
    pub(super) scenarios: Vec<String>,
    /// The proxies, with commas [default: all that are installed]
    #[arg(short, long, value_delimiter = ',', value_parser = peer)]
    pub(super) peers: Vec<Peer>,
    /// The number of rounds
    #[arg(short, long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) rounds: u16,
    /// The length of each window in seconds
    #[arg(short, long, default_value_t = 3.0, value_parser = seconds)]
    pub(super) seconds: f64,
    /// The numbers of workers of the proxies, with commas: how they use further cores
    #[arg(short, long, value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) workers: Vec<u16>,
    /// The port that the proxies listen on; 0 for any free one
    #[arg(long, default_value_t = 0)]
    pub(super) port: u16,
    /// Also write the report as a page of HTML
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Also write all records as JSON
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// List the loads and the proxies that are installed, and end
    #[arg(short, long)]
    pub(super) list: bool,
}

fn peer(name: &str) -> Result<Peer, String> {
    Peer::of(name).ok_or_else(|| format!("there are {}", Peer::ALL.map(Peer::name).join(", ")))
}

/// Parses the length of a window, which needs some requests in it.
pub(crate) fn seconds(written: &str) -> Result<f64, String> {
    match written.parse() {
        Ok(seconds) if (0.2..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0.2 to 3600".to_owned()),
    }
}
