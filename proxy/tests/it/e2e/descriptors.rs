//! When descriptors run out, clients that have one are served, the others wait, and nothing spins.

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::support::binary::Binary;
use crate::support::scrape::Scrape;
use crate::support::script::Script;
use crate::support::stand::{Setup, directory, origin};
use crate::support::wire::{Wire, eventually, release};

#[test]
fn clients_beyond_the_limit_wait_until_others_leave() {
    let origin = origin(1);
    let proxy = Binary::run(&Setup::new().workers(1).top("admin: 127.0.0.1:0").text(origin.addresses()));
    let (web, metrics) = (proxy.listener("web"), proxy.listener("metrics"));
    assert_eq!(Wire::connect(web).get("/hello").status, 200);
    let open = std::fs::read_dir(format!("/proc/{}/fd", proxy.id())).unwrap().count() as u64;
    let few = Rlimit { current: Some(open + 20), maximum: Some(open + 20) };
    prlimit(Pid::from_raw(proxy.id() as i32), Resource::Nofile, few).unwrap();

    let mut clients: Vec<_> = (0..60).map(|_| Wire::connect(web)).collect();
    let mut served = 0;
    eventually("those who are in are served", || {
        served = clients[..15]
            .iter_mut()
            .filter_map(|c| Some(c.get("/hello")).filter(|a| a.status == 200))
            .count();
        served == 15
    });
    // A link that would have to be opened cannot be, and nobody takes that for a failure of the member.
    for mut client in clients.drain(..3) {
        let answer = client.post("/fault/close", b"x");
        assert!(matches!(answer.cause(), (502 | 503, _)), "{answer:?}");
    }
    // The others are served one after the other, as descriptors become free.
    while !clients.is_empty() {
        let mut client = clients.remove(0);
        let mut status = 0;
        eventually("it is served", || {
            status = client.get("/hello").status;
            status != 503 || clients.len() > 30
        });
        assert!(status == 200 || clients.len() > 30, "{status}, {} were waiting behind it", clients.len());
    }
    let scrape = Scrape::new(Wire::connect(metrics).get("/metrics").text());
    let failures = scrape.sum_of("penstock_accept_errors_total", &["error=\"emfile\""]);
    assert!((1..1000).contains(&failures), "{failures} failures to accept");
    assert_eq!(scrape.sum_of("penstock_member_state", &["state=\"up\""]), 1, "it was not the member's fault");
}

/// As `penstock run` under `ulimit -n`.
fn run_with_few(text: &str, descriptors: u32) -> Binary {
    let config = directory("few").join("config.yaml");
    std::fs::write(&config, text).unwrap();
    Binary::run_in_shell(&format!("ulimit -n {descriptors}; exec \"$0\" \"$@\""), config)
}

/// Connections to the admin address that say nothing, clients that say nothing, and more of both than there are
/// descriptors: whoever asks admin is answered, whoever is in gets a link.
#[test]
fn admin_and_links_have_descriptors_whoever_takes_all_others() {
    let origin = origin(1);
    let setup = Setup::new().workers(1).top("admin: 127.0.0.1:0").backend("links: { max_per_member: 16 }");
    let proxy = run_with_few(&setup.text(origin.addresses()), 300);
    let (web, metrics) = (proxy.listener("web"), proxy.listener("metrics"));
    let scrape = || Scrape::new(Wire::connect(metrics).get("/metrics").text());
    let silent: Vec<_> = (0..400).map(|_| Wire::connect(metrics)).collect();
    let mut clients: Vec<_> = (0..400).map(|_| Wire::connect(web)).collect();
    let reserve = || scrape().sum_of("penstock_accept_errors_total", &["error=\"reserve\""]);
    eventually("what is left is kept", || reserve() > 0);
    let in_now = scrape().sum("penstock_client_connections") as usize;
    assert!((100..280).contains(&in_now), "{in_now} clients are in");
    // No link stands yet. Many are opened at once.
    let mut rest = clients.split_off(12);
    let mut busy = clients;
    for client in &mut busy {
        client.send("POST /add HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 14\r\n\r\n");
    }
    for client in &mut busy {
        let head = client.next_head().unwrap();
        assert!(head.starts_with("HTTP/1.1 100 "), "{head}");
    }
    busy.iter_mut().for_each(|client| assert_eq!(release(client).status, 200));
    for client in rest.iter_mut().take(in_now - 16) {
        assert_eq!(client.get("/hello").status, 200);
    }
    // No client was turned away, and the others come in as those go.
    assert_eq!(scrape().sum_of("penstock_client_connections_rejected_total", &["fd_limit"]), 0);
    drop(busy);
    rest.drain(..in_now - 16).for_each(drop);
    for mut client in rest {
        assert_eq!(client.get("/hello").status, 200);
    }
    drop(silent);
    eventually("all have gone", || scrape().sum("penstock_client_connections") == 0);
    let emfile = scrape().sum_of("penstock_accept_errors_total", &["error=\"emfile\""]);
    assert_eq!(emfile, 0, "descriptors never ran out");
}

/// Each client of a TCP listener needs a link of its own: whoever is accepted gets it.
#[test]
fn whoever_is_accepted_in_tcp_mode_gets_its_link() {
    let member = Script::start(|_, mut wire| {
        while let Some(asked) = wire.try_take(4) {
            wire.send(asked);
        }
    });
    let setup = Setup::new().top("admin: 127.0.0.1:0").listener("protocol: tcp");
    let proxy = run_with_few(&setup.text(&[("a".to_owned(), member.address)]), 300);
    let metrics = proxy.listener("metrics");
    let web = proxy.listener("web");
    let scrape = || Scrape::new(Wire::connect(metrics).get("/metrics").text());
    let mut clients: Vec<_> = (0..500).map(|_| Wire::connect(web)).collect();
    let mut served = 0;
    while !clients.is_empty() {
        let mut client = clients.remove(0);
        let answer = client.send("ping").try_take(4);
        if answer.is_none() {
            let text = Wire::connect(metrics).get("/metrics").text().to_owned();
            let lines: Vec<_> = text.lines().filter(|l| !l.starts_with('#') && !l.ends_with(" 0")).collect();
            panic!("{served} were served:\n{}\n{}", lines.join("\n"), proxy.err());
        }
        assert_eq!(answer.unwrap(), b"ping");
        served += 1;
    }
    let scrape = scrape();
    assert_eq!(scrape.sum("penstock_request_errors_total"), 0);
    assert!(scrape.sum_of("penstock_accept_errors_total", &["error=\"reserve\""]) > 0);
}

#[test]
fn the_limit_is_raised_at_the_start() {
    let origin = origin(1);
    let proxy = Binary::run(&Setup::new().text(origin.addresses()));
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", proxy.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words[3], words[4], "soft and hard: {line}");
}
