//! One slow response, one large response or one slow reader holds up nobody else (P.3, P.4 and P.12 in `docs/http-rules.md`).

use std::io::Read;

use crate::support::held::{Held, all_answered, line_up, quick};
use crate::support::stand::{Proxy, Setup};
use crate::support::wire::{Wire, eventually, pattern, request};

/// The member is quick, however slow the machine is; followers wait a second before they are sent elsewhere.
fn with_links(more: &str) -> Setup {
    let pipeline = if more.contains("pipeline:") { "" } else { "pipeline: 32, " };
    Setup::new().workers(1).backend(&format!("links: {{ {pipeline}pipeline_budget: 10s, {more} }}"))
}

fn rescues(proxy: &Proxy, result: &str) -> i64 {
    let result = format!("result=\"{result}\"");
    proxy.sum_of("penstock_retries_total", &["reason=\"rescue\"", &result])
}

fn closed(proxy: &Proxy, reason: &str) -> i64 {
    let reason = format!("reason=\"{reason}\"");
    proxy.sum_of("penstock_backend_connections_closed_total", &[&reason])
}

fn held(proxy: &Proxy, reason: &str) -> i64 {
    let reason = format!("reason=\"{reason}\"");
    proxy.sum_of("penstock_backend_connections_held_total", &[&reason])
}

/// How many of those who lined up were sent twice; none more often.
fn sent_twice(member: &Held, method: &str, count: usize) -> i64 {
    let times: Vec<_> =
        (0..count).map(|i| member.links_of(&format!("{method} {}", quick(i))).len()).collect();
    assert!(times.iter().all(|times| (1..=2).contains(times)), "{times:?}");
    times.iter().filter(|times| **times == 2).count() as i64
}

#[test]
fn those_behind_a_slow_answer_are_answered_before_it() {
    let member = Held::start();
    let proxy = with_links("").before_one(member.address());
    let mut head = member.hold_up(&proxy, "/slow");
    all_answered(&mut line_up(&proxy, "GET", 8));
    assert!(rescues(&proxy, "ok") > 0, "some of them had been sent to the slow link");
    assert_eq!(closed(&proxy, "rescue"), 0, "its head is still to be answered");
    member.let_go("/slow");
    assert_eq!(head.answer().text(), "/slow");
    eventually("the link is closed after its head", || closed(&proxy, "rescue") == 1);
    assert_eq!(member.links_of("GET /slow"), member.links_of("GET /first"), "which was sent once");
    eventually("who was rescued was sent twice, nobody else", || {
        sent_twice(&member, "GET", 8) == rescues(&proxy, "ok")
    });
    assert_eq!(head.get("/on").text(), "/on");
    drop(head);
    let rest = proxy.at_rest();
    assert_eq!(rest.sum_of("penstock_requests_total", &["code=\"2xx\""]), 1 + 1 + 8 + 1);
    assert_eq!(rest.sum("penstock_request_errors_total"), 0);
}

#[test]
fn heads_of_answers_are_told_apart_after_a_rescue() {
    let member = Held::start();
    let proxy = with_links("").before_one(member.address());
    let mut head = member.hold_up(&proxy, "/slow");
    let mut behind = line_up(&proxy, "HEAD", 4);
    for client in &mut behind {
        assert_eq!(client.answer_to("HEAD").field("content-length"), Some("0"));
    }
    member.let_go("/slow");
    assert_eq!(head.answer().text(), "/slow");
    for (i, client) in behind.iter_mut().enumerate() {
        assert_eq!(client.get(&quick(i)).text(), quick(i), "nothing of the old link reached it");
    }
}

#[test]
fn each_clients_answers_stay_in_order() {
    let member = Held::start();
    let proxy = with_links("").before_one(member.address());
    let mut head = member.hold_up(&proxy, "/slow");
    head.send(request("GET", "/after"));
    let mut behind = proxy.client();
    let many: String = (0..10).map(|i| request("GET", &quick(i))).collect();
    behind.send(many);
    (0..10).for_each(|i| assert_eq!(behind.answer().text(), quick(i)));
    member.let_go("/slow");
    assert_eq!((head.answer().text(), head.answer().text()), ("/slow", "/after"));
    assert_eq!(member.links_of("GET /after").len(), 1, "it waited for its own client's head");
}

// RFC 9110 section 9.2.2, P.10.
#[test]
fn what_may_not_be_sent_twice_stays() {
    let member = Held::start();
    let proxy = with_links("pipeline_methods: all").before_one(member.address());
    let mut head = member.hold_up(&proxy, "/slow");
    let mut posts = line_up(&proxy, "POST", 4);
    eventually("they are on links", || placed(&proxy) == 2 + 4);
    let mut gets = line_up(&proxy, "GET", 4);
    all_answered(&mut gets);
    member.let_go("/slow");
    assert_eq!(head.answer().text(), "/slow");
    all_answered(&mut posts);
    assert_eq!(sent_twice(&member, "POST", 4), 0);
    let old = member.links_of("GET /slow");
    assert_eq!(member.links_of(&format!("POST {}", quick(0))), old, "answered where it was sent first");
}

