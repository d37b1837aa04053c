//! The field lines of a head of HTTP/1.1: room for them, where they stand, and how runs of them are copied as they came.

use std::mem::MaybeUninit;

use crate::config::HeadLimits;
use crate::proto::http::fields::{Field, Head, LineSet};

/// Room for the field lines of one head, on the caller's stack and not initialised.
pub struct FieldRoom<'b>([MaybeUninit<Field<'b>>; HeadLimits::MAX_FIELDS]);

impl<'b> FieldRoom<'b> {
    /// Costs nothing.
    #[must_use]
    #[inline]
    pub const fn new() -> Self {
        Self([MaybeUninit::uninit(); HeadLimits::MAX_FIELDS])
    }

    /// Room for as many field lines as are allowed.
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
    /// Ended by LF alone: httparse takes it, we do not (RFC 9112 section 2.2 lets us choose).
    BareLf,
    /// Over [`HeadLimits::line`].
    TooLong,
}

impl<'h, 'b> Head<'h, 'b> {
    pub(super) fn new(bytes: &'b [u8], fields: &'h [Field<'b>]) -> Self {
        Self { wire: Some(bytes), fields, dropped: LineSet::default() }
    }

    /// Where in the bytes it came in a field line begins; for the one after the last, where the final empty line does.
    pub(super) fn begin(&self, bytes: &[u8], line: usize) -> usize {
        self.fields.get(line).map_or(bytes.len() - 2, |f| offset(bytes, f.name.as_bytes()))
    }

    /// Checks how the line before field line `line` ends: with CRLF, and within the limit.
    /// `begun` is where it began; returns where `line` begins. One past the last field line, this
    /// finds a final empty line of LF alone too: its CR is then not where it should be.
    pub(super) fn check_line(
        &self,
        bytes: &[u8],
        begun: usize,
        line: usize,
        limit: usize,
    ) -> Result<usize, LineFault> {
        let begin = self.begin(bytes, line);
        if begin - begun > limit + 2 {
            return Err(LineFault::TooLong);
        }
        // httparse has taken an LF for the end of that line, so a CR before it makes the CRLF.
        if bytes[begin - 2] == b'\r' { Ok(begin) } else { Err(LineFault::BareLf) }
    }

    /// How many bytes it came in, where these were HTTP/1.1.
    pub(super) fn wire_len(&self) -> usize {
        self.wire.map_or(0, <[u8]>::len)
    }

    /// Appends the field lines but for those in `without`, and the start line before them, as it came, if `start` says so: the
    /// bytes between two lines that stay behind in one copy. What did not come as HTTP/1.1 has no such bytes; its fields are
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

/// Where `part`, a slice of `whole`, begins in it.
pub(super) fn offset(whole: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr() - whole.as_ptr().addr()
}
