//! Reads requests from one connection as strictly as a member can (RFC 9112). It shares nothing with penstock's parsers.

/// A whole request, as it stood on the wire.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Request line and fields, with the empty line at the end.
    pub(crate) head: Vec<u8>,
    /// The content, without its framing.
    pub(crate) content: Vec<u8>,
    /// Field lines behind the last chunk.
    pub(crate) trailers: Vec<u8>,
    /// All of it.
    pub(crate) raw: Vec<u8>,
}

/// What the bytes are.
#[derive(Debug)]
pub(crate) enum Read {
    More,
    Request(Seen),
    Garbage,
}

/// Reads one request from the start of `bytes`.
pub(crate) fn read(bytes: &[u8]) -> Read {
    let Some(end) = find(bytes, b"\r\n\r\n").map(|at| at + 4) else { return Read::More };
    let seen = Seen { head: bytes[..end].to_vec(), ..Seen::default() };
    let rest = &bytes[end..];
    let Some(body) = body(&seen, rest) else { return Read::Garbage };
    let Some((content, trailers, len)) = body else { return Read::More };
    Read::Request(Seen { content, trailers, raw: bytes[..end + len].to_vec(), ..seen })
}

/// Content, trailers and length of all that; `Some(None)` where there is more to come.
type Body = Option<(Vec<u8>, Vec<u8>, usize)>;

fn body(seen: &Seen, rest: &[u8]) -> Option<Body> {
    let coding = seen.values("transfer-encoding").pop();
    if coding.is_some_and(|coding| coding.to_ascii_lowercase().ends_with("chunked")) {
        return chunks(rest);
    }
    let Some(length) = seen.values("content-length").pop() else {
        return Some(Some(Default::default()));
    };
    let length = length.parse().ok()?;
    Some(rest.get(..length).map(|content| (content.to_vec(), Vec::new(), length)))
}

fn chunks(bytes: &[u8]) -> Option<Body> {
    let (mut content, mut at) = (Vec::new(), 0);
    loop {
        let Some(line) = find(&bytes[at..], b"\r\n") else { return Some(None) };
        let text = std::str::from_utf8(&bytes[at..at + line]).ok()?;
        let size = usize::from_str_radix(text.split(';').next()?, 16).ok()?;
        at += line + 2;
        if size == 0 {
            return Some(trailers(&bytes[at..]).map(|lines| (content, lines.clone(), at + lines.len() + 2)));
        }
        let Some(chunk) = bytes.get(at..at + size + 2) else { return Some(None) };
        content.extend_from_slice(chunk.strip_suffix(b"\r\n")?);
        at += size + 2;
    }
}

/// The lines before the empty one.
fn trailers(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.starts_with(b"\r\n") {
        return Some(Vec::new());
    }
    find(bytes, b"\r\n\r\n").map(|at| bytes[..at + 2].to_vec())
}

impl Seen {
    /// The request line.
    pub(crate) fn line(&self) -> &[u8] {
        &self.head[..find(&self.head, b"\r\n").unwrap_or_default()]
    }

    /// Whether the request line has this in it.
    pub(crate) fn is_for(&self, target: &str) -> bool {
        find(self.line(), target.as_bytes()).is_some()
    }

    /// The values of all lines of this name, in lower case.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        lines_of(&self.head, name).iter().filter_map(|line| value(line)).collect()
    }
}

/// The lines of a head whose name is this one, in lower case.
pub(crate) fn lines_of(head: &[u8], name: &str) -> Vec<Vec<u8>> {
    let text: Vec<&[u8]> = split(head, b"\r\n");
    let is_it = |line: &&&[u8]| {
        let colon = line.iter().position(|b| *b == b':').unwrap_or_default();
        line[..colon].eq_ignore_ascii_case(name.as_bytes())
    };
    text.iter().skip(1).filter(is_it).map(|line| line.to_vec()).collect()
}

fn value(line: &[u8]) -> Option<String> {
    let colon = line.iter().position(|b| *b == b':')?;
    Some(String::from_utf8_lossy(&line[colon + 1..]).trim_matches([' ', '\t']).to_owned())
}

fn split<'b>(mut bytes: &'b [u8], at: &[u8]) -> Vec<&'b [u8]> {
    let mut parts = Vec::new();
    while let Some(end) = find(bytes, at) {
        parts.push(&bytes[..end]);
        bytes = &bytes[end + at.len()..];
    }
    parts.push(bytes);
    parts
}

/// Where `wanted` is first.
pub(crate) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
