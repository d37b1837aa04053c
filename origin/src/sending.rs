//! Generates the body of an answer while it is sent: pattern bytes, plain or chunked.

use std::io::Write;

use crate::pattern;

/// The length in bytes of the largest chunk that `/chunked` sends.
const LARGEST_CHUNK: u64 = 8 * 1024;

/// The rest of a body.
#[derive(Debug)]
pub(crate) struct Sending {
    offset: u64,
    end: u64,
    chunked: bool,
}

impl Sending {
    pub(crate) fn plain(length: u64) -> Self {
        Self { offset: 0, end: length, chunked: false }
    }

    pub(crate) fn chunked(length: u64) -> Self {
        Self { offset: 0, end: length, chunked: true }
    }

    /// Appends the next piece, and returns whether it was the last.
    pub(crate) fn step(&mut self, out: &mut Vec<u8>) -> bool {
        let most = if self.chunked { LARGEST_CHUNK } else { pattern::MOST };
        let count = (self.end - self.offset).min(most);
        if count > 0 && self.chunked {
            chunk(out, count, |out| pattern::append(out, self.offset, count));
        } else {
            pattern::append(out, self.offset, count);
        }
        self.offset += count;
        if self.offset < self.end {
            return false;
        }
        if self.chunked {
            out.extend_from_slice(LAST_CHUNK);
        }
        true
    }
}

/// The end of a chunked body without trailers (RFC 9112 section 7.1).
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Appends one chunk of `count` bytes, which `fill` writes.
pub(crate) fn chunk(out: &mut Vec<u8>, count: u64, fill: impl FnOnce(&mut Vec<u8>)) {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{count:x}\r\n");
    fill(out);
    out.extend_from_slice(b"\r\n");
}
