//! Reads a head as the strictest reader would: what was accepted, and what the proxy sends, must both pass.
//!
//! It shares no code with `proto::http1`.

use penstock::proto::http::BodyFraming;

/// A head, its names in lower case.
pub(crate) struct Head {
    /// Without the CRLF.
    pub(crate) start: Vec<u8>,
    /// Names, and values without the whitespace around them.
    pub(crate) fields: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Fields that a proxy takes away, writes anew or adds.
const TOUCHED: [&[u8]; 28] = [
    b"connection",
    b"close",
    b"keep-alive",
    b"te",
    b"upgrade",
    b"http2-settings",
    b"proxy-connection",
    b"transfer-encoding",
    b"content-length",
    b"host",
    b"expect",
    b"max-forwards",
    b"x-forwarded-for",
    b"x-forwarded-proto",
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
    b"forwarded",
    b"via",
    b"date",
];

impl Head {
    /// Reads a whole head, to the end of its final empty line.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let shown = bytes.escape_ascii();
        let lines =
            bytes.strip_suffix(b"\r\n\r\n").unwrap_or_else(|| panic!("{shown}: no empty line at its end"));
        let mut lines = lines_of(lines).into_iter();
        for line in lines.clone() {
            let bad = line.iter().find(|b| (**b < b' ' && **b != b'\t') || **b == 0x7f);
            assert_eq!(bad, None, "a control character in {shown}");
        }
        let start = lines.next().unwrap_or_default().to_vec();
        Self { start, fields: lines.map(|line| field(line, bytes)).collect() }
    }

    /// The values of a field, in their order.
    pub(crate) fn all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.fields.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_slice())
    }

    /// The value of a field that is there once, if it is there.
    pub(crate) fn one<'a>(&'a self, name: &'a [u8]) -> Option<&'a [u8]> {
        let mut all = self.all(name);
        let first = all.next();
        assert_eq!(all.next(), None, "{} twice", name.escape_ascii());
        first
    }

    /// The elements of a field that is a list.
    pub(crate) fn list<'a>(&'a self, name: &'a [u8]) -> Vec<Vec<u8>> {
        let elements = self.all(name).flat_map(|value| value.split(|b| *b == b',')).map(trim);
        elements.filter(|e| !e.is_empty()).map(<[u8]>::to_ascii_lowercase).collect()
    }

    /// The fields that are none of a proxy's business.
    pub(crate) fn ordinary(&self) -> impl Iterator<Item = &(Vec<u8>, Vec<u8>)> {
        self.fields.iter().filter(|(name, _)| {
            !TOUCHED.contains(&name.as_slice()) && !name.starts_with(b"x-forwarded-") && !name.contains(&b'_')
        })
    }

    /// What Content-Length and Transfer-Encoding say, where each may stand once and not both (RFC 9112 section 6.3).
    pub(crate) fn framing(&self) -> Option<BodyFraming> {
        match (self.one(b"transfer-encoding"), self.one(b"content-length")) {
            (Some(_), Some(_)) => panic!("both Content-Length and Transfer-Encoding"),
            (Some(coding), None) => {
                let last = trim(coding.rsplit(|b| *b == b',').next().unwrap_or_default());
                assert!(last.eq_ignore_ascii_case(b"chunked"), "{}", coding.escape_ascii());
                Some(BodyFraming::Chunked)
            }
            (None, Some(length)) => {
                let digits =
                    std::str::from_utf8(length).ok().filter(|l| l.bytes().all(|b| b.is_ascii_digit()));
                match digits.and_then(|l| l.parse().ok()).expect("one number of 64 bits") {
                    0 => Some(BodyFraming::None),
                    n => Some(BodyFraming::Length(n)),
                }
            }
            (None, None) => None,
        }
    }

    /// What came and is none of a proxy's business is here, in its order, but for what Connection names.
    pub(crate) fn assert_carries(&self, came: &Self, named: &[Vec<u8>]) {
        let travels = |(name, _): &&(Vec<u8>, Vec<u8>)| !named.contains(name);
        let due: Vec<_> = came.ordinary().filter(travels).collect();
        let here: Vec<_> = self.ordinary().collect();
        assert_eq!(here, due, "fields that only pass through");
    }
}

/// What stands between two CRLF, of which each CR and each LF must be a part.
fn lines_of(bytes: &[u8]) -> Vec<&[u8]> {
    let lines: Vec<_> = bytes.split(|b| *b == b'\n').collect();
    let last = lines.len() - 1;
    let ended = |(n, line): (usize, &&'_ [u8])| {
        if n == last { Some(*line) } else { line.strip_suffix(b"\r") }
            .is_some_and(|line| !line.contains(&b'\r'))
    };
    assert!(lines.iter().enumerate().all(ended), "CR or LF alone in {}", bytes.escape_ascii());
    lines.iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect()
}

fn field(line: &[u8], of: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let colon = line.iter().position(|b| *b == b':');
    let (name, value) =
        line.split_at(colon.unwrap_or_else(|| panic!("no colon in a line of {}", of.escape_ascii())));
    let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    assert!(!name.is_empty() && name.iter().all(token), "a name that is no token in {}", of.escape_ascii());
    (name.to_ascii_lowercase(), trim(&value[1..]).to_vec())
}

/// Without spaces and tabs around it.
pub(crate) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
