//! The reasons for which a tunnel ends, and what is counted for each of its sides then.

use crate::cause::Cause;
use crate::metrics::{ClientClose, LinkClose};
use crate::relay::{RelayEnd, Side};

/// The reason for which a tunnel is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ending {
    /// The two sides ended the tunnel.
    Over(RelayEnd),
    /// The tunnel could not get a link.
    Failed(Cause),
    /// The proxy ended the tunnel.
    Told(ClientClose),
}

impl Ending {
    /// Returns the cause of a tunnel that ended badly.
    pub(super) fn cause(self) -> Option<Cause> {
        match self {
            Self::Over(RelayEnd::Closed(_)) | Self::Told(_) => None,
            Self::Over(RelayEnd::Reset(Side::Client)) => Some(Cause::ClientAbort),
            Self::Over(RelayEnd::Reset(Side::Member)) => Some(Cause::BackendReset),
            Self::Failed(cause) => Some(cause),
        }
    }

    /// Returns the reason that is counted for the client.
    pub(super) fn client_close(self) -> ClientClose {
        match self {
            Self::Over(RelayEnd::Closed(Side::Client)) => ClientClose::Client,
            Self::Over(RelayEnd::Closed(Side::Member)) => ClientClose::ServerClose,
            Self::Over(RelayEnd::Reset(_)) | Self::Failed(_) => ClientClose::Error,
            Self::Told(why) => why,
        }
    }

    /// Returns the reason that is counted for the link.
    pub(super) fn link_close(self) -> LinkClose {
        match self {
            Self::Over(RelayEnd::Closed(Side::Member)) => LinkClose::Origin,
            Self::Over(RelayEnd::Reset(Side::Client)) => LinkClose::ClientAbort,
            Self::Over(RelayEnd::Reset(Side::Member)) | Self::Failed(_) => LinkClose::Error,
            Self::Told(ClientClose::IdleTimeout) => LinkClose::Idle,
            Self::Told(ClientClose::MaxAge) => LinkClose::MaxAge,
            Self::Told(ClientClose::Evicted) => LinkClose::Evicted,
            Self::Told(ClientClose::Drain | ClientClose::MemberDown) => LinkClose::Drain,
            Self::Over(RelayEnd::Closed(Side::Client)) | Self::Told(_) => LinkClose::Pinned,
        }
    }
}
