//! The simulation's own reader of HTTP/1.1, so that it cannot share the proxy's bugs.

/// A start line and its fields.
pub(super) struct Head {
    pub(super) start: String,
    fields: Vec<(String, String)>,
    pub(super) len: usize,
}

/// What a client got of an answer.
pub(super) struct Answer {
    pub(super) head: Head,
    pub(super) interims: usize,
    pub(super) body: Vec<u8>,
    /// The body's end was seen; `None` where only the close of the connection tells.
    pub(super) complete: Option<bool>,
    /// Bytes that follow it.
    pub(super) rest: usize,
}

impl Head {
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let len = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
        let text = std::str::from_utf8(&bytes[..len - 4]).expect("heads here are text");
        let mut lines = text.split("\r\n");
        let start = lines.next()?.to_owned();
        let fields = lines.map(|line| line.split_once(": ").expect("a field line"));
        let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Some(Self { start, fields, len })
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.field(name).map(|value| value.parse().expect("a number"))
    }

    pub(super) fn status(&self) -> u16 {
        self.start[9..12].parse().expect("a status")
    }
}

impl Answer {
    /// Reads what has come so far; `None` while no final head has.
    pub(super) fn read(bytes: &[u8], to_head: bool) -> Option<Self> {
        let mut at = 0;
        let mut interims = 0;
        loop {
            let head = Head::read(&bytes[at..])?;
            at += head.len;
            if head.status() >= 200 || head.status() == 101 {
                return Some(Self::of(head, interims, bytes, at, to_head));
            }
            interims += 1;
        }
    }

    fn of(head: Head, interims: usize, bytes: &[u8], head_end: usize, to_head: bool) -> Self {
        let rest = &bytes[head_end..];
        let bodiless = to_head || matches!(head.status(), 101 | 204 | 304);
        let (body, complete, used) = if bodiless {
            (Vec::new(), Some(true), 0)
        } else if head.field("transfer-encoding") == Some("chunked") {
            chunked(rest)
        } else if let Some(n) = head.number("content-length") {
            let n = usize::try_from(n).expect("a length that fits");
            let have = n.min(rest.len());
            (rest[..have].to_vec(), Some(have == n), have)
        } else {
            (rest.to_vec(), None, rest.len())
        };
        Self { head, interims, body, complete, rest: rest.len() - used }
    }
}

fn chunked(bytes: &[u8]) -> (Vec<u8>, Option<bool>, usize) {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let Some(line) = bytes[at..].windows(2).position(|w| w == b"\r\n") else {
            return (body, Some(false), at);
        };
        let size = std::str::from_utf8(&bytes[at..at + line]).expect("a chunk size");
        let size = usize::from_str_radix(size, 16).expect("a chunk size");
        let data = at + line + 2;
        let have = &bytes[data.min(bytes.len())..(data + size).min(bytes.len())];
        body.extend_from_slice(have);
        if bytes.len() < data + size + 2 {
            return (body, Some(false), bytes.len());
        }
        assert_eq!(&bytes[data + size..data + size + 2], b"\r\n", "the end of a chunk");
        at = data + size + 2;
        if size == 0 {
            return (body, Some(true), at);
        }
    }
}
