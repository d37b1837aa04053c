//! Tests what a reload leaves behind: waiting clients are answered, members are found again, limits hold, gauges come back.
//!
//! The promises are those of a proxy that was started with the new configuration.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::own_address::own_address;
use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup, member_at, origin};
use crate::support::wire::{Wire, eventually, occupy, release, request};

fn member(name: &str) -> penstock_origin::Origin {
    member_at(name, ([127, 0, 0, 1], 0).into())
}

fn one_link(workers: usize) -> Setup {
    let setup = Setup::new().workers(workers);
    setup.backend(&format!("links: {{ max_per_member: {workers}, pipeline: 1 }}"))
}

#[test]
fn those_who_wait_for_a_member_that_leaves_are_served_by_another() {
    for workers in [1, 2] {
        let (old, new) = (member("a"), member("b"));
        let mut proxy = one_link(workers).before(old.addresses());
        let mut busy: Vec<_> = (0..workers).map(|_| occupy(proxy.address())).collect();
        let mut clients = proxy.waiting(6, request("GET", "/hello"));
        proxy.reload(&one_link(workers).text(new.addresses())).unwrap();
        clients.iter_mut().for_each(|client| assert_eq!(client.answer().member(), "b"));
        busy.iter_mut().for_each(|client| assert_eq!(release(client).member(), "a"));
        drop((busy, clients));
        proxy.at_rest();
        eventually("no link to it is left", || old.stats().total().open == 0);
    }
}

#[test]
fn those_who_wait_for_a_backend_that_leaves_are_served_by_the_next() {
    let (old, new) = (member("a"), member("b"));
    let mut proxy = one_link(1).before(old.addresses());
    let mut busy = occupy(proxy.address());
    let mut clients = proxy.waiting(3, request("GET", "/hello"));
    let text = one_link(1).text(new.addresses()).replace("app", "other");
    proxy.reload(&text).unwrap();
    clients.iter_mut().for_each(|client| assert_eq!(client.answer().member(), "b"));
    assert_eq!(release(&mut busy).member(), "a");
    drop((busy, clients));
    proxy.at_rest();
}

/// A request that came by a rule goes where the rule leads now, and not to whoever serves all the rest.
#[test]
fn those_who_wait_by_a_rule_go_where_it_leads_now() {
    let (rest, old, new) = (member("rest"), member("old"), member("new"));
    let text = |backend: &str, at: &penstock_origin::Origin| {
        let backends = format!(
            "  {backend}:\n    links: {{ max_per_member: 1, pipeline: 1 }}\n    members: {{ x: \"{}\" }}\n",
            at.addresses()[0].1
        );
        let rule = format!("routes: [{{ match: {{ path_prefix: /hello }}, backend: {backend} }}]");
        Setup::new().workers(1).listener(&rule).text(rest.addresses()) + &backends
    };
    let mut proxy = Proxy::run(&text("before", &old));
    let mut slow = proxy.client();
    // The rule's only link is taken by a body that is still to come.
    slow.send("POST /hello HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
    eventually("it is on its link", || proxy.sum("penstock_backend_requests_in_flight") == 1);
    let mut clients = proxy.waiting(3, request("GET", "/hello"));
    proxy.reload(&text("after", &new)).unwrap();
    clients.iter_mut().for_each(|client| assert_eq!(client.answer().status, 200));
    assert_eq!(new.stats().total().requests, 3, "all went where the rule leads");
    assert_eq!(rest.stats().total().requests, 0);
}

/// Their listener has gone, too: nobody else is there for them, so they wait on, are served, and are closed then.
#[test]
fn those_whose_listener_leaves_as_well_are_still_served() {
    let (old, new) = (member("a"), member("b"));
    let mut proxy = one_link(1).before(old.addresses());
    let mut busy = occupy(proxy.address());
    let mut clients = proxy.waiting(3, request("GET", "/hello"));
    let text = one_link(1).text(new.addresses()).replace("  web:", "  next:").replace("app", "other");
    proxy.reload(&text).unwrap();
    release(&mut busy);
    for client in &mut clients {
        let answer = client.answer();
        assert_eq!((answer.status, answer.member().as_str()), (200, "a"));
        client.is_over();
    }
    busy.is_over();
    proxy.at_rest();
}

/// Nobody could serve them in time: they are told so, also by a member that is no longer configured.
#[test]
fn a_queue_timeout_holds_after_a_reload() {
    let (old, new) = (member("a"), member("b"));
    let setup = one_link(1).backend("queue: { timeout: 1s }");
    let mut proxy = setup.before(old.addresses());
    let mut busy = occupy(proxy.address());
    let mut clients = proxy.waiting(2, request("GET", "/hello"));
    let text = setup.text(new.addresses()).replace("  web:", "  next:").replace("app", "other");
    proxy.reload(&text).unwrap();
    clients.iter_mut().for_each(|client| assert_eq!(client.answer().cause(), (503, "queue_timeout")));
    release(&mut busy);
    drop((busy, clients));
    proxy.at_rest();
}

/// The duty to see that it is back is one worker's, and it does not need a share of the links for it.
#[test]
fn a_member_that_is_down_when_the_cap_falls_is_found_again() {
    for idle in 0..2 {
        let at = own_address();
        let members = [("a".to_owned(), at)];
        let setup = |cap: usize| Setup::new().backend(&format!("links: {{ max_per_member: {cap} }}"));
        let mut proxy = setup(2).before(&members);
        let others: Vec<_> = (0..idle).map(|_| proxy.client()).collect();
        assert_eq!(proxy.client().get("/hello").status, 503);
        proxy.reload(&setup(1).text(&members)).unwrap();
        let _member = member_at("a", at);
        eventually("it is up again", || proxy.sum_of("penstock_member_state", &["state=\"up\""]) == 1);
        assert_eq!(proxy.client().get("/hello").status, 200);
        drop(others);
    }
}

/// Ends the load, also where what was expected under it did not come true.
struct EndOfLoad<'a>(&'a AtomicBool);

