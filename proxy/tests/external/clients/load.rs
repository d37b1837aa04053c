//! wrk and ApacheBench: many clients at once, kept and not kept, HTTP/1.1 and HTTP/1.0.
//!
//! The proxy has to have counted what they counted, to the request and the byte.

use crate::clients::front::{Front, pattern};
use crate::support::child::Run;
use crate::support::program::Program;

const WRK: Program = Program::new("wrk", "wrk");
const AB: Program = Program::new("ab", "apache2-utils");
const SUMMARY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/external/clients/wrk/summary.lua");

/// The number that stands behind this in what was said.
#[track_caller]
fn number(said: &str, name: &str) -> u64 {
    let line = said.lines().find_map(|line| line.trim_start().strip_prefix(name));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("no {name} in {said}"))
}

#[test]
fn wrk_finds_no_fault() {
    const CONNECTIONS: u64 = 50;
    let Some(front) = Front::before(&[WRK]) else { return };
    let run = Run::new(WRK, front.path()).args(&format!("-t2 -c{CONNECTIONS} -d2s -s")).arg(SUMMARY);
    let said = run.arg(front.url("/bytes/1000")).succeed();
    let (requests, bytes) = (number(&said, "requests "), number(&said, "bytes "));
    assert!(requests > 0 && number(&said, "errors ") == 0, "{said}");
    // Whatever the head is: it leaves when the time is up, with one request open on each connection.
    assert!(bytes > requests * 1000 && bytes < (requests + CONNECTIONS) * 1300, "{said}");
    front.carried_at_least(requests, CONNECTIONS);
}

/// What ab said, all of which was answered with 200 and a content of this length.
#[track_caller]
fn ab(front: &Front, options: &str, path: &str, requests: u64, length: u64) -> String {
    let run = Run::new(AB, front.path()).args(&format!("-q -n {requests} -c 20 {options}"));
    let said = run.arg(front.url(path)).succeed();
    assert_eq!(number(&said, "Complete requests:"), requests, "{said}");
    assert_eq!(number(&said, "Failed requests:"), 0, "{said}");
    assert_eq!(number(&said, "HTML transferred:"), requests * length, "{said}");
    assert!(!said.contains("Non-2xx"), "{said}");
    said
}

/// It speaks HTTP/1.0, and asks to keep the connection.
#[test]
fn ab_keeps_its_connections() {
    let Some(front) = Front::before(&[AB]) else { return };
    let said = ab(&front, "-k", "/hello", 2000, 13);
    assert_eq!(number(&said, "Keep-Alive requests:"), 2000, "{said}");
    front.counts("penstock_client_connections_accepted_total", "", 20..=20);
    front.carried(2000);
}

#[test]
fn ab_comes_anew_for_each_request() {
    let Some(front) = Front::before(&[AB]) else { return };
    ab(&front, "", "/chunked/20000", 1000, 20_000);
    // It may connect once more than it needs, for each of the others that are under way.
    front.counts("penstock_client_connections_accepted_total", "", 1000..=1019);
    front.carried(1000);
}

#[test]
fn ab_sends_bodies() {
    let Some(front) = Front::before(&[AB]) else { return };
    front.directory().write("body", pattern(10_000));
    let said = ab(&front, "-k -p body -T text/plain", "/echo", 500, 10_000);
    assert_eq!(number(&said, "Keep-Alive requests:"), 500, "{said}");
    front.carried(500);
}
