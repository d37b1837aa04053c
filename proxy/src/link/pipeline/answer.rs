//! The kinds of answers to a request, and how an answer ended.

use crate::proto::http;

/// The kind of answer to a request, which says where the answer ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AnswerKind {
    /// The answer to a request of HTTP.
    Http(http::Ask),
    /// A frame that answers a frame, or one frame for each of several that make one exchange.
    Frames {
        /// The answer may take as long as it likes.
        patient: bool,
    },
    /// All bytes until the link ends.
    Forever,
}

impl AnswerKind {
    /// Returns whether the answer is one of HTTP.
    #[must_use]
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http(_))
    }

    /// Returns whether the answer is made of frames.
    #[must_use]
    pub fn is_frames(self) -> bool {
        matches!(self, Self::Frames { .. })
    }
}

/// The end of an answer, and its consequences for the two connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AnswerEnd {
    /// The status code of the answer.
    pub status: u16,
    /// The client's connection can carry nothing after the answer, whatever its head said.
    pub close: bool,
    /// The link may carry another exchange.
    pub reusable: bool,
    /// The bytes behind the answer are no HTTP, and belong to its client.
    pub switched: bool,
    /// The answer was in HTTP/1.0.
    pub old: bool,
    /// The number of seconds for which the member says it keeps an unused link (`Keep-Alive: timeout=`).
    pub kept_for: Option<u32>,
}

impl AnswerEnd {
    /// Returns the end of an answer that says nothing of its link, which may be used again.
    #[must_use]
    pub fn plain(status: u16) -> Self {
        Self { status, close: false, reusable: true, switched: false, old: false, kept_for: None }
    }
}
