//! What an origin is told to be: where it listens, what it speaks, how it serves.
//! In go the wishes of a command line or a test; out comes the first of them that makes no sense, in words.
//! It knows nothing of sockets and of how the wishes are met.

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
    /// One blocking thread for each connection, and at most so many connections on each listener;
    /// those over it are accepted and reset at once. HTTP only.
    pub legacy: Option<usize>,
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
        if self.legacy.is_some() && self.speaks != Speaks::Http {
            return Some("the legacy way to serve speaks HTTP only".to_owned());
        }
        let stands_still = matches!(self.speaks, Speaks::SlowReader { bytes_per_second: 0 });
        stands_still.then(|| "a slow reader reads at least 1 byte a second".to_owned())
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
