//! One row of the comparison: a rule, the bytes that try it, and what to look at behind the proxy.

/// What a member answers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Reply {
    /// 200, and keeps the connection.
    #[default]
    Plain,
    /// These bytes.
    Keep(&'static str),
    /// These bytes and the end of the connection.
    Close(&'static str),
    /// This head, and from then on whatever comes comes back.
    Switch(&'static str),
    /// These bytes and the end of the connection, as soon as it has read a head.
    Early(&'static str),
    /// Nothing.
    Never,
}

impl Reply {
    /// What the member says, where the row says what.
    pub(crate) const fn bytes(self) -> &'static [u8] {
        match self {
            Self::Keep(bytes) | Self::Close(bytes) | Self::Switch(bytes) | Self::Early(bytes) => {
                bytes.as_bytes()
            }
            Self::Plain | Self::Never => b"",
        }
    }
}

/// What is told of a request that was passed on, or of its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Look {
    /// That it was.
    Passed,
    /// The request line.
    Line,
    /// These field lines of the request; names in lower case.
    Fields(&'static [&'static str]),
    /// The framing and the content.
    Content,
    /// Field lines behind the content.
    Trailers,
    /// The targets of all requests.
    Targets,
    /// Content of each answer.
    Contents,
    /// Status of each answer.
    Statuses,
    /// These field lines of the answer.
    AnswerFields(&'static [&'static str]),
    /// Framing and content of the answer, and whether it is whole.
    Answer,
    /// Whether the connection became a tunnel.
    Tunnel,
}

/// What should not get through.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Suspect {
    /// There is nothing in it that could be cleaned.
    Nothing,
    /// These bytes in what the member gets (or the client, where a row is about answers).
    Bytes(&'static str),
    /// A request with this in its target.
    Request(&'static str),
    /// A request that the proxy has not touched: it has no X-Forwarded-For.
    Untouched,
}

/// A row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) section: &'static str,
    pub(crate) rule: &'static str,
    pub(crate) bytes: Vec<u8>,
    /// What the client sends when it has heard something.
    pub(crate) later: &'static str,
    pub(crate) reply: Reply,
    /// It is about requests that are on their way together: it takes more than one try to see the worst.
    pub(crate) pipelined: bool,
    pub(crate) look: Look,
    pub(crate) suspect: Suspect,
    /// What penstock does, in the words of the page.
    pub(crate) ours: &'static str,
    /// Why penstock is more lenient than both others, or stricter than both.
    pub(crate) because: Option<&'static str>,
}

/// A row whose request is these bytes.
pub(crate) fn row(section: &'static str, rule: &'static str, bytes: impl Into<Vec<u8>>) -> Row {
    Row {
        section,
        rule,
        bytes: bytes.into(),
        later: "",
        reply: Reply::Plain,
        pipelined: false,
        look: Look::Passed,
        suspect: Suspect::Nothing,
        ours: "",
        because: None,
    }
}

impl Row {
    pub(crate) fn look(self, look: Look) -> Self {
        Self { look, ..self }
    }

    /// Shows these field lines of the request.
    pub(crate) fn fields(self, names: &'static [&'static str]) -> Self {
        self.look(Look::Fields(names))
    }

    /// The client waits, and then sends this.
    pub(crate) fn then(self, later: &'static str) -> Self {
        Self { later, ..self }
    }

    /// The member answers like this.
    pub(crate) fn reply(self, reply: Reply) -> Self {
        Self { reply, ..self }
    }

    /// These bytes should not get through as they are.
    pub(crate) fn bad(self, bytes: &'static str) -> Self {
        Self { suspect: Suspect::Bytes(bytes), ..self }
    }

    /// No request with this in its target should get through.
    pub(crate) fn hides(self, target: &'static str) -> Self {
        Self { suspect: Suspect::Request(target), ..self }
    }

    pub(crate) fn pipelined(self) -> Self {
        Self { pipelined: true, ..self }
    }

    pub(crate) fn suspect(self, suspect: Suspect) -> Self {
        Self { suspect, ..self }
    }

    /// What penstock does.
    pub(crate) fn ours(self, ours: &'static str) -> Self {
        Self { ours, ..self }
    }

    pub(crate) fn because(self, why: &'static str) -> Self {
        Self { because: Some(why), ..self }
    }

    /// Whether it is about what the member says.
    pub(crate) fn is_of_answers(&self) -> bool {
        matches!(self.look, Look::AnswerFields(_) | Look::Answer | Look::Statuses | Look::Contents)
    }
}

/// A GET with Host and this line, or these.
pub(crate) fn get(line: &str) -> Vec<u8> {
    format!("GET /a HTTP/1.1\r\nHost: example.com\r\n{line}\r\n\r\n").into_bytes()
}

/// A request with this line, and Host.
pub(crate) fn line(line: &str) -> Vec<u8> {
    format!("{line}\r\nHost: example.com\r\n\r\n").into_bytes()
}

/// A GET with this as Host.
pub(crate) fn host(host: &str) -> Vec<u8> {
    format!("GET /a HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes()
}

/// A POST with this line, or these, and what follows the head.
pub(crate) fn post(line: &str, rest: &str) -> Vec<u8> {
    format!("POST /a HTTP/1.1\r\nHost: example.com\r\n{line}\r\n\r\n{rest}").into_bytes()
}

/// A POST in the chunked coding.
pub(crate) fn chunked(rest: &str) -> Vec<u8> {
    post("Transfer-Encoding: chunked", rest)
}
