//! Writes a response head for the client, and decides how its content is framed (RFC 9112 sections 6 and 9).

use super::added_fields::{Date, write_connection, write_date};
use super::body::BodyEncoder;
use super::framing::is_identity;
use super::text;
use crate::cause::Cause;
use crate::proto::http::coding::Codings;
use crate::proto::http::framing::BodyFraming;
use crate::proto::http::name::{FieldName, list};
use crate::proto::http::request::ResponseFormat;
use crate::proto::http::response::ResponseHead;
use crate::proto::http::upgrade;

/// The number of bytes before the status: `HTTP/1.1 `.
const VERSION_LEN: usize = 9;

/// The number of bytes of room for the fields that the proxy adds. A head that needs more costs one more allocation.
const ADDED: usize = 96;

/// The way in which the body goes to the client, and the end of the client's connection with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// The encoder of the body.
    pub encoder: BodyEncoder,
    /// The client's connection closes after the response. This is false for a head that switches, behind which there is no
    /// HTTP.
    pub close: bool,
}

/// A writer of the responses that one client gets, one after the other.
///
/// The decisions of a response's head hold for its content, and for the connection at its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ResponseWriter {
    encoder: BodyEncoder,
    close: bool,
}

/// The number of bytes from which content is not copied: from there on a second slice in the system call costs less than the
/// copy.
const WORTH_A_SECOND_SLICE: usize = 4096;

impl ResponseWriter {
    /// Returns the writer before the first response.
    #[must_use]
    pub const fn new() -> Self {
        Self { encoder: BodyEncoder::None, close: false }
    }

    /// Appends a head, as [`ResponseHead::forward`] does. A client of HTTP/1.0 gets no interim response (RFC 9110 section 15.2).
    ///
    /// # Errors
    /// Fails when the client does not accept the response.
    #[inline]
    pub fn head(
        &mut self,
        head: &ResponseHead<'_, '_>,
        format: ResponseFormat,
        close: bool,
        date: &Date,
        out: &mut Vec<u8>,
    ) -> Result<(), Cause> {
        // The client would take an interim response for the final one.
        if head.is_interim() && format.minor_version == 0 {
            return Ok(());
        }
        let Outgoing { encoder, close } = head.forward(format, close, date, out)?;
        // The bytes behind a head that switches go to the client unchanged.
        let encoder = if head.switches() { BodyEncoder::Raw } else { encoder };
        *self = Self { encoder, close };
        Ok(())
    }

    /// Returns whether a run of content of this length should follow the written bytes unchanged, without a copy.
    #[must_use]
    #[inline]
    pub fn passes(self, len: usize) -> bool {
        self.encoder == BodyEncoder::Raw && len >= WORTH_A_SECOND_SLICE
    }

    /// Appends content.
    #[inline]
    pub fn data(self, bytes: &[u8], out: &mut Vec<u8>) {
        self.encoder.encode(bytes, out);
    }

    /// Appends the end of a response, with these trailers where the framing has a place for them.
    #[inline]
    pub fn end(self, trailers: &[u8], out: &mut Vec<u8>) {
        self.encoder.finish(trailers, out);
    }

    /// Returns whether the client's connection ends with the present response.
    #[must_use]
    pub const fn closes(self) -> bool {
        self.close
    }
}

impl Default for ResponseWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl ResponseHead<'_, '_> {
    /// Appends the head as the client gets it. `close` says that the client's connection closes after this response, whatever
    /// the client wished. `date` is the present time, for a response that has none.
    ///
    /// # Errors
    /// Fails when the content is in a transfer coding that the client did not ask for.
    pub fn forward(
        &self,
        format: ResponseFormat,
        close: bool,
        date: &Date,
        out: &mut Vec<u8>,
    ) -> Result<Outgoing, Cause> {
        if !self.is_coded_as(format.codings) {
            return Err(Cause::BadResponse);
        }
        out.reserve(self.head.wire_len() + ADDED);
        let start = self.begin(out);
        self.head.copy(start, &self.head.dropped, out);
        if let Some(n) = self.rewritten_length {
            out.extend_from_slice(b"Content-Length: ");
            text::decimal(n, out);
            out.extend_from_slice(b"\r\n");
        }
        let outgoing = self.outgoing(format, close);
        if outgoing.encoder == BodyEncoder::Chunked {
            self.write_codings(out);
        }
        if self.status >= 200 {
            if !self.has_date {
                write_date(date, out); // RFC 9110 section 6.6.1
            }
            if !self.switches() {
                write_connection(format, outgoing.close, out);
            }
        }
        if self.tells_upgrade {
            self.write_upgrade(out);
        }
        out.extend_from_slice(b"\r\n");
        Ok(outgoing)
    }

    /// Appends the status line where it cannot be copied with the fields, because the version differs or the space before an
    /// empty reason phrase is missing (RFC 9112 section 4). Returns whether it can be copied.
    fn begin(&self, out: &mut Vec<u8>) -> bool {
        let status = self.status_text();
        let lacks_space = status.is_none_or(|status| status.len() == b"200".len());
        if self.minor_version == 1 && !lacks_space {
            return true;
        }
        out.extend_from_slice(b"HTTP/1.1 ");
        match status {
            Some(status) => out.extend_from_slice(status),
            None => text::decimal(self.status.into(), out),
        }
        if lacks_space {
            out.push(b' ');
        }
        out.extend_from_slice(b"\r\n");
        false
    }

    /// Returns the status line behind the version, if the head has one: status, SP, reason phrase.
    fn status_text(&self) -> Option<&[u8]> {
        let bytes = self.head.wire?;
        Some(&bytes[VERSION_LEN..self.head.begin(bytes, 0) - 2])
    }

    fn outgoing(&self, format: ResponseFormat, close: bool) -> Outgoing {
        // There is no HTTP behind a head that switches, so nothing is said of persistence.
        if self.is_interim() || self.switches() {
            return Outgoing { encoder: BodyEncoder::None, close: false };
        }
        let close = close || !format.keep_alive;
        // RFC 9110 section 15.3.6: content that the member sends with a 205 goes nowhere.
        if self.status == 205 {
            return Outgoing { encoder: BodyEncoder::None, close };
        }
        match self.body {
            BodyFraming::None => Outgoing { encoder: BodyEncoder::None, close },
            BodyFraming::Length(_) => Outgoing { encoder: BodyEncoder::Raw, close },
            // RFC 9112 section 6.1: a client of HTTP/1.0 gets no transfer coding; the close is the end of the content.
            _ if format.minor_version == 0 => Outgoing { encoder: BodyEncoder::Raw, close: true },
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

    /// Appends Transfer-Encoding: `chunked`, behind the codings that the member has put on the content and that stay on it.
    fn write_codings(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"Transfer-Encoding: ");
        if self.unknown_coding || self.codings != Codings::NONE {
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
        // `chunked` is the last coding if it is there at all, and the proxy writes it.
        let lasting = |coding: &&[u8]| !is_identity(coding) && !coding.eq_ignore_ascii_case(b"chunked");
        for coding in coded.flat_map(|f| list(f.value)).filter(lasting) {
            out.extend_from_slice(coding);
            out.extend_from_slice(b", ");
        }
    }
}
