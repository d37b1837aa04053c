//! Collects from a request's fields, line by line, the facts that the proxy must know, or refuses the request.

use super::framing::RequestFraming;
use crate::proto::http::coding::Codings;
use crate::proto::http::connection::ConnectionOptions;
use crate::proto::http::expect::Expect;
use crate::proto::http::name::{FieldName, list};
use crate::proto::http::reject::Reject;
use crate::proto::http::target::is_host;

/// The facts that the fields of a request have named so far.
#[derive(Default)]
pub(super) struct RequestFields<'b> {
    pub(super) framing: RequestFraming,
    pub(super) options: ConnectionOptions,
    pub(super) host: Option<&'b [u8]>,
    pub(super) expect: Expect,
    /// The head has an Upgrade line.
    pub(super) upgrade: bool,
    /// TE asks for trailers (RFC 9110 section 10.1.4).
    pub(super) te_trailers: bool,
    /// The other transfer codings that TE asks for.
    pub(super) codings: Codings,
    /// The credentials belong to a connection.
    pub(super) binds: bool,
    /// The value of Max-Forwards as it came; empty where it came twice.
    pub(super) max_forwards: Option<&'b [u8]>,
    /// The fields of `Ours` that came, as bits.
    pub(super) ours: u8,
}

impl<'b> RequestFields<'b> {
    #[inline]
    pub(super) fn take(&mut self, name: FieldName, value: &'b [u8]) -> Result<(), Reject> {
        match name {
            FieldName::Other
            | FieldName::KeepAlive
            | FieldName::Hop
            | FieldName::Http2Settings
            | FieldName::Date
            | FieldName::Server => {}
            FieldName::Host => self.host = Some(host(value, self.host)?),
            FieldName::ContentLength => self.framing.content_length(value)?,
            FieldName::TransferEncoding => self.framing.transfer_encoding(value)?,
            FieldName::Connection => self.options.add(value),
            FieldName::Expect => self.expect = self.expect.and(value)?,
            FieldName::Upgrade => self.upgrade = true,
            FieldName::Te => {
                self.te_trailers |= list(value).any(|e| e.eq_ignore_ascii_case(b"trailers"));
                self.codings.add(Codings::asked_for(value));
            }
            FieldName::Authorization => self.binds |= is_of_connection(value),
            FieldName::MaxForwards => self.max_forwards = Some(self.max_forwards.map_or(value, |_| b"")),
            FieldName::Ours(which) => self.ours |= which as u8,
        }
        Ok(())
    }
}

fn host<'b>(value: &'b [u8], seen: Option<&[u8]>) -> Result<&'b [u8], Reject> {
    match (seen, is_host(value)) {
        (Some(_), _) => Err(Reject::request("more than one Host")),
        (None, false) => Err(Reject::request("Host is not a host")),
        (None, true) => Ok(value),
    }
}

/// Returns whether the credentials authenticate a connection rather than a request (RFC 4559 section 6, MS-NTHT).
fn is_of_connection(credentials: &[u8]) -> bool {
    let scheme = credentials.split(|b| matches!(b, b' ' | b'\t')).next().unwrap_or_default();
    scheme.eq_ignore_ascii_case(b"ntlm") || scheme.eq_ignore_ascii_case(b"negotiate")
}
