//! Lists the HTTP servers that are known to keep or to break the order of pipelined requests.
//!
//! A row is evidence about one product, the first one that a `Server` field names. It proves nothing about an
//! address, because a proxy may be in front of another server, so a probe has to pass as well. A product that
//! is not in the table is unknown, and nothing is pipelined to it by default. `docs/pipelining.md` shows the
//! same table, and a test compares the two.

/// The table's entry for a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Software {
    /// The product answers pipelined requests in order, so that a probe may be sent.
    KeepsOrder(&'static SoftwareEntry),
    /// The product drops, reorders or refuses pipelined requests.
    Breaks(&'static SoftwareEntry),
    /// The table does not contain the product, or not this version of it.
    Unknown,
}

/// One row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct SoftwareEntry {
    /// The name of the product in its `Server` field, in any case.
    pub product: &'static str,
    /// The versions that the row covers.
    pub versions: Versions,
    /// Whether these versions answer pipelined requests in order.
    pub keeps_order: bool,
    /// The source of this knowledge: a CVE, the code, an issue, or a test.
    pub evidence: &'static str,
}

/// A range of versions, of which major and minor number count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// Every version, and a field without a version.
    Any,
    /// This version and later ones. A field without a version does not match.
    From(u32, u32),
    /// Earlier versions than this one, and a field without a version.
    Before(u32, u32),
}

/// The major and minor number.
type Version = (u32, u32);

impl Versions {
    fn include(self, version: Option<Version>) -> bool {
        match self {
            Self::Any => true,
            Self::From(major, minor) => version.is_some_and(|v| v >= (major, minor)),
            Self::Before(major, minor) => version.is_none_or(|v| v < (major, minor)),
        }
    }
}

impl std::fmt::Display for Versions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::From(major, minor) => write!(f, "{major}.{minor} and later"),
            Self::Before(major, minor) => write!(f, "before {major}.{minor}, or not told"),
        }
    }
}

/// Looks up the value of a `Server` field. Only the first product counts: `Apache/2.4.62 (Debian)
/// OpenSSL/3.0` is Apache httpd.
#[must_use]
pub fn judge(server: &[u8]) -> Software {
    let Some((product, version)) = first_product(server) else { return Software::Unknown };
    let names_it = |entry: &&SoftwareEntry| entry.product.as_bytes().eq_ignore_ascii_case(product);
    match TABLE.iter().filter(names_it).find(|entry| entry.versions.include(version)) {
        Some(entry) if entry.keeps_order => Software::KeepsOrder(entry),
        Some(entry) => Software::Breaks(entry),
        None => Software::Unknown,
    }
}

/// Splits `nginx/1.22.1 (Debian)` into `nginx` and 1.22. Jetty puts its version in brackets.
fn first_product(server: &[u8]) -> Option<(&[u8], Option<Version>)> {
    let server = server.trim_ascii();
    let end = server.iter().position(|b| matches!(b, b'/' | b'(' | b' ' | b'\t')).unwrap_or(server.len());
    let (product, rest) = server.split_at(end);
    let version = rest.split_first().filter(|(b, _)| matches!(b, b'/' | b'(')).and_then(|(_, v)| numbers(v));
    (!product.is_empty()).then_some((product, version))
}

fn numbers(version: &[u8]) -> Option<Version> {
    let mut parts = version.split(|b| !b.is_ascii_digit());
    let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<u32>().ok();
    let major = number(parts.next()?)?;
    Some((major, parts.next().and_then(number).unwrap_or(0)))
}

const fn keeps(product: &'static str, versions: Versions, evidence: &'static str) -> SoftwareEntry {
    SoftwareEntry { product, versions, keeps_order: true, evidence }
}

const fn breaks(product: &'static str, versions: Versions, evidence: &'static str) -> SoftwareEntry {
    SoftwareEntry { product, versions, keeps_order: false, evidence }
}

