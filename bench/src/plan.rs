//! What the generator is asked to do: whom to load, with how many clients, with what, for how long.
//! In: values from a test or the command line. Out: plain fields that the clients read.
//! Knows nothing of sockets, answers or counts.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

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
    /// What each exchange asks for.
    pub work: Work,
    /// When a client starts no more exchanges; those in flight are always awaited.
    pub stop: Stop,
    /// Exchanges a client keeps in flight (pipelining); 1 is plain keep-alive. 0 is read as 1.
    pub depth: usize,
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
            work: Work::Get("/hello".to_owned()),
            stop: Stop::Requests(1),
            depth: 1,
            seed: 1,
            abort_one_in: None,
            timeout: Duration::from_secs(10),
            threads: 1,
        }
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
    /// One of these for each exchange, drawn by weight.
    Mixed(Vec<(u32, Self)>),
}

/// When a client has done enough.
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    /// After each client has started so many exchanges (aborted and failed ones included).
    Requests(u64),
    /// When so much time has passed since all clients were asked to begin.
    Duration(Duration),
}
