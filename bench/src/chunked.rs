//! Reads the chunked coding strictly (RFC 9112 section 7.1), without a buffer of its own.

/// The position in the coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chunked {
    /// Before a chunk-size line.
    Size,
    /// In the content of a chunk, with this number of bytes left, never 0.
    Data(u64),
    /// Before the CRLF after a chunk's content.
    DataEnd,
    /// Before a trailer line, or before the empty line that ends the body.
    Trailers,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Data(&'a [u8]),
    End,
}

/// The length in bytes of the longest size line or trailer line that is accepted.
const LONGEST_LINE: usize = 8192;

impl Chunked {
    /// Takes the next piece off `input`; `None` asks for more bytes.
    pub(crate) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Piece<'a>>, &'static str> {
        loop {
            match *self {
                Self::Data(left) => return Ok(self.take_data(left, input)),
                Self::DataEnd => match line(input)? {
                    None => return Ok(None),
                    Some(b"") => *self = Self::Size,
                    Some(_) => return Err("a chunk is longer than its size"),
                },
                Self::Size => match line(input)? {
                    None => return Ok(None),
                    Some(text) => *self = after_size(size(text)?),
                },
                Self::Trailers => match line(input)? {
                    None => return Ok(None),
                    Some(b"") => return Ok(Some(Piece::End)),
                    Some(_) => {}
                },
            }
        }
    }

    fn take_data<'a>(&mut self, left: u64, input: &mut &'a [u8]) -> Option<Piece<'a>> {
        if input.is_empty() {
            return None;
        }
        let (data, rest) = input.split_at(input.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
        *input = rest;
        *self = match left - data.len() as u64 {
            0 => Self::DataEnd,
            left => Self::Data(left),
        };
        Some(Piece::Data(data))
    }
}

fn after_size(size: u64) -> Chunked {
    if size == 0 { Chunked::Trailers } else { Chunked::Data(size) }
}

/// Takes a complete line without its CRLF. A bare LF is an error.
fn line<'a>(input: &mut &'a [u8]) -> Result<Option<&'a [u8]>, &'static str> {
    let Some(end) = input.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n') else {
        return if input.len() < LONGEST_LINE { Ok(None) } else { Err("a chunk line without end") };
    };
    let (with_end, rest) = input.split_at(end + 1);
    *input = rest;
    with_end.strip_suffix(b"\r\n").map(Some).ok_or("a bare LF in the chunked coding")
}

fn size(line: &[u8]) -> Result<u64, &'static str> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let digits = digits.trim_ascii_end();
    if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err("a chunk size is not a hexadecimal number");
    }
    let text = std::str::from_utf8(digits).map_err(|_| "a chunk size is not text")?;
    u64::from_str_radix(text, 16).map_err(|_| "a chunk size is not a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `wire` cut in two, and returns the content if it is complete.
    fn decode(wire: &[u8], cut: usize) -> Result<Option<Vec<u8>>, &'static str> {
        let (mut state, mut content, mut held) = (Chunked::Size, Vec::new(), Vec::new());
        for part in [&wire[..cut], &wire[cut..]] {
            held.extend_from_slice(part);
            let mut input = &held[..];
            while let Some(piece) = state.next(&mut input)? {
                match piece {
                    Piece::Data(data) => content.extend_from_slice(data),
                    Piece::End => return Ok(Some(content)),
                }
            }
            held = input.to_vec();
        }
        Ok(None)
    }

    #[test]
    fn any_cut_gives_the_same_content() {
        let wire = b"5\r\nhello\r\nA;x=1\r\n, world...\r\n0\r\nT: 1\r\n\r\n";
        for cut in 0..=wire.len() {
            let content = decode(wire, cut).unwrap().unwrap();
            assert_eq!(content, b"hello, world...", "cut at {cut}");
        }
        assert_eq!(decode(&wire[..wire.len() - 1], 3).unwrap(), None);
    }

    #[test]
    fn loose_coding_is_refused() {
        for bad in
            ["5\nhello\r\n", "5\r\nhelloo\r\n", "x\r\n", "\r\n", "-1\r\n", "5\r\nhello\n", "+5\r\nhello"]
        {
            assert!(decode(bad.as_bytes(), 0).is_err(), "{bad:?}");
        }
    }
}
