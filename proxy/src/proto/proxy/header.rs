//! Defines the result of parsing a PROXY header.

use super::addresses::Addresses;
use super::tlv::Tlvs;

/// The result of parsing the bytes so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParsedHeader<'a> {
    /// The bytes are the beginning of a header. The caller must call again with more bytes after the same
    /// ones.
    Partial,
    /// The header is complete.
    Header {
        /// The length in bytes, at most [`super::LONGEST`]. Bytes after it belong to the client.
        len: usize,
        /// The content, which borrows the bytes.
        header: Header<'a>,
    },
}

/// The content of a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header<'a> {
    /// The ends of the client's connection. `None` if the header has no usable ones (LOCAL, UNKNOWN, UNSPEC,
    /// Unix sockets, datagrams); then the ends of the connection that carries the header count.
    pub addresses: Option<Addresses>,
    /// The other information; empty in version 1.
    pub tlvs: Tlvs<'a>,
}
