//! The reasons for which a link ends.

use crate::cause::Cause;

/// The reason for which a link ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkEnd {
    /// The member closed or reset the link.
    Closed,
    /// The answer at the head of the link did not come in time.
    Timeout,
    /// The bytes on the link are not answers to its requests.
    Desync(Cause),
    /// The member announced the close with its last answer, or the link may carry no more.
    Finished,
    /// The client whose request was being sent went away, or the proxy gave the request up.
    Abandoned,
    /// The link carries no HTTP any more, and belongs to the client whose answer ended last.
    Switched,
    /// The proxy's code panicked while it handled the link.
    Panicked,
}
