//! Finds the ends of frames: lines, and texts after a count of their bytes.

use crate::options::Prefix;

/// The length in bytes of the longest request that is accepted, with the bytes that frame the text.
pub(super) const LONGEST_REQUEST: usize = 4 << 20;

/// The length in bytes of the longest text, which leaves room for the bytes that frame it.
const LONGEST_ANSWER: u64 = u64::MAX >> 1;

/// The rule that separates requests and answers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Framing {
    Lines { crlf: bool },
    LengthPrefixed(Prefix),
}

/// A request in the input.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// The length in bytes, with everything that frames the text.
    pub(super) length: usize,
    /// The bytes before the count.
    pub(super) label: &'a [u8],
    pub(super) text: &'a [u8],
}

/// The reason why no request can be found any more.
pub(super) type Wrong = &'static str;

impl Framing {
    /// Returns the first request of the input, or `None` if it is incomplete.
    pub(super) fn first<'a>(&self, input: &'a [u8]) -> Result<Option<Frame<'a>>, Wrong> {
        match *self {
            Self::Lines { crlf } => line(input, if crlf { b"\r\n" } else { b"\n" }),
            Self::LengthPrefixed(prefix) => counted(input, prefix),
        }
    }

    /// Begins an answer with everything before its text. The count is still missing.
    pub(super) fn begin(&self, out: &mut Vec<u8>, label: &[u8]) {
        if let Self::LengthPrefixed(prefix) = self {
            out.extend_from_slice(label);
            out.resize(prefix.header(), 0);
        }
    }

    /// Returns the number of bytes before the text of an answer.
    pub(super) fn header(&self) -> usize {
        match self {
            Self::Lines { .. } => 0,
            Self::LengthPrefixed(prefix) => prefix.header(),
        }
    }

    /// Returns the bytes after the text of an answer.
    pub(super) fn tail(&self) -> &'static [u8] {
        match self {
            Self::Lines { crlf: true } => b"\r\n",
            Self::Lines { crlf: false } => b"\n",
            Self::LengthPrefixed(_) => b"",
        }
    }

    /// Returns the length in bytes of the longest text that an answer can have.
    pub(super) fn longest_text(&self) -> u64 {
        match self {
            Self::Lines { .. } => LONGEST_ANSWER,
            Self::LengthPrefixed(prefix) => LONGEST_ANSWER.min(prefix.largest() - prefix.counted() as u64),
        }
    }

    /// Writes the count of an answer that begins in `out` and will have a text of `text` bytes.
    pub(super) fn tell(&self, out: &mut [u8], text: u64) {
        let Self::LengthPrefixed(prefix) = self else { return };
        let (width, at) = (usize::from(prefix.width), usize::from(prefix.offset));
        let count = text + prefix.counted() as u64;
        let room = &mut out[at..at + width];
        if prefix.little {
            room.copy_from_slice(&count.to_le_bytes()[..width]);
        } else {
            room.copy_from_slice(&count.to_be_bytes()[8 - width..]);
        }
    }
}

fn line<'a>(input: &'a [u8], end: &[u8]) -> Result<Option<Frame<'a>>, Wrong> {
    let seen = &input[..input.len().min(LONGEST_REQUEST)];
    let mut ends = memchr::memchr_iter(b'\n', seen).filter(|at| seen[..=*at].ends_with(end));
    match ends.next() {
        Some(at) => {
            let length = at + 1;
            Ok(Some(Frame { length, label: b"", text: &input[..length - end.len()] }))
        }
        None if seen.len() == LONGEST_REQUEST => Err("the line is too long"),
        None => Ok(None),
    }
}

