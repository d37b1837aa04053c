//! One raw response of the corpus, what has to become of it, and the request that it answers.

/// What a member sends to a victim, while somebody else uses the same link.
pub(crate) struct Poison {
    pub(crate) name: &'static str,
    /// The section it breaks, or the attack it is.
    pub(crate) about: &'static str,
    pub(crate) bytes: Vec<u8>,
    /// What the victim sends.
    pub(crate) asked: &'static [u8],
    /// It is answered when its head has come.
    pub(crate) early: bool,
    pub(crate) then: Then,
    pub(crate) victim: Victim,
    /// The link may carry more.
    pub(crate) kept: bool,
    pub(crate) places: &'static [Place],
}

/// What the member does next.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Then {
    /// It answers what comes on the link, as if nothing had been.
    Stays,
    /// FIN.
    Closes,
    /// RST.
    Resets,
}

/// What the victim must come to see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Victim {
    /// This answer: status, body, trailers, interim answers before it.
    Gets(u16, Vec<u8>, &'static [u8], usize),
    /// 502, or a beginning that no client can take for a whole answer.
    Broken,
    /// 502.
    Fails,
    /// Nobody asked.
    Nobody,
}

/// Where the other client's request is, when the answer comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// On the same link, right behind the victim's.
    Behind,
    /// Still to come.
    Later,
    /// Still to come, and the victim has asked for nothing.
    Idle,
}

const GET: &[u8] = b"GET /victim HTTP/1.1\r\nHost: h\r\n\r\n";

/// What the victim sends instead.
pub(crate) const HEAD: &[u8] = b"HEAD /victim HTTP/1.1\r\nHost: h\r\n\r\n";
pub(crate) const OLD: &[u8] = b"GET /victim HTTP/1.0\r\nHost: h\r\n\r\n";
pub(crate) const POST: &[u8] = b"POST /victim HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
pub(crate) const UPGRADE: &[u8] =
    b"GET /victim HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
pub(crate) const HALF: &[u8] = b"POST /victim HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf";
pub(crate) const HALF_CHUNKS: &[u8] =
    b"POST /victim HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf";

/// An answer, whose verdict is to be added. Without one the victim gets 502 and the link ends.
pub(crate) fn poison(name: &'static str, about: &'static str, bytes: impl AsRef<[u8]>) -> Poison {
    Poison {
        name,
        about,
        bytes: bytes.as_ref().to_vec(),
        asked: GET,
        early: false,
        then: Then::Stays,
        victim: Victim::Fails,
        kept: false,
        places: &[Place::Behind, Place::Later],
    }
}

/// A row of a table: name, what it stands for, bytes.
pub(crate) type Row = (&'static str, &'static str, &'static [u8]);

/// The cases of a table, each made of its row.
pub(crate) fn table(rows: &[Row], make: impl Fn(Poison) -> Poison) -> Vec<Poison> {
    rows.iter().map(|(name, about, bytes)| make(poison(name, about, bytes))).collect()
}

impl Poison {
    /// After this from the victim. Behind a HEAD, nobody's request is on the link.
    pub(crate) fn to(self, asked: &'static [u8]) -> Self {
        let places = if asked == HEAD { &[Place::Later] } else { self.places };
        Self { asked, places, ..self }
    }

    /// Before the body of the victim's request.
    pub(crate) fn early(self, asked: &'static [u8]) -> Self {
        Self { asked, early: true, ..self }.later()
    }

    pub(crate) fn closes(self) -> Self {
        Self { then: Then::Closes, ..self }
    }

    pub(crate) fn resets(self) -> Self {
        Self { then: Then::Resets, ..self }
    }

    /// The victim gets this.
    pub(crate) fn gets(self, status: u16, body: impl AsRef<[u8]>) -> Self {
        Self { victim: Victim::Gets(status, body.as_ref().to_vec(), b"", 0), ..self }
    }

    /// With these trailers.
    pub(crate) fn trailers(self, trailers: &'static [u8]) -> Self {
        let Victim::Gets(status, body, _, interim) = self.victim else { panic!("nothing to trail") };
        Self { victim: Victim::Gets(status, body, trailers, interim), ..self }
    }

    /// With so many interim answers before it.
    pub(crate) fn after(self, interim: usize) -> Self {
        let Victim::Gets(status, body, trailers, _) = self.victim else { panic!("nothing to come") };
        Self { victim: Victim::Gets(status, body, trailers, interim), ..self }
    }

    /// The victim may have seen a part of it, and that it is a part.
    pub(crate) fn breaks(self) -> Self {
        Self { victim: Victim::Broken, ..self }
    }

    /// The link carries on.
    pub(crate) fn kept(self) -> Self {
        Self { kept: true, ..self }
    }

    /// What cannot be told from an answer to the next request: nobody's is on the link.
    pub(crate) fn later(self) -> Self {
        Self { places: &[Place::Later], ..self }
    }

    /// Nobody asked for anything.
    pub(crate) fn idle(self) -> Self {
        Self { victim: Victim::Nobody, places: &[Place::Idle], ..self }
    }

    /// The method of what the victim sends.
    pub(crate) fn method(&self) -> &str {
        std::str::from_utf8(self.asked.split(|b| *b == b' ').next().unwrap()).unwrap()
    }
}