impl Drop for EndOfLoad<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_lowered_cap_holds_while_the_load_lasts() {
    for pipeline in [1, 32] {
        let origin = origin(1);
        let setup = |cap: usize| {
            Setup::new().backend(&format!("links: {{ max_per_member: {cap}, pipeline: {pipeline} }}"))
        };
        let mut proxy = setup(16).before(origin.addresses());
        let address = proxy.address();
        let links = || origin.stats().total().open;
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    let mut client = Wire::connect(address);
                    while !over.load(Ordering::Relaxed) {
                        assert_eq!(client.get("/delay/2").status, 200);
                    }
                });
            }
            let _end = EndOfLoad(&over);
            eventually("there are many links", || links() > 2);
            proxy.reload(&setup(2).text(origin.addresses())).unwrap();
            eventually("two are left, under load", || links() <= 2);
            proxy.reload(&setup(16).text(origin.addresses())).unwrap();
            eventually("and a cap that is raised holds as well", || links() > 2);
        });
    }
}

#[test]
fn the_gauge_of_sources_comes_back_with_its_member() {
    let (a, b) = (member("a"), member("b"));
    let (a_only, b_only) = (Setup::new().text(a.addresses()), Setup::new().text(b.addresses()));
    let mut proxy = Proxy::run(&a_only);
    let sources =
        |proxy: &Proxy, name: &str| proxy.sum_of("penstock_member_sources", &[&format!("member=\"{name}\"")]);
    let mut client = proxy.client();
    assert_eq!(client.get("/hello").member(), "a");
    assert_eq!(sources(&proxy, "a"), 1);
    proxy.reload(&b_only).unwrap();
    assert_eq!(client.get("/hello").member(), "b");
    assert_eq!(sources(&proxy, "b"), 1);
    proxy.reload(&a_only).unwrap();
    assert_eq!(client.get("/hello").member(), "a");
    assert_eq!(sources(&proxy, "a"), 1);
    // Away again, and the client leaves meanwhile, never having met another.
    proxy.reload(&b_only).unwrap();
    drop(client);
    proxy.at_rest();
    proxy.reload(&a_only).unwrap();
    assert_eq!(sources(&proxy, "a"), 0);
}

#[test]
fn those_who_wait_where_the_share_has_gone_are_served() {
    for _ in 0..4 {
        let origin = origin(1);
        let setup =
            |cap: usize| Setup::new().backend(&format!("links: {{ max_per_member: {cap}, pipeline: 1 }}"));
        let mut proxy = setup(2).before(origin.addresses());
        let mut busy = [occupy(proxy.address()), occupy(proxy.address())];
        let mut clients = proxy.waiting(8, request("GET", "/hello"));
        proxy.reload(&setup(1).text(origin.addresses())).unwrap();
        busy.iter_mut().for_each(|client| _ = release(client));
        clients.iter_mut().for_each(|client| assert_eq!(client.answer().status, 200));
        drop((busy, clients));
        proxy.at_rest();
        assert!(origin.stats().total().peak <= 2, "nobody opened more than there may be");
        eventually("one link is left at most", || origin.stats().total().open <= 1);
    }
}

/// One worker's clients want more links at once than are its share, and the others have theirs to spare.
#[test]
fn links_that_a_worker_does_not_need_go_where_they_are_needed() {
    let origin = origin(1);
    let setup = Setup::new().workers(4).backend("links: { max_per_member: 4, pipeline: 1 }");
    let proxy = setup.before(origin.addresses());
    let mut clients: Vec<_> = (0..8).map(|_| proxy.client()).collect();
    // All links stand, one on each worker.
    clients.iter_mut().for_each(|client| assert_eq!(client.get("/hello").status, 200));
    let mut busy = occupy(proxy.address());
    for _ in 0..5 {
        clients.iter_mut().for_each(|client| assert_eq!(client.get("/hello").status, 200));
    }
    release(&mut busy);
    assert!(origin.stats().total().peak <= 4);
    drop((busy, clients));
    proxy.at_rest();
}

