//! Limits on connections are exact: a client over one waits in order, or is refused at once, as the configuration says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup};
use crate::support::wire::{Wire, eventually};
use crate::tcp::given::{Member, are_one, end, is_reset, pair, says, stand, tcp};

fn capped(cap: usize, queue: &str) -> Setup {
    tcp().backend(&format!("links: {{ max_per_member: {cap} }}")).backend(&format!("queue: {{ {queue} }}"))
}

fn waiting(proxy: &Proxy) -> i64 {
    proxy.sum("penstock_pool_waiting")
}

fn acquires(proxy: &Proxy, result: &str) -> i64 {
    proxy.sum_of("penstock_pool_acquires_total", &[&format!("result=\"{result}\"")])
}

/// A client that waits for a place, behind all that wait already. It says this as soon as it is heard.
#[track_caller]
fn waits(proxy: &Proxy, what: &str) -> Wire {
    let before = waiting(proxy);
    let mut client = proxy.client();
    client.send(what);
    eventually("it waits", || waiting(proxy) == before + 1);
    client
}

#[test]
fn a_member_never_has_more_links_than_it_may() {
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, top) = (open.clone(), most.clone());
    let member = Script::start(move |_, mut link| {
        top.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        link.send("served");
        assert_eq!(link.rest(), b"thanks");
        now.fetch_sub(1, Ordering::SeqCst); // before it closes, so never counted too long
    });
    let proxy = capped(4, "max: 100").workers(2).before_one(member.address);
    let served = |_| {
        for _ in 0..25 {
            let mut client = proxy.client();
            assert_eq!(client.take(6), b"served");
            client.send("thanks").finish();
            client.is_over();
        }
    };
    std::thread::scope(|scope| (0..20).for_each(|i| _ = scope.spawn(move || served(i))));
    assert_eq!((most.load(Ordering::SeqCst), open.load(Ordering::SeqCst)), (4, 0));
    let s = proxy.at_rest();
    assert_eq!(s.sum("penstock_request_errors_total"), 0);
    assert_eq!((acquires(&proxy, "opened"), member.connections()), (500, 500));
    assert_eq!(s.sum("penstock_pool_wait_seconds_count"), 500);
}

#[test]
fn those_who_wait_are_served_in_order() {
    let (proxy, member) = stand(&capped(4, "max: 100").workers(2));
    let mut served: Vec<_> = (0..4).map(|_| pair(&proxy, &member)).collect();
    let clients: Vec<_> = (0..16).map(|i| (i, waits(&proxy, &format!("number {i:02}")))).collect();
    assert!(member.waiting().is_none(), "a fifth link");
    for (i, mut client) in clients {
        end(&proxy, served.remove(0));
        let mut link = member.next();
        assert_eq!(String::from_utf8(link.take(9)).unwrap(), format!("number {i:02}"));
        are_one(&mut client, &mut link);
        assert!(member.waiting().is_none(), "one too many");
        served.push((client, link));
    }
    assert_eq!((waiting(&proxy), acquires(&proxy, "opened")), (0, 20));
}

#[test]
fn where_none_may_wait_one_too_many_is_refused_at_once() {
    let (proxy, member) = stand(&capped(2, "max: 0"));
    let first = pair(&proxy, &member);
    let mut second = pair(&proxy, &member);
    is_reset(&mut proxy.client());
    assert_eq!((proxy.errors("queue_full"), acquires(&proxy, "rejected")), (1, 1));
    end(&proxy, first);
    let (mut client, mut link) = pair(&proxy, &member);
    are_one(&mut client, &mut link);
    are_one(&mut second.0, &mut second.1);
    assert_eq!((waiting(&proxy), proxy.sum("penstock_request_errors_total")), (0, 1));
}

#[test]
fn more_than_may_wait_are_refused() {
    let (proxy, member) = stand(&capped(1, "max: 2"));
    let first = pair(&proxy, &member);
    let _waiting = [waits(&proxy, "a"), waits(&proxy, "b")];
    for _ in 0..3 {
        is_reset(&mut proxy.client());
    }
    assert_eq!((proxy.errors("queue_full"), waiting(&proxy)), (3, 2));
    end(&proxy, first);
    assert_eq!(member.next().take(1), b"a");
    eventually("one waits", || waiting(&proxy) == 1);
    let _third = waits(&proxy, "c");
}

