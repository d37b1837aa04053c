//! Real servers as members: those that keep the order get deep pipelines by default, the others get none.
//!
//! `server` starts them, and `load` are clients that know whose answer they got.

mod load;
mod server;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::place::eventually;
use crate::support::proxy::{Proxy, Setup};

use load::{Load, Tally};
use server::Server;

/// What `pipeline: auto` is in http.
const CEILING: u64 = 32;
/// So long is looked at whether the depth stays what it is: longer than a probe takes.
const LOOKED_AT: Duration = Duration::from_millis(1500);

/// A proxy whose budget does not bind on a slow machine; all else is the default.
fn patient(member: SocketAddr) -> Proxy {
    http(&["links: { pipeline_budget: 50ms }"], member)
}

fn http(backend: &[&str], member: SocketAddr) -> Proxy {
    penstock_bench::raise_descriptor_limit().unwrap();
    backend.iter().fold(Setup::http(&[member]), |setup, line| setup.backend(line)).penstock()
}

#[track_caller]
fn counted(proxy: &Proxy, name: &str, label: &str) -> u64 {
    proxy.counted(name, label).expect("it is penstock")
}

#[track_caller]
fn limit(proxy: &Proxy) -> u64 {
    counted(proxy, "penstock_backend_pipeline_depth_limit", "")
}

#[track_caller]
fn is_because(proxy: &Proxy, reason: &str) -> bool {
    counted(proxy, "penstock_backend_pipeline_depth_reason", &format!("reason=\"{reason}\"")) > 0
}

fn is_at_the_ceiling(proxy: &Proxy) -> bool {
    limit(proxy) == CEILING && is_because(proxy, "ceiling")
}

/// Whether the member is not pipelined to because it broke the rules.
fn is_found_out(proxy: &Proxy) -> bool {
    limit(proxy) == 1 && is_because(proxy, "broken")
}

fn load(proxy: &Proxy, clients: u32, each: u32) -> Tally {
    Load { to: proxy.address(), clients, each }.run()
}

#[track_caller]
fn is_right(tally: &Tally) {
    assert!(tally.is_right(), "{tally:?}");
}

/// Nothing is in flight and no client is open.
#[track_caller]
fn comes_to_rest(proxy: &Proxy) {
    let open = ["client_connections", "requests_in_flight", "pool_waiting", "backend_requests_in_flight"];
    let open = open.map(|name| format!("penstock_{name}"));
    eventually("the proxy is at rest", || open.iter().all(|name| counted(proxy, name, "") == 0));
}

/// What the metrics say of the depth.
fn of_depth(proxy: &Proxy) -> String {
    let metrics = proxy.metrics().expect("it is penstock");
    let lines = metrics
        .lines()
        .filter(|line| line.starts_with("penstock_backend_pipeline_depth_") && !line.ends_with(" 0"));
    lines.filter(|line| !line.contains("bucket")).collect::<Vec<_>>().join("\n")
}

/// While clients go on asking, the depth becomes what the server deserves.
#[track_caller]
fn reaches_the_ceiling(name: &str, at: SocketAddr) {
    let proxy = patient(at);
    let (over, began) = (AtomicBool::new(false), Instant::now());
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                is_right(&load(&proxy, 64, 20));
            }
        });
        let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually(&format!("{name} is at the ceiling"), || is_at_the_ceiling(&proxy));
        }));
        over.store(true, Ordering::SeqCst);
        if let Err(panic) = seen {
            println!("{}", of_depth(&proxy));
            std::panic::resume_unwind(panic);
        }
        asking.join().unwrap();
    });
    println!("{name}: at the ceiling after {:?}", began.elapsed());
    is_right(&load(&proxy, 500, 4));
    comes_to_rest(&proxy);
}

/// However much is asked, the depth is 1.
#[track_caller]
fn stays_at_one(name: &str, at: SocketAddr) {
    let (proxy, began) = (patient(at), Instant::now());
    while began.elapsed() < LOOKED_AT {
        for (clients, each) in [(8, 40), (100, 5)] {
            let tally = load(&proxy, clients, each);
            assert!(limit(&proxy) <= 1, "{name}: {} deep\n{}", limit(&proxy), of_depth(&proxy));
            is_right(&tally);
        }
    }
    comes_to_rest(&proxy);
}

#[test]
fn nginx_reaches_the_ceiling() {
    if let Some(server) = Server::nginx() {
        reaches_the_ceiling("nginx", server.at);
    }
}

#[test]
fn apache_reaches_the_ceiling() {
    if let Some(server) = Server::apache() {
        reaches_the_ceiling("Apache httpd", server.at);
    }
}

#[test]
fn node_with_a_server_field_reaches_the_ceiling() {
    if let Some(server) = Server::node() {
        reaches_the_ceiling("Node.js", server.at);
    }
}

#[test]
fn cpp_httplib_gets_one_at_a_time() {
    if let Some(server) = Server::httplib() {
        stays_at_one("cpp-httplib", server.at);
    }
}

/// By the operator's word requests are pipelined to it, and it drops them: that is seen, and then it stops.
#[test]
fn cpp_httplib_that_is_vouched_for_is_found_out() {
    let Some(server) = Server::httplib() else { return };
    let links = "links: { pipeline: 32, pipeline_budget: 50ms }";
    let proxy = http(&[links, "response_timeout: 500ms"], server.at);
    let mut before = 0;
    eventually("it is found out", || {
        let tally = load(&proxy, 8, 40);
        assert_eq!(tally.hung, 0);
        before += tally.mixed_up;
        is_found_out(&proxy)
    });
    println!("cpp-httplib with pipeline: 32: {before} mix-ups until it was found out");
    // On a slow machine some meet the time-out as well.
    eventually("all are answered", || {
        let tally = load(&proxy, 8, 80);
        assert_eq!((tally.mixed_up, tally.hung), (0, 0), "{tally:?}");
        tally.is_right()
    });
    assert_eq!(limit(&proxy), 1, "{}", of_depth(&proxy));
    comes_to_rest(&proxy);
}

/// Debian has patched its Twisted, which still says that it is 22.4.0: by default it is not believed, and where the
/// operator vouches for it, it is right.
#[test]
fn twisted_mixes_nothing_up() {
    let Some(server) = Server::twisted() else { return };
    for pipeline in ["", "pipeline: 32, "] {
        let proxy = http(&[&format!("links: {{ {pipeline}pipeline_budget: 50ms }}")], server.at);
        is_right(&load(&proxy, 100, 20));
        println!("Twisted with {pipeline:?}: {}", of_depth(&proxy));
        assert!(limit(&proxy) == 1 || !pipeline.is_empty(), "{}", of_depth(&proxy));
        comes_to_rest(&proxy);
    }
}
