//! Members that misbehave, each in one way: one thread and one tokio runtime for all links of a member.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, oneshot};

use crate::misbehaviour::protocol::{Ask, NOBODY, Protocol};

/// What a member does that it should not do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Misdeed {
    /// The member behaves well: the control.
    None,
    /// It answers the first request of each read and drops the others, as cpp-httplib does.
    Drops,
    /// It answers each request by itself, some of them 3 ms later, so that answers overtake each other.
    Reorders,
    /// It gives some answers twice.
    Doubles,
    /// It writes CR LF behind some answers.
    AddsCrLf,
    /// It writes what is no answer in its protocol behind some answers.
    AddsJunk,
    /// It writes a whole answer, which nobody asked for, behind some answers.
    AddsAnswer,
    /// It answers HEAD with content.
    HeadWithContent,
    /// It answers HEAD with content that reads like an answer.
    HeadWithAnswer,
    /// It says 204 and writes content that reads like an answer.
    NoContentWithAnswer,
    /// It says 304 and writes content that reads like an answer.
    NotModifiedWithAnswer,
    /// It closes behind the first answer of several, and behind each fifth answer, as cpp-httplib does.
    ClosesAmid,
    /// It pauses for 40 ms amid some answers.
    Pauses,
    /// Some of its answers never end, and it says nothing more on that link.
    NeverEnds,
}

impl Misdeed {
    pub(crate) const ALL: [Self; 14] = [
        Self::None,
        Self::Drops,
        Self::Reorders,
        Self::Doubles,
        Self::AddsCrLf,
        Self::AddsJunk,
        Self::AddsAnswer,
        Self::HeadWithContent,
        Self::HeadWithAnswer,
        Self::NoContentWithAnswer,
        Self::NotModifiedWithAnswer,
        Self::ClosesAmid,
        Self::Pauses,
        Self::NeverEnds,
    ];

    /// Whether a member that speaks this protocol can do it.
    pub(crate) fn is_possible_in(self, protocol: Protocol) -> bool {
        match self {
            Self::HeadWithContent
            | Self::HeadWithAnswer
            | Self::NoContentWithAnswer
            | Self::NotModifiedWithAnswer => protocol == Protocol::Http,
            Self::AddsJunk => protocol != Protocol::Lines, // whatever ends with LF is a line
            _ => true,
        }
    }

    /// Whether the requests that provoke it are HEAD.
    pub(crate) fn is_about_head(self) -> bool {
        matches!(self, Self::HeadWithContent | Self::HeadWithAnswer)
    }
}

/// What a member says of itself in its `Server` field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Claim {
    /// It has no such field.
    Nothing,
    /// It says that it is nginx.
    Nginx,
}

/// What it says then.
const NGINX: &str = "\r\nServer: nginx/1.22.1\r\n";
/// By this a probe is known.
const PROBE: &[u8] = b"(pipelining probe)";

/// How long a pause is: longer than a link waits until those behind are moved.
const PAUSE: Duration = Duration::from_millis(40);
/// How much later some answers of a member that reorders are.
const LATER: Duration = Duration::from_millis(3);
/// A member that closes amid a pipeline closes behind so many answers anyhow.
const ANSWERS_A_LINK: usize = 5;

/// A read takes so much at most.
const ROOM: usize = 64 << 10;

/// What is known of all links of a member.
#[derive(Default)]
struct Seen {
    /// The most requests that were on one link at once, unanswered.
    deepest: AtomicUsize,
    /// It was asked what no client had asked.
    probed: AtomicBool,
    /// For the time being it does nothing wrong.
    behaves: AtomicBool,
}

