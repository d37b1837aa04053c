//! Defines the plan of a run: the address, the clients, the work, and the stop.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// The number of bytes that the words around two numbers may take.
const ROOM: usize = 128;

/// A complete run. Start from [`Plan::new`] and change the fields that matter:
///
/// ```
/// use penstock_bench::{Plan, Stop, Work};
/// let to = "127.0.0.1:8080".parse().unwrap();
/// let plan = Plan { clients: 100, work: Work::Ids, stop: Stop::Requests(50), ..Plan::new(to) };
/// assert_eq!(plan.depth, 1);
/// ```
#[derive(Clone, Debug)]
pub struct Plan {
    /// The address that all clients connect to.
    pub to: SocketAddr,
    /// The number of clients, each with one keep-alive connection.
    pub clients: usize,
    /// The source addresses of the clients, used in turn; empty for the kernel's choice.
    pub sources: Vec<Ipv4Addr>,
    /// The protocol of the address, which the work must fit.
    pub protocol: Protocol,
    /// The requests of the exchanges.
    pub work: Work,
    /// The time at which a client starts no more exchanges. Exchanges in flight are always awaited.
    pub stop: Stop,
    /// The number of exchanges that a client keeps in flight (pipelining); 1 is plain keep-alive. 0 counts as
    /// 1.
    pub depth: usize,
    /// The number of exchanges after which a connection is closed in order and replaced; `None` for no limit.
    /// With a limit, a client that is done closes its connection, because others may wait for its place.
    pub per_connection: Option<u64>,
    /// The average time that a client rests while nothing is in flight; each time is drawn from 0 to twice
    /// the average. With zero it continues at once.
    pub pause: Duration,
    /// The number of bytes per second at which each client reads answers; `None` for no limit.
    pub read_rate: Option<u64>,
    /// The number of bytes per second at which each client writes requests; `None` for no limit.
    pub write_rate: Option<u64>,
    /// The time for which a client stops in the middle of sending a request, and once more before it reads
    /// the answer. With more than one exchange in flight it stops once for those sent together.
    pub stall: Duration,
    /// The size in bytes of both socket buffers of each client, as given to the kernel, which doubles it;
    /// `None` for the kernel's choice.
    pub socket_buffer: Option<usize>,
    /// The number of exchanges per second that all clients together intend to start (open loop), spread evenly,
    /// or `None` for a closed loop. Latencies then count from the intended time.
    pub rate: Option<f64>,
    /// A complete frame that is a refusal and no answer, counted like HTTP's 503; for protocols of frames.
    pub refusal: Option<Vec<u8>>,
    /// For RESP: whether stored values may vanish at any moment, as when a server restarts without its data.
    pub may_forget: bool,
    /// The seed. All random choices (mixes, contents, aborts) follow from this number and the client's.
    pub seed: u64,
    /// One exchange in this number is aborted by its client: it closes the connection after sending the
    /// request, before or in the middle of the answer, by FIN or by RST. Then the client reconnects.
    pub abort_one_in: Option<u32>,
    /// The longest duration of a connect or an exchange, each counted from its own start.
    pub timeout: Duration,
    /// The number of threads, each with its own runtime. 0 counts as 1.
    pub threads: usize,
}

impl Plan {
    /// Returns a plan with one client, one thread, one `GET /hello`, a timeout of ten seconds, and seed 1.
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
            read_rate: None,
            write_rate: None,
            stall: Duration::ZERO,
            socket_buffer: None,
            rate: None,
            refusal: None,
            may_forget: false,
            seed: 1,
            abort_one_in: None,
            timeout: Duration::from_secs(10),
            threads: 1,
        }
    }

    /// Returns why the plan cannot be carried out, if so.
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
        if let Some(rate) = self.rate.filter(|rate| !rate.is_finite() || *rate <= 0.0) {
            return Some(format!("a rate of {rate}: it must be a number above 0"));
        }
        let fits = self.work.fits(self.protocol);
        (!fits).then(|| format!("{:?} cannot be asked in {:?}", self.work, self.protocol))
    }
}

/// The protocol of requests and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http,
    /// Lines: each frame is a line.
    Lines {
        /// Whether lines end in CR LF. Otherwise they end in LF alone, and a CR before it is content.
        crlf: bool,
    },
    /// Length-prefixed: each frame is a count and that number of bytes.
    LengthPrefixed(Prefix),
    /// Redis (RESP2): commands as arrays of bulk strings.
    Resp,
    /// Bytes without frames, which the server sends back as they come.
    Echo,
}

