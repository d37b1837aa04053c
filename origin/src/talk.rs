//! The talk on a connection that is no longer HTTP: everything comes back, as bytes or as messages.

use crate::turn::Next;
use crate::websocket::WebSocket;

/// How it is talked.
pub(crate) enum Talk {
    /// Bytes come back as they are, until the client has shut its side.
    Echo,
    /// Messages come back.
    WebSocket(WebSocket),
}

impl Talk {
    /// Appends to `out` what is to be said; what is left of the input belongs in front of what is read next.
    pub(crate) fn hear(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Next {
        match self {
            Self::Echo => {
                out.extend_from_slice(input);
                *input = &[];
                Next::Read
            }
            Self::WebSocket(socket) => socket.hear(input, out),
        }
    }
}
