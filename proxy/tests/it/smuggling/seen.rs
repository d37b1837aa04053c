//! Reads the bytes on a link as the strictest member would: requests, or a fault that nothing of the proxy's may contain.

/// One request on a link.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) link: usize,
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<u8>,
    /// It has come to its end.
    pub(crate) whole: bool,
    /// The bytes as they came.
    pub(crate) raw: Vec<u8>,
}

/// What the bytes so far are.
pub(crate) enum Reading {
    /// No whole head.
    Nothing,
    /// A head; its body goes on.
    Head(Seen),
    /// All of it, in so many bytes.
    Whole(Seen, usize),
}

type Fault = String;

impl Seen {
    /// The values of all lines of this name.
    pub(crate) fn values(&self, name: &str) -> Vec<&[u8]> {
        self.fields.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_slice()).collect()
    }

    pub(crate) fn is_upgrade(&self) -> bool {
        self.method == "CONNECT" || !self.values("upgrade").is_empty()
    }

    fn framing(&self) -> Result<Framing, Fault> {
        match (self.values("content-length").as_slice(), self.values("transfer-encoding").as_slice()) {
            ([], []) => Ok(Framing::Length(0)),
            ([length], []) if length.iter().all(u8::is_ascii_digit) => {
                let length = std::str::from_utf8(length).unwrap().parse();
                length.map(Framing::Length).map_err(|_| "a length over 64 bits".to_owned())
            }
            ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
            both => Err(format!("framed by {both:?}")),
        }
    }
}

enum Framing {
    Length(usize),
    Chunked,
}

/// Reads one request.
pub(crate) fn read(bytes: &[u8]) -> Result<Reading, Fault> {
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        return if bytes.len() > 1 << 20 { Err("an endless head".to_owned()) } else { Ok(Reading::Nothing) };
    };
    let mut seen = head(&bytes[..end + 2])?;
    let rest = &bytes[end + 4..];
    let read = match seen.framing()? {
        Framing::Length(length) => {
            seen.body = rest[..rest.len().min(length)].to_vec();
            (rest.len() >= length).then_some(length)
        }
        Framing::Chunked => chunks(rest, &mut seen)?,
    };
    let Some(read) = read else {
        seen.raw = bytes.to_vec();
        return Ok(Reading::Head(seen));
    };
    let length = end + 4 + read;
    seen.whole = true;
    seen.raw = bytes[..length].to_vec();
    Ok(Reading::Whole(seen, length))
}

fn head(bytes: &[u8]) -> Result<Seen, Fault> {
    let mut lines = lines(bytes)?.into_iter();
    let start = lines.next().ok_or("no request line")?;
    let words: Vec<_> = start.split(|b| *b == b' ').collect();
    let [method, target, b"HTTP/1.1"] = words[..] else { return Err("not three words".to_owned()) };
    if !is_token(method) || target.is_empty() || target.iter().any(|b| *b <= b' ' || *b == 0x7f) {
        return Err("a method or target of other bytes".to_owned());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let fields = lines.map(field).collect::<Result<Vec<_>, _>>()?;
    let seen = Seen { method: text(method), target: text(target), fields, ..Seen::default() };
    check(&seen)?;
    Ok(seen)
}

/// Lines that end with CRLF, and have no control character but HTAB in them.
fn lines(mut bytes: &[u8]) -> Result<Vec<&[u8]>, Fault> {
    let mut lines = Vec::new();
    while let Some(end) = find(bytes, b"\r\n") {
        let (line, rest) = bytes.split_at(end);
        if line.iter().any(|b| (*b < b' ' && *b != b'\t') || *b == 0x7f) {
            return Err("a control character".to_owned());
        }
        lines.push(line);
        bytes = &rest[2..];
    }
    Ok(lines)
}

fn field(line: &[u8]) -> Result<(String, Vec<u8>), Fault> {
    let colon = line.iter().position(|b| *b == b':').ok_or("a field without a colon")?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if !is_token(name) {
        return Err("a field name that is no token".to_owned());
    }
    Ok((String::from_utf8_lossy(name).to_lowercase(), value.trim_ascii().to_vec()))
}

/// What must hold for each request that a proxy sends (RFC 9112 section 3.2, RFC 9110 section 7.6.1).
fn check(seen: &Seen) -> Result<(), Fault> {
    if seen.values("host").len() != 1 {
        return Err(format!("Host comes {} times", seen.values("host").len()));
    }
    let hop = ["keep-alive", "proxy-connection", "http2-settings"];
    if let Some(name) = hop.iter().find(|name| !seen.values(name).is_empty()) {
        return Err(format!("{name} belongs to the hop before"));
    }
    for option in seen.values("connection").iter().flat_map(|value| value.split(|b| *b == b',')) {
        let option = String::from_utf8_lossy(option.trim_ascii()).to_lowercase();
        if !["upgrade", "te", "close"].contains(&option.as_str()) {
            return Err(format!("Connection: {option}"));
        }
    }
    let te = seen.values("te");
    if te.iter().any(|value| *value != b"trailers") {
        return Err(format!("TE: {te:?}"));
    }
    Ok(())
}

/// Reads a chunked body as we write it: no extensions, no leading zeros. How long it is, where it has ended.
fn chunks(mut bytes: &[u8], seen: &mut Seen) -> Result<Option<usize>, Fault> {
    let all = bytes.len();
    while let Some(end) = find(bytes, b"\r\n") {
        let digits = &bytes[..end];
        let plain = digits == b"0" || (digits.len() <= 8 && !digits.starts_with(b"0"));
        if digits.is_empty() || !plain || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(format!("a chunk of {:?} bytes", digits.escape_ascii().to_string()));
        }
        let size = usize::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
        bytes = &bytes[end + 2..];
        if size == 0 {
            return trailers(bytes, seen).map(|len| len.map(|len| all - bytes.len() + len));
        }
        seen.body.extend_from_slice(&bytes[..size.min(bytes.len())]);
        let Some(rest) = bytes.get(size..size + 2) else { return Ok(None) };
        if rest != b"\r\n" {
            return Err("no CRLF behind a chunk".to_owned());
        }
        bytes = &bytes[size + 2..];
    }
    Ok(None)
}

/// RFC 9110 section 6.5.1: nothing that frames, routes or authenticates.
fn trailers(bytes: &[u8], seen: &mut Seen) -> Result<Option<usize>, Fault> {
    if bytes.starts_with(b"\r\n") {
        return Ok(Some(2));
    }
    let Some(end) = find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let forbidden = [
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "authorization",
        "content-type",
        "content-encoding",
        "te",
        "upgrade",
        "cookie",
        "expect",
        "max-forwards",
        "trailer",
    ];
    for line in lines(&bytes[..end + 2])? {
        let (name, _) = field(line)?;
        if forbidden.contains(&name.as_str()) {
            return Err(format!("{name} in a trailer"));
        }
    }
    seen.trailers = bytes[..end + 2].to_vec();
    Ok(Some(end + 4))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, what)
}

fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}
