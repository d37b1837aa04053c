//! Handles requests that switch the connection from HTTP: Upgrade (RFC 9110 section 7.8) and CONNECT.

use sha1::{Digest, Sha1};

use crate::answer::Reply;
use crate::base64;
use crate::head::{Framing, Head};
use crate::talk::Talk;
use crate::turn::{Outcome, Turn};
use crate::websocket::WebSocket;

/// The protocol that a route offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// Messages (RFC 6455), for requests with a correct handshake.
    WebSocket,
    /// An echo, under any name that the request asks for.
    Any,
    /// An echo for CONNECT, to any destination (RFC 9110 section 9.3.6).
    Tunnel,
}

/// The answer to a request for a switch.
pub(crate) enum Switch {
    /// The switch is made: the status, the fields, and the new protocol.
    Done { status: u16, fields: String, talk: Talk },
    /// 426, with the protocol that would have been possible.
    Refused(&'static str),
}

/// The constant of RFC 6455 section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The fields that name the supported version, by RFC 6455 section 4.4.
const NEEDS_WEBSOCKET: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
const NEEDS_ANY: &str = "Connection: Upgrade\r\nUpgrade: echo\r\n";

impl Switch {
    pub(crate) fn decide(offer: Offer, head: &Head<'_, '_>) -> Self {
        match offer {
            Offer::Tunnel => Self::Done { status: 200, fields: String::new(), talk: Talk::Echo },
            Offer::Any => match protocols(head).next() {
                Some(name) => Self::upgraded(format!("Upgrade: {name}\r\n"), Talk::Echo),
                None => Self::Refused(NEEDS_ANY),
            },
            Offer::WebSocket => match handshake(head) {
                Some(fields) => Self::upgraded(fields, Talk::WebSocket(WebSocket::default())),
                None => Self::Refused(NEEDS_WEBSOCKET),
            },
        }
    }

    fn upgraded(fields: String, talk: Talk) -> Self {
        Self::Done { status: 101, fields: format!("Connection: Upgrade\r\n{fields}"), talk }
    }

    pub(crate) fn finish(self, reply: Reply, turn: &mut Turn<'_>) -> Outcome {
        match self {
            Self::Done { status, fields, talk } => turn.switch(status, &fields, talk),
            Self::Refused(fields) => turn.words(reply, 426, fields, "this is for another protocol\n"),
        }
    }
}

/// Returns the protocols that the request asks for, best first. There are none with a body, which would have
/// to be answered first, in HTTP/1.0, and without `Connection: Upgrade`, which limits the field to the next
/// hop (RFC 9110 section 7.8).
fn protocols<'b>(head: &Head<'_, 'b>) -> impl Iterator<Item = &'b str> {
    let mut options = head.list("connection");
    let asked = head.framing == Framing::Length(0)
        && !head.old
        && options.any(|option| option.eq_ignore_ascii_case(b"upgrade"));
    head.list("upgrade").filter(move |_| asked).filter_map(|name| token(name, b"/"))
}

/// Returns the fields of the answer if the handshake conforms to RFC 6455 section 4.2.1.
fn handshake(head: &Head<'_, '_>) -> Option<String> {
    let asked = protocols(head).any(|name| name.eq_ignore_ascii_case("websocket"));
    let key = head.field("sec-websocket-key").filter(|_| asked)?;
    let good = base64::decode(key)?.len() == 16 && head.field("sec-websocket-version") == Some(b"13");
    let accept = base64::encode(&Sha1::new().chain_update(key).chain_update(GUID).finalize());
    let mut fields = format!("Upgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n");
    if let Some(protocol) = head.list("sec-websocket-protocol").find_map(|name| token(name, b"")) {
        fields += &format!("Sec-WebSocket-Protocol: {protocol}\r\n");
    }
    good.then_some(fields)
}

/// Returns a name that is a token (RFC 9110 section 5.6.2), because only such a name is sent back.
fn token<'b>(name: &'b [u8], beside: &[u8]) -> Option<&'b str> {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let name = str::from_utf8(name).ok()?;
    name.bytes().all(|byte| fits(&byte) || beside.contains(&byte)).then_some(name)
}
