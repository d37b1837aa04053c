//! Requests that wait for a link have their turns by source: a thousand of one source do not starve the one of another.

use std::net::Ipv4Addr;

use crate::hostage::client::{Conn, Tongue, eventually};
use crate::hostage::member::Member;
use crate::support::stand::Setup;

const MANY: usize = 300;

/// The only link is held until 300 requests of one source wait; then one of another comes.
#[tokio::test]
async fn one_request_does_not_wait_for_the_three_hundred_of_another() {
    let tongue = Tongue::Http;
    let member = Member::start(tongue).await;
    let links = "links: { max_per_member: 1, pipeline: 1 }";
    let proxy = Setup::by_default().workers(1).backend(links).before_one(member.address);
    let ask = |from: Ipv4Addr, text: &'static str| {
        let to = proxy.address();
        tokio::spawn(async move { Conn::connect(from, to).await.unwrap().get(tongue, text).await })
    };
    let first = ask(Ipv4Addr::new(127, 48, 0, 1), "held/first");
    member.asked("held/first").await;
    let crowd: Vec<_> = (0..MANY).map(|_| ask(Ipv4Addr::new(127, 48, 0, 1), "crowd")).collect();
    let waiting = |count: usize| {
        let proxy = &proxy;
        eventually("they wait", move || async move { proxy.sum("penstock_pool_waiting") == count as i64 })
    };
    waiting(MANY).await;
    let one = ask(Ipv4Addr::new(127, 48, 0, 2), "one");
    waiting(MANY + 1).await;
    member.let_go("held/first");
    assert_eq!(first.await.unwrap().as_deref(), Ok("held/first"));
    assert_eq!(one.await.unwrap().as_deref(), Ok("one"));
    for task in crowd {
        assert_eq!(task.await.unwrap().as_deref(), Ok("crowd"));
    }
    let seen = member.seen();
    let place = seen.iter().position(|text| text == "one").unwrap();
    assert!(place <= 20, "{} of the crowd were served before it", place - 1);
}

/// Three sources, with 90, 9 and 1 requests: when the smaller ones are done, no other was far ahead of them.
#[tokio::test]
async fn those_who_wait_are_served_in_turn_by_source() {
    for tongue in [Tongue::Http, Tongue::Lines, Tongue::Resp] {
        let member = Member::start(tongue).await;
        let links = "links: { max_per_member: 1, pipeline: 1 }";
        let setup = Setup::by_default().workers(1).listener(tongue.listener()).backend(links);
        let proxy = setup.before_one(member.address);
        let ask = |source: u8, text: &'static str| {
            let to = proxy.address();
            let from = Ipv4Addr::new(127, 49, 0, source);
            tokio::spawn(async move { Conn::connect(from, to).await.unwrap().get(tongue, text).await })
        };
        let first = ask(9, "held/first");
        member.asked("held/first").await;
        let mut all = Vec::new();
        for (source, text, count) in [(1, "ninety", 90), (2, "nine", 9), (3, "one", 1)] {
            all.extend((0..count).map(|_| ask(source, text)));
            let so_many = all.len() as i64;
            let proxy = &proxy;
            eventually("they wait", move || async move { proxy.sum("penstock_pool_waiting") == so_many })
                .await;
        }
        member.let_go("held/first");
        first.await.unwrap().unwrap();
        for task in all {
            task.await.unwrap().unwrap();
        }
        let seen = member.seen();
        let last = |text: &str| seen.iter().rposition(|other| other == text).unwrap();
        assert!(last("one") <= 12, "{tongue:?}: {seen:?}");
        assert!(last("nine") <= 45, "{tongue:?}: {seen:?}");
    }
}
