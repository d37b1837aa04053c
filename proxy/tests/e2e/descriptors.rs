//! When descriptors run out, those who have one are served, the others wait, and nothing spins.

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::binary::Binary;
use crate::scrape::Scrape;
use crate::stand::{Setup, origin};
use crate::wire::{Wire, eventually};

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

#[test]
fn the_limit_is_raised_at_the_start() {
    let origin = origin(1);
    let proxy = Binary::run(&Setup::new().text(origin.addresses()));
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", proxy.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words[3], words[4], "soft and hard: {line}");
}
