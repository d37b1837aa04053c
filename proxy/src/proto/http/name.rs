//! The field names that have a meaning for a proxy.

/// A field name, as far as the proxy does more with the field than pass it on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::proto) enum FieldName {
    /// The field is passed on unread.
    Other,
    Host,
    ContentLength,
    TransferEncoding,
    Connection,
    Expect,
    KeepAlive,
    Te,
    Upgrade,
    /// The field is HTTP2-Settings, which goes with an upgrade to h2c (RFC 7540 section 3.2.1).
    Http2Settings,
    MaxForwards,
    /// The field is Authorization or Proxy-Authorization.
    Authorization,
    Date,
    Server,
    /// The field is hop-by-hop without a meaning for the proxy: Proxy-Connection (RFC 9110 section 7.6.1), or a twin of a field
    /// that frames messages.
    Hop,
    /// The proxy rewrites the field where the listener says so.
    Ours(Ours),
}

/// A field that the proxy appends to or replaces in a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(in crate::proto) enum Ours {
    XForwardedFor = 1,
    XForwardedProto = 2,
    Forwarded = 4,
    Via = 8,
    /// X-Forwarded-For or X-Forwarded-Proto with underscores: a CGI program cannot tell them apart.
    Twin = 16,
    /// Another field by which a proxy in front describes the request that it got ([`is_told_by_proxies`]).
    Told = 32,
}

impl FieldName {
    /// Returns the meaning of a name. The length comes first: it sorts most names out without a comparison.
    pub(in crate::proto) fn of(name: &[u8]) -> Self {
        match name.len() {
            2 if is(name, b"TE") => Self::Te,
            3 if is(name, b"Via") => Self::Ours(Ours::Via),
            4 if is(name, b"Host") => Self::Host,
            4 if is(name, b"Date") => Self::Date,
            6 if is(name, b"Server") => Self::Server,
            6 if is(name, b"Expect") => Self::Expect,
            7 if is(name, b"Upgrade") => Self::Upgrade,
            9 if is(name, b"Forwarded") => Self::Ours(Ours::Forwarded),
            10 if is(name, b"Connection") => Self::Connection,
            10 if is(name, b"Keep-Alive") => Self::KeepAlive,
            12 if is(name, b"Max-Forwards") => Self::MaxForwards,
            13 if is(name, b"Authorization") => Self::Authorization,
            14 if is(name, b"Content-Length") => Self::ContentLength,
            14 if is(name, b"HTTP2-Settings") => Self::Http2Settings,
            15 if is(name, b"X-Forwarded-For") => Self::Ours(Ours::XForwardedFor),
            16 if is(name, b"Proxy-Connection") => Self::Hop,
            17 if is(name, b"Transfer-Encoding") => Self::TransferEncoding,
            17 if is(name, b"X-Forwarded-Proto") => Self::Ours(Ours::XForwardedProto),
            19 if is(name, b"Proxy-Authorization") => Self::Authorization,
            8.. if may_be_told(name[0], name[1]) => forwarded_or_twin(name),
            10.. if may_be_twin(name.len(), name[0]) => twin(name),
            _ => Self::Other,
        }
    }
}

/// Returns whether two names are the same but for case. The first letter rules most names out, and most senders spell a name in the
/// usual way, which is compared at once; only the others are compared byte by byte.
#[inline]
fn is<const N: usize>(name: &[u8], usual: &[u8; N]) -> bool {
    const CASE: u8 = 0x20; // the bit in which the two cases of an ASCII letter differ
    let begins = |name: &[u8]| name.first().map(|letter| letter | CASE);
    begins(name) == begins(usual) && (name == usual || name.eq_ignore_ascii_case(usual))
}

/// Returns whether a name begins like the fields by which proxies describe requests. Few others do.
const fn may_be_told(first: u8, second: u8) -> bool {
    matches!(
        (first.to_ascii_lowercase(), second.to_ascii_lowercase()),
        (b'x', b'-' | b'_') | (b't', b'r') | (b'f', b'r')
    )
}

#[inline(never)]
fn forwarded_or_twin(name: &[u8]) -> FieldName {
    match twin(name) {
        FieldName::Other if is_told_by_proxies(name) => FieldName::Ours(Ours::Told),
        other => other,
    }
}

/// Returns whether services take from a field of this name what only a proxy in front of them can know: the client, and the
/// host, path and scheme that it asked for (X-Forwarded-For, X-Forwarded-Proto and Forwarded have names of their own).
/// Underscores count as hyphens, as they do to a CGI program.
pub(in crate::proto) fn is_told_by_proxies(name: &[u8]) -> bool {
    const FAMILY: &[u8] = b"x-forwarded-";
    const OTHERS: [&[u8]; 11] = [
        b"x-forwarded",
        b"x-real-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"true-client-ip",
        b"x-original-host",
        b"x-original-url",
        b"x-rewrite-url",
        b"x-scheme",
        b"x-url-scheme",
        b"front-end-https",
    ];
    name.get(..FAMILY.len()).is_some_and(|start| is_alike(start, FAMILY))
        || OTHERS.iter().any(|known| is_alike(name, known))
}

/// Returns whether a name has the length and the first letter of one that has twins. Few others do.
const fn may_be_twin(len: usize, first: u8) -> bool {
    matches!(
        (len, first.to_ascii_lowercase()),
        (10, b'k') | (12, b'm') | (14, b'c' | b'h') | (15, b'x') | (16, b'p') | (17, b't' | b'x')
    )
}

/// Returns the meaning of a twin, with underscores, of a field that frames messages or that the proxy writes. Twins stay behind
/// where those fields do.
fn twin(name: &[u8]) -> FieldName {
    const OURS: [&[u8]; 2] = [b"x-forwarded-for", b"x-forwarded-proto"];
    const FRAMING: [&[u8]; 6] = [
        b"content-length",
        b"transfer-encoding",
        b"keep-alive",
        b"proxy-connection",
        b"http2-settings",
        b"max-forwards",
    ];
    if !name.contains(&b'_') {
        return FieldName::Other;
    }
    match name {
        _ if OURS.iter().any(|known| is_alike(name, known)) => FieldName::Ours(Ours::Twin),
        _ if FRAMING.iter().any(|known| is_alike(name, known)) => FieldName::Hop,
        _ => FieldName::Other,
    }
}

/// Returns whether a CGI program would take `name` for `known`, which is in lower case (RFC 3875 section 4.1.18).
pub(in crate::proto) fn is_alike(name: &[u8], known: &[u8]) -> bool {
    let fold = |b: &u8| if *b == b'_' { b'-' } else { b.to_ascii_lowercase() };
    name.len() == known.len() && name.iter().map(fold).eq(known.iter().copied())
}

/// Returns the elements of a comma-separated list, without whitespace and empty ones (RFC 9110 section 5.6.1.2).
pub(in crate::proto) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|e| !e.is_empty())
}

/// Returns whether the byte is a `tchar` (RFC 9110 section 5.6.2).
pub(in crate::proto) const fn is_tchar(b: u8) -> bool {
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