#[test]
fn who_waits_too_long_is_refused() {
    let (proxy, member) = stand(&capped(1, "timeout: 150ms"));
    let mut first = pair(&proxy, &member);
    is_reset(&mut proxy.client());
    assert_eq!((proxy.errors("queue_timeout"), acquires(&proxy, "timeout")), (1, 1));
    assert_eq!(waiting(&proxy), 0);
    are_one(&mut first.0, &mut first.1);
    end(&proxy, first);
    let (mut client, mut link) = pair(&proxy, &member);
    are_one(&mut client, &mut link);
}

#[test]
fn who_leaves_gives_its_turn_on() {
    let (proxy, member) = stand(&capped(1, "max: 10").workers(2));
    let first = pair(&proxy, &member);
    let leavers = [waits(&proxy, "x"), waits(&proxy, "x")];
    let mut stays = waits(&proxy, "stays");
    leavers.into_iter().for_each(Wire::reset);
    eventually("they no longer wait", || waiting(&proxy) == 1);
    end(&proxy, first);
    let mut link = member.next();
    assert_eq!(link.take(5), b"stays");
    are_one(&mut stays, &mut link);
    assert!(member.waiting().is_none());
    assert_eq!((proxy.errors("client_abort"), proxy.sum("penstock_request_errors_total")), (2, 2));
    drop((stays, link));
    let s = proxy.at_rest();
    assert_eq!(s.sum("penstock_backend_connections_opened_total"), 2, "nobody connected for those who left");
}

#[test]
fn who_said_all_it_had_to_say_waits_on() {
    let (proxy, member) = stand(&capped(1, "max: 10"));
    let first = pair(&proxy, &member);
    let mut client = waits(&proxy, "all of it");
    client.finish();
    end(&proxy, first);
    let mut link = member.next();
    assert_eq!(link.rest(), b"all of it");
    link.send("answer").finish();
    assert_eq!(client.rest(), b"answer");
}

#[test]
fn each_member_has_a_cap_of_its_own() {
    let (members, named) = crate::tcp::given::members(["a", "b", "c"]);
    let setup = capped(2, "max: 0").backend("affinity: { key: none }").workers(1);
    let proxy = setup.before(&named);
    let mut open: Vec<_> = (0..6).map(|_| (proxy.client(), crate::tcp::given::next_of(&members).1)).collect();
    open.iter_mut().for_each(|(client, link)| are_one(client, link));
    is_reset(&mut proxy.client());
    assert_eq!(proxy.errors("queue_full"), 1);
}

#[test]
fn another_cap_is_in_force_at_once_and_nobody_is_moved() {
    let member = Member::start();
    let text = |cap| capped(cap, "max: 100").text(&[member.named("a")]);
    let mut proxy = Proxy::run(&text(2));
    let mut open = vec![pair(&proxy, &member), pair(&proxy, &member)];
    let mut third = waits(&proxy, "third");
    let mut fourth = waits(&proxy, "fourth");

    proxy.reload(&text(3)).unwrap();
    let mut link = member.next();
    assert_eq!(link.take(5), b"third");
    are_one(&mut third, &mut link);
    open.push((third, link));
    eventually("one waits", || waiting(&proxy) == 1);

    proxy.reload(&text(1)).unwrap();
    open.iter_mut().for_each(|(client, link)| are_one(client, link));
    for left in [2, 1] {
        end(&proxy, open.remove(0));
        assert_eq!(open.len(), left);
        assert!(member.waiting().is_none(), "{left} are one or more, so nobody else may");
        assert_eq!(waiting(&proxy), 1);
    }
    end(&proxy, open.remove(0));
    let mut link = member.next();
    assert_eq!(link.take(6), b"fourth");
    are_one(&mut fourth, &mut link);
    let mut fifth = waits(&proxy, "fifth");

    proxy.reload(&tcp().text(&[member.named("a")])).unwrap();
    let mut link = member.next();
    assert_eq!(link.take(5), b"fifth");
    are_one(&mut fifth, &mut link);
    for _ in 0..20 {
        let (mut client, mut link) = pair(&proxy, &member);
        are_one(&mut client, &mut link);
        open.push((client, link));
    }
    proxy.reload(&text(5)).unwrap();
    open.iter_mut().for_each(|(client, link)| are_one(client, link));
    let _sixth = waits(&proxy, "sixth");
}

