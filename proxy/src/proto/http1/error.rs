//! The results of the parsers of heads and content: incomplete, found, or broken.

use std::ops::Range;

/// The result of parsing the bytes so far.
#[derive(Debug)]
pub enum Parsed<H> {
    /// The head is not complete; call again with more bytes after the same ones.
    Partial,
    /// The head is complete.
    Head {
        /// The head; it borrows the bytes.
        head: H,
        /// The number of bytes of the head, with leading empty lines and the final empty line.
        len: usize,
    },
}

/// The result of one call of [`BodyDecoder::decode`](super::BodyDecoder::decode).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BodyStep {
    /// The number of bytes of the input that are done with; the others come again.
    pub consumed: usize,
    /// The part of the input that is content, which may be empty.
    pub data: Range<usize>,
    /// The body is complete.
    pub done: bool,
}

/// The fault of a body. Content that was handed out before stays valid, but the message is incomplete (RFC 9112 section 8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BodyError {
    /// The chunked coding is broken; the text says how, for the log.
    BadChunk(&'static str),
    /// The connection ended before the body did.
    Truncated,
}
