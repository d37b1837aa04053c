//! The field lines of a head of HTTP/1.1: room for them, their places, and copies of runs of them.

use std::mem::MaybeUninit;

use crate::config::HeadLimits;
use crate::proto::http::fields::{Field, Head, LineSet};

/// Uninitialised room for the field lines of one head, on the caller's stack.
pub struct FieldRoom<'b>([MaybeUninit<Field<'b>>; HeadLimits::MAX_FIELDS]);

impl<'b> FieldRoom<'b> {
    /// Makes the room, at no cost.
    #[must_use]
    #[inline]
    pub const fn new() -> Self {
        Self([MaybeUninit::uninit(); HeadLimits::MAX_FIELDS])
    }

    /// Returns room for as many field lines as are allowed.
    pub(super) fn room(&mut self, limits: &HeadLimits) -> &mut [MaybeUninit<Field<'b>>] {
        &mut self.0[..limits.fields.min(HeadLimits::MAX_FIELDS)]
    }
}

impl Default for FieldRoom<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// A fault in the lines of a head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum LineFault {
    /// The line ends with LF alone. httparse accepts that, and the proxy does not (RFC 9112 section 2.2 leaves the choice).
    BareLf,
    /// The line is longer than [`HeadLimits::line`].
    TooLong,
}

impl<'h, 'b> Head<'h, 'b> {
    pub(super) fn new(bytes: &'b [u8], fields: &'h [Field<'b>]) -> Self {
        Self { wire: Some(bytes), fields, dropped: LineSet::default() }
    }

    /// Returns the offset at which a field line begins in the bytes of its head. For the one after the last, that is the offset
    /// of the final empty line.
    pub(super) fn begin(&self, bytes: &[u8], line: usize) -> usize {
        self.fields.get(line).map_or(bytes.len() - 2, |f| offset(bytes, f.name.as_bytes()))
    }

    /// Checks the end of the line before field line `line`: it must be CRLF, within the limit. `begun` is the offset at which
    /// that line began; the result is the offset of `line`. One past the last field line, this also finds a final empty line of
    /// LF alone, whose CR is then not where it should be.
    pub(super) fn check_line(
        &self,
        bytes: &[u8],
        begun: usize,
        line: usize,
        limit: usize,
    ) -> Result<usize, LineFault> {
        let begin = self.begin(bytes, line);
        // The limit is for the line without its CRLF.
        if begin - begun > limit + 2 {
            return Err(LineFault::TooLong);
        }
        // httparse has taken an LF for the end of that line, so that a CR before it makes the CRLF.
        if bytes[begin - 2] == b'\r' { Ok(begin) } else { Err(LineFault::BareLf) }
    }

    /// Returns the number of bytes of a head that came as HTTP/1.1, else 0.
    pub(super) fn wire_len(&self) -> usize {
        self.wire.map_or(0, <[u8]>::len)
    }

    /// Appends the field lines except those in `without`, and with `start` the start line before them, unchanged: the bytes
    /// between two lines that stay behind are one copy. A head that did not come as HTTP/1.1 has no such bytes; its fields are
    /// written one by one, and it has no start line.
    pub(super) fn copy(&self, start: bool, without: &LineSet, out: &mut Vec<u8>) {
        let Some(bytes) = self.wire else { return self.write_fields(without, out) };
        let mut run = if start { 0 } else { self.begin(bytes, 0) };
        for line in without.iter() {
            out.extend_from_slice(&bytes[run..self.begin(bytes, line)]);
            run = self.begin(bytes, line + 1);
        }
        out.extend_from_slice(&bytes[run..bytes.len() - 2]);
    }

    #[cold]
    fn write_fields(&self, without: &LineSet, out: &mut Vec<u8>) {
        for (_, field) in self.fields.iter().enumerate().filter(|(line, _)| !without.has(*line)) {
            for part in [field.name.as_bytes(), b": ", field.value, b"\r\n"] {
                out.extend_from_slice(part);
            }
        }
    }
}

/// Returns the offset of `part` in `whole`, of which it is a slice.
pub(super) fn offset(whole: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr() - whole.as_ptr().addr()
}