/// Refused by being closed, without a word.
#[track_caller]
fn is_closed(wire: &mut Wire) {
    assert_eq!(wire.rest_and_reset().0, b"");
}

fn rejected(proxy: &Proxy) -> i64 {
    proxy.sum_of("penstock_client_connections_rejected_total", &["reason=\"max\""])
}

#[test]
fn a_full_listener_closes_newcomers_until_somebody_leaves() {
    let (proxy, member) = stand(&tcp().listener("max_connections: 3").workers(2));
    let mut open: Vec<_> = (0..3).map(|_| pair(&proxy, &member)).collect();
    for i in 1..=5 {
        is_closed(&mut proxy.client());
        assert_eq!(rejected(&proxy), i);
    }
    open.iter_mut().for_each(|(client, link)| are_one(client, link));
    for _ in 0..10 {
        end(&proxy, open.remove(0));
        open.push(usable(&proxy, &member));
        is_closed(&mut proxy.client());
    }
    assert!(member.waiting().is_none());
    assert_eq!(proxy.sum("penstock_client_connections_limit"), 3);
    drop(open);
    let s = proxy.at_rest();
    assert_eq!(s.sum("penstock_client_connections_accepted_total"), 13);
}

/// A place is free a moment after it is counted so.
fn usable(proxy: &Proxy, member: &Member) -> (Wire, Wire) {
    let mut pair = None;
    eventually("there is room", || {
        let refused = rejected(proxy);
        let mut client = proxy.client();
        client.send("hello");
        let mut link = None;
        eventually("it is served or refused", || {
            link = member.waiting();
            link.is_some() || rejected(proxy) > refused
        });
        pair = link.map(|link| (client, link));
        pair.is_some()
    });
    let (mut client, mut link) = pair.unwrap();
    assert_eq!(link.take(5), b"hello");
    says(&mut link, "welcome", &mut client);
    (client, link)
}

#[test]
fn a_full_http_listener_does_so_too() {
    let (_origin, proxy) = Setup::new().listener("max_connections: 3").with_origin(1);
    let mut clients: Vec<_> = (0..3).map(|_| proxy.client()).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.get("/hello").status, 200));
    is_closed(&mut proxy.client());
    assert_eq!(rejected(&proxy), 1);
    clients.iter_mut().for_each(|client| assert_eq!(client.get("/hello").status, 200));
    clients.pop();
    eventually("there is room again", || {
        let mut client = proxy.client();
        client.send("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
        client.next_head().is_some_and(|head| head.starts_with("HTTP/1.1 200"))
    });
}

#[test]
fn another_limit_on_clients_is_in_force_at_once() {
    let member = Member::start();
    let text = |most: &str| tcp().listener(&format!("max_connections: {most}")).text(&[member.named("a")]);
    let mut proxy = Proxy::run(&text("1"));
    let mut first = pair(&proxy, &member);
    is_closed(&mut proxy.client());
    proxy.reload(&text("2")).unwrap();
    let mut second = usable(&proxy, &member);
    is_closed(&mut proxy.client());
    proxy.reload(&text("1")).unwrap();
    are_one(&mut first.0, &mut first.1);
    are_one(&mut second.0, &mut second.1);
    end(&proxy, first);
    is_closed(&mut proxy.client());
}

#[test]
fn those_who_wait_for_a_member_that_leaves_get_another() {
    let (old, new) = (Member::start(), Member::start());
    let text = |member: &Member, name: &str| capped(1, "max: 100").text(&[member.named(name)]);
    let mut proxy = Proxy::run(&text(&old, "a"));
    let (mut first, mut link) = pair(&proxy, &old);
    let mut waiting = waits(&proxy, "second");
    proxy.reload(&text(&new, "b")).unwrap();
    let mut other = new.next();
    assert_eq!(other.take(6), b"second");
    are_one(&mut waiting, &mut other);
    are_one(&mut first, &mut link);
}
