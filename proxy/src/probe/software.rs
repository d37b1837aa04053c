//! Which HTTP servers are known to keep the order of pipelined requests, and which are known to break it.
//!
//! A row is evidence about one product: the first one that a `Server` field names. It is never proof about an
//! address, because a proxy may stand in front of another server, so a probe has to pass as well. A product that is
//! not in the table is unknown, and nothing is pipelined to it by default. `docs/pipelining.md` shows the same table,
//! and a test compares the two.

/// What the table says of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Software {
    /// The product answers pipelined requests in order; a probe may be sent to it.
    KeepsOrder(&'static Entry),
    /// The product drops, reorders or refuses pipelined requests.
    Breaks(&'static Entry),
    /// The table does not name the product, or not this version of it.
    Unknown,
}

/// One row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name of the product as its `Server` field spells it; case does not matter.
    pub product: &'static str,
    /// The versions that the row is about.
    pub versions: Versions,
    /// Whether these versions answer pipelined requests in order.
    pub keeps_order: bool,
    /// Where that is known from: a CVE, the source, an issue, or a test of ours.
    pub evidence: &'static str,
}

/// A range of versions; major and minor number count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// Every version, and no version at all.
    Any,
    /// This version and those after it; a field without a version does not match.
    From(u32, u32),
    /// The versions before this one, and a field without a version.
    Before(u32, u32),
}

impl Versions {
    fn include(self, version: Option<(u32, u32)>) -> bool {
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

/// Looks the value of a `Server` field up. Only the first product counts: `Apache/2.4.62 (Debian) OpenSSL/3.0` is
/// Apache httpd.
#[must_use]
pub fn judge(server: &[u8]) -> Software {
    let Some((product, version)) = first_product(server) else { return Software::Unknown };
    let names_it = |entry: &&Entry| entry.product.as_bytes().eq_ignore_ascii_case(product);
    match TABLE.iter().filter(names_it).find(|entry| entry.versions.include(version)) {
        Some(entry) if entry.keeps_order => Software::KeepsOrder(entry),
        Some(entry) => Software::Breaks(entry),
        None => Software::Unknown,
    }
}

/// Splits `nginx/1.22.1 (Debian)` into `nginx` and 1.22. Jetty writes its version in brackets.
fn first_product(server: &[u8]) -> Option<(&[u8], Option<(u32, u32)>)> {
    let server = server.trim_ascii();
    let end = server.iter().position(|b| matches!(b, b'/' | b'(' | b' ' | b'\t')).unwrap_or(server.len());
    let (product, rest) = server.split_at(end);
    let version = rest.split_first().filter(|(b, _)| matches!(b, b'/' | b'(')).and_then(|(_, v)| numbers(v));
    (!product.is_empty()).then_some((product, version))
}

fn numbers(version: &[u8]) -> Option<(u32, u32)> {
    let mut parts = version.split(|b| !b.is_ascii_digit());
    let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<u32>().ok();
    let major = number(parts.next()?)?;
    Some((major, parts.next().and_then(number).unwrap_or(0)))
}

const fn keeps(product: &'static str, versions: Versions, evidence: &'static str) -> Entry {
    Entry { product, versions, keeps_order: true, evidence }
}

const fn breaks(product: &'static str, versions: Versions, evidence: &'static str) -> Entry {
    Entry { product, versions, keeps_order: false, evidence }
}

/// The table, in the order in which it is searched: for one product, the first row whose versions match decides.
pub const TABLE: &[Entry] = &[
    keeps("penstock-origin", Versions::Any, "the included origin; `proxy/tests/probe`"),
    keeps("nginx", Versions::Any, "1.22.1 in `proxy/tests/probe`"),
    keeps("Apache", Versions::Any, "2.4 in `proxy/tests/probe`"),
    breaks("TwistedWeb", Versions::Before(24, 7), "CVE-2023-46137"),
    keeps("TwistedWeb", Versions::From(24, 7), "fixed in 24.7.0"),
];
