//! Writes the JSON of `/echo` and `/stats`: a request's head, and the counters.

use std::borrow::Cow;
use std::net::SocketAddr;

use serde::Serialize;

use crate::head::Head;
use crate::stats::{ListenerStats, Stats};

#[derive(Serialize)]
struct Echo<'a> {
    method: &'a str,
    target: &'a str,
    headers: Vec<(&'a str, Cow<'a, str>)>,
    /// The client's address; `None` on a Unix socket without a PROXY header.
    source: Option<SocketAddr>,
}

/// Returns a request's head as JSON. Bytes that are not UTF-8 become replacement characters.
pub(crate) fn request(head: &Head<'_, '_>, source: Option<SocketAddr>) -> Vec<u8> {
    let headers = head.fields.iter().map(|field| (field.name, String::from_utf8_lossy(field.value)));
    json(&Echo { method: head.method, target: head.target, headers: headers.collect(), source })
}

#[derive(Serialize)]
struct Trailers<'a> {
    trailers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// Returns a request's trailers as JSON. Bytes that are not UTF-8 become replacement characters.
pub(crate) fn trailers(lines: &[Vec<u8>]) -> Vec<u8> {
    let fields = lines.iter().filter_map(|line| line.split_at_checked(memchr::memchr(b':', line)?));
    let text = |bytes: &'_ [u8]| String::from_utf8_lossy(bytes.trim_ascii()).into_owned();
    let trailers = fields.map(|(name, value)| (text(name).into(), text(&value[1..]).into()));
    json(&Trailers { trailers: trailers.collect() })
}

#[derive(Serialize)]
struct Report<'a> {
    note: &'static str,
    listeners: &'a [ListenerStats],
    total: ListenerStats,
}

/// Returns the counters as JSON.
pub(crate) fn stats(stats: &Stats) -> Vec<u8> {
    let note = "requests are answers completed, those to /stats excluded; bytes are all on the connections, \
                those of /stats included and PROXY headers excluded; accepted does not include refused; clients are \
                the last 1,000, and none where a member speaks HTTP without PROXY headers";
    json(&Report { note, listeners: &stats.listeners, total: stats.total() })
}

fn json(value: &impl Serialize) -> Vec<u8> {
    // Serializing fails only for maps with keys other than strings, which these values do not have.
    serde_json::to_vec(value).unwrap_or_default()
}
