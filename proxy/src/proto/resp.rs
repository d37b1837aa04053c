//! RESP, the protocol of Redis: requests as arrays of bulk strings or as plain lines, and responses of RESP2 and RESP3.
//!
//! "Redis" in here is its `src/networking.c` (`processMultibulkBuffer`, `processInlineBuffer`) and
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>. Where Redis skips bytes it does not look at (the
//! LF of a length, the CRLF after a bulk string), they must be right here.

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

/// Most words of a request (Redis: "invalid multibulk length").
const MOST_WORDS: u64 = 1 << 20;
/// Bytes of the longest word (`proto-max-bulk-len`).
const LONGEST_WORD: u64 = 512 << 20;
/// Bytes of the longest request that is a plain line (`PROTO_INLINE_MAX_SIZE`).
const LONGEST_LINE: usize = 64 << 10;
/// Bytes of the shortest word, `$0` and its ends.
const SHORTEST_WORD: u64 = 6;

/// What a link is told that is to speak this from then on.
#[must_use]
pub const fn greeting(dialect: Dialect) -> &'static [u8] {
    match dialect {
        Dialect::Resp2 => b"*2\r\n$5\r\nHELLO\r\n$1\r\n2\r\n",
        Dialect::Resp3 => b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n",
    }
}

/// Requests, each a command.
#[derive(Clone, Copy, Debug)]
pub struct Resp {
    longest: usize,
}

/// What the bytes so far amount to.
enum Scan<'a> {
    /// A request has at least this many bytes.
    Partial(usize),
    /// A request of this many bytes says these words.
    Whole(usize, Args<'a>),
}

impl Resp {
    /// As the configuration has them.
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

    /// `*<words>`, then each word as `$<bytes>` and its bytes, all ended by CRLF.
    fn array<'a>(&self, input: &'a [u8]) -> Result<Scan<'a>, BadFrame> {
        let Some((words, start)) = CountReader::read(input, 1)? else {
            return Ok(Scan::Partial(input.len() + 1));
        };
        // Redis takes what has no words for nothing, and answers nothing.
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

    /// What a request needs of which this is the beginning, if that tells; and what reads the rest of it, which is passed on
    /// while it comes. For a request of which [`Requests::request`] says that it is not whole.
    pub(super) fn long(&self, input: &[u8], before: ClientMode) -> Option<(Frame, Rest)> {
        let (words, start) = CountReader::read(input, 1).ok()?.filter(|_| input.first() == Some(&b'*'))?;
        let mut rest = Rest::new(u64::try_from(words).ok()?, start, self.longest);
        let (_, false) = rest.read(input.get(start..)?).ok()? else { return None };
        let mut args = Args::array(&input[start..]);
        let (kind, class) = match args.next() {
            None => (commands::CommandKind::Alone, 0), // no command has so long a name
            Some(name) => {
                let command = commands::command(name, &mut args);
                // Nor one of a family.
                (
                    if command.is_of_family() { commands::CommandKind::Forever } else { command.kind },
                    command.class,
                )
            }
        };
        Some((Frame { len: input.len(), class, ..policy::long(kind, before) }, rest))
    }

    /// Where the word that begins at `at` ends, which may lie behind what has come; `after` bytes must follow.
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
        // It fits, so it is a usize.
        let end = usize::try_from(end).unwrap_or(usize::MAX);
        for (at, expected) in [(end - 2, b'\r'), (end - 1, b'\n')] {
            if let Some(&byte) = input.get(at).filter(|byte| **byte != expected) {
                return Err(BadFrame::byte("not the CRLF after a word", byte));
            }
        }
        Ok(Some(end))
    }

    /// A line of words, as a human types it, up to LF.
    fn line<'a>(&self, input: &'a [u8]) -> Result<Scan<'a>, BadFrame> {
        let longest = self.longest.min(LONGEST_LINE);
        let end = memchr(b'\n', input).map(|at| at + 1);
        let line = &input[..end.unwrap_or(input.len()).min(longest)];
        // Redis looks for the LF as in a C string: behind a NUL it would not find it where we do.
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
