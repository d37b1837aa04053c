//! `timeouts.body` is the time of the client: it stands while the member does not read, or has not said 100.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::time::sleep;

use crate::hostage::client::{Conn, Head, Tongue};
use crate::hostage::member::Member;
use crate::support::stand::{Proxy, Setup};

async fn stand() -> (Member, Proxy) {
    let member = Member::start(Tongue::Http).await;
    let proxy = Setup::by_default().workers(1).listener("timeouts: { body: 1s }").before_one(member.address);
    (member, proxy)
}

async fn client(proxy: &Proxy) -> Conn {
    Conn::connect(Ipv4Addr::LOCALHOST, proxy.address()).await.unwrap()
}

fn post(target: &str, fields: &str) -> String {
    format!("POST /{target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n")
}

/// Sends so many bytes while it reads the answer.
async fn upload(conn: &mut Conn, count: usize) {
    let piece = vec![b'x'; 65_536];
    let mut left = count;
    while left > 0 {
        let part = left.min(piece.len());
        conn.send(&piece[..part]).await.unwrap();
        left -= part;
    }
}

/// Far more than the proxy and the kernel hold for it.
#[tokio::test]
async fn a_member_that_reads_late_is_not_the_clients_fault() {
    let (_member, proxy) = stand().await;
    let mut conn = client(&proxy).await;
    let count = 30_000_000;
    conn.send(post("late_reader/3000", &format!("Content-Length: {count}"))).await.unwrap();
    upload(&mut conn, count).await;
    assert_eq!(conn.answer(Tongue::Http).await.unwrap(), count.to_string());
    assert_eq!(proxy.errors("body_timeout"), 0);
}

#[tokio::test]
async fn a_member_that_reads_chunks_late_is_not_the_clients_fault() {
    let (_member, proxy) = stand().await;
    let mut conn = client(&proxy).await;
    conn.send(post("late_reader/3000", "Transfer-Encoding: chunked")).await.unwrap();
    for _ in 0..300 {
        conn.send("186a0\r\n").await.unwrap();
        upload(&mut conn, 100_000).await;
        conn.send("\r\n").await.unwrap();
    }
    conn.send("0\r\n\r\n").await.unwrap();
    assert_eq!(conn.answer(Tongue::Http).await.unwrap(), "30000000");
}

/// Whether the proxy says 100 itself or lets the member say it: who waits for it is not late.
#[tokio::test]
async fn a_client_that_waits_for_100_is_not_late() {
    let (_member, proxy) = stand().await;
    for length in [1_000, 1_000_000] {
        let mut conn = client(&proxy).await;
        let fields = format!("Content-Length: {length}\r\nExpect: 100-continue");
        conn.send(post("late_continue/3000", &fields)).await.unwrap();
        let head = conn.head().await.unwrap();
        assert_eq!(head.status(), 100, "{}", head.0);
        upload(&mut conn, length).await;
        let head = answer_head(&mut conn).await;
        assert_eq!((head.status(), conn.skip_body(&head).await.unwrap()), (200, length.to_string().len()));
    }
    assert_eq!(proxy.errors("body_timeout"), 0);
}

/// The next head that is not interim.
async fn answer_head(conn: &mut Conn) -> Head {
    loop {
        let head = conn.head().await.unwrap();
        if head.status() >= 200 {
            return head;
        }
    }
}

/// It stalls in a body that is kept, in one that has its link, in a chunk, and behind 100.
#[tokio::test]
async fn a_client_that_stalls_is_told_so() {
    for (fields, sent) in [
        ("Content-Length: 1000", 500),
        ("Content-Length: 1000", 0),
        ("Content-Length: 10000000", 1_000_000),
        ("Transfer-Encoding: chunked", 0),
        ("Content-Length: 1000\r\nExpect: 100-continue", 0),
    ] {
        let (_member, proxy) = stand().await;
        let mut conn = client(&proxy).await;
        conn.send(post("upload", fields)).await.unwrap();
        upload(&mut conn, sent).await;
        let head = answer_head(&mut conn).await;
        assert_eq!(head.status(), 408, "{fields}: {}", head.0);
        assert_eq!(proxy.errors("body_timeout"), 1, "{fields}");
    }
}

/// Its time begins anew with each byte.
#[tokio::test]
async fn a_client_that_goes_on_is_not_late() {
    let (_member, proxy) = stand().await;
    let mut conn = client(&proxy).await;
    conn.send(post("upload", "Content-Length: 6")).await.unwrap();
    for byte in "sixsix".chars() {
        sleep(Duration::from_millis(400)).await;
        conn.send(byte.to_string()).await.unwrap();
    }
    assert_eq!(conn.answer(Tongue::Http).await.unwrap(), "6");
}
