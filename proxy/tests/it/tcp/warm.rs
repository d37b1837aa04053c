//! Warm links: connected before anybody asks, checked before they are used, and never in anybody's way.

use crate::support::own_address::own_address;
use crate::support::script::Script;
use crate::support::stand::Proxy;
use crate::support::wire::{Wire, eventually};
use crate::tcp::given::{Full, Member, are_one, is_reset, pair, says, stand, tcp};

fn idle(proxy: &Proxy) -> i64 {
    proxy.sum_of("penstock_backend_connections", &["state=\"idle\""])
}

fn reused(proxy: &Proxy) -> i64 {
    proxy.sum_of("penstock_pool_acquires_total", &["result=\"reused\""])
}

fn closed(proxy: &Proxy, reason: &str) -> i64 {
    proxy.sum_of("penstock_backend_connections_closed_total", &[&format!("reason=\"{reason}\"")])
}

/// So many warm links: the member's ends of them, in the order in which they came.
#[track_caller]
fn warm(proxy: &Proxy, member: &Member, count: usize) -> Vec<Wire> {
    let links = (0..count).map(|_| member.next()).collect();
    eventually("they are kept", || idle(proxy) == count as i64);
    links
}

#[test]
fn links_are_there_before_any_client_and_replaced_when_used() {
    let (proxy, member) = stand(&tcp().backend("links: { warm: 3 }").workers(2));
    let mut links = warm(&proxy, &member, 3);
    assert!(member.waiting().is_none(), "a fourth");
    let mut open = Vec::new();
    for i in 1..=10 {
        let mut client = proxy.client();
        let mut link = links.remove(0);
        are_one(&mut client, &mut link);
        links.push(member.next());
        assert_eq!(reused(&proxy), i);
        eventually("three are warm", || idle(&proxy) == 3);
        open.push((client, link));
    }
    assert!(member.waiting().is_none());
    assert_eq!(proxy.sum_of("penstock_pool_acquires_total", &["result=\"opened\""]), 0);
    assert_eq!(proxy.sum_of("penstock_backend_connections", &["state=\"tunnel\""]), 10);
    assert_eq!(proxy.sum("penstock_backend_connections_opened_total"), 13);
    assert_eq!(proxy.sum("penstock_pool_wait_seconds_count"), 10);
}

#[test]
fn a_banner_that_waits_in_a_warm_link_is_delivered() {
    let (proxy, member) = stand(&tcp().backend("links: { warm: 2 }"));
    let mut links = warm(&proxy, &member, 2);
    for (i, link) in links.iter_mut().enumerate() {
        link.send(format!("220 this is link {i}\r\n"));
    }
    for link in &mut links {
        let mut client = proxy.client();
        let (banner, number) = (client.take(20), reused(&proxy) - 1);
        assert_eq!(String::from_utf8(banner).unwrap(), format!("220 this is link {number}\r\n"));
        are_one(&mut client, link);
    }
}

/// Whether the sweep or the client finds out first: it gets a link that works.
#[test]
fn a_warm_link_that_the_member_closed_is_replaced_and_never_given_out() {
    for round in 0..10 {
        let (proxy, member) = stand(&tcp().backend("links: { warm: 2 }").workers(1));
        let links = warm(&proxy, &member, 2);
        if round % 2 == 0 {
            drop(links);
        } else {
            links.into_iter().for_each(Wire::reset);
        }
        let mut client = proxy.client();
        client.send("hello");
        let (mut link, _others) = link_of(&member, "hello");
        are_one(&mut client, &mut link);
        eventually("two are warm again", || idle(&proxy) == 2);
        assert_eq!(closed(&proxy, "origin") + closed(&proxy, "stale"), 2);
        assert_eq!(proxy.sum("penstock_request_errors_total"), 0);
    }
}

/// Among the links that have come, the one on which a client says this; and the others.
fn link_of(member: &Member, what: &str) -> (Wire, Vec<Wire>) {
    let (mut links, mut found): (Vec<Wire>, _) = (Vec::new(), None);
    eventually("the client is on a link", || {
        links.extend(member.waiting());
        let says_something = |link: &Wire| {
            link.stream.set_nonblocking(true).unwrap();
            let heard = link.stream.peek(&mut [0]).is_ok_and(|n| n > 0);
            link.stream.set_nonblocking(false).unwrap();
            heard
        };
        found = links.iter().position(says_something);
        found.is_some()
    });
    let mut link = links.swap_remove(found.unwrap());
    assert_eq!(String::from_utf8(link.take(what.len())).unwrap(), what);
    (link, links)
}

#[test]
fn warm_links_count_towards_the_cap_and_give_way() {
    let (proxy, member) = stand(&tcp().backend("links: { warm: 3, max_per_member: 4 }").workers(2));
    let mut links = warm(&proxy, &member, 3);
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut client = proxy.client();
        client.send("hello");
        if links.is_empty() {
            links.push(member.next());
        }
        let mut link = links.remove(0);
        assert_eq!(link.take(5), b"hello");
        links.extend(member.waiting());
        open.push((client, link));
    }
    let mut fifth = proxy.client();
    fifth.send("fifth");
    eventually("the fifth waits", || proxy.sum("penstock_pool_waiting") == 1);
    assert!(member.waiting().is_none() && links.is_empty(), "five links");
    assert_eq!(idle(&proxy), 0);
    open.remove(0);
    let mut link = member.next();
    assert_eq!(link.take(5), b"fifth");
    are_one(&mut fifth, &mut link);
}