/// How many attempts got a link.
fn placed(proxy: &Proxy) -> i64 {
    proxy.sum_of("penstock_pool_acquires_total", &["result=\"pipelined\""])
        + proxy.sum_of("penstock_pool_acquires_total", &["result=\"reused\""])
        + proxy.sum_of("penstock_pool_acquires_total", &["result=\"opened\""])
}

#[test]
fn without_a_budget_none_is_rescued() {
    let member = Held::start();
    let proxy = with_links("rescue_budget: 0%").before_one(member.address());
    let mut head = member.hold_up(&proxy, "/slow");
    let mut behind = line_up(&proxy, "GET", 4);
    eventually("there was no budget for them", || rescues(&proxy, "budget") > 0);
    assert!(held(&proxy, "slow") > 0);
    assert_eq!(proxy.client().get("/other").text(), "/other", "the slow link takes no more");
    member.let_go("/slow");
    assert_eq!(head.answer().text(), "/slow");
    all_answered(&mut behind);
    assert_eq!((sent_twice(&member, "GET", 4), rescues(&proxy, "ok"), closed(&proxy, "rescue")), (0, 0, 0));
}

#[test]
fn no_more_are_rescued_than_the_budget_allows() {
    const CLIENTS: usize = 40;
    const EACH: usize = 40;
    let member = Held::start();
    let links = "max_per_member: 2, pipeline: 1024, rescue_budget: 1%, rescue_after: 3s";
    let proxy = with_links(links).before_one(member.address());
    let mut first = ["/slow/1", "/slow/2"].map(|target| member.occupy(&proxy, "GET", target));
    let answered = |target: &str, client: &mut Wire| {
        member.let_go(target);
        assert_eq!(client.answer().text(), target);
    };
    ["/slow/1", "/slow/2"].iter().zip(&mut first).for_each(|(target, client)| answered(target, client));
    // Now there are two links that were used; then two slow ones, behind which the others are about half each.
    let mut slow = ["/slow/3", "/slow/4"].map(|target| member.occupy(&proxy, "GET", target));
    let mut behind: Vec<_> = (0..CLIENTS).map(|_| proxy.client()).collect();
    for (i, client) in behind.iter_mut().enumerate() {
        client.send(request("GET", &quick(i)).repeat(EACH));
    }
    eventually("the budget is spent", || rescues(&proxy, "budget") > 0);
    ["/slow/3", "/slow/4"].iter().zip(&mut slow).for_each(|(target, client)| answered(target, client));
    for (i, client) in behind.iter_mut().enumerate() {
        (0..EACH).for_each(|_| assert_eq!(client.answer().text(), quick(i)));
    }
    let times = |i| member.links_of(&format!("GET {}", quick(i))).len();
    eventually("sent twice is who was rescued", || {
        (0..CLIENTS).map(times).sum::<usize>() as i64 == (CLIENTS * EACH) as i64 + rescues(&proxy, "ok")
    });
    // 1,024 are saved from the start; what is sent earns a hundredth of a rescue each, what is sent again as well.
    let rescued = rescues(&proxy, "ok");
    assert!((1..=1024 + 27).contains(&rescued), "{rescued}");
}

#[test]
fn where_it_is_off_all_wait() {
    let member = Held::start();
    let proxy = with_links("rescue_after: off").before_one(member.address());
    let mut head = member.hold_up(&proxy, "/slow");
    let mut behind = line_up(&proxy, "GET", 4);
    std::thread::sleep(std::time::Duration::from_millis(1500)); // time enough for a rescue that must not be
    member.let_go("/slow");
    assert_eq!(head.answer().text(), "/slow");
    all_answered(&mut behind);
    assert_eq!((sent_twice(&member, "GET", 4), closed(&proxy, "rescue")), (0, 0));
    assert_eq!(proxy.sum_of("penstock_retries_total", &["reason=\"rescue\""]), 0);
}

// Regression: they were taken off the only link there may be, and waited until it had been closed and opened anew.
#[test]
fn where_there_is_but_one_link_all_wait() {
    let member = Held::start();
    let proxy = with_links("max_per_member: 1").before_one(member.address());
    let mut head = member.hold_up(&proxy, "/slow");
    let mut behind = line_up(&proxy, "GET", 4);
    eventually("the head is slow", || held(&proxy, "slow") > 0);
    member.let_go("/slow");
    assert_eq!(head.answer().text(), "/slow");
    all_answered(&mut behind);
    assert_eq!((sent_twice(&member, "GET", 4), rescues(&proxy, "ok"), closed(&proxy, "rescue")), (0, 0, 0));
}

