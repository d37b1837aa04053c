//! Serves a connection that is no longer HTTP: everything is sent back, as bytes or as messages.

use crate::turn::Next;
use crate::websocket::WebSocket;

/// The form of the exchange.
pub(crate) enum Talk {
    /// Bytes are sent back unchanged until the client has shut its side.
    Echo,
    /// Messages are sent back.
    WebSocket(WebSocket),
}

impl Talk {
    /// Appends the reply to `out`. The caller puts the rest of the input before the next bytes.
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
