//! Reads RESP, the protocol of Redis: requests as arrays of bulk strings or as plain lines, and responses of
//! RESP2 and RESP3.
//!
//! "Redis" means its `src/networking.c` (`processMultibulkBuffer`, `processInlineBuffer`) and
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>. Redis skips some bytes without looking at
//! them (the LF of a length, the CRLF after a bulk string); here they must be right.

mod answers;
mod args;
mod commands;
mod count;
mod policy;
mod rest;

use memchr::memchr;

use crate::config::Framing;

use super::frame::{BadFrame, ClientMode, Dialect, Frame, Need, Requests};

pub use answers::RespAnswers;
pub use rest::Rest;

use args::Args;
use count::CountReader;

/// The largest number of words in a request (Redis: "invalid multibulk length").
const MOST_WORDS: u64 = 1 << 20;
/// The length in bytes of the longest word (`proto-max-bulk-len`).
const LONGEST_WORD: u64 = 512 << 20;
/// The length in bytes of the longest request that is a plain line (`PROTO_INLINE_MAX_SIZE`).
const LONGEST_LINE: usize = 64 << 10;
/// The length in bytes of the shortest word, `$0` with its line ends.
const SHORTEST_WORD: u64 = 6;

/// Returns the request that switches a link to a dialect.
#[must_use]
pub const fn greeting(dialect: Dialect) -> &'static [u8] {
    match dialect {
        Dialect::Resp2 => b"*2\r\n$5\r\nHELLO\r\n$1\r\n2\r\n",
        Dialect::Resp3 => b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n",
    }
}

/// Reads requests, each of which is a command.
#[derive(Clone, Copy, Debug)]
pub struct Resp {
    longest: usize,
}

/// The result of looking at the bytes so far.
enum Scan<'a> {
    /// The request is incomplete and has at least this many bytes.
    Partial(usize),
    /// The request is complete, with this length and these words.
    Whole(usize, Args<'a>),
}

impl Resp {
    /// Makes a reader with these settings.
    #[must_use]
    pub const fn new(framing: &Framing) -> Self {
        Self { longest: framing.max_length }
    }

