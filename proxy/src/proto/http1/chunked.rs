//! Reads the chunked transfer coding, byte by byte except for the data (RFC 9112 section 7.1). Extensions are skipped.

use super::error::BodyStep;
use crate::proto::http::name::is_tchar;
use crate::proto::http::trailers::Trailers;

/// The number of bytes of one chunk line: the size, extensions (which mean nothing to the proxy) and CR. Real lines have a few;
/// the limit bounds the bytes that carry no content.
const MOST_LINE: u16 = 256;
/// The number of bytes of extensions in a whole body. RFC 9112 section 7.1.1 asks for such a limit.
const MOST_EXTENSIONS: u16 = 4 << 10;
/// The number of bytes of the trailer section, without its LFs, and of the extensions before it.
const MOST_TRAILERS: u16 = 8 << 10;

/// A chunked body, as far as it has been read.
#[derive(Debug)]
pub(super) struct Chunks {
    place: ChunkPosition,
    /// The trailers that may travel on. Most bodies have none, and then nothing is kept.
    trailers: Option<Box<Trailers>>,
}

/// The position in a chunked body.
///
/// ```text
/// Size ─▶ MoreSize ─▶ (Space | Extension) ─▶ SizeLf ─▶ Data ─▶ DataCr ─▶ DataLf ─▶ Size
///                                               └─0─▶ Trailer ─▶ TrailerName ─▶ TrailerValue ─▶ TrailerLf ─▶ Trailer
///                                                        └─▶ EndLf ─▶ End
/// ```
#[derive(Clone, Copy, Debug)]
struct ChunkPosition {
    /// The part of the chunk's size that has been read so far; then the part of its data that is left.
    size: u64,
    /// The number of bytes of this chunk line so far.
    line: u16,
    /// The number of bytes of extensions and trailers so far.
    spent: u16,
    /// Blanks may stand between a size and its CRLF.
    padded: bool,
    at: ChunkState,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ChunkState {
    Size,
    MoreSize,
    Space,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    End,
}

impl Chunks {
    /// Returns the start of a body. `padded` is for responses: a member may pad its sizes, as Apache 1.3 and embedded servers
    /// do (`5   ` CRLF). No two readers differ on that: blanks are no part of a number, nothing but CRLF ends the line, and the
    /// proxy is the last to see it, because it frames the content anew. In a request a pad stays a fault: there, broken grammar
    /// is more often an attempt on the reader behind the proxy than an old client.
    pub(super) const fn new(padded: bool) -> Self {
        Self {
            place: ChunkPosition { size: 0, line: 0, spent: 0, padded, at: ChunkState::Size },
            trailers: None,
        }
    }

    /// Returns the trailers that may travel on, once the body is complete.
    pub(super) fn into_trailers(self) -> Option<Box<Trailers>> {
        self.trailers
    }

    /// Reads up to the second run of data, so that one range can name the content.
    pub(super) fn decode(&mut self, input: &[u8]) -> Result<BodyStep, &'static str> {
        let mut data = 0..0;
        let mut pos = 0;
        while pos < input.len() && self.place.at != ChunkState::End {
            if self.place.at == ChunkState::Data {
                if !data.is_empty() {
                    break;
                }
                data = pos..pos + self.place.data(input.len() - pos);
                pos = data.end;
                continue;
            }
            let before = self.place;
            match self.place.next(input[pos]) {
                Ok(at) => self.place.at = at,
                Err(_) if !data.is_empty() => {
                    // The content before the fault is handed out; the next call finds the fault again.
                    self.place = before;
                    break;
                }
                Err(fault) => return Err(fault),
            }
            if before.at.is_in_trailers(self.place.at) {
                self.trailers.get_or_insert_default().push(input[pos]);
            }
            pos += 1;
        }
        Ok(BodyStep { consumed: pos, data, done: self.place.at == ChunkState::End })
    }
}

impl ChunkState {
    /// Returns whether the byte that leads from here to `then` belongs to a trailer.
    fn is_in_trailers(self, then: Self) -> bool {
        match self {
            Self::Trailer => then == Self::TrailerName,
            Self::TrailerName | Self::TrailerValue | Self::TrailerLf => true,
            _ => false,
        }
    }
}

impl ChunkPosition {
    /// Takes the available data of this chunk, and returns its length.
    fn data(&mut self, available: usize) -> usize {
        let n = usize::try_from(self.size).map_or(available, |left| left.min(available));
        self.size -= n as u64;
        if self.size == 0 {
            self.at = ChunkState::DataCr;
        }
        n
    }