/// Every place may be a warm link at the moment when a client comes.
#[test]
fn nobody_waits_while_a_warm_link_is_there() {
    for (cap, warm, clients) in [(1, 1, 1), (1, 1, 4), (2, 2, 6), (3, 2, 8)] {
        let member = Script::start(|_, mut link| {
            link.send("served");
            link.rest();
        });
        let links = format!("links: {{ max_per_member: {cap}, warm: {warm} }}");
        let proxy =
            tcp().workers(2).backend(&links).backend("queue: { timeout: 5s }").before_one(member.address);
        let served = || {
            for _ in 0..100 {
                let mut client = proxy.client();
                assert_eq!(client.take(6), b"served", "cap {cap}, warm {warm}, {clients} clients");
                client.finish();
                client.is_over();
            }
        };
        std::thread::scope(|scope| (0..clients).for_each(|_| _ = scope.spawn(served)));
        assert_eq!(
            proxy.sum("penstock_request_errors_total"),
            0,
            "cap {cap}, warm {warm}, {clients} clients"
        );
        eventually("as many are warm as before", || idle(&proxy) == warm);
        let s = proxy.at_rest();
        let standing = s.sum("penstock_backend_connections");
        let closed = s.sum("penstock_backend_connections_closed_total");
        assert_eq!(s.sum("penstock_backend_connections_opened_total") - closed, standing, "I2");
    }
}

/// A client that came while the only place was used for a warm link gets that link.
#[test]
fn who_waits_for_a_link_that_is_being_warmed_gets_it() {
    let full = Full::new();
    let links = "links: { max_per_member: 1, warm: 1, connect_timeout: 20s }";
    let proxy = tcp().backend(links).backend("queue: { timeout: 15s }").before_one(full.address());
    eventually("it is being opened", || {
        proxy.sum_of("penstock_backend_connections", &["state=\"connecting\""]) == 1
    });
    let mut client = proxy.client();
    client.send("hello");
    eventually("the client waits", || proxy.sum("penstock_pool_waiting") == 1);
    let member = full.empty();
    let (mut link, _others) = link_of(&member, "hello");
    are_one(&mut client, &mut link);
    assert_eq!(proxy.sum("penstock_request_errors_total"), 0);
}

#[test]
fn warm_links_are_closed_by_a_drain() {
    let (mut proxy, member) = stand(&tcp().backend("links: { warm: 3 }").top("drain_timeout: 20s"));
    let links = warm(&proxy, &member, 3);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(proxy.running_mut().drain());
    links.into_iter().for_each(|mut link| link.is_over());
    eventually("they are counted so", || closed(&proxy, "drain") == 3);
    assert_eq!(idle(&proxy), 0);
    assert!(member.waiting().is_none(), "they are not replaced");
}

#[test]
fn a_reload_changes_how_many_are_kept() {
    let member = Member::start();
    let text = |warm| tcp().backend(&format!("links: {{ warm: {warm} }}")).text(&[member.named("a")]);
    let mut proxy = Proxy::run(&text(1));
    let mut links = warm(&proxy, &member, 1);
    proxy.reload(&text(4)).unwrap();
    links.extend((0..3).map(|_| member.next()));
    eventually("four are kept", || idle(&proxy) == 4);
    proxy.reload(&text(2)).unwrap();
    eventually("two are kept", || idle(&proxy) == 2);
    proxy.reload(&text(0)).unwrap();
    eventually("none is kept", || idle(&proxy) == 0);
    links.iter_mut().for_each(Wire::is_over);
    assert!(member.waiting().is_none());
    let (mut client, mut link) = pair(&proxy, &member);
    are_one(&mut client, &mut link);
    proxy.reload(&text(1)).unwrap();
    warm(&proxy, &member, 1);
}

#[test]
fn those_of_a_removed_member_are_closed() {
    let (old, new) = (Member::start(), Member::start());
    let text = |m: &Member| tcp().backend("links: { warm: 2 }").text(&[m.named("a")]);
    let mut proxy = Proxy::run(&text(&old));
    let links = warm(&proxy, &old, 2);
    proxy.reload(&text(&new)).unwrap();
    links.into_iter().for_each(|mut link| link.is_over());
    let links = warm(&proxy, &new, 2);
    proxy.reload(&text(&old)).unwrap();
    links.into_iter().for_each(|mut link| link.is_over());
    let mut links = warm(&proxy, &old, 2);
    says(&mut links[0], "hello", &mut proxy.client());
}

#[test]
fn a_member_that_comes_back_is_kept_warm_again() {
    let address = own_address();
    let proxy = tcp().backend("links: { warm: 2 }").before_one(address);
    eventually("it is seen to be down", || proxy.sum_of("penstock_member_state", &["state=\"down\""]) == 1);
    is_reset(&mut proxy.client());
    let member = Member::at(address);
    let mut links = warm(&proxy, &member, 2);
    assert_eq!(proxy.sum_of("penstock_member_state", &["state=\"up\""]), 1);
    let mut client = proxy.client();
    are_one(&mut client, &mut links[0]);
}
