//! One raw request of the corpus, and what has to become of it.

use crate::smuggling::seen::Seen;

/// What is sent on one connection, and what a member may see of it.
pub(crate) struct Case {
    pub(crate) name: String,
    /// The section it breaks, or the attack it is.
    pub(crate) about: &'static str,
    pub(crate) bytes: Vec<u8>,
    /// What the member sees, in this order: no more, no less, nothing else.
    pub(crate) seen: Vec<Wanted>,
    pub(crate) ending: Ending,
}

/// What comes after the requests that the member sees.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// The connection stays: a further request on it is forwarded, too.
    Stays,
    /// The last answer closes it; what is behind it is nobody's.
    Closes,
    /// An answer of the proxy's own, with this status and cause, and then the end.
    Refused(u16, &'static str),
    /// As `Refused`, but a part of the body may have been on its way: the member may see a request that never ends.
    Broken(u16, &'static str),
    /// More is to come, which does not: the client ends its side. Whatever the member has seen never ends.
    Unfinished,
    /// Raw bytes both ways. The member sees these and sends them back.
    Tunnel(&'static [u8]),
}

/// What the member has to see of one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    method: &'static str,
    target: String,
    host: &'static str,
    body: Vec<u8>,
    lines: Vec<&'static str>,
    lacks: Vec<&'static str>,
    trailers: &'static [u8],
    /// The status that the member answers with.
    pub(crate) status: u16,
}

/// The cause that goes with a status.
fn cause(status: u16) -> &'static str {
    match status {
        400 => "bad_request",
        411 => "length_required",
        413 => "body_too_large",
        414 => "target_too_long",
        431 => "head_too_large",
        508 => "loop_detected",
        _ => "unsupported",
    }
}

/// A case, whose verdict is to be added.
pub(crate) fn case(name: impl Into<String>, about: &'static str, bytes: impl AsRef<[u8]>) -> Case {
    let (name, bytes) = (name.into(), bytes.as_ref().to_vec());
    Case { name, about, bytes, seen: Vec::new(), ending: Ending::Stays }
}

impl Case {
    /// Refused, after what [`Case::sees`] names.
    pub(crate) fn refused(self, status: u16) -> Self {
        Self { ending: Ending::Refused(status, cause(status)), ..self }
    }

    /// Refused in mid-body.
    pub(crate) fn broken(self, status: u16) -> Self {
        Self { ending: Ending::Broken(status, cause(status)), ..self }
    }

    /// Waits for more.
    pub(crate) fn unfinished(self) -> Self {
        Self { ending: Ending::Unfinished, ..self }
    }

    /// The connection ends with the last answer.
    pub(crate) fn closes(self) -> Self {
        Self { ending: Ending::Closes, ..self }
    }

    /// Becomes a tunnel for these bytes.
    pub(crate) fn tunnel(self, raw: &'static [u8]) -> Self {
        Self { ending: Ending::Tunnel(raw), ..self }
    }

    /// One more request that the member sees.
    pub(crate) fn sees(mut self, wanted: Wanted) -> Self {
        self.seen.push(wanted);
        self
    }
}

/// A request that the member sees.
pub(crate) fn ask(method: &'static str, target: &str) -> Wanted {
    Wanted { method, target: target.to_owned(), host: "h", status: 200, ..Wanted::default() }
}

/// A GET that the member sees.
pub(crate) fn get(target: &str) -> Wanted {
    ask("GET", target)
}

/// A POST that the member sees.
pub(crate) fn post(target: &str, body: impl AsRef<[u8]>) -> Wanted {
    Wanted { body: body.as_ref().to_vec(), ..ask("POST", target) }
}

impl Wanted {
    /// With this Host instead of `h`.
    pub(crate) fn host(self, host: &'static str) -> Self {
        Self { host, ..self }
    }

    pub(crate) fn body(self, body: impl AsRef<[u8]>) -> Self {
        Self { body: body.as_ref().to_vec(), ..self }
    }

    /// With exactly this value, on one line of that name: `name: value`, the name in lower case.
    pub(crate) fn line(mut self, line: &'static str) -> Self {
        self.lines.push(line);
        self
    }

    /// Without any field of this name, in lower case.
    pub(crate) fn lacks(mut self, name: &'static str) -> Self {
        self.lacks.push(name);
        self
    }

    /// With exactly this trailer section.
    pub(crate) fn trailers(self, trailers: &'static [u8]) -> Self {
        Self { trailers, ..self }
    }

    /// The member answers so.
    pub(crate) fn answered(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn method(&self) -> &'static str {
        self.method
    }

    /// What the member's answer says, where it has a body.
    pub(crate) fn echo(&self) -> Vec<u8> {
        [self.method.as_bytes(), b" ", self.target.as_bytes(), b"\n", &self.body].concat()
    }

    /// What is wrong with what was seen.
    pub(crate) fn differs(&self, seen: &Seen) -> Option<String> {
        if !seen.whole {
            return Some("it never ended".to_owned());
        }
        if (seen.method.as_str(), seen.target.as_str()) != (self.method, self.target.as_str()) {
            return Some(format!("{} {} was expected", self.method, self.target));
        }
        if seen.body != self.body {
            return Some(format!("the body was to be {:?}", self.body.escape_ascii().to_string()));
        }
        if seen.trailers != self.trailers {
            return Some(format!("the trailers were to be {:?}", self.trailers.escape_ascii().to_string()));
        }
        self.differs_in_fields(seen)
    }

    fn differs_in_fields(&self, seen: &Seen) -> Option<String> {
        if seen.values("host") != [self.host.as_bytes()] {
            return Some(format!("Host was to be {:?}", self.host));
        }
        for line in &self.lines {
            let (name, value) = line.split_once(": ").unwrap();
            if seen.values(name) != [value.as_bytes()] {
                return Some(format!("{line:?} is not there, once"));
            }
        }
        let lacks = self.lacks.iter().find(|name| !seen.values(name).is_empty());
        lacks.map(|name| format!("{name} was to be left behind"))
    }
}

/// A row of a table: name, what it stands for, bytes.
pub(crate) type Row = (&'static str, &'static str, &'static [u8]);

/// The cases of a table, each made of its row.
pub(crate) fn table(rows: &[Row], make: impl Fn(Case) -> Case) -> Vec<Case> {
    rows.iter().map(|(name, about, bytes)| make(case(*name, about, bytes))).collect()
}

/// A head for POST /c with these field lines after Host, and then these bytes.
pub(crate) fn with(fields: impl AsRef<[u8]>, then: impl AsRef<[u8]>) -> Vec<u8> {
    [b"POST /c HTTP/1.1\r\nHost: h\r\n", fields.as_ref(), b"\r\n", then.as_ref()].concat()
}

/// A whole request that must not be seen unless it was expected.
pub(crate) const HIDDEN: &[u8] = b"GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n";

/// Ends a chunked body, and is one that hides a request behind its end.
pub(crate) const CHUNKED_END: &[u8] = b"0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: h\r\n\r\n";
