//! Decides when an incomplete head or frame is worth parsing again from its start.
//!
//! Parsers keep no state. A head that arrives byte by byte would be read as often as it has bytes, which
//! costs the square of its length. Therefore it is read again only when the number of bytes has doubled, when
//! it ends, and a few times when a line ends, because a fault in a line should be reported at once.

/// The event that makes it worthwhile to parse again, before as many bytes have come as are known to be
/// needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reread {
    /// No event does.
    #[default]
    Never,
    /// A line feed, which ends the line.
    Line,
    /// A line feed, or a NUL, which no text contains.
    Text,
    /// An empty line, which ends the head; or the end of any line, a limited number of times.
    Head {
        /// The number of times that are left.
        lines: u8,
    },
}

/// The number of line ends at which a head is parsed again. It covers the heads of clients that send a line
/// at a time. With more, a client can cause more parsing of its own bytes; with fewer, faults in lines are
/// reported later.
const LINES: u8 = 16;

impl Reread {
    /// The events for a head of HTTP that has just begun.
    pub const HEAD: Self = Self::Head { lines: LINES };

    /// Returns whether the bytes from `known` on make it worthwhile to parse `whole` again.
    pub fn shows(&mut self, whole: &[u8], known: usize) -> bool {
        let new = &whole[known..];
        match self {
            Self::Never => false,
            Self::Line => memchr::memchr(b'\n', new).is_some(),
            Self::Text => memchr::memchr2(b'\n', 0, new).is_some(),
            Self::Head { lines } => {
                let mut ends = memchr::memchr_iter(b'\n', new).map(|at| known + at).peekable();
                if ends.peek().is_some() && *lines > 0 {
                    *lines -= 1;
                    return true;
                }
                // An empty line that ends in LF alone is a fault, which must be reported, too.
                ends.any(|at| matches!(whole[..at], [.., b'\n'] | [.., b'\n', b'\r']))
            }
        }
    }

    /// Returns the number of bytes at which parsing again is worthwhile in any case, if `have` bytes were
    /// parsed and there may be `most`.
    #[must_use]
    pub const fn least(have: usize, most: usize) -> usize {
        let twice = have.saturating_mul(2);
        let least = if twice < most { twice } else { most };
        if least > have { least } else { have + 1 }
    }

    /// Switches to the events of `next`. A head that continues gets no new line ends.
    pub fn turn_to(&mut self, next: Self) {
        // A client must not get new line ends with each piece of its head.
        if !matches!((&self, next), (Self::Head { .. }, Self::Head { .. })) {
            *self = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the number of bytes parsed if `whole` arrives byte by byte, and the number that had come at
    /// the last parsing.
    fn read(whole: &[u8], first: Reread) -> (usize, usize) {
        let (mut reread, mut wanted, mut read, mut last) = (first, 1, 0, 0);
        for have in 1..=whole.len() {
            if reread.shows(&whole[..have], have - 1) || have >= wanted {
                (read, last) = (read + have, have);
                wanted = Reread::least(have, 1 << 20);
            }
        }
        (read, last)
    }

    #[test]
    fn a_head_that_comes_byte_by_byte_is_read_a_few_times() {
        let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(30_000));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(5_000));
        let crumbs = "\n".repeat(20_000);
        for (whole, most) in [(long, 4), (many, 4), (crumbs, usize::MAX)] {
            let (bytes, last) = read(whole.as_bytes(), Reread::HEAD);
            assert_eq!(last, whole.len(), "when its end has come");
            assert!(most == usize::MAX || bytes <= most * whole.len(), "{bytes} of {}", whole.len());
        }
    }

    #[test]
    fn what_is_wrong_with_one_of_the_first_lines_is_told_when_it_ends() {
        let mut reread = Reread::HEAD;
        for line in 0..u32::from(LINES) {
            assert!(!reread.shows(b"GET / HTTP/1.1\r", 14), "{line}");
            assert!(reread.shows(b"GET / HTTP/1.1\r\n", 15), "{line}");
        }
        assert!(!reread.shows(b"GET / HTTP/1.1\r\n", 15));
        reread.turn_to(Reread::HEAD);
        assert!(!reread.shows(b"GET / HTTP/1.1\r\n", 15), "it is the same head");
        assert!(reread.shows(b"GET / HTTP/1.1\r\n\r\n", 17) && reread.shows(b"GET / HTTP/1.1\r\n\n", 16));
        reread.turn_to(Reread::Never);
        reread.turn_to(Reread::HEAD);
        assert!(reread.shows(b"GET / HTTP/1.1\r\n", 15), "it is the next");
    }

    #[test]
    fn a_line_is_read_when_it_has_ended() {
        let whole = [&vec![b'x'; 100_000][..], b"\n"].concat();
        let (bytes, last) = read(&whole, Reread::Line);
        assert!(last == whole.len() && bytes <= 4 * whole.len(), "{bytes}");
        assert!(!Reread::Line.shows(b"\0", 0) && Reread::Text.shows(b"\0", 0));
        assert_eq!((Reread::least(8, 10), Reread::least(10, 10), Reread::least(0, 10)), (10, 11, 1));
    }
}
