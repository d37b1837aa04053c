//! A limit that a reload changes holds from then on, also for those who are there already, and gives back what it took.

use crate::support::held::{Held, all_answered, line_up};
use crate::support::stand::{Proxy, Setup};
use crate::support::wire::{Wire, eventually, occupy, post, release, request};

const MIB: i64 = 1 << 20;

fn setup(links: &str) -> Setup {
    Setup::new().workers(1).backend(&format!("links: {{ max_per_member: 1, {links} }}"))
}

fn are_served(clients: &mut [Wire]) {
    clients.iter_mut().for_each(|client| assert_eq!(client.answer().status, 200));
}

#[test]
fn how_many_may_wait() {
    let text = |most: usize| setup("pipeline: 1").backend(&format!("queue: {{ max: {most} }}"));
    let (origin, mut proxy) = text(3).with_origin(1);
    let mut busy = occupy(proxy.address());
    let mut clients = proxy.waiting(3, request("GET", "/hello"));
    proxy.reload(&text(1).text(origin.addresses())).unwrap();
    let mut over = proxy.client();
    assert_eq!(over.get("/hello").cause(), (503, "queue_full"));
    release(&mut busy);
    are_served(&mut clients);
    let mut busy = occupy(proxy.address());
    let mut clients = proxy.waiting(1, request("GET", "/hello"));
    assert_eq!(over.get("/hello").cause(), (503, "queue_full"));
    proxy.reload(&text(2).text(origin.addresses())).unwrap();
    clients.extend(proxy.waiting(1, request("GET", "/hello")));
    release(&mut busy);
    are_served(&mut clients);
    assert_eq!(proxy.errors("queue_full"), 2);
}

#[test]
fn how_many_requests_are_on_a_link() {
    let member = Held::start();
    let text = |depth: usize| setup(&format!("pipeline: {depth}, pipeline_budget: 10s, rescue_after: off"));
    let mut proxy = text(4).before_one(member.address());
    let on_the_link = |proxy: &Proxy| proxy.sum("penstock_backend_requests_in_flight");
    let mut first = member.hold_up(&proxy, "/slow/first");
    let mut behind = line_up(&proxy, "GET", 2);
    eventually("they share the link", || on_the_link(&proxy) == 3);
    proxy.reload(&text(1).text(&[("a".to_owned(), member.address())])).unwrap();
    let mut then = proxy.waiting(2, request("GET", "/slow/then"));
    let mut last = proxy.waiting(1, request("GET", "/last"));
    member.let_go("/slow/first");
    assert_eq!(first.answer().text(), "/slow/first");
    all_answered(&mut behind);
    eventually("what came later goes alone", || {
        (on_the_link(&proxy), proxy.sum("penstock_pool_waiting")) == (1, 2)
    });
    member.let_go("/slow/then");
    are_served(&mut then);
    are_served(&mut last);
}

#[test]
fn how_slow_a_holder_may_be() {
    let text = |rate: &str| setup(&format!("pipeline: 1, min_rate: {rate}")).listener("request_buffer: 0");
    let (origin, mut proxy) = text("off").with_origin(1);
    let mut slow = proxy.client();
    slow.send("POST /add HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n{");
    eventually("it is on its link", || proxy.sum("penstock_backend_requests_in_flight") == 1);
    let mut clients = proxy.waiting(2, request("GET", "/hello"));
    proxy.reload(&text("1MiB").text(origin.addresses())).unwrap();
    are_served(&mut clients);
    assert_eq!(slow.answer().status, 408);
    assert_eq!(proxy.errors("slow_holder"), 1);
}

#[test]
fn how_much_is_held() {
    let text = |budget: &str| setup("pipeline: 1").top(&format!("buffer_budget: {budget}"));
    let (origin, mut proxy) = text("256MiB").with_origin(1);
    let held = |proxy: &Proxy| proxy.sum("penstock_buffer_bytes");
    let body = post("/echo", &[b'x'; 60_000]);
    let mut busy = occupy(proxy.address());
    let mut clients = proxy.waiting(60, &body);
    assert!(held(&proxy) > 3 * MIB, "{}", held(&proxy));
    proxy.reload(&text("1MiB").text(origin.addresses())).unwrap();
    assert_eq!(proxy.sum("penstock_buffer_limit_bytes"), MIB);
    let before = held(&proxy);
    let mut more = proxy.waiting(60, &body);
    let grown = held(&proxy) - before;
    assert!(
        grown <= 60 * (17 << 10),
        "{grown} bytes more are held, and none has a right to more than its head and 16 KiB"
    );
    release(&mut busy);
    are_served(&mut clients);
    are_served(&mut more);
}
