//! Defines the settings of frames of `lines`, `length_prefixed` and `resp`. `proto::framing` reads frames by
//! these settings.

use std::sync::Arc;

/// The settings by which frames are recognized and treated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framing {
    /// The rule that separates frames.
    pub kind: FrameKind,
    /// The length in bytes of the longest request, and for lines and length_prefixed also of the longest
    /// answer, including the bytes that frame the content. At least the length of the shortest frame.
    pub max_length: usize,
    /// Whether requests change nothing, so that they may be sent twice. RESP looks at each command instead.
    pub repeatable: bool,
    /// The frame that a client gets in place of an answer. `None` closes the client, except for RESP, which
    /// then sends an error reply with the cause. An empty frame closes a RESP client.
    pub refusal: Option<Arc<[u8]>>,
}

/// The rule that separates frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// Text up to a terminator, which is part of the frame.
    Lines {
        /// Whether CR LF ends a line and either alone is content. Otherwise LF ends a line and CR is content.
        crlf: bool,
    },
    /// A header with a count of bytes, and the bytes that the count covers.
    LengthPrefixed(Prefix),
    /// Requests and replies of Redis (RESP2).
    Resp,
}

/// The header of a length-prefixed frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// The bytes of the count: 1, 2, 4 or 8.
    pub width: u8,
    /// Whether the least significant byte of the count comes first.
    pub little_endian: bool,
    /// Whether the count includes the header, which ends with the count.
    pub counts_header: bool,
    /// The bytes before the count.
    pub offset: u16,
}

impl Prefix {
    /// Returns the bytes of the header: all up to and with the count.
    #[must_use]
    pub const fn header_length(self) -> usize {
        self.offset as usize + self.width as usize
    }
}
