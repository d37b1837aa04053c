//! Defines the options of an origin: its addresses, its protocol, its way of serving, and the options that
//! contradict each other.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// The options of an origin.
#[derive(Clone, Debug)]
pub struct Options {
    /// The names and addresses of the members. Port 0 lets the kernel choose.
    pub listen: Vec<(String, SocketAddr)>,
    /// The names and Unix socket paths of further members. A socket on which nobody accepts any more is
    /// replaced; the file is removed at the end.
    pub unix: Vec<(String, PathBuf)>,
    /// The protocol of all members.
    pub speaks: Speaks,
    /// Whether every connection to a member must begin with a PROXY header (version 1 or 2). Others are closed.
    pub proxy_protocol: bool,
    /// An additional address for HTTP, for `/stats` of an origin whose members speak another protocol. It
    /// takes no PROXY header, and is no member in the counters.
    pub stats: Option<SocketAddr>,
    /// The number of worker threads, at least 1. Legacy mode ignores it.
    pub threads: usize,
    /// The largest number of connections on each listener in legacy mode, which has a blocking thread for
    /// each connection. Not for protocols of bytes.
    pub legacy: Option<usize>,
    /// The treatment of connections over the legacy limit. With `None`, HTTP connections are reset, and those
    /// of lines and length-prefixed frames wait.
    pub over_limit: Option<OverLimit>,
    /// The number of requests that each member works on at a time, at least 1, whatever their connections.
    /// Further requests wait in order. A delayed request holds its place, also after its client has gone.
    /// With `None`, no request waits for another connection's. Not for protocols of bytes.
    pub at_once: Option<usize>,
    /// The time that each request takes, in addition to a delay that it asks for. Not for protocols of bytes.
    /// Threads wake up some 50 microseconds late, which requests sent in advance make up for.
    pub work: Duration,
    /// The time after which a connection is closed that was to send something and did not. For protocols of
    /// bytes: after which nothing moved in either direction.
    pub idle_timeout: Option<Duration>,
    /// The number of connections that may wait to be accepted, on each listener.
    pub backlog: u32,
}

impl Default for Options {
    /// Returns options for one worker that speaks HTTP, without listeners and idle timeout, with a backlog of
    /// 4096.
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
    /// Returns why these options cannot work on any machine.
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

/// The protocol of an origin's members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/1.1 with all routes.
    #[default]
    Http,
    /// Sends back every byte. After the client has shut its side, it sends the rest and shuts its own. It
    /// reads nothing while more than 64 KiB wait to be sent.
    Echo,
    /// Reads, answers nothing, and closes after the client has shut its side.
    Discard,
    /// Sends bytes of the pattern ([`byte_at`](crate::byte_at)) at once, then shuts its side, and reads until
    /// the client has shut its own.
    Generate {
        /// The number of bytes.
        bytes: u64,
    },
    /// Reads until the client has shut its side, then answers with the number of bytes and their
    /// [`Fnv1a`](crate::Fnv1a) hash, as `<count> <16 hex digits>\n`, and closes. This needs a connection that
    /// can be half-closed.
    Total,
    /// Reads no faster than the given rate, through a small receive buffer, answers nothing, and closes after
    /// the client has shut its side.
    SlowReader {
        /// The rate in bytes per second, at least 1.
        bytes_per_second: u64,
    },
    /// Sends first, as SMTP does: `220 <member> ready`. It answers the line `QUIT` with `221 bye` and closes,
    /// and any other line with `250 <line>`. Lines end with CRLF; LF alone is accepted.
    Banner,
    /// Answers each line with a line: the included calculator, whose words the command's `--help` lists.
    Lines {
        /// Whether lines end with CRLF and a lone LF is content. Otherwise they end with LF, and a CR before
        /// it is content.
        crlf: bool,
    },
    /// The requests and answers of [`Speaks::Lines`], each after a count of its bytes.
    LengthPrefixed(Prefix),
}

impl Speaks {
    /// Returns whether the protocol has requests and answers.
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

/// The form of the count before each frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// The number of bytes of the count: 1, 2, 4 or 8.
    pub width: u8,
    /// Whether the least significant byte comes first.
    pub little: bool,
    /// Whether the count includes the header: the count itself and the bytes before it.
    pub counts_header: bool,
    /// The number of bytes before the count. Those of a request are sent back in the header of its answer.
    pub offset: u16,
}

impl Default for Prefix {
    /// Returns four bytes, most significant first, that count the text only, with nothing before them.
    fn default() -> Self {
        Self { width: 4, little: false, counts_header: false, offset: 0 }
    }
}

impl Prefix {
    /// Returns the number of bytes before the text.
    pub(crate) fn header(self) -> usize {
        usize::from(self.offset) + usize::from(self.width)
    }

    /// Returns the number of bytes that are counted in addition to the text.
    pub(crate) fn counted(self) -> usize {
        if self.counts_header { self.header() } else { 0 }
    }

    /// Returns the largest count.
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

/// The treatment of connections over the legacy limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverLimit {
    /// Connections are accepted and reset at once.
    Reset,
    /// Connections wait to be accepted until another one has ended.
    Wait,
}

/// The address of a member.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IP address and port, such as `127.0.0.1:80`.
    Ip(SocketAddr),
    /// The path of a Unix socket, such as `unix:/run/app.sock`.
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
