//! One client's connection of bytes as a machine: what it says first, to what it hears, and when all is heard.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::fnv::Fnv1a;
use crate::options::Speaks;
use crate::pattern;

/// The longest line that a banner's client may send, in bytes.
const LONGEST_LINE: usize = 64 * 1024;

/// The machine of one connection: `speaking -> over`.
pub(crate) struct Speaker {
    voice: Voice,
    /// Nothing will be said any more, whatever is heard.
    over: bool,
}

enum Voice {
    Echo,
    Discard,
    Generate {
        offset: u64,
        end: u64,
    },
    Total {
        count: u64,
        hash: Fnv1a,
    },
    Slow {
        rate: u64,
        next: Option<Instant>,
    },
    /// With the start of a line whose end is still to come.
    Banner {
        line: Vec<u8>,
    },
}

impl Speaker {
    /// Appends to `out` what it says before it hears anything. None for requests that are answered, as HTTP: those
    /// have a machine of their own.
    pub(crate) fn new(speaks: Speaks, member: &str, out: &mut Vec<u8>) -> Option<Self> {
        let voice = match speaks {
            Speaks::Http | Speaks::Lines { .. } | Speaks::LengthPrefixed(_) => return None,
            Speaks::Echo => Voice::Echo,
            Speaks::Discard => Voice::Discard,
            Speaks::Generate { bytes } => Voice::Generate { offset: 0, end: bytes },
            Speaks::Total => Voice::Total { count: 0, hash: Fnv1a::default() },
            Speaks::SlowReader { bytes_per_second } => Voice::Slow { rate: bytes_per_second, next: None },
            Speaks::Banner => {
                say(out, &[b"220 ", member.as_bytes(), b" ready\r\n"]);
                Voice::Banner { line: Vec::new() }
            }
        };
        Some(Self { over: matches!(voice, Voice::Generate { end: 0, .. }), voice })
    }

    /// How many bytes it would hear now, or from when on it would hear any.
    pub(crate) fn attention(&self, now: impl FnOnce() -> Instant) -> Result<usize, Instant> {
        match &self.voice {
            Voice::Slow { next: Some(next), .. } if *next > now() => Err(*next),
            // A twentieth of a second's worth at a time, so that the bytes flow.
            Voice::Slow { rate, .. } => Ok(usize::try_from((rate / 20).max(1)).unwrap_or(usize::MAX)),
            _ => Ok(usize::MAX),
        }
    }

    /// Hears bytes, and returns what it says to them: put into `out`, or the bytes themselves.
    pub(crate) fn hear<'b>(
        &mut self,
        bytes: &'b [u8],
        out: &'b mut Vec<u8>,
        now: impl FnOnce() -> Instant,
    ) -> &'b [u8] {
        out.clear();
        match &mut self.voice {
            Voice::Echo => return bytes,
            Voice::Discard | Voice::Generate { .. } => {}
            Voice::Total { count, hash } => {
                *count += bytes.len() as u64;
                hash.update(bytes);
            }
            Voice::Slow { rate, next } => *next = Some(now() + worth(bytes.len(), *rate)),
            Voice::Banner { line } if !self.over => self.over = hear_lines(line, bytes, out),
            Voice::Banner { .. } => {}
        }
        out
    }

    /// The client has shut its side.
    pub(crate) fn heard_all(&mut self, out: &mut Vec<u8>) {
        out.clear();
        if let Voice::Total { count, hash } = &self.voice {
            // Writing to a Vec cannot fail.
            let _ = writeln!(out, "{count} {:016x}", hash.value());
        }
        // What is generated is owed, whether the client goes on speaking or not.
        self.over |= !matches!(self.voice, Voice::Generate { .. });
    }

    /// What it says unasked, once all else has been sent.
    pub(crate) fn supply(&self) -> &'static [u8] {
        match self.voice {
            Voice::Generate { offset, end } => pattern::piece(offset, end - offset),
            _ => &[],
        }
    }

    /// So much of the supply has been sent.
    pub(crate) fn supplied(&mut self, bytes: usize) {
        if let Voice::Generate { offset, end } = &mut self.voice {
            *offset += bytes as u64;
            self.over = offset == end;
        }
    }

    /// Nothing will be said any more.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// It waits for the client to shut its side, however long that takes.
    pub(crate) fn is_patient(&self) -> bool {
        !matches!(self.voice, Voice::Banner { .. })
    }
}

fn say(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// How long it takes to read so many bytes at this rate.
fn worth(bytes: usize, rate: u64) -> Duration {
    Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / rate)
}

/// Answers every line that is complete; true when one was the last.
fn hear_lines(line: &mut Vec<u8>, mut bytes: &[u8], out: &mut Vec<u8>) -> bool {
    while let Some(end) = memchr::memchr(b'\n', bytes) {
        line.extend_from_slice(&bytes[..end]);
        bytes = &bytes[end + 1..];
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        if text == b"QUIT" {
            out.extend_from_slice(b"221 bye\r\n");
            return true;
        }
        say(out, &[b"250 ", text, b"\r\n"]);
        line.clear();
    }
    line.extend_from_slice(bytes);
    if line.len() > LONGEST_LINE {
        out.extend_from_slice(b"500 line too long\r\n");
        return true;
    }
    false
}

#[cfg(test)]
mod tests;
