//! SIGHUP takes a new configuration without losing anybody, or leaves all as it is and says why.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};

use penstock_bench::{Plan, Stop, Work};
use rustix::process::Signal;

use crate::support::binary::Binary;
use crate::support::own_address::own_address;
use crate::support::scrape::Scrape;
use crate::support::stand::{Setup, member_at, origin};
use crate::support::wire::{Wire, eventually, occupy, release};

fn setup() -> Setup {
    Setup::new().top("admin: 127.0.0.1:0")
}

fn scrape(binary: &Binary) -> Scrape {
    Scrape::new(Wire::connect(binary.listener("metrics")).get("/metrics").text())
}

fn reloads(binary: &Binary, result: &str) -> i64 {
    scrape(binary).sum_of("penstock_config_reloads_total", &[&format!("result=\"{result}\"")])
}

/// A configuration with these listeners, each at an address, in this order; all go to `member`.
fn with_listeners(listeners: &[(&str, SocketAddr)], member: SocketAddr) -> String {
    let line =
        |(name, bind): &(&str, SocketAddr)| format!("  {name}: {{ bind: \"{bind}\", backend: app }}\n");
    let listeners: String = listeners.iter().map(line).collect();
    format!(
        "admin: 127.0.0.1:0\nworkers: 2\nlisteners:\n{listeners}backends:\n  app:\n    members: {{ a: \"{member}\" }}\n"
    )
}

#[test]
fn a_bad_file_changes_nothing_and_says_why_with_its_line() {
    let origin = origin(1);
    let text = setup().text(origin.addresses());
    let mut proxy = Binary::run(&text);
    let mut client = Wire::connect(proxy.listener("web"));
    assert_eq!(client.get("/hello").status, 200);
    let before = text.lines().count();
    let err = proxy.reload(&format!("{text}    lnks: {{}}\n"));
    assert!(err.contains(&format!("config.yaml:{}", before + 1)), "{err}");
    assert!(err.contains("lnks") && err.contains("rejected"), "{err}");
    let err = proxy.reload("listeners: [");
    assert!(err.matches("rejected").count() == 2, "{err}");
    assert_eq!((reloads(&proxy, "rejected"), reloads(&proxy, "ok")), (2, 0));
    assert_eq!(client.get("/hello").status, 200, "the client did not notice");
    assert_eq!(Wire::connect(proxy.listener("web")).get("/hello").status, 200);
    assert!(proxy.runs());
}

#[test]
fn what_changes_only_at_a_restart_is_refused() {
    let origin = origin(1);
    let proxy = Binary::run(&setup().text(origin.addresses()));
    let err = proxy.reload(&setup().workers(5).text(origin.addresses()));
    assert!(err.contains("workers") && err.contains("rejected"), "{err}");
    assert_eq!(Wire::connect(proxy.listener("web")).get("/hello").status, 200);
}

#[test]
fn an_address_that_cannot_be_bound_changes_nothing() {
    let origin = origin(1);
    let member = origin.addresses()[0].1;
    let web = own_address();
    let proxy = Binary::run(&with_listeners(&[("web", web)], member));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let both = [("web", web), ("more", taken.local_addr().unwrap())];
    let err = proxy.reload(&with_listeners(&both, member));
    assert!(err.contains("listeners.more: cannot bind") && err.contains("rejected"), "{err}");
    assert_eq!(Wire::connect(web).get("/hello").status, 200);
}

#[test]
fn a_client_keeps_its_connection_and_reaches_the_new_member() {
    let old = member_at("a", ([127, 0, 0, 1], 0).into());
    let new = member_at("b", ([127, 0, 0, 1], 0).into());
    let proxy = Binary::run(&setup().text(old.addresses()));
    let mut clients: Vec<_> = (0..20).map(|_| Wire::connect(proxy.listener("web"))).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.get("/hello").member(), "a"));
    let mut busy = occupy(proxy.listener("web"));
    eventually("it is on its link", || scrape(&proxy).sum("penstock_backend_requests_in_flight") == 1);

    assert_eq!(proxy.reload(&setup().text(new.addresses())), "");
    clients.iter_mut().for_each(|client| {
        eventually("the new member answers", || client.get("/hello").member() == "b");
    });
    assert_eq!(release(&mut busy).member(), "a", "what was in flight stays where it is");
    assert_eq!(busy.get("/hello").member(), "b");
    eventually("no link to the old one is left", || old.stats().total().open == 0);
    assert_eq!(scrape(&proxy).sum("penstock_client_connections_accepted_total"), 21);
    assert_eq!(reloads(&proxy, "ok"), 1);
}

#[test]
fn the_same_member_at_another_address_is_found_there() {
    let old = member_at("a", ([127, 0, 0, 1], 0).into());
    let new = member_at("a", ([127, 0, 0, 1], 0).into());
    let proxy = Binary::run(&setup().text(old.addresses()));
    let mut client = Wire::connect(proxy.listener("web"));
    client.get("/hello");
    proxy.reload(&setup().text(new.addresses()));
    eventually("it is asked there", || {
        client.get("/hello").status == 200 && new.stats().total().requests > 0
    });
    eventually("no link to the old address is left", || old.stats().total().open == 0);
}

