//! No request waits behind a slow one while links may be opened.

use std::net::Ipv4Addr;

use crate::hostage::client::{Conn, Tongue, eventually};
use crate::hostage::member::Member;
use crate::support::stand::{Proxy, Setup};

async fn client(proxy: &Proxy) -> Conn {
    Conn::connect(Ipv4Addr::new(127, 0, 0, 1), proxy.address()).await.unwrap()
}

/// The depth is learned and no link is open any more; then a slow request opens one, and others come.
async fn quick_beside(tongue: Tongue, slow: &str, closes: bool) {
    let case = format!("{tongue:?}, {slow}, closing: {closes}");
    let mut member = Member::start(tongue).await;
    if closes {
        member = member.closing();
    }
    let setup = Setup::by_default().workers(1).listener(tongue.listener());
    let proxy = setup.backend("links: { idle_timeout: 100ms }").before_one(member.address);
    let mut teacher = client(&proxy).await;
    for number in 0..200 {
        let answer = teacher.get(tongue, "quick").await;
        assert_eq!(answer.as_deref(), Ok("quick"), "{case}, request {number}");
    }
    eventually("no link is open", || async { proxy.sum("penstock_backend_connections") == 0 }).await;
    let mut first = client(&proxy).await;
    first.send(tongue.request(slow)).await.unwrap();
    member.asked(slow).await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    for number in 0..10 {
        let answer = client(&proxy).await.get(tongue, "quick").await;
        assert_eq!(answer.as_deref(), Ok("quick"), "{case}, request {number} beside it");
    }
    if slow != "events" {
        member.let_go(slow);
        assert_eq!(first.answer(tongue).await.unwrap(), slow, "{case}");
        assert_eq!(member.times(slow), 1, "{case}");
    }
}

#[tokio::test]
async fn a_quick_request_does_not_wait_for_a_slow_one() {
    quick_beside(Tongue::Http, "held/a", false).await;
}

#[tokio::test]
async fn a_quick_request_does_not_wait_for_a_stream() {
    quick_beside(Tongue::Http, "events", false).await;
}

#[tokio::test]
async fn a_quick_frame_does_not_wait_for_a_slow_one() {
    for tongue in [Tongue::Lines, Tongue::Prefixed, Tongue::Resp] {
        quick_beside(tongue, "held/a", false).await;
    }
}

#[tokio::test]
async fn nothing_waits_where_a_member_closes_after_each_answer() {
    for tongue in [Tongue::Http, Tongue::Lines, Tongue::Resp] {
        quick_beside(tongue, "held/a", true).await;
    }
}

/// A link for each of those who are slow, as long as there are any.
#[tokio::test]
async fn many_slow_ones_open_as_many_links_as_they_need() {
    for tongue in [Tongue::Http, Tongue::Lines, Tongue::Resp] {
        let member = Member::start(tongue).await;
        let setup = Setup::by_default().workers(1).listener(tongue.listener());
        let proxy = setup.backend("links: { max_per_member: 64 }").before_one(member.address);
        let mut slow = Vec::new();
        for number in 0..8u8 {
            let from = Ipv4Addr::new(127, 45, 0, number + 1);
            let mut conn = Conn::connect(from, proxy.address()).await.unwrap();
            conn.send(tongue.request(&format!("held/{number}"))).await.unwrap();
            slow.push(conn);
        }
        for number in 0..8 {
            member.asked(&format!("held/{number}")).await;
        }
        let answer = client(&proxy).await.get(tongue, "quick").await;
        assert_eq!(answer.as_deref(), Ok("quick"), "{tongue:?}");
        for (number, conn) in slow.iter_mut().enumerate() {
            member.let_go(&format!("held/{number}"));
            assert_eq!(conn.answer(tongue).await.unwrap(), format!("held/{number}"), "{tongue:?}");
        }
    }
}
