//! The field lines of one head, and the set of those that do not travel on.

use super::name::FieldName;
use crate::config::HeadLimits;

const WORDS: usize = HeadLimits::MAX_FIELDS.div_ceil(64);

/// A field line: its name and its value. The type belongs to the parser of HTTP/1.1, which fills it in place.
pub type Field<'b> = httparse::Header<'b>;

/// A set of field lines, by their positions in the head.
#[derive(Clone, Copy, Default, Debug)]
pub(in crate::proto) struct LineSet([u64; WORDS]);

impl LineSet {
    pub(in crate::proto) fn add(&mut self, line: usize) {
        self.0[line / 64] |= 1 << (line % 64);
    }

    pub(in crate::proto) fn has(&self, line: usize) -> bool {
        self.0[line / 64] & (1 << (line % 64)) != 0
    }

    pub(in crate::proto) fn iter(&self) -> impl Iterator<Item = usize> {
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

/// A complete head, and the set of its lines that do not travel on.
#[derive(Debug)]
pub(in crate::proto) struct Head<'h, 'b> {
    /// The bytes of a head that came as HTTP/1.1: from the first byte of the start line to the end of the final empty line. The
    /// names and values of `fields` lie in them, so that runs of lines can be copied unchanged.
    pub(in crate::proto) wire: Option<&'b [u8]>,
    pub(in crate::proto) fields: &'h [Field<'b>],
    pub(in crate::proto) dropped: LineSet,
}

impl Head<'_, '_> {
    /// Drops all lines of this name.
    #[cold]
    pub(in crate::proto) fn drop_all(&mut self, name: FieldName) {
        for (line, field) in self.fields.iter().enumerate() {
            if FieldName::of(field.name.as_bytes()) == name {
                self.dropped.add(line);
            }
        }
    }
}
