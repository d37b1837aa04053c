//! Parses request heads: their end, the framing of the body, and whether the connection may stay open.

use std::mem::MaybeUninit;

use httparse::{Error, Header, Request, Status};

/// The length in bytes of the longest head that is accepted.
pub(crate) const LONGEST: usize = 32 * 1024;

/// Space for as many fields as a head may have.
pub(crate) type Room<'b> = [MaybeUninit<Header<'b>>; 100];

/// A head in the bytes that arrived.
pub(crate) struct Head<'h, 'b> {
    pub(crate) method: &'b str,
    pub(crate) target: &'b str,
    pub(crate) fields: &'h [Header<'b>],
    pub(crate) framing: Framing,
    /// Whether the client speaks HTTP/1.0: no chunks, and keep-alive only if the client asked for it.
    pub(crate) old: bool,
    /// Whether the connection stays open by RFC 9112 section 9.3, before the route decides.
    pub(crate) keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub(crate) waits: bool,
    /// The bytes of the head, including the empty line at its end.
    pub(crate) bytes: &'b [u8],
}

impl<'b> Head<'_, 'b> {
    /// Returns the value of the first field with this name.
    pub(crate) fn field(&self, name: &str) -> Option<&'b [u8]> {
        self.values(name).next()
    }

    /// Returns the elements of the lists in all fields with this name, in order (RFC 9110 section 5.6.1).
    pub(crate) fn list(&self, name: &str) -> impl Iterator<Item = &'b [u8]> {
        let members = self.values(name).flat_map(|value| value.split(|byte| *byte == b','));
        members.map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &'b [u8]> {
        self.fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }
}

/// The framing of the request's body (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
}

/// The reason why a request is not served: a status and a text. The connection closes afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reject {
    pub(crate) status: u16,
    pub(crate) reason: &'static str,
}

impl Reject {
    pub(crate) const fn bad(reason: &'static str) -> Self {
        Self { status: 400, reason }
    }
}

/// Parses the head at the start of `bytes`; `None` means that more bytes are needed.
pub(crate) fn parse<'h, 'b>(bytes: &'b [u8], room: &'h mut Room<'b>) -> Result<Option<Head<'h, 'b>>, Reject> {
    let mut request = Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(bytes, room) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) if bytes.len() < LONGEST => return Ok(None),
        Ok(Status::Partial) => return Err(Reject { status: 431, reason: "head too large" }),
        Err(error) => return Err(reject(error)),
    };
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(Reject::bad("malformed request line"));
    };
    if has_bare_line_feed(&bytes[..length]) {
        return Err(Reject::bad("a line ends without CR"));
    }
    let old = minor == 0;
    let said = Said::by(request.headers)?;
    if !old && said.hosts != 1 || said.hosts > 1 {
        return Err(Reject::bad("exactly one Host is required"));
    }
    Ok(Some(Head {
        method,
        target,
        fields: request.headers,
        framing: said.framing(old)?,
        old,
        keep_alive: !said.close && (!old || said.keep_alive),
        waits: said.waits && !old,
        bytes: &bytes[..length],
    }))
}

fn reject(error: Error) -> Reject {
    match error {
        Error::TooManyHeaders => Reject { status: 431, reason: "too many fields" },
        Error::Version => Reject { status: 505, reason: "only HTTP/1.0 and HTTP/1.1" },
        Error::HeaderName | Error::HeaderValue => Reject::bad("malformed field"),
        _ => Reject::bad("malformed request line"),
    }
}

/// Returns whether a bare LF ends a line. httparse accepts that, as RFC 9112 section 2.2 permits; the origin
/// is strict, so that a proxy that lets one through is detected.
fn has_bare_line_feed(head: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', head).any(|at| at == 0 || head[at - 1] != b'\r')
}

/// The information of the fields about framing and persistence.
#[derive(Default)]
struct Said {
    hosts: u8,
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    waits: bool,
}

