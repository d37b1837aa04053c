//! The ways in which the content of a message is delimited.

/// The way in which a body is delimited (RFC 9112 section 6.3). A message without content always has `None`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BodyFraming {
    /// There is no content.
    None,
    /// The content has this many bytes.
    Length(u64),
    /// The content is in the chunked coding (RFC 9112 section 7.1).
    Chunked,
    /// The content lasts until the connection ends, which only a response may do.
    UntilClose,
}

impl BodyFraming {
    pub(in crate::proto) fn length(n: u64) -> Self {
        if n == 0 { Self::None } else { Self::Length(n) }
    }
}
