//! The memory of a burst is given back when it is over, though nothing happens that would make the allocator look.

use std::time::{Duration, Instant};

use penstock_bench::raise_descriptor_limit;

use crate::support::binary::Binary;
use crate::support::stand::{Setup, origin};
use crate::support::wire::{Wire, eventually};

const MIB: usize = 1 << 20;

/// The registrant memory of a process, in bytes.
fn resident(proxy: &Binary) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn what_half_heads_took_is_given_back_when_they_have_gone() {
    raise_descriptor_limit().unwrap();
    let origin = origin(1);
    let setup = Setup::new().top("admin: 127.0.0.1:0").listener("timeouts: { head: 10m }");
    let proxy = Binary::run(&setup.text(origin.addresses()));
    let web = proxy.listener("web");
    assert_eq!(Wire::connect(web).get("/hello").status, 200);
    let before = resident(&proxy);
    let half = format!("GET / HTTP/1.1\r\nHost: h\r\nA: {}\r\nB: {}", "a".repeat(12_000), "b".repeat(12_000));
    let clients: Vec<_> = (0..5_000)
        .map(|_| {
            let mut client = Wire::connect(web);
            client.send(&half);
            client
        })
        .collect();
    eventually("it has them all", || resident(&proxy) > before + 100 * MIB);
    drop(clients);
    // Nothing goes on meanwhile that would make the allocator look.
    let begun = Instant::now();
    while resident(&proxy) > before + 10 * MIB {
        let now = resident(&proxy) / MIB;
        assert!(begun.elapsed() < Duration::from_secs(60), "{now} MiB now, {} before", before / MIB);
        std::thread::sleep(Duration::from_millis(100));
    }
}