#[test]
fn listeners_come_and_go() {
    let origin = origin(1);
    let member = origin.addresses()[0].1;
    let (web, more, moved) = (own_address(), own_address(), own_address());
    let proxy = Binary::run(&with_listeners(&[("web", web)], member));
    let mut client = Wire::connect(web);
    client.get("/hello");

    proxy.reload(&with_listeners(&[("more", more), ("web", web)], member));
    let mut guest = Wire::connect(more);
    assert_eq!(guest.get("/hello").status, 200);
    assert_eq!(client.get("/hello").status, 200);
    assert_eq!(Wire::connect(web).get("/hello").status, 200);

    proxy.reload(&with_listeners(&[("web", web)], member));
    guest.is_over();
    eventually("the removed one is closed", || std::net::TcpStream::connect(more).is_err());
    assert_eq!(client.get("/hello").status, 200);

    proxy.reload(&with_listeners(&[("more", more), ("web", moved)], member));
    assert_eq!(Wire::connect(moved).get("/hello").status, 200);
    eventually("nobody listens at the old address", || std::net::TcpStream::connect(web).is_err());
    assert_eq!(client.get("/hello").status, 200, "its listener stays, if at another address");
    assert_eq!(Wire::connect(more).get("/hello").status, 200);
}

#[test]
fn a_removed_listener_lets_its_exchanges_end() {
    let origin = origin(1);
    let member = origin.addresses()[0].1;
    let (web, more) = (own_address(), own_address());
    let proxy = Binary::run(&with_listeners(&[("web", web), ("more", more)], member));
    let mut busy = occupy(more);
    eventually("it is on its link", || scrape(&proxy).sum("penstock_backend_requests_in_flight") == 1);
    proxy.reload(&with_listeners(&[("web", web)], member));
    assert!(release(&mut busy).closes());
    busy.is_over();
}

#[test]
fn new_limits_are_in_force_at_the_next_exchange() {
    let origin = origin(1);
    let proxy = Binary::run(&setup().text(origin.addresses()));
    let mut client = Wire::connect(proxy.listener("web"));
    let long = format!("GET /hello HTTP/1.1\r\nHost: h\r\nA: {}\r\n\r\n", "x".repeat(2000));
    assert_eq!(client.send(&long).answer().status, 200);
    proxy.reload(&setup().listener("limits: { head: 1KiB, line: 1KiB }").text(origin.addresses()));
    eventually("the short limit holds", || {
        Wire::connect(proxy.listener("web")).send(&long).answer().status == 431
    });
    eventually("for clients that were there, too", || client.send(&long).answer().status == 431);
}

#[test]
fn nothing_is_lost_and_no_counter_falls_while_reloading_under_load() {
    let origin = origin(3);
    let texts =
        [1, 32].map(|n| setup().backend(&format!("links: {{ pipeline: {n}, max_per_member: {} }}", n + 4)));
    let texts = texts.map(|setup| setup.text(origin.addresses()));
    let proxy = Binary::run(&texts[0]);
    let plan = Plan {
        clients: 50,
        work: Work::Mixed(vec![(3, Work::Ids), (1, Work::Post { sizes: vec![100, 30_000] })]),
        depth: 2,
        stop: Stop::Requests(150),
        seed: 77,
        ..Plan::new(proxy.listener("web"))
    };
    let load = std::thread::spawn(move || penstock_bench::run(&plan).unwrap());
    let mut before: HashMap<String, f64> = scrape(&proxy).counters().collect();
    for i in 0..12 {
        assert_eq!(proxy.reload(&texts[i % 2]), "");
        let after: HashMap<String, f64> = scrape(&proxy).counters().collect();
        for (series, value) in &before {
            assert!(after.get(series).is_some_and(|now| now >= value), "I7: {series} fell from {value}");
        }
        before = after;
    }
    let report = load.join().unwrap();
    assert!(report.is_clean(), "seed 77: {report:?}");
    assert_eq!(report.connections, 50, "everybody kept their connection");
    proxy.signal(Signal::TERM);
}

#[test]
fn a_member_that_was_down_is_up_at_its_new_address() {
    let new = member_at("a", ([127, 0, 0, 1], 0).into());
    let proxy = Binary::run(&setup().text(&[("a".to_owned(), own_address())]));
    let mut client = Wire::connect(proxy.listener("web"));
    assert_eq!(client.get("/hello").status, 503);
    let state =
        |state: &str| scrape(&proxy).sum_of("penstock_member_state", &[&format!("state=\"{state}\"")]);
    assert_eq!((state("up"), state("down")), (0, 1));
    proxy.reload(&setup().text(new.addresses()));
    eventually("it answers", || client.get("/hello").status == 200);
    eventually("and is seen to", || (state("up"), state("down")) == (1, 0));
}
