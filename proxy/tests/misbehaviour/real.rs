//! Real servers through the proxy: those that keep the order get deep pipelines by default, the others get none.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::load::{Load, Tally};
use crate::matrix::Verdict;
use crate::member::{Claim, Member, Misdeed};
use crate::protocol::Protocol;
use crate::server::Server;
use crate::setup::proxy;
use crate::stand::{Proxy, origin};
use crate::wire::eventually;

/// What `pipeline: auto` is in http.
const CEILING: i64 = 32;
/// So long is looked at whether the depth stays what it is: longer than a probe takes.
const LOOKED_AT: Duration = Duration::from_millis(1500);

/// A proxy whose budget does not bind on a slow machine; all else is the default.
fn patient(member: SocketAddr) -> Proxy {
    http(&["links: { pipeline_budget: 50ms }"], member)
}

fn http(backend: &[&str], member: SocketAddr) -> Proxy {
    proxy(Protocol::Http, backend, member)
}

fn limit(proxy: &Proxy) -> i64 {
    proxy.sum("penstock_backend_pipeline_depth_limit")
}

fn is_at_the_ceiling(proxy: &Proxy) -> bool {
    let reason = proxy.sum_of("penstock_backend_pipeline_depth_reason", &["reason=\"ceiling\""]);
    limit(proxy) == CEILING && reason > 0
}

fn load(to: SocketAddr, clients: u32, bursts: u32, each: u32) -> Tally {
    Load { to, protocol: Protocol::Http, clients, bursts, each, head: false }.run()
}

/// All got their own answers.
#[track_caller]
fn is_right(tally: &Tally) {
    assert!(tally.answered == tally.all(), "{tally:?}");
}

/// While `ask` goes on, the depth becomes what the member deserves.
#[track_caller]
fn reaches_the_ceiling(name: &str, proxy: &Proxy, ask: impl Fn() + Sync) {
    let (over, began) = (AtomicBool::new(false), Instant::now());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                ask();
            }
        });
        let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually(&format!("{name} is at the ceiling"), || is_at_the_ceiling(proxy));
        }));
        over.store(true, Ordering::SeqCst);
        if let Err(panic) = seen {
            println!("{}", of_depth(proxy));
            std::panic::resume_unwind(panic);
        }
    });
    println!("{name}: at the ceiling after {:?}", began.elapsed());
}

/// What the metrics say of the depth.
fn of_depth(proxy: &Proxy) -> String {
    let metrics = proxy.running().metrics();
    let lines = metrics
        .lines()
        .filter(|line| line.starts_with("penstock_backend_pipeline_depth_") && !line.ends_with(" 0"));
    lines.filter(|line| !line.contains("bucket")).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn echo_reaches_the_ceiling(name: &str, at: SocketAddr) {
    let proxy = patient(at);
    reaches_the_ceiling(name, &proxy, || is_right(&load(proxy.address(), 64, 1, 20)));
    is_right(&load(proxy.address(), 500, 1, 4));
    proxy.at_rest();
}

/// However much is asked, the depth is 1.
#[track_caller]
fn stays_at_one(name: &str, proxy: &Proxy) {
    let began = Instant::now();
    while began.elapsed() < LOOKED_AT {
        for (clients, each) in [(8, 40), (100, 5)] {
            let tally = load(proxy.address(), clients, 1, each);
            assert!(limit(proxy) <= 1, "{name}: {} deep\n{}", limit(proxy), of_depth(proxy));
            assert_eq!(tally.mixed_up(), 0, "{name}: {tally:?}");
            is_right(&tally);
        }
    }
    proxy.at_rest();
}

#[test]
fn nginx_reaches_the_ceiling() {
    if let Some(server) = Server::nginx() {
        echo_reaches_the_ceiling("nginx", server.at);
    }
}

#[test]
fn apache_reaches_the_ceiling() {
    if let Some(server) = Server::apache() {
        echo_reaches_the_ceiling("Apache httpd", server.at);
    }
}

#[test]
fn node_with_a_server_field_reaches_the_ceiling() {
    if let Some(server) = Server::node() {
        echo_reaches_the_ceiling("Node.js", server.at);
    }
}

#[test]
fn the_included_origin_reaches_the_ceiling() {
    let origin = origin(1);
    let proxy = patient(origin.addresses()[0].1);
    let plan = penstock_bench::Plan { clients: 64, ..proxy.plan() };
    reaches_the_ceiling("the included origin", &proxy, || {
        crate::stand::run_clean(&plan);
    });
}

#[test]
fn a_member_that_says_nothing_of_itself_gets_one_at_a_time() {
    let member = Member::start(Protocol::Http, Misdeed::None);
    let proxy = patient(member.address);
    stays_at_one("a member without a Server field", &proxy);
    assert_eq!(member.deepest(), 1);
    assert!(!member.was_probed());
}

/// The `Server` field is that of a proxy, and behind it is another server: what it says is not enough.
#[test]
fn a_member_that_only_says_that_it_is_nginx_gets_one_at_a_time() {
    use Misdeed::{AddsCrLf, ClosesAmid, Doubles, Drops, Reorders};
    for misdeed in [Drops, Reorders, Doubles, AddsCrLf, ClosesAmid] {
        let member = Member::start_as(Claim::Nginx, Protocol::Http, misdeed);
        stays_at_one(&format!("{misdeed:?}"), &patient(member.address));
    }
}

#[test]
fn a_member_that_says_that_it_is_nginx_and_is_reaches_the_ceiling() {
    let member = Member::start_as(Claim::Nginx, Protocol::Http, Misdeed::None);
    echo_reaches_the_ceiling("a good member", member.address);
}

#[test]
fn cpp_httplib_gets_one_at_a_time() {
    if let Some(server) = Server::httplib() {
        stays_at_one("cpp-httplib", &patient(server.at));
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
        let tally = load(proxy.address(), 8, 1, 40);
        assert_eq!(tally.hung, 0);
        before += tally.mixed_up();
        Verdict::of(&proxy).broken
    });
    println!("cpp-httplib with pipeline: 32: {before} mix-ups until it was found out");
    let after = load(proxy.address(), 8, 2, 40);
    assert_eq!(after.mixed_up(), 0, "{after:?}");
    is_right(&after);
    assert_eq!(limit(&proxy), 1, "{}", of_depth(&proxy));
    proxy.at_rest();
}

/// Debian has patched its Twisted, which still says that it is 22.4.0: by default it is not believed, and where the
/// operator vouches for it, it is right.
#[test]
fn twisted_mixes_nothing_up() {
    let Some(server) = Server::twisted() else { return };
    for pipeline in ["", "pipeline: 32, "] {
        let proxy = http(&[&format!("links: {{ {pipeline}pipeline_budget: 50ms }}")], server.at);
        let tally = load(proxy.address(), 100, 2, 10);
        is_right(&tally);
        println!("Twisted with {pipeline:?}: {}", of_depth(&proxy));
        assert!(limit(&proxy) == 1 || !pipeline.is_empty(), "{}", of_depth(&proxy));
        proxy.at_rest();
    }
}
