//! The settings of frames of `lines`, `length_prefixed` and `resp`: where frames end, and what may be done with them.
//!
//! `proto::framing` reads frames by these.

use std::sync::Arc;

/// Where the frames of a protocol end, and what may be done with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framing {
    /// How a frame is told from the next.
    pub kind: FrameKind,
    /// Longest request, and for lines and length_prefixed also longest answer, in bytes, frame overhead
    /// included. At least what the shortest frame takes.
    pub max_length: usize,
    /// A request may be sent twice: it changes nothing. RESP knows its commands and looks at them instead.
    pub repeatable: bool,
    /// What is answered instead of an answer, one whole frame; `None` closes the client, but for RESP stands for
    /// an error reply that tells the cause. Of no bytes for RESP: closes the client.
    pub refusal: Option<Arc<[u8]>>,
}

/// How a frame is told from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// Text up to a terminator, which belongs to the frame.
    Lines {
        /// CR LF ends a line, and either alone is content; else LF does, and CR is content.
        crlf: bool,
    },
    /// A header with a count of bytes, and what it counts.
    LengthPrefixed(Prefix),
    /// Requests and replies of Redis (RESP2).
    Resp,
}

/// The header of a frame that says how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// Bytes of the count: 1, 2, 4 or 8.
    pub width: u8,
    /// The least significant byte of the count comes first.
    pub little_endian: bool,
    /// The count includes the header: everything up to and with the count.
    pub counts_header: bool,
    /// Bytes before the count.
    pub offset: u16,
}

impl Prefix {
    /// Returns the bytes of the header: all up to and with the count.
    #[must_use]
    pub const fn header_length(self) -> usize {
        self.offset as usize + self.width as usize
    }
}