#[test]
fn a_head_that_never_comes_costs_nobody_else_anything() {
    let member = Held::start();
    let setup = with_links("").backend("response_timeout: 3s");
    let proxy = setup.before_one(member.address());
    let mut head = member.hold_up(&proxy, "/slow");
    all_answered(&mut line_up(&proxy, "GET", 4));
    assert_eq!(head.answer().cause(), (504, "backend_timeout"));
    assert_eq!(proxy.errors("backend_timeout"), 1);
}

#[test]
fn who_leaves_a_slow_link_leaves_it_in_order() {
    let member = Held::start();
    let proxy = with_links("").before_one(member.address());
    let head = member.hold_up(&proxy, "/slow");
    all_answered(&mut line_up(&proxy, "GET", 4));
    head.reset();
    eventually("it is gone", || proxy.errors("client_abort") == 1);
    member.let_go("/slow");
    eventually("the link is closed after an answer for nobody", || closed(&proxy, "rescue") == 1);
    proxy.at_rest();
}

const LARGE: usize = 10 << 20;
/// What the proxy may keep for a client that does not read, and what it reads at a time.
const SPILL: i64 = (256 << 10) + 2 * (64 << 10);

fn with_large(size: usize) -> Held {
    Held::answering(move |target| match target {
        "/slow/large" => pattern(size),
        "/medium" => pattern(50 << 10),
        target => target.as_bytes().to_vec(),
    })
}

/// Bytes of answers that have come and have not been written to their clients.
fn kept(proxy: &Proxy) -> i64 {
    let scrape = proxy.scrape();
    scrape.sum("penstock_backend_received_bytes_total") - scrape.sum("penstock_client_sent_bytes_total")
}

#[test]
fn a_client_that_stops_reading_holds_up_nobody_and_costs_a_spill() {
    let member = with_large(LARGE);
    let proxy = with_links("").before_one(member.address());
    proxy.client().get("/first");
    let mut reader = Wire::connect_narrow(proxy.address());
    reader.send(request("GET", "/slow/large"));
    eventually("it has come to the member", || !member.links_of("GET /slow/large").is_empty());
    let mut behind = line_up(&proxy, "GET", 8);
    eventually("they are behind it", || placed(&proxy) >= 2 + 8);
    member.let_go("/slow/large");
    eventually("the link takes no more", || held(&proxy, "large") + held(&proxy, "slow") > 0);
    all_answered(&mut behind);
    for i in 0..50 {
        assert_eq!(proxy.client().get(&quick(i)).text(), quick(i));
        let kept = kept(&proxy);
        assert!(kept <= SPILL, "{kept} bytes are kept for it");
    }
    let received = proxy.sum("penstock_backend_received_bytes_total");
    assert!(received < LARGE as i64, "the member sent all of it to a client that does not read: {received}");
    assert_eq!(reader.answer().body, pattern(LARGE), "it gets all of it in the end");
    assert_eq!(reader.get("/on").text(), "/on");
}

#[test]
fn many_answers_that_are_not_read_hold_up_nobody() {
    let member = with_large(LARGE);
    let setup = with_links("pipeline: 64").listener("socket: { send_buffer: 4KiB }");
    let proxy = setup.before_one(member.address());
    proxy.client().get("/first");
    let mut reader = Wire::connect_narrow(proxy.address());
    reader.send(request("GET", "/medium").repeat(40));
    eventually("it is too full to be read for", || held(&proxy, "reader") > 0);
    let mut behind = line_up(&proxy, "GET", 8);
    all_answered(&mut behind);
    let kept = kept(&proxy);
    assert!(kept <= SPILL, "{kept} bytes are kept for it");
    (0..40).for_each(|_| assert_eq!(reader.answer().body, pattern(50 << 10)));
    assert_eq!(reader.get("/on").text(), "/on");
}

#[test]
fn a_large_answer_that_nobody_awaits_any_more_does_not_keep_its_link() {
    const HUGE: usize = 64 << 20;
    let member = with_large(HUGE);
    let proxy = with_links("").before_one(member.address());
    let mut reader = Wire::connect_narrow(proxy.address());
    member.let_go("/slow/large");
    reader.send(request("GET", "/slow/large")).head();
    reader.stream.read_exact(&mut [0; 1000]).unwrap();
    reader.reset();
    eventually("the link is closed", || closed(&proxy, "client_abort") == 1);
    let received = proxy.sum("penstock_backend_received_bytes_total");
    assert!(received < HUGE as i64 / 2, "{received} bytes were read for nobody");
    assert_eq!(proxy.client().get("/on").text(), "/on");
    proxy.at_rest();
}
