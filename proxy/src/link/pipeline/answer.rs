//! What frames the answer to a request, and how it ended.

use crate::proto::http;

/// What frames the answer to a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AnswerKind {
    /// A request of HTTP.
    Http(http::Ask),
    /// A frame, which is answered with a frame; or several of them, one answer each, which are one exchange.
    Frames {
        /// The answer may take as long as it likes.
        patient: bool,
    },
    /// Whatever comes, until the link ends.
    Forever,
}

impl AnswerKind {
    /// Whether it is a request of HTTP.
    #[must_use]
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http(_))
    }

    /// Whether it is answered with frames.
    #[must_use]
    pub fn is_frames(self) -> bool {
        matches!(self, Self::Frames { .. })
    }
}

/// An answer has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AnswerEnd {
    /// Its status code.
    pub status: u16,
    /// The client's connection can carry nothing after it, whatever the client was told.
    pub close: bool,
    /// The link may carry another exchange.
    pub reusable: bool,
    /// What comes after it on the link is no HTTP, and the client's.
    pub switched: bool,
    /// It came in HTTP/1.0.
    pub old: bool,
    /// Seconds that the member keeps the link while it is unused, as it says (`Keep-Alive: timeout=`).
    pub kept_for: Option<u32>,
}

impl AnswerEnd {
    /// Of an answer that says nothing of its link but that it may be used again.
    #[must_use]
    pub fn plain(status: u16) -> Self {
        Self { status, close: false, reusable: true, switched: false, old: false, kept_for: None }
    }
}