/// The table in the order of search: the first row of a product whose versions match decides.
///
/// "Battery" stands for a run of `penstock probe` with at least 1,500 requests against that version, with
/// `--slow` if the server runs programs. Tests repeat the runs for servers that are in Debian.
pub static TABLE: &[SoftwareEntry] = &[
    keeps("penstock-origin", Versions::Any, "the included origin; tests in `proxy/tests/it/probe`"),
    keeps(
        "nginx",
        Versions::Any,
        "serves a connection's next request when the last has ended (`ngx_http_set_keepalive`); 1.22.1 in `proxy/tests/external/probe.rs`",
    ),
    keeps("openresty", Versions::Any, "the core of nginx"),
    keeps(
        "Apache",
        Versions::Any,
        "one request at a time on a connection (`ap_process_http_sync_connection`); 2.4 in `proxy/tests/external/probe.rs`",
    ),
    keeps("lighttpd", Versions::From(1, 4), "battery against 1.4.69"),
    keeps(
        "Caddy",
        Versions::Any,
        "Go's `net/http` serves a connection's requests one after the other; battery against 2.6.2",
    ),
    keeps("h2o", Versions::From(2, 2), "battery against 2.2.5"),
    keeps(
        "envoy",
        Versions::Any,
        "a request is processed fully before the next one (maintainer in envoyproxy/envoy#10978)",
    ),
    keeps(
        "Jetty",
        Versions::Any,
        "a pipelined request is not processed before the last answer is sent (maintainers in jetty.project#3896 and on jetty-users, July 2019)",
    ),
    keeps(
        "Kestrel",
        Versions::Any,
        "does not start the next request until the current one finishes (maintainer in dotnet/aspnetcore#37024)",
    ),
    keeps(
        "node",
        Versions::Any,
        "answers wait in a queue of the connection (`outgoing` in `lib/_http_server.js`); 20 in `proxy/tests/external/probe.rs`",
    ),
    keeps("nodejs", Versions::Any, "as node"),
    keeps("Node.js", Versions::Any, "as node"),
    keeps(
        "uvicorn",
        Versions::Any,
        "pipelines were put in order in 2018 (Kludex/uvicorn#115, #116); battery against 0.54.0",
    ),
    keeps("hypercorn-h11", Versions::Any, "battery against 0.18.0"),
    keeps(
        "gunicorn",
        Versions::Any,
        "one thread at a time has a connection; battery against 27.0.1 with threads",
    ),
    keeps("waitress", Versions::Any, "battery against 3.0.2"),
    keeps("TornadoServer", Versions::From(6, 6), "battery against 6.6.1"),
    keeps("TwistedWeb", Versions::From(24, 7), "CVE-2024-41671 is fixed in 24.7.0; battery against 26.10.0"),
    breaks(
        "TwistedWeb",
        Versions::Before(24, 7),
        "answers out of order: CVE-2023-46137 (before 23.10.0), CVE-2024-41671 (before 24.7.0); 23.8.0 fails the battery. A patched package, as Debian's 22.4.0-4+deb12u1, which passes, names the same version",
    ),
    breaks(
        "cpp-httplib",
        Versions::Any,
        "drops what it has read behind a request (yhirose/cpp-httplib#1271: not supported); 0.11.4 in `proxy/tests/external/probe.rs`",
    ),
    breaks(
        "libwebsockets",
        Versions::Any,
        "answers the first request of a read only (warmcat/libwebsockets#638)",
    ),
    breaks("pistache", Versions::Any, "drops what it has read behind a request (pistacheio/pistache#1034)"),
    breaks("swoole-http-server", Versions::Any, "a later answer may be sent first (swoole/swoole-src#6220)"),
    breaks(
        "WebSEAL",
        Versions::Any,
        "does not support pipelines and closes the connection (IBM: `cope-with-pipelined-request`)",
    ),
    breaks(
        "Apache-Coyote",
        Versions::Any,
        "Tomcat 7.0.0 to 7.0.11 mixed answers up (CVE-2011-1475), and the field does not tell the version",
    ),
    breaks(
        "BaseHTTP",
        Versions::Any,
        "closes after each answer unless told otherwise (Python's `http.server`: `protocol_version` is HTTP/1.0)",
    ),
    breaks("SimpleHTTP", Versions::Any, "as BaseHTTP"),
    breaks("WSGIServer", Versions::Any, "as BaseHTTP, on which `wsgiref` stands"),
];
