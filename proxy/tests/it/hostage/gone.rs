//! Clients that left keep no link: neither one on which a stream goes on, nor one whose member computes for them.

use std::net::Ipv4Addr;

use crate::hostage::client::{Conn, Tongue, eventually};
use crate::hostage::member::Member;
use crate::support::stand::{Proxy, Setup};

const HTTP: Tongue = Tongue::Http;

async fn client(proxy: &Proxy, number: usize) -> Conn {
    Conn::connect(Ipv4Addr::new(127, 44, 0, number as u8 + 1), proxy.address()).await.unwrap()
}

/// So many GETs, one after the other, of a client that came last.
async fn all_served(proxy: &Proxy, tongue: Tongue, count: usize) {
    for number in 0..count {
        let answer = client(proxy, 200).await.get(tongue, "hello").await;
        assert_eq!(answer.as_deref(), Ok("hello"), "request {number}");
    }
}

/// All defaults: 64 links.
#[tokio::test]
async fn seventy_streams_that_nobody_reads_any_more_stop_nobody() {
    let member = Member::start(HTTP).await;
    let proxy = Setup::by_default().before_one(member.address);
    for number in 0..70 {
        let mut conn = client(&proxy, number).await;
        conn.send(HTTP.request("events")).await.unwrap();
        if number < 50 {
            conn.head().await.unwrap(); // it has begun; of the last twenty some may have to wait
        }
    }
    all_served(&proxy, HTTP, 10).await;
    eventually("no stream goes on for nobody", || async {
        let s = proxy.scrape();
        s.sum("penstock_backend_requests_in_flight") == 0 && s.sum("penstock_client_connections") == 0
    })
    .await;
}

/// The member computes for 25 s and looks at nothing meanwhile.
#[tokio::test]
async fn work_for_those_who_reset_stops_nobody() {
    let member = Member::start(HTTP).await;
    member.watch_over(4);
    let proxy = Setup::by_default().backend("links: { max_per_member: 4 }").before_one(member.address);
    let mut gone = Vec::new();
    for number in 0..4 {
        let mut conn = client(&proxy, number).await;
        conn.send(HTTP.request("slow")).await.unwrap();
        gone.push(conn);
    }
    eventually("all links are at work", || async { member.times("slow") == 4 }).await;
    gone.into_iter().for_each(Conn::reset);
    all_served(&proxy, HTTP, 8).await;
    assert!(member.peak() <= 4, "{} connections that were not closed", member.peak());
}

/// A request that shares its link with one whose client has gone is moved.
#[tokio::test]
async fn who_stands_behind_one_that_left_is_served() {
    for method in ["GET", "HEAD"] {
        let member = Member::start(HTTP).await;
        let links = "links: { max_per_member: 1, pipeline: 8, rescue_after: off }";
        let proxy = Setup::by_default().workers(1).backend(links).before_one(member.address);
        all_served(&proxy, HTTP, 50).await; // so that its depth is learned
        let mut first = client(&proxy, 0).await;
        first.send(HTTP.request("held/a")).await.unwrap();
        member.asked("held/a").await;
        let mut behind = client(&proxy, 1).await;
        behind.send(format!("{method} /hello HTTP/1.1\r\nHost: h\r\n\r\n")).await.unwrap();
        first.reset();
        let head = behind.head().await.unwrap();
        assert_eq!((head.status(), member.times("held/a")), (200, 1), "{method}: {}", head.0);
        member.let_go("held/a");
    }
}

/// What is nearly whole may end: it costs less than another link.
#[tokio::test]
async fn a_short_answer_for_nobody_costs_no_link() {
    let member = Member::start(HTTP).await;
    let proxy =
        Setup::by_default().workers(1).backend("links: { max_per_member: 1 }").before_one(member.address);
    all_served(&proxy, HTTP, 1).await;
    for _ in 0..5 {
        let mut conn = client(&proxy, 0).await;
        conn.send(HTTP.request("wait/1")).await.unwrap();
        conn.reset();
    }
    all_served(&proxy, HTTP, 5).await;
    assert!(member.accepted() <= 6, "{} links for 5 short answers that nobody read", member.accepted());
}

/// The same in frames: what computes for nobody keeps no link.
#[tokio::test]
async fn frames_of_those_who_reset_stop_nobody() {
    for tongue in [Tongue::Lines, Tongue::Prefixed, Tongue::Resp] {
        let member = Member::start(tongue).await;
        let setup = Setup::by_default().listener(tongue.listener());
        let proxy = setup.backend("links: { max_per_member: 4 }").before_one(member.address);
        let mut gone = Vec::new();
        for number in 0..4 {
            let mut conn = client(&proxy, number).await;
            conn.send(tongue.request(&format!("held/{number}"))).await.unwrap();
            member.asked(&format!("held/{number}")).await;
            gone.push(conn);
        }
        gone.into_iter().for_each(Conn::reset);
        all_served(&proxy, tongue, 8).await;
        (0..4).for_each(|number| member.let_go(&format!("held/{number}")));
    }
}
