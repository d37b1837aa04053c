//! The plan of a run: whom to load, with how many clients, with what, for how long.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Bytes that the longest words around two numbers may take.
const ROOM: usize = 128;

/// One run, in full. Start from [`Plan::new`] and change what matters:
///
/// ```
/// use penstock_bench::{Plan, Stop, Work};
/// let to = "127.0.0.1:8080".parse().unwrap();
/// let plan = Plan { clients: 100, work: Work::Ids, stop: Stop::Requests(50), ..Plan::new(to) };
/// assert_eq!(plan.depth, 1);
/// ```
#[derive(Clone, Debug)]
pub struct Plan {
    /// The address all clients connect to.
    pub to: SocketAddr,
    /// How many clients are held open, each one keep-alive connection.
    pub clients: usize,
    /// Addresses the clients bind before they connect, used round robin; empty: the kernel's choice.
    pub sources: Vec<Ipv4Addr>,
    /// The language of the address; the work must be of it.
    pub protocol: Protocol,
    /// What each exchange asks for.
    pub work: Work,
    /// When a client starts no more exchanges; those in flight are always awaited.
    pub stop: Stop,
    /// Exchanges a client keeps in flight (pipelining); 1 is plain keep-alive. 0 is read as 1.
    pub depth: usize,
    /// Exchanges on one connection, which is then closed in order and made anew; `None`: no limit. With
    /// a limit, a client that has done enough closes too: others may wait for its place.
    pub per_connection: Option<u64>,
    /// How long a client rests, on average, while nothing is in flight; each time a draw from 0 to twice
    /// that. Zero: it goes on at once.
    pub pause: Duration,
    /// A whole frame that is no answer but a refusal, counted as HTTP's 503 is; for protocols of frames.
    pub refusal: Option<Vec<u8>>,
    /// RESP: what was stored may be gone at any moment, as where a server restarts without its data.
    pub may_forget: bool,
    /// All that is random (mixes, contents, aborts) follows from this number and the client's.
    pub seed: u64,
    /// One exchange in so many is aborted by its client: the connection is closed after the request
    /// was sent, before or amid the answer, by FIN or by RST. Then the client connects anew.
    pub abort_one_in: Option<u32>,
    /// How long a connect or an exchange may take, counted for each from its own start.
    pub timeout: Duration,
    /// Threads that carry the clients, each with a runtime of its own. 0 is read as 1.
    pub threads: usize,
}

impl Plan {
    /// One client, one thread, one `GET /hello`, ten seconds of patience, seed 1.
    pub fn new(to: SocketAddr) -> Self {
        Self {
            to,
            clients: 1,
            sources: Vec::new(),
            protocol: Protocol::Http,
            work: Work::Get("/hello".to_owned()),
            stop: Stop::Requests(1),
            depth: 1,
            per_connection: None,
            pause: Duration::ZERO,
            refusal: None,
            may_forget: false,
            seed: 1,
            abort_one_in: None,
            timeout: Duration::from_secs(10),
            threads: 1,
        }
    }

    /// Why it cannot be carried out, where it cannot.
    pub(crate) fn complaint(&self) -> Option<String> {
        if let Protocol::LengthPrefixed(prefix) = self.protocol
            && !matches!(prefix.length_bytes, 1 | 2 | 4 | 8)
        {
            return Some(format!("a count of {} bytes: 1, 2, 4 and 8 are understood", prefix.length_bytes));
        }
        if let Protocol::LengthPrefixed(prefix) = self.protocol
            && prefix.longest() < ROOM
        {
            return Some(format!("a count of {prefix:?} leaves less than {ROOM} bytes for a request"));
        }
        let fits = self.work.fits(self.protocol);
        (!fits).then(|| format!("{:?} cannot be asked in {:?}", self.work, self.protocol))
    }
}

/// The language of requests and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http,
    /// A frame is a line.
    Lines {
        /// Lines end in CR LF; else in LF alone, and a CR before it is content.
        crlf: bool,
    },
    /// A frame is a count and so many bytes behind it.
    LengthPrefixed(Prefix),
    /// Redis (RESP2): commands as arrays of bulk strings.
    Resp,
}

