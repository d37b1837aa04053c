//! The service behind the proxy: quick responses and slow ones, streams that never end, uploads that it reads or not.
//!
//! A request is a text, with `/` between its words, in whatever is spoken: `hello`, `big/BYTES`, `events`, `slow`
//! (computes for 25 s, without a look at its connection), `wait/MS`, `held/ANYTHING` (until the test lets it go),
//! `meet/COUNT` (until so many are there at once), `upload` (reads all, answers the length), `late_reader/MS`,
//! `late_continue/MS`. All others are answered with their own text.

use std::collections::HashSet;
use std::io::{ErrorKind, Result};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::hostage::client::{Conn, Head, PATIENCE, Tongue, eventually, prefixed};

/// How long `slow` computes.
const SLOW: Duration = Duration::from_secs(25);
/// The pause between two comments of `events`.
const COMMENT: Duration = Duration::from_millis(200);
/// How long those who meet wait for each other.
const ALONE: Duration = Duration::from_secs(2);

static PIECE: [u8; 65_536] = [b'x'; 65_536];

/// The service; it accepts no more when it is dropped.
pub(crate) struct Member {
    pub(crate) address: SocketAddr,
    desk: Arc<Desk>,
    accepting: AbortHandle,
}

#[derive(Default)]
struct Desk {
    tongue: Option<Tongue>,
    /// Whether a connection is closed after each answer.
    closes: AtomicBool,
    /// Connections that the member has not closed.
    open: Mutex<Vec<Weak<TcpStream>>>,
    accepted: AtomicUsize,
    peak: AtomicUsize,
    /// More open connections than this are looked at closely.
    cap: AtomicUsize,
    seen: Mutex<Vec<String>>,
    free: Mutex<HashSet<String>>,
    changed: Notify,
    meeting: Mutex<Meeting>,
}

#[derive(Default)]
struct Meeting {
    here: usize,
    round: u64,
}

