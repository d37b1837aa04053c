//! Why a probe did not show that a member keeps the order of pipelined requests.

use std::fmt;
use std::io::ErrorKind;

/// What a probe found. Each is reason enough not to pipeline to the member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No connection could be opened.
    Connect(ErrorKind),
    /// The member closed the connection while requests were unanswered.
    Closed,
    /// It did not answer in time, although nothing else had been asked of it.
    Timeout,
    /// Some requests of a pipeline were answered, and the others never were.
    Dropped,
    /// The answer to a later request came first.
    Reordered,
    /// Bytes came that nobody had asked for: a second answer, content behind an answer that may have none.
    Surplus,
    /// What came is no HTTP/1.1 answer; the detail says why.
    Malformed(&'static str),
    /// A pipelined request got another answer than the same request had got alone.
    Differs,
    /// The answers look alike, so nobody could tell whether their order was kept.
    Indistinct,
    /// The member ends the connection after an answer (`Connection: close`, HTTP/1.0, a body until close).
    Closes,
}

impl Fault {
    /// One word for it, as a label of a metric or a key in JSON.
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
