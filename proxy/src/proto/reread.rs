//! Decides when something that was not whole is worth parsing again from its start.
//!
//! Parsers keep no state, so a head of which a byte comes at a time would be read as often as it has bytes: the square of what
//! one client sends. So it is read again when as much again has come, when it ends, and a few times when a line ends,
//! because what is wrong with a line is to be told at once.

/// What tells that something not whole is worth reading again, before as many bytes have come as it is known to need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reread {
    /// Nothing does.
    #[default]
    Never,
    /// A line feed, at which it ends.
    Line,
    /// The same, or a NUL, with which it is no text.
    Text,
    /// An empty line, at which it ends; or the end of any line, so many times.
    Head {
        /// How many times more.
        lines: u8,
    },
}

/// A head is read again at the ends of so many lines: all heads of clients that send a line at a time, by hand or one write
/// each. With more, one client may have its own bytes read more often; with fewer, faults in lines are told later.
const LINES: u8 = 16;

impl Reread {
    /// For a head of HTTP that has just begun.
    pub const HEAD: Self = Self::Head { lines: LINES };

    /// Whether the bytes from `known` on are worth reading all of `whole` again.
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
                // An empty line that ends in LF alone is a fault, which is to be told as well.
                ends.any(|at| matches!(whole[..at], [.., b'\n'] | [.., b'\n', b'\r']))
            }
        }
    }

    /// How many bytes there must be before something of which `have` bytes were read is worth reading again in any case, if
    /// `most` of them are the most that there may be.
    #[must_use]
    pub const fn least(have: usize, most: usize) -> usize {
        let twice = have.saturating_mul(2);
        let least = if twice < most { twice } else { most };
        if least > have { least } else { have + 1 }
    }

    /// As this from now on; a head that goes on has no more lines than before.
    pub fn turn_to(&mut self, next: Self) {
        if !matches!((&self, next), (Self::Head { .. }, Self::Head { .. })) {
            *self = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes are read of `whole` if it comes a byte at a time, and how many had come when it was read last.
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