impl Member {
    pub(crate) async fn start(tongue: Tongue) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let desk = Arc::new(Desk { tongue: Some(tongue), cap: usize::MAX.into(), ..Desk::default() });
        let own = desk.clone();
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                own.accepted.fetch_add(1, Ordering::SeqCst);
                let conn = Conn::new(stream);
                let open = own.arrived(&conn);
                tokio::spawn(own.clone().count(open));
                let own = own.clone();
                tokio::spawn(async move {
                    _ = own.serve(conn).await; // that the proxy closes is no news
                });
            }
        });
        Self { address, desk, accepting: accepting.abort_handle() }
    }

    /// Closes each connection after its first answer.
    pub(crate) fn closing(self) -> Self {
        self.desk.closes.store(true, Ordering::SeqCst);
        self
    }

    /// Where more connections than this are open, those do not count which the proxy has closed.
    pub(crate) fn watch_over(&self, cap: usize) {
        self.desk.cap.store(cap, Ordering::SeqCst);
    }

    /// The most connections that were open at once.
    pub(crate) fn peak(&self) -> usize {
        self.desk.peak.load(Ordering::SeqCst)
    }

    pub(crate) fn accepted(&self) -> usize {
        self.desk.accepted.load(Ordering::SeqCst)
    }

    /// Connections that neither end has closed.
    pub(crate) fn open(&self) -> usize {
        self.desk.open.lock().unwrap().iter().filter(|conn| is_open(conn)).count()
    }

    /// What it was asked, in order.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.desk.seen.lock().unwrap().clone()
    }

    /// How often it was asked this.
    pub(crate) fn times(&self, text: &str) -> usize {
        self.desk.seen.lock().unwrap().iter().filter(|seen| *seen == text).count()
    }

    /// Waits until it was asked this.
    pub(crate) async fn asked(&self, text: &str) {
        eventually(&format!("the member is asked {text}"), || async { self.times(text) > 0 }).await;
    }

    /// Lets the answer to this `held` request go, now or when it is asked for.
    pub(crate) fn let_go(&self, text: &str) {
        self.desk.free.lock().unwrap().insert(text.to_owned());
        self.desk.changed.notify_waiters();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Neither end has closed it. What came before the end hides it, until the member has read that.
fn is_open(conn: &Weak<TcpStream>) -> bool {
    let Some(stream) = conn.upgrade() else { return false };
    let peeked = SockRef::from(&*stream).peek(&mut [MaybeUninit::uninit()]);
    !matches!(peeked, Ok(0)) && !peeked.is_err_and(|why| why.kind() != ErrorKind::WouldBlock)
}

impl Desk {
    /// All that are open now.
    fn arrived(&self, conn: &Conn) -> Vec<Weak<TcpStream>> {
        let mut open = self.open.lock().unwrap();
        open.retain(|conn| conn.strong_count() > 0);
        open.push(Arc::downgrade(&conn.stream));
        open.clone()
    }

    /// Which of those that were open when one came the proxy had closed may be seen a little later only.
    async fn count(self: Arc<Self>, mut open: Vec<Weak<TcpStream>>) {
        let cap = self.cap.load(Ordering::SeqCst);
        for _ in 0..20 {
            if open.len() <= cap {
                break;
            }
            open.retain(is_open);
            sleep(Duration::from_millis(10)).await;
        }
        self.peak.fetch_max(open.len(), Ordering::SeqCst);
    }

    async fn serve(&self, mut conn: Conn) -> Result<()> {
        loop {
            match self.tongue.unwrap() {
                Tongue::Http => self.http(&mut conn).await?,
                Tongue::Lines => {
                    let line = conn.answer(Tongue::Lines).await?;
                    let answer = self.answer(&mut conn, &line).await;
                    conn.send(format!("{answer}\n")).await?;
                }
                Tongue::Prefixed => {
                    let text = conn.prefixed().await?;
                    let answer = self.answer(&mut conn, &text).await;
                    conn.send(prefixed(&answer)).await?;
                }
                Tongue::Resp => self.redis(&mut conn).await?,
            }
            if self.closes.load(Ordering::SeqCst) {
                return Ok(());
            }
        }
    }

    async fn http(&self, conn: &mut Conn) -> Result<()> {
        let head = conn.head().await?;
        let target = head.target().to_owned();
        let (name, number) = target.split_once('/').unwrap_or((&target, ""));
        let number: u64 = number.parse().unwrap_or(0);
        match name {
            "events" => {
                self.note(&target);
                return events(conn).await;
            }
            "late_reader" => sleep(Duration::from_millis(number)).await,
            "late_continue" => {
                self.note(&target);
                sleep(Duration::from_millis(number)).await;
            }
            _ => {}
        }
        if head.field("expect").is_some() {
            conn.send("HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let sent = conn.skip_body(&head).await?;
        let body = match name {
            "big" => {
                self.note(&target);
                return big(conn, number as usize).await;
            }
            "upload" | "late_reader" | "late_continue" => sent.to_string(),
            _ => self.answer(conn, &target).await,
        };
        self.send_http(conn, &head, &body).await
    }

    async fn send_http(&self, conn: &mut Conn, head: &Head, body: &str) -> Result<()> {
        let closes = if self.closes.load(Ordering::SeqCst) { "Connection: close\r\n" } else { "" };
        let length = body.len();
        let content = if head.0.starts_with("HEAD ") { "" } else { body };
        conn.send(format!("HTTP/1.1 200 OK\r\n{closes}Content-Length: {length}\r\n\r\n{content}")).await
    }

    async fn redis(&self, conn: &mut Conn) -> Result<()> {
        let words = conn.command().await?;
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["GET" | "MEET", text] => {
                let text = self.answer(conn, text).await;
                conn.send(format!("${}\r\n{text}\r\n", text.len())).await
            }
            ["PING"] => conn.send("+PONG\r\n").await,
            ["MULTI"] => {
                conn.send("+OK\r\n").await?;
                while conn.command().await? != ["EXEC"] {
                    conn.send("+QUEUED\r\n").await?;
                }
                conn.send("*0\r\n").await
            }
            _ => conn.send("-ERR unknown command\r\n").await,
        }
    }

    fn note(&self, text: &str) {
        self.seen.lock().unwrap().push(text.to_owned());
    }

    /// The answer to a text, when it is time for it.
    async fn answer(&self, conn: &mut Conn, text: &str) -> String {
        self.note(text);
        let (name, rest) = text.split_once('/').unwrap_or((text, ""));
        match name {
            "slow" => sleep(SLOW).await,
            "wait" => sleep(Duration::from_millis(rest.parse().unwrap())).await,
            "held" => self.hold(text).await,
            "meet" if !self.meet(conn, rest.parse().unwrap()).await => return "alone".to_owned(),
            _ => {}
        }
        text.to_owned()
    }

    /// Whoever waits for the answer fails before this gives up.
    async fn hold(&self, text: &str) {
        let until = Instant::now() + 2 * PATIENCE;
        while !self.free.lock().unwrap().contains(text) && Instant::now() < until {
            _ = timeout(Duration::from_millis(50), self.changed.notified()).await;
        }
    }

    /// Waits until so many are here at once; not for ever, so that links are free for the next try. Whether they were.
    async fn meet(&self, conn: &mut Conn, count: usize) -> bool {
        let round = {
            let mut meeting = self.meeting.lock().unwrap();
            meeting.here += 1;
            if meeting.here == count {
                *meeting = Meeting { here: 0, round: meeting.round + 1 };
                return true;
            }
            meeting.round
        };
        let met = async {
            while self.meeting.lock().unwrap().round == round {
                sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            () = met => return true,
            () = conn.gone() => {}
            () = sleep(ALONE) => {}
        }
        let mut meeting = self.meeting.lock().unwrap();
        let met = meeting.round != round;
        meeting.here -= usize::from(!met);
        met
    }
}

/// In pieces, so that the member keeps none of it.
async fn big(conn: &mut Conn, mut left: usize) -> Result<()> {
    conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {left}\r\n\r\n")).await?;
    while left > 0 {
        let piece = left.min(PIECE.len());
        conn.send(&PIECE[..piece]).await?;
        left -= piece;
    }
    Ok(())
}

async fn events(conn: &mut Conn) -> Result<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    conn.send(head).await?;
    loop {
        conn.send("d\r\n: a comment\n\n\r\n").await?;
        sleep(COMMENT).await;
    }
}