/// Answers PING, and says that it has subscribed to whatever it is asked to.
fn redis() -> Script {
    Script::start(|_, mut wire| {
        let mut seen = Vec::new();
        let mut input = [0; 1024];
        while let Ok(n @ 1..) = std::io::Read::read(&mut wire.stream, &mut input) {
            seen.extend_from_slice(&input[..n]);
            for (asked, answer) in [(PING, PONG), (SUBSCRIBE, SUBSCRIBED)] {
                while let Some(at) = seen.windows(asked.len()).position(|part| part == asked.as_bytes()) {
                    seen.drain(at..at + asked.len());
                    wire.send(answer);
                }
            }
        }
    })
}

const PING: &str = "*1\r\n$4\r\nPING\r\n";
const PONG: &str = "+PONG\r\n";
const SUBSCRIBE: &str = "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nx\r\n";
const SUBSCRIBED: &str = "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n";

/// Whether it is answered this; `false` where nothing has come yet.
fn hears(client: &mut Wire, answer: &str) -> bool {
    client.stream.set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
    let mut heard = vec![0; answer.len()];
    match std::io::Read::read_exact(&mut client.stream, &mut heard) {
        Ok(()) => {
            assert_eq!(String::from_utf8_lossy(&heard), answer);
            true
        }
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => false,
        Err(error) => panic!("{error}"),
    }
}

/// Each worker's share is one link, and each has a client that keeps one. One link of all is for the others, wherever they are.
#[test]
fn conversations_leave_a_link_to_the_others() {
    for (workers, cap) in [(4, 4), (4, 6), (1, 4)] {
        let member = redis();
        let setup = Setup::new().workers(workers).listener("protocol: resp");
        let setup = setup.backend(&format!("links: {{ max_per_member: {cap} }}"));
        let proxy = setup.before(&[("a".to_owned(), member.address)]);
        let mut talks: Vec<_> = (0..cap).map(|_| proxy.client()).collect();
        talks.iter_mut().for_each(|client| _ = client.send(SUBSCRIBE));
        let mut open = vec![false; cap];
        eventually("all but one have their links", || {
            for (client, open) in talks.iter_mut().zip(&mut open) {
                *open = *open || hears(client, SUBSCRIBED);
            }
            open.iter().filter(|open| **open).count() == cap - 1
        });
        let mut others: Vec<_> = (0..2 * workers).map(|_| proxy.client()).collect();
        for round in 0..3 {
            others.iter_mut().for_each(|client| _ = client.send(PING));
            for client in &mut others {
                eventually(&format!("it is answered in round {round}"), || hears(client, PONG));
            }
        }
        let links = proxy.sum("penstock_backend_connections");
        assert!(links <= cap as i64, "{links} links, cap {cap}");
        // The last of them gets its link when another gives its own back.
        let last = open.iter().position(|open| !open).unwrap();
        let mut last = talks.swap_remove(last);
        assert!(!hears(&mut last, SUBSCRIBED));
        drop(talks.pop());
        eventually("the last one, too", || hears(&mut last, SUBSCRIBED));
    }
}

/// Who says nothing takes no new route by an exchange, and its time runs out all the same.
#[test]
fn a_shorter_idle_timeout_holds_for_clients_that_say_nothing() {
    let origin = origin(1);
    let mut proxy = Setup::new().listener("timeouts: { idle: 1h }").before(origin.addresses());
    let mut clients = [proxy.client(), proxy.client()];
    assert_eq!(clients[0].get("/hello").status, 200);
    eventually("both are there", || proxy.sum("penstock_client_connections") == 2);
    proxy.reload(&Setup::new().listener("timeouts: { idle: 100ms }").text(origin.addresses())).unwrap();
    clients.iter_mut().for_each(Wire::is_over);
    proxy.at_rest();
}

/// Tunnels are counted for all workers: one that has none leaves its part to the others.
#[test]
fn the_places_of_upgrades_are_one_count_for_all_workers() {
    let member = Script::start(|_, mut wire| {
        while wire.next_head().is_some() {
            wire.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
        }
    });
    let setup = |most: usize| {
        let setup = Setup::new().workers(4).listener("upgrades: [x]");
        setup.backend(&format!("links: {{ max_per_member: 8, max_tunnels: {most} }}"))
    };
    let members = [("a".to_owned(), member.address)];
    let mut proxy = setup(3).before(&members);
    let ask = |proxy: &Proxy| {
        let mut client = proxy.client();
        client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
        let head = client.next_head().unwrap();
        (head.split(' ').nth(1).unwrap().to_owned(), client)
    };
    // One worker after the other has a new client; the fourth has the fifth one, too.
    let idle: Vec<_> = (0..3).map(|_| proxy.client()).collect();
    let mut open: Vec<_> = (0..3).map(|_| ask(&proxy)).collect();
    assert!(open.iter().all(|(status, _)| status == "101"), "whichever workers they are on");
    assert_eq!(ask(&proxy).0, "503");
    proxy.reload(&setup(2).text(&members)).unwrap();
    drop(open.pop());
    eventually("one has gone", || proxy.sum_of("penstock_backend_connections", &["state=\"tunnel\""]) == 2);
    assert_eq!(ask(&proxy).0, "503", "a lowered limit holds");
    drop(open.pop());
    eventually("there is room again", || ask(&proxy).0 == "101");
    drop(idle);
}