/// A member; it ends when it is dropped.
pub(crate) struct Member {
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Member {
    /// One that does not say who it is.
    pub(crate) fn start(protocol: Protocol, misdeed: Misdeed) -> Self {
        Self::start_as(Claim::Nothing, protocol, misdeed)
    }

    pub(crate) fn start_as(claim: Claim, protocol: Protocol, misdeed: Misdeed) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let (stop, stopped) = oneshot::channel();
        let shared = seen.clone();
        let named = std::thread::Builder::new().name("misbehaving member".to_owned());
        let serve = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                let accept = async {
                    loop {
                        let (stream, _) = listener.accept().await.unwrap();
                        stream.set_nodelay(true).unwrap();
                        tokio::spawn(Link::new(stream, claim, protocol, misdeed, shared.clone()).serve());
                    }
                };
                tokio::select! { () = accept => {}, _ = stopped => {} }
            });
        };
        let thread = named.spawn(serve).unwrap();
        Self { address, seen, stop: Some(stop), thread: Some(thread) }
    }

    /// The most requests that were on one link at once, unanswered.
    pub(crate) fn deepest(&self) -> usize {
        self.seen.deepest.load(Ordering::SeqCst)
    }

    /// Whether it was probed.
    pub(crate) fn was_probed(&self) -> bool {
        self.seen.probed.load(Ordering::SeqCst)
    }

    /// From now on it does nothing wrong, or what it does wrong.
    pub(crate) fn behaves(&self, well: bool) {
        self.seen.behaves.store(well, Ordering::SeqCst);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// One connection from the proxy.
struct Link {
    read: OwnedReadHalf,
    write: Arc<Mutex<OwnedWriteHalf>>,
    claim: Claim,
    protocol: Protocol,
    misdeed: Misdeed,
    /// Requests that have come and whose answers are still to be written.
    open: Arc<AtomicUsize>,
    seen: Arc<Seen>,
    answered: usize,
}

impl Link {
    fn new(stream: TcpStream, claim: Claim, protocol: Protocol, misdeed: Misdeed, seen: Arc<Seen>) -> Self {
        let (read, write) = stream.into_split();
        let (write, open) = (Arc::new(Mutex::new(write)), Arc::new(AtomicUsize::new(0)));
        Self { read, write, claim, protocol, misdeed, open, seen, answered: 0 }
    }

    async fn serve(mut self) {
        let mut got = Vec::with_capacity(ROOM);
        while !got.is_empty() || matches!(self.read.read_buf(&mut got).await, Ok(n) if n > 0) {
            if memchr::memmem::find(&got, PROBE).is_some() {
                return self.serve_probe(got).await;
            }
            let Some(asks) = self.take_requests(&mut got) else { return };
            // What has come by now came before its turn, but not in this read.
            let mut early = Vec::with_capacity(ROOM);
            let _ = self.read.try_read_buf(&mut early);
            let before = self.open.fetch_add(asks.len(), Ordering::SeqCst);
            let waiting = early.split(|byte| *byte == b'-').count() - 1; // each request has one, in its id
            self.seen.deepest.fetch_max(before + asks.len() + waiting, Ordering::SeqCst);
            if !self.answer(&asks).await {
                return;
            }
            got.append(&mut early);
            if asks.is_empty() && matches!(self.read.read_buf(&mut got).await, Ok(0) | Err(_)) {
                return;
            }
        }
    }

    /// The requests of one read. A member that drops loses the rest of a request as well, and understands nothing then.
    fn take_requests(&self, got: &mut Vec<u8>) -> Option<Vec<Ask>> {
        let mut asks = Vec::new();
        while let Some(ask) = self.protocol.take_request(got) {
            match ask {
                Ok(ask) => asks.push(ask),
                Err(_) if self.misdeed() == Misdeed::Drops => return None,
                Err(what) => panic!("{what}"),
            }
        }
        if self.misdeed() == Misdeed::Drops {
            got.clear();
        }
        Some(asks)
    }

    /// Answers what came in one read. Returns whether the link goes on.
    async fn answer(&mut self, asks: &[Ask]) -> bool {
        let count = asks.len();
        let goes_on = match self.misdeed() {
            Misdeed::Drops => self.write(&self.all(&asks[..count.min(1)])).await,
            Misdeed::Reorders => {
                asks.iter().for_each(|ask| self.answer_by_itself(*ask));
                return true;
            }
            Misdeed::ClosesAmid if count > 0 => {
                self.answered += 1;
                let written = self.write(&self.all(&asks[..1])).await;
                written && count == 1 && self.answered < ANSWERS_A_LINK
            }
            Misdeed::Pauses => self.answer_with_pauses(asks).await,
            Misdeed::NeverEnds => self.answer_up_to_an_endless_one(asks).await,
            _ => self.write(&self.all(asks)).await,
        };
        self.open.fetch_sub(count, Ordering::SeqCst);
        goes_on
    }

    /// What it does wrong now.
    fn misdeed(&self) -> Misdeed {
        if self.seen.behaves.load(Ordering::SeqCst) { Misdeed::None } else { self.misdeed }
    }

    /// Answers the requests of a probe, each by its first line, and as badly as those of clients.
    async fn serve_probe(mut self, mut got: Vec<u8>) {
        self.seen.probed.store(true, Ordering::SeqCst);
        loop {
            let mut answers = Vec::new();
            while let Some(end) = memchr::memmem::find(&got, b"\r\n\r\n") {
                let head: Vec<u8> = got.drain(..end + 4).collect();
                let head = String::from_utf8_lossy(&head);
                answers.push(self.to_probe(head.split("\r\n").next().unwrap_or_default()));
            }
            let several = answers.len() > 1;
            let misdeed = self.misdeed();
            match misdeed {
                Misdeed::Drops | Misdeed::ClosesAmid => answers.truncate(1),
                Misdeed::Reorders => answers.reverse(),
                _ => {}
            }
            let goes_on = self.write(answers.concat().as_bytes()).await;
            if !goes_on || several && misdeed == Misdeed::ClosesAmid {
                return;
            }
            if misdeed == Misdeed::Drops {
                got.clear();
            }
            if matches!(self.read.read_buf(&mut got).await, Ok(0) | Err(_)) {
                return;
            }
        }
    }

    fn to_probe(&self, line: &str) -> String {
        let is_head = line.starts_with("HEAD");
        let content = if is_head { "" } else { line };
        let named = if self.claim == Claim::Nginx { NGINX } else { "\r\n" };
        let length = line.len();
        let answer = format!("HTTP/1.1 200 OK{named}Content-Length: {length}\r\n\r\n{content}");
        let surplus = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        match self.misdeed() {
            Misdeed::Doubles => answer.repeat(2),
            Misdeed::AddsCrLf => answer + "\r\n",
            Misdeed::AddsJunk => answer + "junk\r\n",
            Misdeed::AddsAnswer => answer + surplus,
            Misdeed::HeadWithContent if is_head => answer + line,
            Misdeed::HeadWithAnswer if is_head => answer + surplus,
            Misdeed::NoContentWithAnswer if !is_head => {
                format!("HTTP/1.1 204 No Content{named}\r\n{surplus}")
            }
            Misdeed::NotModifiedWithAnswer if !is_head => {
                format!("HTTP/1.1 304 Not Modified{named}\r\n{surplus}")
            }
            Misdeed::NeverEnds if !is_head => format!("HTTP/1.1 200 OK{named}Content-Length: 1000\r\n\r\n"),
            _ => answer,
        }
    }

    /// An answer as it should be, with what the member says of itself.
    fn honest(&self, ask: Ask) -> Vec<u8> {
        let mut answer = self.protocol.answer(ask);
        if self.claim == Claim::Nginx {
            let end = memchr::memmem::find(&answer, b"\r\n").expect("an answer of HTTP");
            answer.splice(end..end + 2, NGINX.bytes());
        }
        answer
    }

    /// The bytes of all these answers, in order, with what the misdeed adds to them.
    fn all(&self, asks: &[Ask]) -> Vec<u8> {
        asks.iter().flat_map(|ask| self.bytes(*ask)).collect()
    }

    fn bytes(&self, ask: Ask) -> Vec<u8> {
        let answer = self.honest(ask);
        if !ask.is_provoking() {
            return answer;
        }
        let surplus = self.protocol.answer_saying(NOBODY);
        let instead = |status: &str| format!("HTTP/1.1 {status}\r\nX-Id: {ask}\r\n\r\n").into_bytes();
        match self.misdeed() {
            Misdeed::Doubles => answer.repeat(2),
            Misdeed::AddsCrLf => [&answer[..], b"\r\n"].concat(),
            Misdeed::AddsJunk if self.protocol == Protocol::LengthPrefixed => {
                [&answer[..], &[0xff; 7]].concat()
            }
            Misdeed::AddsJunk => [&answer[..], b"junk\r\n"].concat(),
            Misdeed::AddsAnswer | Misdeed::HeadWithAnswer => [answer, surplus].concat(),
            Misdeed::HeadWithContent => [answer, ask.to_string().into_bytes()].concat(),
            Misdeed::NoContentWithAnswer => [instead("204 No Content"), surplus].concat(),
            Misdeed::NotModifiedWithAnswer => [instead("304 Not Modified"), surplus].concat(),
            _ => answer,
        }
    }

    fn answer_by_itself(&self, ask: Ask) {
        let (write, open, answer) = (self.write.clone(), self.open.clone(), self.honest(ask));
        tokio::spawn(async move {
            if ask.is_provoking() {
                tokio::time::sleep(LATER).await;
            }
            // The proxy may have closed the link: then nobody waits for the answer.
            let _ = write.lock().await.write_all(&answer).await;
            open.fetch_sub(1, Ordering::SeqCst);
        });
    }

    async fn answer_with_pauses(&self, asks: &[Ask]) -> bool {
        for ask in asks {
            let answer = self.honest(*ask);
            let half = if ask.is_provoking() { answer.len() - 2 } else { answer.len() };
            if !self.write(&answer[..half]).await {
                return false;
            }
            if ask.is_provoking() {
                tokio::time::sleep(PAUSE).await;
            }
            if !self.write(&answer[half..]).await {
                return false;
            }
        }
        true
    }

    async fn answer_up_to_an_endless_one(&mut self, asks: &[Ask]) -> bool {
        let Some(endless) = asks.iter().position(|ask| ask.is_provoking()) else {
            return self.write(&self.all(asks)).await;
        };
        let begun = self.protocol.endless(&asks[endless].to_string());
        self.write(&[self.all(&asks[..endless]), begun].concat()).await;
        let mut dropped = Vec::new();
        while matches!(self.read.read_buf(&mut dropped).await, Ok(n) if n > 0) {
            dropped.clear();
        }
        false
    }

    async fn write(&self, bytes: &[u8]) -> bool {
        bytes.is_empty() || self.write.lock().await.write_all(bytes).await.is_ok()
    }
}
