//! The words of a whole request, in order.

use memchr::memchr3;

use super::count::CountReader;

/// What was not taken yet of the words.
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
    /// Bulk strings, each `$<bytes>`.
    pub(super) const fn array(rest: &'a [u8]) -> Self {
        Self { rest, form: Form::Array }
    }

    /// A line.
    pub(super) const fn line(rest: &'a [u8]) -> Self {
        Self { rest, form: Form::Line }
    }

    /// Its words cannot be told without undoing quotes and escapes (Redis: `sdssplitargs`), or stand between
    /// spaces that Redis only takes for such at the start of a word.
    pub(super) fn is_quoted(&self) -> bool {
        self.form == Form::Line
            && (memchr3(b'"', b'\'', b'\x0b', self.rest).is_some() || self.rest.contains(&b'\x0c'))
    }

    /// Whether one of the words that are left is this one, in any case.
    pub(super) fn has(self, word: &[u8]) -> bool {
        let mut words = self;
        words.any(|found| found.eq_ignore_ascii_case(word))
    }

    /// Whether these are all the words that are left.
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
