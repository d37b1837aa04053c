//! Writes a response head for the client, and decides how its content is framed (RFC 9112 sections 6 and 9).

use super::answer::{Date, write_date};
use super::body::BodyEncoder;
use super::framing::{BodyFraming, is_identity};
use super::name::{FieldName, list};
use super::request::Ask;
use super::response::Response;
use super::{text, upgrade};

/// Room for the fields we add.
const ADDED: usize = 96;

/// How the body goes to the client, and whether the client's connection ends with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// How the body is written.
    pub encoder: BodyEncoder,
    /// Close the client's connection after it. False where the head switches: what follows is not HTTP's.
    pub close: bool,
}

impl Response<'_, '_> {
    /// Appends the head as the client gets it. `close`: the client's connection will be closed after
    /// this answer, whatever the client wished. `date`: of now, for an answer that has none.
    pub fn forward(&self, ask: Ask, close: bool, date: &Date, out: &mut Vec<u8>) -> Outgoing {
        out.reserve(self.head.bytes.len() + ADDED);
        let copied = self.begin(out);
        self.head.copy(copied, &self.head.dropped, out);
        if let Some(n) = self.rewritten_length {
            out.extend_from_slice(b"Content-Length: ");
            text::decimal(n, out);
            out.extend_from_slice(b"\r\n");
        }
        let outgoing = self.outgoing(ask, close);
        if outgoing.encoder == BodyEncoder::Chunked {
            self.write_codings(out);
        }
        if self.status >= 200 {
            if !self.has_date {
                write_date(date, out); // RFC 9110 section 6.6.1
            }
            if !self.switches() {
                write_connection(ask, outgoing.close, out);
            }
        }
        if self.tells_upgrade {
            self.write_upgrade(out);
        }
        out.extend_from_slice(b"\r\n");
        outgoing
    }

    /// The status line where it cannot be copied with the fields: another version, or no space where
    /// the reason phrase is empty (RFC 9112 section 4). Returns from where the bytes can be.
    fn begin(&self, out: &mut Vec<u8>) -> usize {
        let status = self.status_text();
        let lacks_space = status.len() == b"200".len();
        if self.minor_version == 1 && !lacks_space {
            return 0;
        }
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(status);
        if lacks_space {
            out.push(b' ');
        }
        out.extend_from_slice(b"\r\n");
        self.head.begin(0)
    }

    fn outgoing(&self, ask: Ask, close: bool) -> Outgoing {
        // What follows a head that switches is no HTTP, so there is nothing to be said of persistence.
        if self.is_interim() || self.switches() {
            return Outgoing { encoder: BodyEncoder::None, close: false };
        }
        let close = close || !ask.keep_alive;
        // RFC 9110 section 15.3.6: whatever the member sends with it goes nowhere.
        if self.status == 205 {
            return Outgoing { encoder: BodyEncoder::None, close };
        }
        match self.body {
            BodyFraming::None => Outgoing { encoder: BodyEncoder::None, close },
            BodyFraming::Length(_) => Outgoing { encoder: BodyEncoder::Raw, close },
            // RFC 9112 section 6.1: a 1.0 client gets no transfer coding; the close is the end.
            _ if ask.minor_version == 0 => Outgoing { encoder: BodyEncoder::Raw, close: true },
            _ => Outgoing { encoder: BodyEncoder::Chunked, close },
        }
    }

    #[cold]
    fn write_upgrade(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"Upgrade: ");
        for (n, protocol) in upgrade::asked(&self.head).enumerate() {
            out.extend_from_slice(if n == 0 { b"" } else { b", " });
            out.extend_from_slice(protocol);
        }
        out.extend_from_slice(b"\r\nConnection: Upgrade\r\n");
    }

    /// `chunked`, after the codings that the member has put on the content and that stay on it.
    fn write_codings(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"Transfer-Encoding: ");
        if self.other_codings {
            self.write_other_codings(out);
        }
        out.extend_from_slice(b"chunked\r\n");
    }

    #[cold]
    fn write_other_codings(&self, out: &mut Vec<u8>) {
        let coded = self
            .head
            .fields
            .iter()
            .filter(|f| FieldName::of(f.name.as_bytes()) == FieldName::TransferEncoding);
        // `chunked` is the last of them if it is there at all, and is written by us.
        let lasting = |coding: &&[u8]| !is_identity(coding) && !coding.eq_ignore_ascii_case(b"chunked");
        for coding in coded.flat_map(|f| list(f.value)).filter(lasting) {
            out.extend_from_slice(coding);
            out.extend_from_slice(b", ");
        }
    }
}

/// RFC 9112 section 9.3: 1.1 stays unless told otherwise, 1.0 closes unless told otherwise.
pub(super) fn write_connection(ask: Ask, close: bool, out: &mut Vec<u8>) {
    if close {
        out.extend_from_slice(b"Connection: close\r\n");
    } else if ask.minor_version == 0 {
        out.extend_from_slice(b"Connection: keep-alive\r\n");
    }
}
