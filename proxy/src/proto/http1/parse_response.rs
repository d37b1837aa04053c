//! Parses response heads, and frames them by the requests that they answer (RFC 9112 section 6.3).

use super::error::Parsed;
use super::fields::{FieldRoom, LineFault};
use super::framing::ResponseFraming;
use super::text::digits;
use crate::config::HeadLimits;
use crate::proto::http::coding::Codings;
use crate::proto::http::connection::ConnectionOptions;
use crate::proto::http::fields::Head;
use crate::proto::http::framing::BodyFraming;
use crate::proto::http::method::Method;
use crate::proto::http::name::{FieldName, list};
use crate::proto::http::reject::Reject;
use crate::proto::http::request::Ask;
use crate::proto::http::response::ResponseHead;

/// Reads a response head from the start of `buf`.
///
/// # Errors
/// Returns the fault of the head. No later byte changes that, and no shorter input is judged differently.
pub fn parse_response<'h, 'b>(
    buf: &'b [u8],
    limits: &HeadLimits,
    ask: Ask,
    fields: &'h mut FieldRoom<'b>,
) -> Result<Parsed<ResponseHead<'h, 'b>>, Reject> {
    if matches!(buf, [b'\r' | b'\n', ..]) {
        // httparse would skip the line, but RFC 9112 section 2.2 allows for that before requests only.
        return Err(Reject::response("an empty line before the status line"));
    }
    // No byte over the limit is looked at, so that the verdict is the same however much has been read.
    let window = &buf[..buf.len().min(limits.bytes)];
    let mut raw = httparse::Response::new(&mut []);
    let parser = httparse::ParserConfig::default();
    match parser.parse_response_with_uninit_headers(&mut raw, window, fields.room(limits)) {
        Ok(httparse::Status::Complete(len)) => {
            Ok(Parsed::Head { head: believe(raw, &window[..len], limits.line, ask)?, len })
        }
        // The head has reached the limit and is not complete, so it cannot become complete.
        Ok(httparse::Status::Partial) if window.len() >= limits.bytes => {
            Err(Reject::response_too_large("the head is over the limit"))
        }
        Ok(httparse::Status::Partial) => Ok(Parsed::Partial),
        Err(error) => Err(fault(error)),
    }
}

#[cold]
fn fault(error: httparse::Error) -> Reject {
    use httparse::Error as E;
    match error {
        E::TooManyHeaders => Reject::response_too_large("too many field lines"),
        E::HeaderName => Reject::response("a field name is not a token followed by a colon"),
        E::HeaderValue => Reject::response("a control character in a field value"),
        E::NewLine => Reject::response("CR without LF"),
        E::Version => Reject::response("neither HTTP/1.0 nor HTTP/1.1"),
        E::Status | E::Token => Reject::response("the status line is malformed"),
    }
}

/// Turns a well-formed head into one that the proxy believes, in one pass over the fields.
fn believe<'h, 'b>(
    raw: httparse::Response<'h, 'b>,
    bytes: &'b [u8],
    limit: usize,
    ask: Ask,
) -> Result<ResponseHead<'h, 'b>, Reject> {
    let (Some(status @ 100..=599), Some(minor_version)) = (raw.code, raw.version) else {
        return Err(Reject::response("the status is not between 100 and 599"));
    };
    let mut head = Head::new(bytes, raw.headers);
    let ResponseFields { framing, options, keep_alive_timeout, has_upgrade, has_date, server } =
        read_fields(&mut head, bytes, limit)?;
    options.drop_named(&mut head).map_err(Reject::response)?;
    let switches = switches(status, ask, has_upgrade)?;
    let rewritten_length = settle_length(&mut head, &framing, status, switches);
    let has_content = may_have_content(ask.method, status) && !switches;
    let said = if has_content { body_of(&framing)? } else { BodyFraming::None };
    // RFC 9110 section 15.3.6: a 205 has no content. Where no field says so, it ends with its head all the same, and so does
    // its link, because the member may mean something else.
    let body = if status == 205 && said == BodyFraming::UntilClose { BodyFraming::None } else { said };
    // RFC 9112 section 6.1: with TE in HTTP/1.0, or together with a length, the framing is faulty. A member of HTTP/1.0 has not
    // understood a chunked request, so nobody knows what it takes for the next one.
    let faulty = framing.is_ambiguous() || (minor_version == 0 && (framing.coded || ask.chunked));
    let persists = options.persists(minor_version) && said != BodyFraming::UntilClose && !switches;
    let odd_content = (status < 200 || status == 204)
        && !switches
        && (framing.coded || framing.said_length().is_some_and(|length| length > 0));
    Ok(ResponseHead {
        status,
        minor_version,
        body,
        keep_alive: persists && !faulty && !odd_content,
        keep_alive_timeout,
        server,
        odd_content,
        head,
        rewritten_length,
        codings: if has_content { framing.others } else { Codings::NONE },
        unknown_coding: has_content && framing.unknown,
        has_date,
        // RFC 9110 section 15.5.22: a 426 names the protocols that the client should have asked for.
        tells_upgrade: has_upgrade && ask.upgrade && matches!(status, 101 | 426),
        switches,
    })
}