/// What stands before the payload of a length-prefixed frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// Bytes of the count: 1, 2, 4 or 8.
    pub length_bytes: u8,
    /// The count's least byte comes first.
    pub little_endian: bool,
    /// The count includes all before the payload, itself too.
    pub includes_header: bool,
    /// Bytes before the count. They are drawn for each exchange and must come back.
    pub offset: u16,
}

impl Default for Prefix {
    /// Four bytes, big-endian, which count the payload alone.
    fn default() -> Self {
        Self { length_bytes: 4, little_endian: false, includes_header: false, offset: 0 }
    }
}

/// What an exchange asks for, and so what its answer must be. Only 2xx answers are held against it.
#[derive(Clone, Debug)]
pub enum Work {
    /// `GET` of this target; any body will do.
    Get(String),
    /// `GET /echo?id=CLIENT-SEQ`; the answer must name exactly that id.
    Ids,
    /// `GET /bytes/N` or `/chunked/N`; byte i of the answer must be `i % 251`, and N of them.
    Pattern {
        /// The Ns in bytes, one drawn for each exchange; empty: 0.
        sizes: Vec<usize>,
        /// `/chunked/N` instead of `/bytes/N`.
        chunked: bool,
    },
    /// `POST /echo` with a content that begins `CLIENT-SEQ:`; it must come back byte for byte.
    Post {
        /// Content lengths in bytes, one drawn for each exchange; empty: 0.
        sizes: Vec<usize>,
    },
    /// Lines and length-prefixed: `tag CLIENT-SEQ add A B`; the answer must be `CLIENT-SEQ SUM`. What
    /// stands here goes before `add`, such as `delay 200`.
    Add(String),
    /// Lines and length-prefixed: `tag CLIENT-SEQ echo TEXT`; the answer must be `CLIENT-SEQ TEXT`.
    Say {
        /// Lengths of the text in bytes, one drawn for each exchange; 0 is read as 1.
        sizes: Vec<usize>,
    },
    /// RESP: a command on keys of the client's own; what comes back must be what it stored there.
    Keys {
        /// Which command. The first on each key is a SET all the same.
        command: Command,
        /// Bytes of a value behind its `CLIENT-SEQ:`, one drawn for each SET; empty: 0.
        sizes: Vec<usize>,
    },
    /// One of these for each exchange, drawn by weight. Each is a class of its own in the report.
    Mixed(Vec<(u32, Self)>),
}

/// What is done with a key of Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `SET tag:CLIENT:LIFE:N VALUE`.
    Set,
    /// `GET` of what the client has set last.
    Get,
    /// `INCR count:CLIENT:LIFE`: must go up by one each time.
    Incr,
}

impl Work {
    /// What its class is called in a report.
    pub(crate) fn name(&self) -> String {
        let name = match self {
            Self::Get(target) => target,
            Self::Ids => "ids",
            Self::Pattern { chunked: true, .. } => "chunked",
            Self::Pattern { .. } => "bytes",
            Self::Post { .. } => "post",
            Self::Add(before) if before.is_empty() => "add",
            Self::Add(before) => before,
            Self::Say { .. } => "echo",
            Self::Keys { command: Command::Set, .. } => "set",
            Self::Keys { command: Command::Get, .. } => "get",
            Self::Keys { command: Command::Incr, .. } => "incr",
            Self::Mixed(_) => "mixed",
        };
        name.to_owned()
    }

    fn fits(&self, protocol: Protocol) -> bool {
        match self {
            Self::Mixed(parts) => parts.iter().all(|(_, part)| part.fits(protocol)),
            Self::Add(_) | Self::Say { .. } => {
                matches!(protocol, Protocol::Lines { .. } | Protocol::LengthPrefixed(_))
            }
            Self::Keys { .. } => protocol == Protocol::Resp,
            _ => protocol == Protocol::Http,
        }
    }
}

/// When a client has done enough.
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    /// After each client has started so many exchanges (aborted and failed ones included).
    Requests(u64),
    /// When so much time has passed since all clients were asked to begin.
    Duration(Duration),
}
