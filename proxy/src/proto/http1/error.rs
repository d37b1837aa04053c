//! The results of the parsers of heads and content: not yet, here it is, or broken.

use std::ops::Range;

/// What the bytes so far amount to.
#[derive(Debug)]
pub enum Parsed<H> {
    /// The head is not complete; call again with more bytes after the same ones.
    Partial,
    /// The head is complete.
    Head {
        /// The head; it borrows the bytes.
        head: H,
        /// Its bytes: leading empty lines and the final empty line included.
        len: usize,
    },
}

/// What one call of [`BodyDecoder::decode`](super::BodyDecoder::decode) found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BodyStep {
    /// So many bytes of the input are dealt with; the others come again.
    pub consumed: usize,
    /// The part of the input that is content; may be empty.
    pub data: Range<usize>,
    /// The body is complete.
    pub done: bool,
}

/// Why a body is no body. What was handed out before stands; the message is incomplete
/// (RFC 9112 section 8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BodyError {
    /// The chunked coding is broken; in words, for the log.
    BadChunk(&'static str),
    /// The connection ended before the body did.
    Truncated,
}