impl Said {
    fn by(fields: &[Header<'_>]) -> Result<Self, Reject> {
        let mut said = Self::default();
        for field in fields {
            said.hear(field.name, field.value)?;
        }
        Ok(said)
    }

    /// Records a field. Comparing the length of the name first excludes nearly all fields cheaply.
    fn hear(&mut self, name: &str, value: &[u8]) -> Result<(), Reject> {
        match name.len() {
            4 if name.eq_ignore_ascii_case("host") => self.hosts = self.hosts.saturating_add(1),
            6 if name.eq_ignore_ascii_case("expect") => {
                self.waits |= value.eq_ignore_ascii_case(b"100-continue");
            }
            10 if name.eq_ignore_ascii_case("connection") => self.hear_connection(value),
            14 if name.eq_ignore_ascii_case("content-length") => self.hear_length(value)?,
            17 if name.eq_ignore_ascii_case("transfer-encoding") => self.hear_coding(value)?,
            _ => {}
        }
        Ok(())
    }

    fn hear_connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn hear_length(&mut self, value: &[u8]) -> Result<(), Reject> {
        let length = digits(value).ok_or(Reject::bad("malformed Content-Length"))?;
        match self.length.replace(length) {
            None => Ok(()),
            Some(_) => Err(Reject::bad("more than one Content-Length")),
        }
    }

    fn hear_coding(&mut self, value: &[u8]) -> Result<(), Reject> {
        if self.chunked {
            return Err(Reject::bad("more than one Transfer-Encoding"));
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Reject { status: 501, reason: "only the chunked coding" });
        }
        self.chunked = true;
        Ok(())
    }

    /// Returns the framing. By RFC 9112 section 6.1, a coding in HTTP/1.0 or beside a length is faulty.
    fn framing(&self, old: bool) -> Result<Framing, Reject> {
        match (self.chunked, self.length) {
            (false, length) => Ok(Framing::Length(length.unwrap_or(0))),
            (true, Some(_)) => Err(Reject::bad("both Content-Length and Transfer-Encoding")),
            (true, None) if old => Err(Reject::bad("Transfer-Encoding in HTTP/1.0")),
            (true, None) => Ok(Framing::Chunked),
        }
    }
}

/// Parses digits only, as RFC 9110 section 8.6 demands: no sign, no list.
fn digits(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str) -> Result<Option<(usize, Framing, bool)>, u16> {
        let mut room = [const { MaybeUninit::uninit() }; 100];
        let head = parse(text.as_bytes(), &mut room).map_err(|reject| reject.status)?;
        Ok(head.map(|head| (head.bytes.len(), head.framing, head.keep_alive)))
    }

    #[test]
    fn a_head_is_whole_only_with_its_last_byte() {
        let text = "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n";
        for end in 0..text.len() {
            assert_eq!(verdict(&text[..end]), Ok(None), "cut at {end}");
        }
        assert_eq!(verdict(&format!("{text}hello")), Ok(Some((text.len(), Framing::Length(5), true))));
    }

    #[test]
    fn persistence_follows_version_and_connection() {
        let keeps = |line: &str, field: &str| {
            verdict(&format!("GET / {line}\r\nHost: h\r\n{field}\r\n")).unwrap().unwrap().2
        };
        assert!(keeps("HTTP/1.1", ""));
        assert!(!keeps("HTTP/1.1", "Connection: x, Close\r\n"));
        assert!(!keeps("HTTP/1.0", ""));
        assert!(keeps("HTTP/1.0", "Connection: Keep-Alive\r\n"));
    }

    #[test]
    fn malformed_heads_are_refused_with_their_status() {
        let fields = [
            ("", 400),
            ("Host: h\r\nHost: h\r\n", 400),
            ("Host: h\r\nContent-Length: +5\r\n", 400),
            ("Host: h\r\nContent-Length: 5, 5\r\n", 400),
            ("Host: h\r\nContent-Length: 99999999999999999999\r\n", 400),
            ("Host: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n", 400),
            ("Host: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
            ("Host: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
            ("Host: h\r\nTransfer-Encoding: gzip, chunked\r\n", 501),
            ("Host: h\r\nTransfer-Encoding : chunked\r\n", 400),
            ("Host: h\nA: b\r\n", 400),
            ("Host: h\r\n folded\r\n", 400),
        ];
        for (fields, status) in fields {
            assert_eq!(verdict(&format!("POST / HTTP/1.1\r\n{fields}\r\n")), Err(status), "{fields:?}");
        }
        assert_eq!(verdict("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), Err(400));
        assert_eq!(verdict("GET / HTTP/2.0\r\n\r\n"), Err(505));
        assert_eq!(verdict("GET  / HTTP/1.1\r\n\r\n"), Err(400));
        assert_eq!(verdict(&format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(LONGEST))), Err(431));
        let many = "A: b\r\n".repeat(101);
        assert_eq!(verdict(&format!("GET / HTTP/1.1\r\n{many}\r\n")), Err(431));
    }
}