/// The facts that the fields of a response name.
#[derive(Default)]
struct ResponseFields<'b> {
    framing: ResponseFraming,
    options: ConnectionOptions,
    keep_alive_timeout: Option<u32>,
    has_upgrade: bool,
    has_date: bool,
    server: Option<&'b [u8]>,
}

/// Reads the fields: checks each line, and drops those that stay behind.
#[inline]
fn read_fields<'b>(
    head: &mut Head<'_, 'b>,
    bytes: &[u8],
    limit: usize,
) -> Result<ResponseFields<'b>, Reject> {
    let mut said = ResponseFields::default();
    let mut begun = 0;
    for (line, field) in head.fields.iter().enumerate() {
        begun = head.check_line(bytes, begun, line, limit).map_err(line_fault)?;
        if said.take(FieldName::of(field.name.as_bytes()), field.value)? {
            head.dropped.add(line);
        }
    }
    head.check_line(bytes, begun, head.fields.len(), limit).map_err(line_fault)?;
    Ok(said)
}

impl<'b> ResponseFields<'b> {
    /// Takes a line. Returns whether the line stays behind.
    #[inline]
    fn take(&mut self, name: FieldName, value: &'b [u8]) -> Result<bool, Reject> {
        match name {
            FieldName::ContentLength => {
                self.framing.content_length(value)?;
                return Ok(false);
            }
            FieldName::TransferEncoding => self.framing.transfer_encoding(value)?,
            FieldName::Connection => self.options.add(value),
            FieldName::KeepAlive => self.keep_alive_timeout = timeout(value),
            FieldName::Upgrade => self.has_upgrade |= list(value).next().is_some(),
            FieldName::Date => {
                self.has_date = true;
                return Ok(false);
            }
            FieldName::Server => {
                self.server = self.server.or(Some(value));
                return Ok(false);
            }
            FieldName::Te | FieldName::Http2Settings | FieldName::Hop => {}
            FieldName::Other
            | FieldName::Host
            | FieldName::Expect
            | FieldName::MaxForwards
            | FieldName::Authorization
            | FieldName::Ours(_) => return Ok(false),
        }
        Ok(true)
    }
}

/// Returns whether the connection becomes a tunnel. RFC 9110 section 7.8: it may only become what the request asked for, and a
/// 101 names the protocol.
fn switches(status: u16, ask: Ask, has_upgrade: bool) -> Result<bool, Reject> {
    match (status, ask.method) {
        (101, Method::Connect) => Err(Reject::response("101 to CONNECT")),
        (101, _) if !ask.upgrade => Err(Reject::response("101 without an upgrade that was asked for")),
        (101, _) if !has_upgrade => Err(Reject::response("101 without Upgrade")),
        (101, _) | (200..=299, Method::Connect) => Ok(true),
        _ => Ok(false),
    }
}

/// Returns the framing of content, unless the fields contradict each other.
fn body_of(framing: &ResponseFraming) -> Result<BodyFraming, Reject> {
    if framing.is_endless_with_length() {
        return Err(Reject::response("Content-Length, and a transfer coding that lasts until close"));
    }
    Ok(framing.decide())
}

/// Returns whether the response may have content (RFC 9112 section 6.3 rule 1).
fn may_have_content(asked: Method, status: u16) -> bool {
    asked != Method::Head && status >= 200 && status != 204 && status != 304
}

/// Drops the Content-Length lines where there may be none, or where they do not give one number once. Returns the number that
/// is written instead.
fn settle_length(
    head: &mut Head<'_, '_>,
    framing: &ResponseFraming,
    status: u16,
    switches: bool,
) -> Option<u64> {
    // RFC 9110 section 8.6: never in 1xx and 204, nor in 2xx to CONNECT, whatever the request was.
    let allowed = status >= 200 && status != 204 && !switches;
    let said = match status {
        205 if allowed => Some(0), // RFC 9110 section 15.3.6: a 205 has no content
        _ => framing.said_length().filter(|_| allowed),
    };
    if said.is_some() && !framing.repeated_length && status != 205 {
        return None;
    }
    if framing.has_length() {
        head.drop_all(FieldName::ContentLength);
    }
    said
}

/// Returns the `timeout` parameter of Keep-Alive (RFC 2068 section 19.7.1), in seconds.
fn timeout(value: &[u8]) -> Option<u32> {
    let seconds = list(value).find_map(|parameter| {
        let (name, seconds) = parameter.split_at_checked("timeout=".len())?;
        name.eq_ignore_ascii_case(b"timeout=").then_some(seconds)
    })?;
    u32::try_from(digits(seconds)?).ok()
}

#[cold]
fn line_fault(fault: LineFault) -> Reject {
    match fault {
        LineFault::BareLf => Reject::response("a line ended by LF alone"),
        LineFault::TooLong => Reject::response_too_large("a line is over the limit"),
    }
}