    /// Returns the state that one byte of framing leads to.
    fn next(&mut self, b: u8) -> Result<ChunkState, &'static str> {
        match self.at {
            ChunkState::Size => self.first_digit(b),
            ChunkState::MoreSize | ChunkState::Space | ChunkState::Extension => self.in_line(b),
            ChunkState::SizeLf => expect(b, b'\n', self.after_line()),
            ChunkState::DataCr => expect(b, b'\r', ChunkState::DataLf),
            ChunkState::DataLf => expect(b, b'\n', ChunkState::Size),
            ChunkState::Trailer | ChunkState::TrailerName | ChunkState::TrailerValue => self.in_trailers(b),
            ChunkState::TrailerLf => expect(b, b'\n', ChunkState::Trailer),
            ChunkState::EndLf => expect(b, b'\n', ChunkState::End),
            ChunkState::Data | ChunkState::End => Err("no framing is due here"),
        }
    }

    fn first_digit(&mut self, b: u8) -> Result<ChunkState, &'static str> {
        self.size = hex(b).ok_or("a chunk without a size")?;
        self.line = 1;
        Ok(ChunkState::MoreSize)
    }

    fn in_line(&mut self, b: u8) -> Result<ChunkState, &'static str> {
        self.line += 1;
        if self.line > MOST_LINE {
            return Err("a chunk line is over the limit");
        }
        match (self.at, b) {
            (ChunkState::MoreSize, _) if b.is_ascii_hexdigit() => self.digit(b),
            (ChunkState::MoreSize | ChunkState::Extension, b'\r') => Ok(ChunkState::SizeLf),
            // A pad is bounded by the line alone: a member that pads does so in each chunk of a large body.
            (ChunkState::MoreSize | ChunkState::Space, b' ' | b'\t') if self.padded => Ok(ChunkState::Space),
            (ChunkState::Space, b'\r') if self.padded => Ok(ChunkState::SizeLf),
            // RFC 9112 section 7.1.1: this is bad whitespace, which may only stand before the `;` of an extension.
            (ChunkState::MoreSize | ChunkState::Space, b' ' | b'\t') => self.extension(ChunkState::Space),
            (ChunkState::MoreSize | ChunkState::Space, b';') => self.extension(ChunkState::Extension),
            (ChunkState::Extension, _) if is_text(b) => self.extension(ChunkState::Extension),
            _ => Err("a chunk line is malformed"),
        }
    }

    fn digit(&mut self, b: u8) -> Result<ChunkState, &'static str> {
        // One more digit would push the first one out, and the size would be another.
        if self.size >> 60 != 0 {
            return Err("a chunk size is over 64 bits");
        }
        self.size = (self.size << 4) | hex(b).unwrap_or_default();
        Ok(ChunkState::MoreSize)
    }

    fn extension(&mut self, at: ChunkState) -> Result<ChunkState, &'static str> {
        self.spent += 1;
        if self.spent > MOST_EXTENSIONS { Err("chunk extensions are over the limit") } else { Ok(at) }
    }

    fn after_line(&self) -> ChunkState {
        if self.size == 0 { ChunkState::Trailer } else { ChunkState::Data }
    }

    fn in_trailers(&mut self, b: u8) -> Result<ChunkState, &'static str> {
        self.spent += 1;
        if self.spent > MOST_TRAILERS {
            return Err("the trailer section is over the limit");
        }
        match (self.at, b) {
            (ChunkState::Trailer, b'\r') => Ok(ChunkState::EndLf),
            (ChunkState::Trailer | ChunkState::TrailerName, _) if is_tchar(b) => Ok(ChunkState::TrailerName),
            (ChunkState::TrailerName, b':') => Ok(ChunkState::TrailerValue),
            (ChunkState::TrailerValue, b'\r') => Ok(ChunkState::TrailerLf),
            (ChunkState::TrailerValue, _) if is_text(b) => Ok(ChunkState::TrailerValue),
            _ => Err("a trailer is malformed"),
        }
    }
}

fn expect(b: u8, due: u8, then: ChunkState) -> Result<ChunkState, &'static str> {
    if b == due { Ok(then) } else { Err("a CRLF is missing") }
}

fn hex(b: u8) -> Option<u64> {
    char::from(b).to_digit(16).map(u64::from)
}

/// Returns whether the byte may be in a field value or, loosely, in an extension: no control character but HTAB may.
const fn is_text(b: u8) -> bool {
    b == b'\t' || (b >= b' ' && b != 0x7f)
}
