//! Why a link is of no use any more.

use crate::cause::Cause;

/// Why a link is of no use any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkEnd {
    /// The member closed or reset it.
    Closed,
    /// The answer at its head did not come in time.
    Timeout,
    /// What came on it is not the answer to what was asked.
    Desync(Cause),
    /// It said with its last answer that it would close, or may not carry more.
    Finished,
    /// The client whose request was being sent went away, or the proxy gave it up.
    Abandoned,
    /// It carries no HTTP any more, and belongs to the client whose answer ended last.
    Switched,
    /// The code of the proxy panicked over it.
    Panicked,
}
