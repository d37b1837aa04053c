//! How the content of a message is delimited.

/// How a body is delimited (RFC 9112 section 6.3). No content at all is always `None`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BodyFraming {
    /// There is no content.
    None,
    /// So many bytes.
    Length(u64),
    /// The chunked coding (RFC 9112 section 7.1).
    Chunked,
    /// Everything until the connection ends: responses only.
    UntilClose,
}

impl BodyFraming {
    pub(in crate::proto) fn length(n: u64) -> Self {
        if n == 0 { Self::None } else { Self::Length(n) }
    }
}
