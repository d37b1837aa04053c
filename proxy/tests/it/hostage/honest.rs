//! The clients that must not notice the attackers: 20 requests a second from an address of their own, each response checked.
//!
//! They report what was refused or wrong, and how long each request took.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::time::{interval, timeout};

use crate::hostage::client::{CLIENT_TIMEOUT, Conn, Tongue};

const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const EVERY: Duration = Duration::from_millis(50);

#[derive(Default)]
pub(crate) struct Report {
    pub(crate) failures: Vec<String>,
    took: Vec<Duration>,
}

/// Asks every 50 ms, in turn on a new connection and on one that was kept, and waits for all answers.
pub(crate) async fn ask(tongue: Tongue, to: SocketAddr, span: Duration) -> Report {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let mut ticks = interval(EVERY);
    let mut asked = Vec::new();
    for number in 0..span.as_millis() / EVERY.as_millis() {
        ticks.tick().await;
        let kept = kept.clone();
        asked.push(tokio::spawn(async move {
            let begin = Instant::now();
            let outcome =
                if number % 2 == 0 { fresh(tongue, to).await } else { on_kept(tongue, to, &kept).await };
            (outcome.err().map(|why| format!("request {number}: {why}")), begin.elapsed())
        }));
    }
    let mut report = Report::default();
    for task in asked {
        let (failure, took) = task.await.unwrap();
        report.failures.extend(failure);
        report.took.push(took);
    }
    report.took.sort();
    report
}

async fn fresh(tongue: Tongue, to: SocketAddr) -> Result<(), String> {
    let mut conn = connect(to).await?;
    same(&conn.get(tongue, "hello").await?, "hello")
}

/// Of HTTP, a small POST.
async fn on_kept(tongue: Tongue, to: SocketAddr, kept: &Mutex<Vec<Conn>>) -> Result<(), String> {
    let one = kept.lock().unwrap().pop();
    let mut conn = match one {
        Some(conn) => conn,
        None => connect(to).await?,
    };
    let (request, expected) = match tongue {
        Tongue::Http => {
            let head = "POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n";
            ([head.as_bytes(), &[b'x'; 100]].concat(), "100")
        }
        _ => (tongue.request("hello"), "hello"),
    };
    same(&conn.ask(tongue, &request).await?, expected)?;
    kept.lock().unwrap().push(conn);
    Ok(())
}

async fn connect(to: SocketAddr) -> Result<Conn, String> {
    let connected = timeout(CLIENT_TIMEOUT, Conn::connect(ADDRESS, to)).await;
    connected.map_err(|_| "cannot connect in time".to_owned())?.map_err(|why| why.to_string())
}

fn same(answer: &str, expected: &str) -> Result<(), String> {
    if answer == expected { Ok(()) } else { Err(format!("{answer:?} instead of {expected:?}")) }
}

impl Report {
    /// The time that so many in a hundred took at most.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        self.took[(self.took.len() * percent).div_ceil(100) - 1]
    }
}
