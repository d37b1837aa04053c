//! The field lines of one head: where they stand, which are dropped, and how runs of the others are copied as they came.

use std::mem::MaybeUninit;

use super::name::FieldName;
use crate::config::HeadLimits;
use httparse::Header;

const WORDS: usize = HeadLimits::MAX_FIELDS.div_ceil(64);

/// Room for the field lines of one head, on the caller's stack and not initialised.
pub struct FieldRoom<'b>([MaybeUninit<Header<'b>>; HeadLimits::MAX_FIELDS]);

impl<'b> FieldRoom<'b> {
    /// Costs nothing.
    #[must_use]
    #[inline]
    pub const fn new() -> Self {
        Self([MaybeUninit::uninit(); HeadLimits::MAX_FIELDS])
    }

    /// Room for as many field lines as are allowed.
    pub(super) fn room(&mut self, limits: &HeadLimits) -> &mut [MaybeUninit<Header<'b>>] {
        &mut self.0[..limits.fields.min(HeadLimits::MAX_FIELDS)]
    }
}

impl Default for FieldRoom<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// A set of field lines, by position.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct LineSet([u64; WORDS]);

impl LineSet {
    pub(super) fn add(&mut self, line: usize) {
        self.0[line / 64] |= 1 << (line % 64);
    }

    pub(super) fn has(&self, line: usize) -> bool {
        self.0[line / 64] & (1 << (line % 64)) != 0
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(word, bits)| {
            let mut left = *bits;
            std::iter::from_fn(move || {
                let bit = left.checked_ilog2().map(|_| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(word * 64 + bit)
            })
        })
    }
}

/// A complete head, and the lines of it that do not travel on.
#[derive(Debug)]
pub(super) struct Head<'h, 'b> {
    /// From the first byte of the start line to the end of the final empty line.
    pub(super) bytes: &'b [u8],
    pub(super) fields: &'h [Header<'b>],
    pub(super) dropped: LineSet,
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
    pub(super) fn new(bytes: &'b [u8], fields: &'h [Header<'b>]) -> Self {
        Self { bytes, fields, dropped: LineSet::default() }
    }

    /// Drops all lines of that name.
    #[cold]
    pub(super) fn drop_all(&mut self, name: FieldName) {
        for (line, field) in self.fields.iter().enumerate() {
            if FieldName::of(field.name.as_bytes()) == name {
                self.dropped.add(line);
            }
        }
    }

    /// Where a field line begins; for the one after the last, where the final empty line does.
    pub(super) fn begin(&self, line: usize) -> usize {
        self.fields.get(line).map_or(self.bytes.len() - 2, |f| offset(self.bytes, f.name.as_bytes()))
    }

    /// Checks how the line before field line `line` ends: with CRLF, and within the limit.
    /// `begun` is where it began; returns where `line` begins. One past the last field line, this
    /// finds a final empty line of LF alone too: its CR is then not where it should be.
    pub(super) fn check_line(&self, begun: usize, line: usize, limit: usize) -> Result<usize, LineFault> {
        let begin = self.begin(line);
        if begin - begun > limit + 2 {
            return Err(LineFault::TooLong);
        }
        // httparse has taken an LF for the end of that line, so a CR before it makes the CRLF.
        if self.bytes[begin - 2] == b'\r' { Ok(begin) } else { Err(LineFault::BareLf) }
    }

    /// Appends everything from `from` to the final empty line, which it leaves out, but for the
    /// lines in `without`: the bytes between two of them in one copy.
    pub(super) fn copy(&self, from: usize, without: &LineSet, out: &mut Vec<u8>) {
        let mut run = from;
        for line in without.iter() {
            out.extend_from_slice(&self.bytes[run..self.begin(line)]);
            run = self.begin(line + 1);
        }
        out.extend_from_slice(&self.bytes[run..self.bytes.len() - 2]);
    }
}

/// Where `part`, a slice of `whole`, begins in it.
pub(super) fn offset(whole: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr() - whole.as_ptr().addr()
}
