//! Reads the conditions of routes: hosts, paths, methods, field values, and protocols of upgrades.

use std::net::Ipv6Addr;
use std::sync::Arc;

use serde_json::{Value, json};

use super::address::is_token;
use super::scalar::{ScalarKind, short, unexpected};
use super::settings::HostMatch;

/// The host of a request: one host, or all hosts below one.
#[derive(Debug)]
pub(super) struct HostPattern;

impl ScalarKind for HostPattern {
    type Value = HostMatch;
    const EXPECTED: &'static str = "a host such as `example.com`, `*.example.com` or `example.com:8080`";

    fn parse(text: &str) -> Result<HostMatch, String> {
        let lower = text.to_ascii_lowercase();
        let (host, port) = match lower.rsplit_once(':') {
            // A colon inside brackets belongs to an IPv6 address and starts no port.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (lower.as_str(), None),
        };
        let port = port.map_or(Some(String::new()), written_port);
        let below = host.strip_prefix("*.").filter(|host| !host.starts_with('['));
        let known = below.map_or_else(|| one_host(host), one_host).zip(port);
        let (host, port) = known.ok_or_else(|| no_host(text))?;
        let one = host + &port;
        Ok(match below {
            Some(_) => HostMatch::Below(format!(".{one}").into()),
            None => HostMatch::Exactly(one.into()),
        })
    }

    fn schema() -> Value {
        let names = format!("(\\*\\.)?{LABEL}(\\.{LABEL})*");
        let pattern = format!("^({names}|\\[[0-9A-Fa-f:.]+\\])(:[0-9]+)?$");
        json!({ "type": "string", "pattern": pattern, "maxLength": LONGEST_HOST + 8 })
    }
}

/// One label of a host name, as a regular expression.
const LABEL: &str = "[A-Za-z0-9_-]+";
/// The length limit of a host name in bytes: RFC 1035 section 2.3.4 without the first length byte and the
/// root.
const LONGEST_HOST: usize = 253;

