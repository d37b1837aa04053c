//! Words that say who: addresses and names.
//! In: the word. Out: a socket address, the name of a backend, a token for `Via`; or how it should read.
//! Knows nothing of whether anyone has that address or that name.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};

use super::scalar::{Kind, unexpected};
use super::table::{NAME, is_name};

/// An address to listen on; port 0 lets the kernel choose.
#[derive(Debug)]
pub(super) struct Bind;

impl Kind for Bind {
    type Value = SocketAddr;
    const EXPECTED: &'static str = "an address such as `127.0.0.1:8080`";

    fn parse(text: &str) -> Result<SocketAddr, String> {
        text.parse().map_err(|_| match text.strip_prefix(':').or_else(|| text.strip_prefix("*:")) {
            Some(port) if port.parse::<u16>().is_ok() => {
                format!("`{text}` has no IP address; write `0.0.0.0:{port}` for every interface")
            }
            _ => unexpected_address::<Self>(text),
        })
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^([0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+|\\[[0-9A-Fa-f:.%]+\\]):[0-9]+$" })
    }
}

/// The address of a member.
#[derive(Debug)]
pub(super) struct Address;

impl Kind for Address {
    type Value = SocketAddr;
    const EXPECTED: &'static str = "an address such as `127.0.0.1:9001`";

    fn parse(text: &str) -> Result<SocketAddr, String> {
        let address: SocketAddr = text.parse().map_err(|_| unexpected_address::<Self>(text))?;
        match address {
            _ if address.port() == 0 => Err(format!("`{text}`: nobody listens on port 0")),
            _ if address.ip().is_unspecified() => {
                Err(format!("`{text}` is nobody's address; write the member's own"))
            }
            _ => Ok(address),
        }
    }

    fn schema() -> Value {
        Bind::schema()
    }
}

fn unexpected_address<K: Kind>(text: &str) -> String {
    let missing = match text.rsplit_once(':') {
        _ if text.parse::<IpAddr>().is_ok() => "; the port is missing",
        Some((host, port))
            if port.parse::<u16>().is_ok() && host.contains(char::is_alphabetic) && !host.contains(':') =>
        {
            "; names are not looked up"
        }
        _ => "",
    };
    unexpected::<K>(text) + missing
}

/// The name of something in the same file.
#[derive(Debug)]
pub(super) struct Reference;

impl Kind for Reference {
    type Value = String;
    const EXPECTED: &'static str = "the name of a backend";

    fn parse(text: &str) -> Result<String, String> {
        if is_name(text) { Ok(text.to_owned()) } else { Err(unexpected::<Self>(text)) }
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": NAME })
    }
}

/// A token (RFC 9110 section 5.6.2).
#[derive(Debug)]
pub(super) struct Token;

impl Kind for Token {
    type Value = String;
    const EXPECTED: &'static str = "letters, digits or any of !#$%&'*+-.^_`|~";

    fn parse(text: &str) -> Result<String, String> {
        let tchar = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let token = !text.is_empty() && text.chars().all(tchar);
        if token { Ok(text.to_owned()) } else { Err(unexpected::<Self>(text)) }
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$" })
    }
}
