//! Chooses the state machine of a connection with requests and answers, by its protocol.

use std::net::SocketAddr;

use crate::clerk::Clerk;
use crate::client::Client;
use crate::options::Speaks;
use crate::turn::{Next, Turn};

/// The state machines of all protocols with requests and answers.
pub(crate) enum Machine {
    Http(Client),
    Frames(Clerk),
}

impl Machine {
    /// Makes the machine of connection number `number` of a member; `None` for protocols of bytes, which the
    /// speaker handles.
    pub(crate) fn new(speaks: Speaks, source: Option<SocketAddr>, number: u64) -> Option<Self> {
        match speaks {
            Speaks::Http => Some(Self::Http(Client::new(source))),
            _ => Clerk::new(speaks, number).map(Self::Frames),
        }
    }

    /// Proceeds as far as input, output and time allow. The caller puts the rest of the input before the next
    /// bytes.
    pub(crate) fn advance(&mut self, input: &mut &[u8], turn: &mut Turn<'_>) -> Next {
        match self {
            Self::Http(client) => client.advance(input, turn),
            Self::Frames(clerk) => clerk.advance(input, turn),
        }
    }
}
