//! The table of software: what it makes of `Server` fields, and that `docs/pipelining.md` shows the same rows.

use penstock::probe::{Software, SoftwareEntry, TABLE, judge};

fn verdict(server: &str) -> &'static str {
    match judge(server.as_bytes()) {
        Software::KeepsOrder(_) => "keeps",
        Software::Breaks(_) => "breaks",
        Software::Unknown => "unknown",
    }
}

#[test]
fn the_first_product_and_its_version_decide() {
    for (server, expected) in [
        ("nginx", "keeps"),
        ("nginx/1.22.1", "keeps"),
        ("NGINX/1.27.0 (Ubuntu)", "keeps"),
        ("openresty/1.25.3.1", "keeps"),
        ("Apache", "keeps"),
        ("Apache/2.4.62 (Debian) OpenSSL/3.0.15 mod_wsgi/4.9", "keeps"),
        ("penstock-origin", "keeps"),
        ("node", "keeps"),
        ("Node.js", "keeps"),
        ("nodejs/20.11", "keeps"),
        ("Jetty(9.4.57.v20241219)", "keeps"),
        ("Jetty", "keeps"),
        ("Kestrel", "keeps"),
        ("uvicorn", "keeps"),
        ("lighttpd/1.4.69", "keeps"),
        ("lighttpd", "unknown"),
        ("lighttpd/1.3", "unknown"),
        ("h2o/2.2.5", "keeps"),
        ("TornadoServer/5.1", "unknown"),
        ("TornadoServer/6.6.1", "keeps"),
        ("TwistedWeb/23.8.0", "breaks"),
        ("TwistedWeb/22.4.0", "breaks"),
        ("TwistedWeb/24.3.0", "breaks"),
        ("TwistedWeb/24.7.0", "keeps"),
        ("TwistedWeb/26.10.0", "keeps"),
        ("TwistedWeb/24", "breaks"),
        ("TwistedWeb", "breaks"),
        ("TwistedWeb/[twisted.web2, version 0.2]", "breaks"),
        ("cpp-httplib/0.53.0", "breaks"),
        ("libwebsockets", "breaks"),
        ("Apache-Coyote/1.1", "breaks"),
        ("BaseHTTP/0.6 Python/3.11.2", "breaks"),
        ("Python/3.11 aiohttp/3.14.5", "unknown"),
        ("Werkzeug/3.0.1 Python/3.11.2", "unknown"),
        ("Microsoft-IIS/10.0", "unknown"),
        ("daphne", "unknown"),
        ("Cheroot/11.1.2", "unknown"),
        ("nginxx", "unknown"),
        ("my nginx", "unknown"),
        ("(nginx)", "unknown"),
        ("/1.1", "unknown"),
        ("", "unknown"),
        ("  nginx/1.0  ", "keeps"),
        ("\u{ff}nginx", "unknown"),
        ("TwistedWeb/99999999999999999999.1", "breaks"),
    ] {
        assert_eq!(verdict(server), expected, "{server:?}");
    }
}

fn row(entry: &SoftwareEntry) -> String {
    let SoftwareEntry { product, versions, keeps_order, evidence } = entry;
    let verdict = if *keeps_order { "yes" } else { "**no**" };
    format!("| `{product}` | {versions} | {verdict} | {evidence} |")
}

/// After a change of the table: `PENSTOCK_WRITE_DOCS=1 cargo test -p penstock --test it probe::table`.
#[test]
fn the_page_shows_the_table() {
    const BEGIN: &str =
        "| `Server` begins with | versions | keeps the order | known from |\n|---|---|---|---|\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/pipelining.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let length: usize =
        rest.lines().take_while(|line| line.starts_with('|')).map(|line| line.len() + 1).sum();
    let rows: String = TABLE.iter().map(|entry| row(entry) + "\n").collect();
    if std::env::var_os("PENSTOCK_WRITE_DOCS").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{rows}{}", &rest[length..])).unwrap();
    } else {
        assert_eq!(&rest[..length], rows, "docs/pipelining.md is stale; PENSTOCK_WRITE_DOCS=1 writes it");
    }
}

#[test]
fn every_row_has_evidence_and_can_be_reached() {
    for entry in TABLE {
        assert!(!entry.evidence.is_empty() && !entry.evidence.contains('|'), "{entry:?}");
        let product = entry.product;
        assert!(product.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)), "{product}");
        let versions = ["", "/0.1", "/1.4", "/2.2", "/6.6", "/24.7"];
        let found = versions.map(|version| judge(format!("{product}{version}").as_bytes()));
        let is_found = |software: &Software| match software {
            Software::KeepsOrder(found) | Software::Breaks(found) => std::ptr::eq(*found, entry),
            Software::Unknown => false,
        };
        assert!(found.iter().any(is_found), "no version of {product} leads to {entry:?}");
    }
}