/// Returns a host as requests write it: a name, or an IPv6 address in brackets in the form of RFC 5952.
fn one_host(host: &str) -> Option<String> {
    if let Some(address) = host.strip_prefix('[') {
        let address: Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let label = |label: &str| !label.is_empty() && label.bytes().all(letter);
    (host.len() <= LONGEST_HOST && host.split('.').all(label)).then(|| host.to_owned())
}

/// Returns a port as requests write it, including the colon.
fn written_port(port: &str) -> Option<String> {
    let digits = port.bytes().all(|b| b.is_ascii_digit());
    let port = port.parse::<u16>().ok().filter(|port| digits && *port > 0)?;
    Some(format!(":{port}"))
}

fn no_host(text: &str) -> String {
    let hint = match text {
        "*" | "*.*" => "; `any` is every host",
        _ if text.contains("://") => "; leave out what is before the host",
        _ if text.contains('/') => "; the path belongs into `path_prefix`",
        _ if text.parse::<Ipv6Addr>().is_ok() => "; an IPv6 address wants brackets and quotes: \"[::1]\"",
        _ if text.contains('*') => "; a `*` stands for what is before the first dot, and for nothing else",
        _ if text.ends_with('.') => "; without the dot at its end",
        _ if !text.is_ascii() => "; requests encode such names in ASCII (`xn--`)",
        _ => "",
    };
    unexpected::<HostPattern>(text) + hint
}

/// The beginning of a path, without a `/` at its end. The empty text stands for `/` and matches all paths.
#[derive(Debug)]
pub(super) struct PathPrefix;

impl ScalarKind for PathPrefix {
    type Value = Arc<str>;
    const EXPECTED: &'static str = "the beginning of a path such as `/v1`";

    fn parse(text: &str) -> Result<Arc<str>, String> {
        let shown = short(text);
        if !text.starts_with('/') {
            return Err(unexpected::<Self>(text) + "; it begins with `/`");
        }
        if text.contains(['?', '#']) {
            return Err(format!(
                "`{shown}`: only the path is looked at, not what stands behind a `?` or `#`"
            ));
        }
        if text.contains('*') {
            return Err(format!(
                "`{shown}`: a `*` has no meaning here; every path with this beginning matches"
            ));
        }
        if let Some(other) = text.chars().find(|c| !c.is_ascii_graphic()) {
            return Err(format!("`{shown}`: requests encode `{other}` as {}", in_percent(other)));
        }
        // `/v1` and `/v1/` mean the same, and the root becomes the empty text.
        let path = text.strip_suffix('/').unwrap_or(text);
        if path.ends_with('/') {
            return Err(format!("`{shown}` ends with an empty segment; one `/` at the end is enough"));
        }
        Ok(path.into())
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^/([!\"$-)+->@-~]*[!\"$-)+-.0->@-~]/?)?$" })
    }
}

/// Percent-encodes a character (RFC 3986 section 2.1).
fn in_percent(c: char) -> String {
    c.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// A method.
#[derive(Debug)]
pub(super) struct MethodWord;

/// The methods of RFC 9110 section 9.3 and RFC 5789. Another spelling of them in the file is a mistake, since
/// no registered method differs from them in case only.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

impl ScalarKind for MethodWord {
    type Value = Arc<str>;
    const EXPECTED: &'static str = "a method such as `GET`, or a list of them";

    fn parse(text: &str) -> Result<Arc<str>, String> {
        if !is_token(text) {
            return Err(unexpected::<Self>(text));
        }
        let known = METHODS.iter().find(|method| method.eq_ignore_ascii_case(text));
        match known {
            Some(method) if *method != text => {
                Err(format!("`{text}`: methods are case-sensitive; write `{method}`"))
            }
            _ => Ok(text.into()),
        }
    }

    fn schema() -> Value {
        let small = METHODS.map(str::to_ascii_lowercase).join("|");
        json!({ "type": "string", "pattern": format!("^(?!(any|{small})$){TOKEN}$") })
    }
}

/// A token (RFC 9110 section 5.6.2), as a regular expression.
const TOKEN: &str = "[A-Za-z0-9!#$%&'*+.^_`|~-]+";

/// The value of a field, without the space around it (RFC 9110 section 5.5).
#[derive(Debug)]
pub(super) struct FieldValue;

impl ScalarKind for FieldValue {
    type Value = Arc<str>;
    const EXPECTED: &'static str = "the value of a field";

    fn parse(text: &str) -> Result<Arc<str>, String> {
        if text.contains(|c: char| c.is_ascii_control() && c != '\t') {
            return Err(format!(
                "`{}` contains a control character, which no field may contain",
                short(text)
            ));
        }
        // Requests are compared without surrounding space, so that such a value would never match.
        if text != text.trim_matches([' ', '\t']) {
            return Err(format!("`{}`: a value cannot begin or end with a space", short(text)));
        }
        Ok(text.into())
    }

    /// Describes numbers and truth values too, because YAML reads some field values as such.
    fn schema() -> Value {
        json!({ "anyOf": [
            { "type": ["number", "boolean"] },
            { "type": "string", "pattern": "^(?![ \\t])[^\\u0000-\\u0008\\u000a-\\u001f\\u007f]*(?<![ \\t])$" },
        ] })
    }
}

/// A protocol that a connection may be upgraded to (RFC 9110 section 7.8), in lower case, or the word for all
/// of them.
#[derive(Debug)]
pub(super) struct UpgradeTo;

impl ScalarKind for UpgradeTo {
    type Value = Arc<str>;
    const EXPECTED: &'static str = "a protocol such as `websocket`, or a list of them";

    fn parse(text: &str) -> Result<Arc<str>, String> {
        let (name, version) = text.split_once('/').unwrap_or((text, "1"));
        let protocol = is_token(name) && is_token(version);
        if protocol { Ok(text.to_ascii_lowercase().into()) } else { Err(unexpected::<Self>(text)) }
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": format!("^(?!(any|off)$){TOKEN}(/{TOKEN})?$") })
    }
}
