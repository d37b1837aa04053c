//! How deep members are used by default: by what they say of themselves, and by what they do.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::misbehaviour::load::{Load, Tally};
use crate::misbehaviour::member::{Claim, Member, Misdeed};
use crate::misbehaviour::protocol::Protocol;
use crate::misbehaviour::setup::proxy;
use crate::support::stand::{Proxy, origin, run_clean};
use crate::support::wire::eventually;

/// What `pipeline: auto` is in http.
const CEILING: i64 = 32;
/// So long is looked at whether the depth stays what it is: longer than a probe takes.
const LOOKED_AT: Duration = Duration::from_millis(1500);

/// A proxy whose budget does not bind on a slow machine; all else is the default.
fn patient(member: SocketAddr) -> Proxy {
    proxy(Protocol::Http, &["links: { pipeline_budget: 50ms }"], member)
}

fn limit(proxy: &Proxy) -> i64 {
    proxy.sum("penstock_backend_pipeline_depth_limit")
}

fn is_at_the_ceiling(proxy: &Proxy) -> bool {
    let reason = proxy.sum_of("penstock_backend_pipeline_depth_reason", &["reason=\"ceiling\""]);
    limit(proxy) == CEILING && reason > 0
}

fn load(to: SocketAddr, clients: u32, each: u32) -> Tally {
    Load { to, protocol: Protocol::Http, clients, bursts: 1, each, head: false }.run()
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
    reaches_the_ceiling(name, &proxy, || is_right(&load(proxy.address(), 64, 20)));
    is_right(&load(proxy.address(), 500, 4));
    proxy.at_rest();
}

/// However much is asked, the depth is 1.
#[track_caller]
fn stays_at_one(name: &str, proxy: &Proxy) {
    let began = Instant::now();
    while began.elapsed() < LOOKED_AT {
        for (clients, each) in [(8, 40), (100, 5)] {
            let tally = load(proxy.address(), clients, each);
            assert!(limit(proxy) <= 1, "{name}: {} deep\n{}", limit(proxy), of_depth(proxy));
            assert_eq!(tally.mixed_up(), 0, "{name}: {tally:?}");
            is_right(&tally);
        }
    }
    proxy.at_rest();
}

#[test]
fn the_included_origin_reaches_the_ceiling() {
    let origin = origin(1);
    let proxy = patient(origin.addresses()[0].1);
    let plan = penstock_bench::Plan { clients: 64, ..proxy.plan() };
    reaches_the_ceiling("the included origin", &proxy, || {
        run_clean(&plan);
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
