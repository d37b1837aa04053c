//! Parses the PROXY header at the start of a connection, version 1 or 2 (HAProxy's `proxy-protocol.txt`).
//!
//! The code shares nothing with the proxy that writes such headers.

mod one;
mod two;

use std::net::SocketAddr;

use crate::register::ClientStats;

/// The signature of version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The first word of version 1.
const WORD: &[u8; 6] = b"PROXY ";
/// The result of parsing the bytes so far.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Introduction {
    NeedMore,
    /// A complete header of this length.
    Done(usize, Said),
}

/// The reason why bytes are no header.
pub(crate) type Wrong = &'static str;

/// The content of a header.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    version: u8,
    /// Source and destination; `None` if those of the connection itself apply (LOCAL, UNKNOWN).
    addresses: Option<(SocketAddr, SocketAddr)>,
    unique_id: Option<Vec<u8>>,
    authority: Option<Vec<u8>>,
}

/// Parses the header at the start of `bytes`, which has 16 + 65,535 bytes at most.
pub(crate) fn parse(bytes: &[u8]) -> Result<Introduction, Wrong> {
    if begins(bytes, SIGNATURE) {
        return two::parse(bytes);
    }
    if begins(bytes, WORD) {
        return one::parse(bytes);
    }
    Err("no PROXY header")
}

/// Returns whether `bytes` begin with `with`, or may once more have come.
fn begins(bytes: &[u8], with: &[u8]) -> bool {
    let both = bytes.len().min(with.len());
    bytes[..both] == with[..both]
}

impl Said {
    /// Returns the client of a connection that comes from `own` itself.
    pub(crate) fn client(self, own: Option<SocketAddr>) -> ClientStats {
        ClientStats {
            address: self.addresses.map(|(source, _)| source).or(own),
            destination: self.addresses.map(|(_, destination)| destination),
            header: Some(self.version),
            unique_id: self.unique_id.map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect()),
            authority: self.authority.map(|name| String::from_utf8_lossy(&name).into_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