impl Protocol {
    /// Returns a request of this text in the frame of the protocol, with zeros before its count; `None` if the
    /// count cannot express its length.
    pub fn frame(self, text: &str) -> Option<Vec<u8>> {
        if let Self::LengthPrefixed(prefix) = self
            && text.len() > prefix.longest()
        {
            return None;
        }
        let mut wire = Vec::new();
        let before = match self {
            Self::LengthPrefixed(prefix) => vec![0; usize::from(prefix.offset)],
            _ => Vec::new(),
        };
        crate::frame::put(self, text.as_bytes(), &before, &mut wire);
        Some(wire)
    }
}

/// The header of a length-prefixed frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// The number of bytes of the count: 1, 2, 4 or 8.
    pub length_bytes: u8,
    /// Whether the least significant byte comes first.
    pub little_endian: bool,
    /// Whether the count includes the header.
    pub includes_header: bool,
    /// The number of bytes before the count. They are drawn for each exchange and must come back.
    pub offset: u16,
}

impl Default for Prefix {
    /// Returns four bytes, big-endian, that count the payload alone.
    fn default() -> Self {
        Self { length_bytes: 4, little_endian: false, includes_header: false, offset: 0 }
    }
}

/// The request of an exchange, and so the expected answer. Only 2xx answers are checked.
#[derive(Clone, Debug)]
pub enum Work {
    /// `GET` of this target; any body is accepted.
    Get(String),
    /// `GET /echo?id=CLIENT-SEQ`; the answer must name exactly that id.
    Ids,
    /// `GET /bytes/N` or `/chunked/N`; the answer must have N bytes, and byte i must be `i % 251`.
    Pattern {
        /// The values of N in bytes, one drawn for each exchange; empty for 0.
        sizes: Vec<usize>,
        /// Whether to request `/chunked/N` instead of `/bytes/N`.
        chunked: bool,
    },
    /// `POST /echo` with a content that begins with `CLIENT-SEQ:`; it must come back byte for byte.
    Post {
        /// The lengths of the content in bytes, one drawn for each exchange; empty for 0.
        sizes: Vec<usize>,
    },
    /// Lines and length-prefixed: `tag CLIENT-SEQ add A B`; the answer must be `CLIENT-SEQ SUM`. The given
    /// words, such as `delay 200`, precede `add`.
    Add(String),
    /// Lines and length-prefixed: `tag CLIENT-SEQ echo TEXT`; the answer must be `CLIENT-SEQ TEXT`.
    Say {
        /// The lengths of the text in bytes, one drawn for each exchange; 0 counts as 1.
        sizes: Vec<usize>,
    },
    /// `Protocol::Echo`: bytes that begin with `CLIENT-SEQ:`; they must come back.
    Bounce {
        /// The numbers of bytes, one drawn for each exchange; 0 counts as 1.
        sizes: Vec<usize>,
    },
    /// HTTP, lines and length-prefixed: this request, byte for byte.
    Literal(Arc<Literal>),
    /// RESP: a command on the client's own keys; the answer must be what the client stored there.
    Keys {
        /// The command. The first one on each key is always a SET.
        command: Command,
        /// The lengths in bytes of a value after its `CLIENT-SEQ:`, one drawn for each SET; empty for 0.
        sizes: Vec<usize>,
    },
    /// One of these works for each exchange, drawn by weight. Each is a class of its own in the report.
    Mixed(Vec<(u32, Self)>),
}

/// A complete request, framed for its protocol, and the answer that it must get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    /// The name of its class in a report.
    pub name: String,
    /// The bytes of the request: head and content.
    pub wire: Vec<u8>,
    /// The content of a right 2xx answer; `None` if any content is right.
    pub answer: Option<Vec<u8>>,
}

/// A command on a key of Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `SET tag:CLIENT:LIFE:N VALUE`.
    Set,
    /// `GET` of the value that the client has set last.
    Get,
    /// `INCR count:CLIENT:LIFE`, whose answer must grow by one each time.
    Incr,
}

impl Work {
    /// Returns the name of its class in a report.
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
            Self::Bounce { .. } => "bytes",
            Self::Literal(literal) => &literal.name,
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
            Self::Bounce { .. } => protocol == Protocol::Echo,
            Self::Literal(_) => !matches!(protocol, Protocol::Resp | Protocol::Echo),
            _ => protocol == Protocol::Http,
        }
    }
}

/// The time at which a client is done.
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    /// After each client has started this number of exchanges, including aborted and failed ones.
    Requests(u64),
    /// After this time since all clients were told to begin.
    Duration(Duration),
}
