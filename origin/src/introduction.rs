//! The PROXY header that a client is introduced with, version 1 or 2 (HAProxy's `proxy-protocol.txt`).
//!
//! It shares nothing with the proxy that writes such headers.

mod one;
mod two;

use std::net::SocketAddr;

use crate::register::ClientStats;

/// Begins every header of version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Begins every header of version 1.
const WORD: &[u8; 6] = b"PROXY ";
/// What the bytes at hand hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Introduction {
    NeedMore,
    /// A header of so many bytes.
    Done(usize, Said),
}

/// What is wrong with a header, in words.
pub(crate) type Wrong = &'static str;

/// What a header says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    version: u8,
    /// Source and destination; none where the connection's own are the right ones (LOCAL, UNKNOWN).
    addresses: Option<(SocketAddr, SocketAddr)>,
    unique_id: Option<Vec<u8>>,
    authority: Option<Vec<u8>>,
}

/// Parses the header that `bytes` begin with. No more than 16 + 65,535 bytes are ever needed.
pub(crate) fn parse(bytes: &[u8]) -> Result<Introduction, Wrong> {
    if begins(bytes, SIGNATURE) {
        return two::parse(bytes);
    }
    if begins(bytes, WORD) {
        return one::parse(bytes);
    }
    Err("no PROXY header")
}

/// Whether `bytes` begin so, or may when more have come.
fn begins(bytes: &[u8], with: &[u8]) -> bool {
    let both = bytes.len().min(with.len());
    bytes[..both] == with[..both]
}

impl Said {
    /// The client of a connection that by itself comes from `own`.
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
