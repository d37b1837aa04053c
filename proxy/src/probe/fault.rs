//! Defines the reasons why a probe did not show that a member keeps the order of pipelined requests.

use std::fmt;
use std::io::ErrorKind;

/// A finding of a probe. Each is reason enough not to pipeline to the member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No connection could be opened.
    Connect(ErrorKind),
    /// The member closed the connection while requests were unanswered.
    Closed,
    /// The member did not answer in time, although no other request was outstanding.
    Timeout,
    /// Some requests of a pipeline were answered, and the others were not.
    Dropped,
    /// The answer to a later request came first.
    Reordered,
    /// Unrequested bytes came, such as a second answer, or content after an answer that may have none.
    Surplus,
    /// The bytes are no HTTP/1.1 answer; the detail says why.
    Malformed(&'static str),
    /// A pipelined request got another answer than the same request alone.
    Differs,
    /// The answers look alike, so that their order cannot be checked.
    Indistinct,
    /// The member ends the connection after an answer (`Connection: close`, HTTP/1.0, or a body until close).
    Closes,
}

impl Fault {
    /// Returns the word for the fault in labels and in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Closed => "closed",
            Self::Timeout => "timeout",
            Self::Dropped => "dropped",
            Self::Reordered => "reordered",
            Self::Surplus => "surplus",
            Self::Malformed(_) => "malformed",
            Self::Differs => "differs",
            Self::Indistinct => "indistinct",
            Self::Closes => "closes",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(kind) => write!(f, "connecting to it failed: {kind}"),
            Self::Closed => f.write_str("it closed the connection while requests were unanswered"),
            Self::Timeout => f.write_str("it did not answer in time, although no other request was sent"),
            Self::Dropped => f.write_str("it answered some requests of a pipeline and dropped the others"),
            Self::Reordered => f.write_str("it answered a later request of a pipeline first"),
            Self::Surplus => f.write_str("it sent unrequested bytes"),
            Self::Malformed(detail) => write!(f, "it sent bytes that are no HTTP/1.1 answer: {detail}"),
            Self::Differs => {
                f.write_str("a pipelined request got another answer than the same request alone")
            }
            Self::Indistinct => f.write_str("its answers look alike, so their order cannot be told"),
            Self::Closes => f.write_str("it closes the connection after an answer"),
        }
    }
}

impl std::error::Error for Fault {}