    fn scan<'a>(&self, input: &'a [u8]) -> Result<Scan<'a>, BadFrame> {
        match input.first() {
            None => Ok(Scan::Partial(1)),
            Some(b'*') => self.array(input),
            Some(_) => self.line(input),
        }
    }

    /// Reads `*<words>`, then each word as `$<bytes>` and its bytes, all ended by CRLF.
    fn array<'a>(&self, input: &'a [u8]) -> Result<Scan<'a>, BadFrame> {
        let Some((words, start)) = CountReader::read(input, 1)? else {
            return Ok(Scan::Partial(input.len() + 1));
        };
        // Redis ignores a request without words, and answers nothing.
        let words = u64::try_from(words).unwrap_or(0);
        if words > MOST_WORDS {
            return Err(BadFrame::length("too many words in a request", words.cast_signed()));
        }
        let mut at = start;
        for left in (0..words).rev() {
            let least = at as u64 + (left + 1) * SHORTEST_WORD;
            let Some(end) = self.word(input, at, left * SHORTEST_WORD)? else {
                return Ok(Scan::Partial(usize::try_from(least).unwrap_or(usize::MAX)));
            };
            if end > input.len() {
                let least = end as u64 + left * SHORTEST_WORD;
                return Ok(Scan::Partial(usize::try_from(least).unwrap_or(usize::MAX)));
            }
            at = end;
        }
        self.fits(at as u64)?;
        Ok(Scan::Whole(at, Args::array(&input[start..at])))
    }

    /// Returns the needs of a request from its beginning, if that says enough, and the reader for the rest,
    /// which is passed on while it arrives. For a request that [`Requests::request`] finds incomplete.
    pub(super) fn long(&self, input: &[u8], before: ClientMode) -> Option<(Frame, Rest)> {
        let (words, start) = CountReader::read(input, 1).ok()?.filter(|_| input.first() == Some(&b'*'))?;
        let mut rest = Rest::new(u64::try_from(words).ok()?, start, self.longest);
        let (_, false) = rest.read(input.get(start..)?).ok()? else { return None };
        let mut args = Args::array(&input[start..]);
        let (kind, class) = match args.next() {
            None => (commands::CommandKind::Alone, 0), // no command has so long a name
            Some(name) => {
                let command = commands::command(name, &mut args);
                // Subcommands do not have so long names either.
                (
                    if command.is_of_family() { commands::CommandKind::Forever } else { command.kind },
                    command.class,
                )
            }
        };
        Some((Frame { len: input.len(), class, ..policy::long(kind, before) }, rest))
    }

    /// Returns the end of the word that begins at `at`, which may lie after the input. At least `after` bytes
    /// must follow the word.
    fn word(&self, input: &[u8], at: usize, after: u64) -> Result<Option<usize>, BadFrame> {
        self.fits(at as u64 + SHORTEST_WORD + after)?;
        match input.get(at) {
            None => return Ok(None),
            Some(b'$') => {}
            Some(&byte) => return Err(BadFrame::byte("not the `$` of a word", byte)),
        }
        let Some((bytes, start)) = CountReader::read(input, at + 1)? else { return Ok(None) };
        let bytes = match u64::try_from(bytes) {
            Ok(known) if known <= LONGEST_WORD => known,
            _ => return Err(BadFrame::length("not a length of a word", bytes)),
        };
        let end = start as u64 + bytes + 2;
        self.fits(end + after)?;
        // The word fits into the limit, which is a usize.
        let end = usize::try_from(end).unwrap_or(usize::MAX);
        for (at, expected) in [(end - 2, b'\r'), (end - 1, b'\n')] {
            if let Some(&byte) = input.get(at).filter(|byte| **byte != expected) {
                return Err(BadFrame::byte("not the CRLF after a word", byte));
            }
        }
        Ok(Some(end))
    }

    /// Reads a line of words, as a person types it, up to LF.
    fn line<'a>(&self, input: &'a [u8]) -> Result<Scan<'a>, BadFrame> {
        let longest = self.longest.min(LONGEST_LINE);
        let end = memchr(b'\n', input).map(|at| at + 1);
        let line = &input[..end.unwrap_or(input.len()).min(longest)];
        // Redis searches the LF as in a C string, so that a NUL would hide an LF that is found here.
        if memchr(0, line).is_some() {
            return Err(BadFrame::byte("neither a `*` nor a line of text", 0));
        }
        match end {
            Some(end) if end <= longest => Ok(Scan::Whole(end, Args::line(line))),
            None if input.len() < longest => Ok(Scan::Partial(input.len() + 1)),
            _ => Err(BadFrame::TooLong(longest as u64 + 1)),
        }
    }

    fn fits(&self, least: u64) -> Result<(), BadFrame> {
        if least <= self.longest as u64 {
            return Ok(());
        }
        Err(BadFrame::TooLong(least))
    }
}

impl Requests for Resp {
    fn request(&self, input: &[u8], before: ClientMode) -> Result<Option<Frame>, BadFrame> {
        let Scan::Whole(len, mut words) = self.scan(input)? else { return Ok(None) };
        // Guessing where quoted words end could read another command than the server.
        if words.is_quoted() {
            return Ok(Some(Frame { len, ..policy::UNREADABLE }));
        }
        let Some(name) = words.next() else {
            let need = Need::Here { answer: b"", close: false };
            let pinning = before.pinning;
            return Ok(Some(Frame { len, need, pinning, repeatable: false, class: 0, speaks: None }));
        };
        let command = commands::command(name, &mut words);
        let frame = policy::frame(command.kind, words, before);
        Ok(Some(Frame { len, class: command.class, ..frame }))
    }

    fn least(&self, input: &[u8]) -> usize {
        match self.scan(input) {
            Ok(Scan::Partial(least)) => least.max(input.len() + 1),
            _ => input.len() + 1,
        }
    }
}
