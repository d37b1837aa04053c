//! Iterates over the words of a complete request.

use memchr::memchr3;

use super::count::CountReader;

/// The words that were not taken yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Args<'a> {
    rest: &'a [u8],
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Array,
    Line,
}

impl<'a> Args<'a> {
    /// Makes an iterator over bulk strings, each `$<bytes>`.
    pub(super) const fn array(rest: &'a [u8]) -> Self {
        Self { rest, form: Form::Array }
    }

    /// Makes an iterator over the words of a line.
    pub(super) const fn line(rest: &'a [u8]) -> Self {
        Self { rest, form: Form::Line }
    }

    /// Returns whether the words cannot be separated without undoing quotes and escapes (Redis:
    /// `sdssplitargs`), or contain spaces that Redis accepts at the start of a word only.
    pub(super) fn is_quoted(&self) -> bool {
        self.form == Form::Line
            && (memchr3(b'"', b'\'', b'\x0b', self.rest).is_some() || self.rest.contains(&b'\x0c'))
    }

    /// Returns whether one of the remaining words is this one, in any case.
    pub(super) fn has(self, word: &[u8]) -> bool {
        let mut words = self;
        words.any(|found| found.eq_ignore_ascii_case(word))
    }

    /// Returns whether these are all the remaining words.
    pub(super) fn are(self, words: &[&[u8]]) -> bool {
        self.eq(words.iter().copied())
    }

    fn bulk(&mut self) -> Option<&'a [u8]> {
        let (len, start) = CountReader::read(self.rest, 1).ok()??;
        let end = start.checked_add(usize::try_from(len).ok()?)?;
        let word = self.rest.get(start..end)?;
        self.rest = self.rest.get(end + 2..)?;
        Some(word)
    }

    fn plain(&mut self) -> Option<&'a [u8]> {
        let start = self.rest.iter().position(|byte| !is_space(*byte))?;
        let rest = &self.rest[start..];
        let end = rest.iter().position(|byte| is_space(*byte)).unwrap_or(rest.len());
        self.rest = &rest[end..];
        Some(&rest[..end])
    }
}

impl<'a> Iterator for Args<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        match self.form {
            Form::Array => self.bulk(),
            Form::Line => self.plain(),
        }
    }
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}
