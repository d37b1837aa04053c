//! Ends tunnels: tells each side (by FIN or a reset), and counts why.

use crate::cause::Cause;
use crate::metrics::{ClientClose, LinkClose};
use crate::relay::{RelayEnd, Side};

use super::{Stage, TunnelTask, relay_io};

/// Why a tunnel is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// Its two sides ended it.
    Over(RelayEnd),
    /// There was no link for it.
    Failed(Cause),
    /// The proxy ended it.
    Told(ClientClose),
}

impl Ending {
    /// The cause, where it ended badly.
    #[must_use]
    pub fn cause(self) -> Option<Cause> {
        match self {
            Self::Over(RelayEnd::Closed(_)) | Self::Told(_) => None,
            Self::Over(RelayEnd::Reset(Side::Client)) => Some(Cause::ClientAbort),
            Self::Over(RelayEnd::Reset(Side::Member)) => Some(Cause::BackendReset),
            Self::Failed(cause) => Some(cause),
        }
    }

    /// What is counted for the client.
    #[must_use]
    pub fn client_close(self) -> ClientClose {
        match self {
            Self::Over(RelayEnd::Closed(Side::Client)) => ClientClose::Client,
            Self::Over(RelayEnd::Closed(Side::Member)) => ClientClose::ServerClose,
            Self::Over(RelayEnd::Reset(_)) | Self::Failed(_) => ClientClose::Error,
            Self::Told(why) => why,
        }
    }

    /// What is counted for the link.
    #[must_use]
    pub fn link_close(self) -> LinkClose {
        match self {
            Self::Over(RelayEnd::Closed(Side::Member)) => LinkClose::Origin,
            Self::Over(RelayEnd::Reset(Side::Client)) => LinkClose::ClientAbort,
            Self::Over(RelayEnd::Reset(Side::Member)) | Self::Failed(_) => LinkClose::Error,
            Self::Told(ClientClose::IdleTimeout) => LinkClose::Idle,
            Self::Told(ClientClose::MaxAge) => LinkClose::MaxAge,
            Self::Told(ClientClose::Evicted) => LinkClose::Evicted,
            Self::Told(ClientClose::Drain) => LinkClose::Drain,
            Self::Over(RelayEnd::Closed(Side::Client)) | Self::Told(_) => LinkClose::Pinned,
        }
    }
}

impl TunnelTask {
    /// The streams close when the task is dropped, which is next.
    pub(super) fn end(&mut self, ending: Ending) {
        if let Some(cause) = ending.cause() {
            self.tunnel.destination.borrow().cells.errors[cause].inc();
        }
        // What ended badly must not look as if it were complete. Who was reset already feels nothing of it. Neither must a
        // stream that stood still because its reader did, and had to give way amid it.
        let amid = matches!(&self.stage, Stage::Relaying(relay, _) if relay.holds());
        let reset = ending.cause().is_some() || (amid && ending == Ending::Told(ClientClose::Evicted));
        if reset {
            self.tunnel.conn.reset_on_drop();
        }
        let no_stage = Stage::Reaching(Box::pin(std::future::pending()));
        if let Stage::Relaying(mut relay, link) = std::mem::replace(&mut self.stage, no_stage) {
            if let Some(client) = self.tunnel.conn.stream().as_ref() {
                relay.release(&relay_io(&self.tunnel, client, &link));
            }
            if reset {
                link.stream.reset_on_drop();
            }
            link.close(ending.link_close());
        }
        self.tunnel.dismiss(ending.client_close());
    }
}
