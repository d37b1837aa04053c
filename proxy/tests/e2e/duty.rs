//! What a reload leaves behind: those who wait are answered, who is down is found again, limits hold, gauges come back.
//! In: a proxy under way, and another configuration. Out: the same promises as if it had been started with that.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::stand::{Proxy, Setup, member_at, nobody, origin};
use crate::wire::{Wire, eventually, occupy, release, request};

fn member(name: &str) -> penstock_origin::Origin {
    member_at(name, ([127, 0, 0, 1], 0).into())
}

/// So many clients, whose requests wait for a link.
fn waiting(proxy: &Proxy, count: usize) -> Vec<Wire> {
    let mut clients: Vec<_> = (0..count).map(|_| proxy.client()).collect();
    clients.iter_mut().for_each(|client| _ = client.send(request("GET", "/hello")));
    eventually("they wait", || proxy.sum("penstock_pool_waiting") == count as i64);
    clients
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
        let mut clients = waiting(&proxy, 6);
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
    let mut clients = waiting(&proxy, 3);
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
    let mut clients = waiting(&proxy, 3);
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
    let mut clients = waiting(&proxy, 3);
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
    let mut clients = waiting(&proxy, 2);
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
        let at = nobody();
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
    assert_eq!(sources(&proxy, "a"), 0, "its only source is still counted at the other");
    assert_eq!(client.get("/hello").member(), "a");
    assert_eq!(sources(&proxy, "a"), 1);
    // Away again, and the client leaves meanwhile, never having met another.
    proxy.reload(&b_only).unwrap();
    drop(client);
    proxy.at_rest();
    proxy.reload(&a_only).unwrap();
    assert_eq!(sources(&proxy, "a"), 0);
}
