//! The depth of links is found out: slow routes go alone, and members that break the rules get one request at a time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::held::Held;
use crate::support::own_address::own_address;
use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup};
use crate::support::wire::{Wire, eventually, request};

fn depth(proxy: &Proxy) -> i64 {
    proxy.sum("penstock_backend_pipeline_depth_limit")
}

fn answer(wire: &mut Wire) {
    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

/// A member that closes a link, unanswered, when it has two requests before it of which the first is `/trap`
/// and the trap is set; it is sprung by that. Where the test is to say when it closes, it waits for `go`.
struct Trap {
    set: AtomicBool,
    caught: AtomicUsize,
    go: AtomicBool,
}

impl Trap {
    fn new(go: bool) -> Arc<Self> {
        Arc::new(Self { set: AtomicBool::new(false), caught: AtomicUsize::new(0), go: AtomicBool::new(go) })
    }

    fn at(self: &Arc<Self>, address: SocketAddr) -> Script {
        let trap = self.clone();
        Script::start_at(address, move |_, mut wire| {
            while let Some(head) = wire.next_head() {
                if head.starts_with("GET /trap") && trap.set.swap(false, Ordering::SeqCst) {
                    wire.next_head().unwrap();
                    trap.caught.fetch_add(1, Ordering::SeqCst);
                    eventually("it may close", || trap.go.load(Ordering::SeqCst));
                    return;
                }
                if head.starts_with("HEAD") {
                    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
                } else {
                    answer(&mut wire);
                }
            }
        })
    }

    /// Two clients whose requests are on one link, in the trap.
    fn catch(&self, proxy: &Proxy) -> [Wire; 2] {
        proxy.client().get("/first");
        let before = self.caught.load(Ordering::SeqCst);
        self.set.store(true, Ordering::SeqCst);
        let mut clients = [proxy.client(), proxy.client()];
        clients[0].send(request("GET", "/trap"));
        eventually("it is in the trap", || !self.set.load(Ordering::SeqCst));
        clients[1].send(request("GET", "/behind"));
        eventually("both are", || self.caught.load(Ordering::SeqCst) > before);
        clients
    }
}

fn one_link() -> Setup {
    // Long enough that nobody is sent elsewhere before the member closes.
    let links = "links: { pipeline: 32, max_per_member: 1, pipeline_budget: 10s, rescue_after: off }";
    Setup::new().workers(1).backend(links)
}

#[test]
fn a_member_that_closes_amid_a_pipeline_gets_one_at_a_time_until_it_has_another_chance() {
    let trap = Trap::new(true);
    let member = trap.at(([127, 0, 0, 1], 0).into());
    let proxy = one_link().before_one(member.address);
    for offence in 1..=2 {
        for mut client in trap.catch(&proxy) {
            assert_eq!(client.answer().text(), "ok", "it is sent again");
        }
        let closed = proxy.sum_of("penstock_backend_offences_total", &["kind=\"closed\""]);
        assert_eq!(closed, offence, "once is enough");
        eventually("it has another chance", || {
            proxy.client().get("/on");
            depth(&proxy) > 1
        });
    }
}

#[test]
fn a_restart_of_a_member_costs_a_moment_at_depth_1() {
    let address = own_address();
    let trap = Trap::new(false);
    let mut member = trap.at(address);
    let proxy = one_link().before_one(address);
    for restart in 1..=2 {
        let clients = trap.catch(&proxy);
        assert!(depth(&proxy) > 1, "restart {restart}");
        drop(member);
        trap.go.store(true, Ordering::SeqCst);
        for mut client in clients {
            assert!(matches!(client.answer().status, 502 | 503), "nobody is there who could answer");
        }
        trap.go.store(false, Ordering::SeqCst);
        member = trap.at(address);
        eventually("it is back", || proxy.client().get("/first").status == 200 && depth(&proxy) > 1);
    }
    drop(proxy);
    drop(member);
}

/// Requests that were put behind others.
fn pipelined(proxy: &Proxy) -> i64 {
    proxy.sum_of("penstock_pool_acquires_total", &["result=\"pipelined\""])
}

/// Requests that met a slow one before them on their link, or would have.
fn held_up(proxy: &Proxy) -> i64 {
    proxy.sum_of("penstock_retries_total", &["reason=\"rescue\""])
        + proxy.sum("penstock_backend_connections_held_total")
}

#[test]
fn a_slow_route_goes_alone_and_the_quick_ones_stay_together() {
    let member = Held::start();
    let links = "links: { pipeline: 32, max_per_member: 2, pipeline_budget: 100ms }";
    let proxy = Setup::new().workers(1).backend(links).before_one(member.address());
    let mut good = 0;
    for round in 0..100 {
        let [target, other] = ["slow", "slow/other"].map(|name| format!("/{name}/{round}"));
        let mut slow = member.hold_up(&proxy, &target);
        // It keeps the other link to itself, so that the one of the slow request is the only one to share.
        let mut blocker = member.occupy(&proxy, "DELETE", &other);
        let (behind, held_before) = (pipelined(&proxy), held_up(&proxy));
        let mut quick = proxy.client();
        quick.send(request("GET", "/quick/x"));
        let waits = || proxy.sum("penstock_pool_waiting") == 1;
        eventually("it is somewhere", || waits() || pipelined(&proxy) > behind);
        std::thread::sleep(Duration::from_millis(150)); // the slow one is slow, by the budget
        member.let_go(&other);
        assert_eq!(blocker.answer_to("DELETE").text(), other);
        assert_eq!(quick.answer().text(), "/quick/x", "the slow one is still held");
        let (nobody_behind, before) = (held_up(&proxy) == held_before, pipelined(&proxy));
        quick.send(request("GET", "/quick/x").repeat(10));
        (0..10).for_each(|_| assert_eq!(quick.answer().text(), "/quick/x"));
        let together = pipelined(&proxy) > before;
        member.let_go(&target);
        assert_eq!(slow.answer().text(), target);
        good = if together && nobody_behind { good + 1 } else { 0 };
        if good == 5 {
            return;
        }
    }
    panic!("never five times in a row that slow ones were alone and quick ones together");
}

#[test]
fn a_member_that_becomes_slow_and_quick_again_is_followed() {
    let slow = Arc::new(AtomicBool::new(false));
    let is_slow = slow.clone();
    let member = Script::start(move |_, mut wire| {
        while wire.next_head().is_some() {
            if is_slow.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(400)); // slow, by the budget
            }
            answer(&mut wire);
        }
    });
    let links = "links: { pipeline: 32, pipeline_budget: 100ms }";
    let proxy = Setup::new().workers(1).backend(links).before_one(member.address);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // So few that the member cannot be thought to be busy.
        for _ in 0..2 {
            scope.spawn(|| {
                let mut client = proxy.client();
                while !done.load(Ordering::SeqCst) {
                    client.get("/");
                }
            });
        }
        let followed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..2 {
                slow.store(false, Ordering::SeqCst);
                eventually("quick answers share links", || depth(&proxy) > 1);
                slow.store(true, Ordering::SeqCst);
                eventually("slow ones do not", || depth(&proxy) == 1);
            }
        }));
        done.store(true, Ordering::SeqCst);
        followed.unwrap_or_else(|why| std::panic::resume_unwind(why));
    });
}
