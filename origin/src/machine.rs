//! The machine of one connection on which requests are answered, of whatever protocol.

use std::net::SocketAddr;

use crate::clerk::Clerk;
use crate::client::Client;
use crate::options::Speaks;
use crate::turn::{Next, Turn};

/// One for each protocol of requests and answers.
pub(crate) enum Machine {
    Http(Client),
    Frames(Clerk),
}

impl Machine {
    /// For the `number`th connection of a member. None where bytes are spoken, which the speaker does.
    pub(crate) fn new(speaks: Speaks, source: Option<SocketAddr>, number: u64) -> Option<Self> {
        match speaks {
            Speaks::Http => Some(Self::Http(Client::new(source))),
            _ => Clerk::new(speaks, number).map(Self::Frames),
        }
    }

    /// Goes as far as the input, the output and the time allow. What it leaves of the input belongs in front
    /// of what is read next.
    pub(crate) fn advance(&mut self, input: &mut &[u8], turn: &mut Turn<'_>) -> Next {
        match self {
            Self::Http(client) => client.advance(input, turn),
            Self::Frames(clerk) => clerk.advance(input, turn),
        }
    }
}