fn counted(input: &[u8], prefix: Prefix) -> Result<Option<Frame<'_>>, Wrong> {
    let header = prefix.header();
    let Some(said) = input.get(usize::from(prefix.offset)..header) else { return Ok(None) };
    let digit = |count: u64, byte: &u8| count << 8 | u64::from(*byte);
    let count = if prefix.little { said.iter().rev().fold(0, digit) } else { said.iter().fold(0, digit) };
    let Some(text) = count.checked_sub(prefix.counted() as u64) else {
        return Err("the count is less than what it counts");
    };
    let longest = LONGEST_REQUEST - header;
    let text = usize::try_from(text).ok().filter(|text| *text <= longest).ok_or("the frame is too long")?;
    let length = header + text;
    let found = input.get(header..length);
    Ok(found.map(|text| Frame { length, label: &input[..usize::from(prefix.offset)], text }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixed(width: u8, little: bool, counts_header: bool, offset: u16) -> Framing {
        Framing::LengthPrefixed(Prefix { width, little, counts_header, offset })
    }

    /// Reads the frame with every cut of its bytes, and checks that the result is the same each time.
    fn found(framing: Framing, bytes: &[u8]) -> (&[u8], &[u8]) {
        let frame = framing.first(bytes).unwrap().unwrap();
        for cut in 0..frame.length {
            assert_eq!(framing.first(&bytes[..cut]), Ok(None), "{framing:?} cut at {cut}");
        }
        assert_eq!(framing.first(&bytes[..frame.length]), Ok(Some(Frame { ..frame })));
        (frame.label, frame.text)
    }

    #[test]
    fn requests_end_where_the_framing_says() {
        let (lf, crlf) = (Framing::Lines { crlf: false }, Framing::Lines { crlf: true });
        let none: &[u8] = b"";
        assert_eq!(found(lf, b"\nx"), (none, none));
        assert_eq!(found(lf, b"a\r\nb\n"), (none, b"a\r".as_slice()));
        assert_eq!(found(crlf, b"a\nb\rc\r\nd\r\n"), (none, b"a\nb\rc".as_slice()));
        assert_eq!(found(crlf, b"a\r\r\n"), (none, b"a\r".as_slice()));
        let hi = b"hi".as_slice();
        assert_eq!(found(prefixed(1, false, false, 0), b"\x02hixx"), (none, hi));
        assert_eq!(found(prefixed(1, false, true, 0), b"\x03hixx"), (none, hi));
        assert_eq!(found(prefixed(2, true, false, 0), b"\x02\0hi"), (none, hi));
        assert_eq!(found(prefixed(4, false, true, 3), b"abc\0\0\0\x09hi"), (b"abc".as_slice(), hi));
        assert_eq!(found(prefixed(8, true, false, 1), b"a\x02\0\0\0\0\0\0\0hi"), (b"a".as_slice(), hi));
        assert_eq!(found(prefixed(8, false, false, 0), b"\0\0\0\0\0\0\0\0"), (none, none));
    }

    #[test]
    fn what_cannot_be_cut_is_told_as_soon_as_it_is_known() {
        let long = vec![b'x'; LONGEST_REQUEST];
        let lines = Framing::Lines { crlf: false };
        assert_eq!(lines.first(&long[1..]), Ok(None));
        assert_eq!(lines.first(&long), Err("the line is too long"));
        assert_eq!(prefixed(8, false, false, 0).first(&[0xff; 8]), Err("the frame is too long"));
        assert_eq!(prefixed(8, true, true, 9).first(&[0xff; 17]), Err("the frame is too long"));
        assert_eq!(
            prefixed(2, false, true, 3).first(b"abc\0\x04"),
            Err("the count is less than what it counts")
        );
    }

    #[test]
    fn what_is_put_around_an_answer_is_what_is_taken_off() {
        for (little, counts_header, offset) in [(false, false, 0), (true, true, 2), (false, true, 7)] {
            for width in [1, 2, 4, 8] {
                let framing = prefixed(width, little, counts_header, offset);
                let (mut frame, label) = (Vec::new(), b"labels!".get(..usize::from(offset)).unwrap());
                framing.begin(&mut frame, label);
                assert_eq!(frame.len(), framing.header());
                frame.extend_from_slice(b"text");
                framing.tell(&mut frame, 4);
                assert_eq!(found(framing, &frame), (label, b"text".as_slice()));
            }
        }
        assert_eq!(prefixed(1, false, true, 4).longest_text(), 250);
        assert_eq!(prefixed(8, false, false, 4).longest_text(), LONGEST_ANSWER);
    }
}
