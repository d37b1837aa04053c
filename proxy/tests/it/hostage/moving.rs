//! A client that moves is left alone: slow downloads and uploads, also while others wait for a link; streams and long polls
//! while nobody waits. (`bench/measure/defence.py --long` does the same for as long as people really do.)

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, interval, sleep, timeout};

use crate::hostage::client::{Conn, Tongue};
use crate::hostage::member::Member;
use crate::support::stand::{Proxy, Setup};

const HTTP: Tongue = Tongue::Http;
/// So much that the proxy and the kernel, which keeps up to 4 MiB for a connection, cannot hold the end of it.
const DOWNLOAD: usize = 12_000_000;
/// Read slowly while the kernel keeps more and more.
const SLOWLY: usize = 1_200_000;
const UPLOAD: usize = 8_000_000;

/// As many links as holders, and one worker, so that all others wait.
async fn stand() -> (Member, Proxy) {
    let member = Member::start(HTTP).await;
    member.watch_over(2);
    let links = "links: { max_per_member: 2 }";
    let proxy = Setup::by_default().workers(1).backend(links).before_one(member.address);
    (member, proxy)
}

async fn client(proxy: &Proxy, number: u8) -> Conn {
    Conn::connect(Ipv4Addr::new(127, 46, 0, number), proxy.address()).await.unwrap()
}

/// 50 KB/s for a while, and the client's kernel keeps next to nothing of it.
async fn download(proxy: &Proxy) {
    let mut conn = Conn::connect_narrow(Ipv4Addr::new(127, 46, 0, 1), proxy.address()).await.unwrap();
    conn.send(HTTP.request(&format!("big/{DOWNLOAD}"))).await.unwrap();
    let head = conn.head().await.unwrap();
    assert_eq!(head.status(), 200, "{}", head.0);
    let mut ticks = interval(Duration::from_millis(100));
    for _ in 0..SLOWLY / 5_000 {
        ticks.tick().await;
        conn.skip(5_000).await.unwrap();
    }
    conn.skip(DOWNLOAD - SLOWLY).await.unwrap();
}

/// 1 MB/s.
async fn upload(proxy: &Proxy) {
    let mut conn = client(proxy, 2).await;
    let head = format!("POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: {UPLOAD}\r\n\r\n");
    conn.send(head).await.unwrap();
    let piece = vec![b'x'; 50_000];
    let mut ticks = interval(Duration::from_millis(50));
    for _ in 0..UPLOAD / piece.len() {
        ticks.tick().await;
        conn.send(&piece).await.unwrap();
    }
    assert_eq!(conn.answer(HTTP).await.unwrap(), UPLOAD.to_string());
}

/// Ten clients that each want a link, again and again, until `done`.
fn crowd(proxy: &Proxy, done: &Arc<AtomicBool>) -> Vec<tokio::task::JoinHandle<()>> {
    let one = |number: u8| {
        let (to, done) = (proxy.address(), done.clone());
        tokio::spawn(async move {
            let from = Ipv4Addr::new(127, 47, 0, number);
            while !done.load(Ordering::SeqCst) {
                let Ok(mut conn) = Conn::connect(from, to).await else { continue };
                // It may be told that there is no link: that it waits is what it is here for.
                _ = conn.get(HTTP, "wait/20").await;
            }
        })
    };
    (1..=10).map(one).collect()
}

#[tokio::test]
async fn who_moves_is_not_cut_though_others_wait() {
    let (member, proxy) = stand().await;
    let done = Arc::new(AtomicBool::new(false));
    let both = async {
        tokio::join!(download(&proxy), upload(&proxy));
        done.store(true, Ordering::SeqCst);
    };
    let waited = async {
        let mut waited = 0;
        sleep(Duration::from_secs(1)).await; // both have their links
        let crowd = crowd(&proxy, &done);
        while !done.load(Ordering::SeqCst) {
            waited += i64::from(proxy.sum("penstock_pool_waiting") > 0);
            sleep(Duration::from_millis(20)).await;
        }
        crowd.iter().for_each(tokio::task::JoinHandle::abort);
        waited
    };
    let ((), waited) = tokio::join!(both, waited);
    assert!(waited > 100, "somebody waited at {waited} looks only");
    assert_eq!((proxy.errors("slow_holder"), member.times(&format!("big/{DOWNLOAD}"))), (0, 1));
    assert!(member.peak() <= 2, "{}", member.peak());
}

#[tokio::test]
async fn streams_and_long_polls_go_on_while_nobody_waits() {
    let (_member, proxy) = stand().await;
    let stream = async {
        let mut conn = client(&proxy, 3).await;
        conn.send(HTTP.request("events")).await.unwrap();
        let head = conn.head().await.unwrap();
        assert_eq!(head.status(), 200, "{}", head.0);
        let until = Instant::now() + Duration::from_secs(12);
        let mut comments = 0;
        while Instant::now() < until {
            conn.through(b": a comment\n\n").await.unwrap();
            comments += 1;
        }
        assert!(comments > 10, "{comments} comments");
    };
    let poll = async {
        let answer = client(&proxy, 4).await.get(HTTP, "wait/12000").await;
        assert_eq!(answer.as_deref(), Ok("wait/12000"));
    };
    tokio::join!(stream, poll);
    assert_eq!(proxy.errors("slow_holder"), 0);
}

/// Nobody waits, so a client that does not read is left alone as long as `timeouts.write` says.
#[tokio::test]
async fn slow_is_no_crime_while_nobody_waits() {
    let (_member, proxy) = stand().await;
    let mut reader = Conn::connect_narrow(Ipv4Addr::new(127, 46, 0, 5), proxy.address()).await.unwrap();
    reader.send(HTTP.request("big/3000000")).await.unwrap();
    let mut poster = client(&proxy, 6).await;
    let head = "POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 200010\r\n\r\n";
    poster.send(head).await.unwrap();
    poster.send(vec![b'x'; 200_000]).await.unwrap();
    for _ in 0..10 {
        sleep(Duration::from_secs(1)).await;
        poster.send("x").await.unwrap();
    }
    assert_eq!(poster.answer(HTTP).await.unwrap(), "200010");
    let head = reader.head().await.unwrap();
    let whole = timeout(Duration::from_secs(30), reader.skip_body(&head)).await.unwrap();
    assert_eq!(whole.unwrap(), 3_000_000);
    assert_eq!(proxy.errors("slow_holder"), 0);
}
