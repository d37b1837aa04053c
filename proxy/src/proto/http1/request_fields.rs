//! Collects what the proxy must know of a request's fields, line by line, or refuses the request.

use super::coding::Codings;
use super::connection::ConnectionOptions;
use super::error::Reject;
use super::framing::RequestFraming;
use super::name::{FieldName, list};
use super::target::is_host;

/// What the fields of a request have said so far.
#[derive(Default)]
pub(super) struct RequestFields<'b> {
    pub(super) framing: RequestFraming,
    pub(super) options: ConnectionOptions,
    pub(super) host: Option<&'b [u8]>,
    pub(super) expect: Expect,
    /// There is an Upgrade line.
    pub(super) upgrade: bool,
    /// `TE: trailers` (RFC 9110 section 10.1.4).
    pub(super) te_trailers: bool,
    /// Other transfer codings that TE asks for.
    pub(super) codings: Codings,
    /// Credentials that belong to a connection.
    pub(super) binds: bool,
    /// Max-Forwards as it came; empty where it came twice.
    pub(super) max_forwards: Option<&'b [u8]>,
    /// Bits of `Ours`.
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

/// What the Expect lines of a head have said so far: a list (RFC 9110 section 10.1.1) of which we know one element.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) enum Expect {
    #[default]
    Nothing,
    /// 100-continue, said as members know it; that line travels.
    AsItCame,
    /// 100-continue, in a list with empty elements, or more than once: all lines stay behind, and one is written. Many
    /// servers compare the whole value.
    Reworded,
}

const CONTINUE: &[u8] = b"100-continue";

impl Expect {
    fn and(self, value: &[u8]) -> Result<Self, Reject> {
        if !list(value).all(|element| element.eq_ignore_ascii_case(CONTINUE)) {
            return Err(Reject::unsupported(417, "unknown expectation"));
        }
        Ok(match self {
            said if list(value).next().is_none() => said,
            Self::Nothing if Self::travels(value) => Self::AsItCame,
            _ => Self::Reworded,
        })
    }

    /// Whether a line with this value may travel on as it is.
    pub(super) fn travels(value: &[u8]) -> bool {
        value.eq_ignore_ascii_case(CONTINUE)
    }
}

/// Schemes that authenticate a connection rather than a request (RFC 4559 section 6, MS-NTHT).
fn is_of_connection(credentials: &[u8]) -> bool {
    let scheme = credentials.split(|b| matches!(b, b' ' | b'\t')).next().unwrap_or_default();
    scheme.eq_ignore_ascii_case(b"ntlm") || scheme.eq_ignore_ascii_case(b"negotiate")
}
