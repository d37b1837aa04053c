//! The field names that mean something to a proxy.
//! In: a field name or connection option. Out: which of those it is.
//! Knows nothing of values.

/// A field name that is not merely passed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Name {
    /// Passed on unread.
    Other,
    Host,
    ContentLength,
    TransferEncoding,
    Connection,
    Expect,
    KeepAlive,
    /// Hop-by-hop without meaning for us: Proxy-Connection, TE, Upgrade, HTTP2-Settings
    /// (RFC 9110 section 7.6.1).
    Hop,
    /// Rewritten by us where the listener says so.
    Ours(Ours),
}

/// A field that we append to or replace in a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Ours {
    XForwardedFor = 1,
    XForwardedProto = 2,
    Forwarded = 4,
    Via = 8,
}

impl Name {
    /// By length first: most names fall out without a comparison.
    pub(super) fn of(name: &[u8]) -> Self {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match name.len() {
            2 if is(b"te") => Self::Hop,
            3 if is(b"via") => Self::Ours(Ours::Via),
            4 if is(b"host") => Self::Host,
            6 if is(b"expect") => Self::Expect,
            7 if is(b"upgrade") => Self::Hop,
            9 if is(b"forwarded") => Self::Ours(Ours::Forwarded),
            10 if is(b"connection") => Self::Connection,
            10 if is(b"keep-alive") => Self::KeepAlive,
            14 if is(b"content-length") => Self::ContentLength,
            14 if is(b"http2-settings") => Self::Hop,
            15 if is(b"x-forwarded-for") => Self::Ours(Ours::XForwardedFor),
            16 if is(b"proxy-connection") => Self::Hop,
            17 if is(b"transfer-encoding") => Self::TransferEncoding,
            17 if is(b"x-forwarded-proto") => Self::Ours(Ours::XForwardedProto),
            _ => Self::Other,
        }
    }
}

/// The elements of a comma-separated list, without whitespace and empty ones
/// (RFC 9110 section 5.6.1.2).
pub(super) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|e| !e.is_empty())
}

/// Is the byte a `tchar` (RFC 9110 section 5.6.2)?
pub(super) const fn is_tchar(b: u8) -> bool {
    b.is_ascii_alphanumeric()
        || matches!(
            b,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}
