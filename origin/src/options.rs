//! The options of an origin: where it listens, what it speaks, how it serves, and which options make no sense together.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// How an origin is to be run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Member names and the addresses they listen on; port 0 lets the kernel choose.
    pub listen: Vec<(String, SocketAddr)>,
    /// Member names and the paths of the Unix sockets they listen on, beside `listen`. A socket that nobody
    /// accepts on any more is replaced; the path is removed at the end.
    pub unix: Vec<(String, PathBuf)>,
    /// What all members speak.
    pub speaks: Speaks,
    /// Every connection to a member begins with a PROXY header (version 1 or 2), or is closed.
    pub proxy_protocol: bool,
    /// Where HTTP is answered beside the members, for `/stats` of an origin whose members speak something
    /// else. No PROXY header there, and it is none of the members in the counters.
    pub stats: Option<SocketAddr>,
    /// Worker threads, at least 1. Of no account in legacy mode.
    pub threads: usize,
    /// One blocking thread for each connection, and at most so many connections on each listener. Not for bytes.
    pub legacy: Option<usize>,
    /// What becomes of the connections over the legacy limit. None: with HTTP they are reset, with lines and
    /// length-prefixed frames they wait.
    pub over_limit: Option<OverLimit>,
    /// Each member works at so many requests at once, at least 1, on however many connections they came; the others
    /// wait for a place, in order. A request that is delayed holds its place; one whose client has gone does, too.
    /// None: no request waits for another connection's. Not for bytes.
    pub at_once: Option<usize>,
    /// What each request takes, beyond any delay that it asks for. Not for bytes. Threads are woken some 50
    /// microseconds late; what a connection has sent in advance makes up for that.
    pub work: Duration,
    /// A connection that has sent nothing for so long, while something was awaited from it, is closed. One of
    /// bytes: one on which nothing moved either way.
    pub idle_timeout: Option<Duration>,
    /// How many connections may wait to be accepted, on each listener.
    pub backlog: u32,
}

impl Default for Options {
    /// One worker that speaks HTTP, no listener, no idle timeout, a backlog of 4096.
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            unix: Vec::new(),
            speaks: Speaks::Http,
            proxy_protocol: false,
            stats: None,
            threads: 1,
            legacy: None,
            over_limit: None,
            at_once: None,
            work: Duration::ZERO,
            idle_timeout: None,
            backlog: 4096,
        }
    }
}

impl Options {
    /// Why they cannot be met, whatever the machine.
    pub(crate) fn problem(&self) -> Option<String> {
        let mut names =
            self.listen.iter().map(|(name, _)| name).chain(self.unix.iter().map(|(name, _)| name));
        if let Some(name) = names.find(|name| !is_member_name(name)) {
            return Some(format!("member name {name:?}: visible ASCII without spaces only"));
        }
        if !self.speaks.is_answered() && (self.legacy.is_some() || self.is_paced()) {
            return Some("bytes are not served in the legacy way, nor by so many at once".to_owned());
        }
        if self.at_once == Some(0) {
            return Some("a member works at 1 request at once at least".to_owned());
        }
        self.speaks.problem().map(str::to_owned)
    }

    fn is_paced(&self) -> bool {
        self.at_once.is_some() || self.work > Duration::ZERO
    }
}

fn is_member_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What the members of an origin speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/1.1, with all routes.
    #[default]
    Http,
    /// Sends back what comes; when the client has shut its side, sends the rest and shuts its own. Reads
    /// nothing while more than 64 KiB wait to be sent.
    Echo,
    /// Reads and answers nothing; closes when the client has shut its side.
    Discard,
    /// Sends so many bytes of the pattern ([`byte_at`](crate::byte_at)) at once, then shuts its side, and
    /// reads until the client has shut its own.
    Generate {
        /// How many bytes.
        bytes: u64,
    },
    /// Reads until the client has shut its side; then answers how many bytes came and their
    /// [`Fnv1a`](crate::Fnv1a), as `<count> <16 hex digits>\n`, and closes: only works where half a connection
    /// can be closed.
    Total,
    /// Reads no faster than this, through a small receive buffer, and answers nothing; closes when the client
    /// has shut its side.
    SlowReader {
        /// How fast, in bytes a second; at least 1.
        bytes_per_second: u64,
    },
    /// Speaks first, as SMTP does: `220 <member> ready`. Answers the line `QUIT` with `221 bye` and closes, any
    /// other line with `250 <line>`. Lines end with CRLF; in those that come, LF alone will do.
    Banner,
    /// Requests of words, one a line, each answered with a line: the included calculator, whose words `--help` of the
    /// command lists.
    Lines {
        /// Lines end with CRLF, and a lone LF is content. Else they end with LF, and a CR before it is content.
        crlf: bool,
    },
    /// The same requests and answers as of [`Speaks::Lines`], each behind the count of its bytes.
    LengthPrefixed(Prefix),
}

impl Speaks {
    /// Requests are told apart and answered.
    pub(crate) fn is_answered(self) -> bool {
        matches!(self, Self::Http | Self::Lines { .. } | Self::LengthPrefixed(_))
    }

    fn problem(self) -> Option<&'static str> {
        match self {
            Self::SlowReader { bytes_per_second: 0 } => Some("a slow reader reads at least 1 byte a second"),
            Self::LengthPrefixed(prefix) => prefix.problem(),
            _ => None,
        }
    }
}

/// How the count before each frame is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// Bytes of the count: 1, 2, 4 or 8.
    pub width: u8,
    /// The least significant byte comes first.
    pub little: bool,
    /// The count includes the header: itself, and what is before it.
    pub counts_header: bool,
    /// So many bytes come before the count; those of a request are sent back in the header of its answer.
    pub offset: u16,
}

impl Default for Prefix {
    /// Four bytes, the most significant first, of the text only, nothing before them.
    fn default() -> Self {
        Self { width: 4, little: false, counts_header: false, offset: 0 }
    }
}

impl Prefix {
    /// What comes before the text, in bytes.
    pub(crate) fn header(self) -> usize {
        usize::from(self.offset) + usize::from(self.width)
    }

    /// So many bytes beside the text are counted.
    pub(crate) fn counted(self) -> usize {
        if self.counts_header { self.header() } else { 0 }
    }

    /// The largest count that can be written.
    pub(crate) fn largest(self) -> u64 {
        u64::MAX >> (64 - 8 * u32::from(self.width))
    }

    fn problem(self) -> Option<&'static str> {
        if !matches!(self.width, 1 | 2 | 4 | 8) {
            return Some("a count has 1, 2, 4 or 8 bytes");
        }
        let holds = self.largest() >= self.counted() as u64;
        (!holds).then_some("a count that includes the header has to be able to hold its length")
    }
}

/// What becomes of the connections over the legacy limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverLimit {
    /// They are accepted and reset at once.
    Reset,
    /// They wait to be accepted, until another one has ended.
    Wait,
}

/// Where a member listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// `127.0.0.1:80`
    Ip(SocketAddr),
    /// `unix:/run/app.sock`
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
