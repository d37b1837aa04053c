//! Clients that take a link and do nothing with it, each kind in its own way; one that is cut comes back.

use std::io::Result;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::hostage::client::{Conn, Tongue, command};

pub(crate) const ATTACKERS: usize = 200;
/// Most of a body that is sent before it stalls: more than one request may have in the proxy's memory.
const MOST_SENT: usize = 256 << 10;
/// How long a client stays that leaves before its answer has ended.
const STAY: Duration = Duration::from_millis(300);
/// Without reading, the end of a connection may never be seen.
const UNREAD: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// A POST of 1,000 bytes, a byte each 5 s.
    SlowPost,
    /// A POST of so many bytes: its head and half of its body, then nothing.
    StalledPost(usize),
    /// As above, of 1,000 bytes in one chunk.
    StalledChunk,
    /// A POST that waits for 100 and then sends nothing.
    StalledExpect,
    /// Asks for 10 MB and reads 1 KB a second.
    SlowReader,
    /// Asks for 10 MB and reads nothing.
    NoReader,
    /// Asks for this and leaves, by FIN or by reset.
    Gone(&'static str, Leaves),
    /// Reads a stream that never ends.
    Events,
    /// Says half a frame.
    HalfFrame(Tongue),
    /// Says MULTI and SET, and no EXEC.
    Multi,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaves {
    Closing,
    Resetting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    One,
    Each,
}

/// They go when they are dropped.
pub(crate) struct Attackers(Vec<JoinHandle<()>>);

impl Attackers {
    pub(crate) fn start(kind: Kind, from: From, to: SocketAddr) -> Self {
        let attacker = |number: usize| async move {
            sleep(Duration::from_millis(2 * number as u64)).await;
            loop {
                _ = kind.attack(from.address(number), to).await; // being cut is what they expect
                sleep(kind.rest()).await;
            }
        };
        Self((0..ATTACKERS).map(|number| tokio::spawn(attacker(number))).collect())
    }
}

impl Drop for Attackers {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl From {
    fn address(self, number: usize) -> Ipv4Addr {
        match self {
            Self::One => Ipv4Addr::new(127, 40, 0, 1),
            Self::Each => Ipv4Addr::new(127, 41, 0, number as u8 + 1),
        }
    }
}

impl Kind {
    pub(crate) fn tongue(self) -> Tongue {
        match self {
            Self::HalfFrame(tongue) => tongue,
            Self::Multi => Tongue::Resp,
            _ => Tongue::Http,
        }
    }

    /// How long after it was cut it comes back.
    fn rest(self) -> Duration {
        Duration::from_millis(if matches!(self, Self::Gone(..)) { 1000 } else { 300 })
    }

    /// One attack, until it is cut.
    async fn attack(self, from: Ipv4Addr, to: SocketAddr) -> Result<()> {
        match self {
            Self::SlowPost => {
                let mut conn = Conn::connect(from, to).await?;
                conn.send(post("Content-Length: 1000")).await?;
                while timeout(Duration::from_secs(5), conn.drain()).await.is_err() {
                    conn.send("x").await?;
                }
            }
            Self::StalledPost(length) => {
                let mut conn = Conn::connect(from, to).await?;
                conn.send(post(&format!("Content-Length: {length}"))).await?;
                conn.send(vec![b'x'; (length / 2).min(MOST_SENT)]).await?;
                conn.drain().await;
            }
            Self::StalledChunk => {
                let mut conn = Conn::connect(from, to).await?;
                conn.send(post("Transfer-Encoding: chunked")).await?;
                conn.send(format!("3e8\r\n{}", "x".repeat(500))).await?;
                conn.drain().await;
            }
            Self::StalledExpect => {
                let mut conn = Conn::connect(from, to).await?;
                conn.send(post("Content-Length: 1000\r\nExpect: 100-continue")).await?;
                conn.drain().await;
            }
            Self::SlowReader => {
                let mut conn = Conn::connect_narrow(from, to).await?;
                conn.send(Tongue::Http.request("big/10000000")).await?;
                loop {
                    conn.fill(1024).await?;
                    sleep(Duration::from_secs(1)).await;
                }
            }
            Self::NoReader => {
                let mut conn = Conn::connect_narrow(from, to).await?;
                conn.send(Tongue::Http.request("big/10000000")).await?;
                let cut = async {
                    while conn.stream.peek(&mut [0]).await.is_ok_and(|n| n > 0) {
                        sleep(STAY).await
                    }
                };
                _ = timeout(UNREAD, cut).await;
            }
            Self::Gone(text, leaves) => {
                let mut conn = Conn::connect(from, to).await?;
                conn.send(Tongue::Http.request(text)).await?;
                _ = timeout(STAY, conn.drain()).await;
                if leaves == Leaves::Resetting {
                    conn.reset();
                }
            }
            Self::Events => {
                let mut conn = Conn::connect(from, to).await?;
                conn.send(Tongue::Http.request("events")).await?;
                conn.drain().await;
            }
            Self::HalfFrame(tongue) => {
                let mut conn = Conn::connect(from, to).await?;
                let whole = tongue.request("half of this is not enough");
                conn.send(&whole[..whole.len() / 2]).await?;
                conn.drain().await;
            }
            Self::Multi => {
                let mut conn = Conn::connect(from, to).await?;
                for said in [command(&["MULTI"]), command(&["SET", "key", "value"])] {
                    conn.send(said).await?;
                    conn.answer(Tongue::Resp).await?;
                }
                conn.drain().await;
            }
        }
        Ok(())
    }
}

fn post(fields: &str) -> String {
    format!("POST /upload HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n")
}
