//! A header of the PROXY protocol, as it was read.

use super::addresses::Addresses;
use super::tlv::Tlvs;

/// What the bytes so far amount to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParsedHeader<'a> {
    /// They begin a header, and there must be more; call again with more bytes after the same ones.
    Partial,
    /// The header is complete.
    Header {
        /// Its bytes, at most [`super::LONGEST`]: what follows is the client's.
        len: usize,
        /// What it says; it borrows the bytes.
        header: Header<'a>,
    },
}

/// What a header says of the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header<'a> {
    /// The ends of the client's own connection. None where the header tells none that could be used: LOCAL,
    /// UNKNOWN, UNSPEC, Unix sockets, datagrams. Then those of the connection that brought it count.
    pub addresses: Option<Addresses>,
    /// What else it tells; empty in version 1.
    pub tlvs: Tlvs<'a>,
}
