//! Tests that the metrics agree with what went in and out (I1, I2, I5, I8, I9 and I10; each assertion names its own).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::headers::{take_v2, v1};
use crate::support::scrape::Scrape;
use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup};
use crate::support::wire::Wire;
use crate::tcp::given::{are_one, pair, stand, tcp};
use crate::tcp::stream::Random;

/// How a connection ends, after all that is to be said has been heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Last {
    ClientFin,
    MemberFin,
    ClientReset,
    MemberReset,
}

const LAST: [Last; 4] = [Last::ClientFin, Last::MemberFin, Last::ClientReset, Last::MemberReset];

/// What members counted by themselves.
#[derive(Default)]
struct Counted {
    received: AtomicU64,
    sent: AtomicU64,
}

/// A member: hears 9 bytes of what is to be (bytes up, bytes down, the end), and does it.
fn member(counted: &Arc<Counted>, has_header: bool) -> Script {
    let counted = counted.clone();
    Script::start(move |_, mut link| {
        let mut header = 0;
        if has_header {
            header = take_v2(&mut link).len;
        }
        let plan = link.take(9);
        let number = |at: usize| u32::from_be_bytes(plan[at..at + 4].try_into().unwrap()) as usize;
        let (up, down, last) = (number(0), number(4), LAST[usize::from(plan[8])]);
        link.take(up);
        link.send(vec![b'd'; down]);
        assert_eq!(link.take(1), b"!", "the client has heard all");
        counted.received.fetch_add((header + 10 + up) as u64, Ordering::SeqCst);
        counted.sent.fetch_add(down as u64, Ordering::SeqCst);
        match last {
            Last::ClientFin => link.is_over(),
            Last::MemberFin => link.finish().is_over(),
            Last::ClientReset => assert!(link.rest_and_reset().1),
            Last::MemberReset => link.reset(),
        }
    })
}

/// A client; tells how many bytes it has sent and received.
fn client(mut wire: Wire, header: &str, (up, down, last): (usize, usize, Last)) -> (u64, u64) {
    let mut plan = [(up as u32).to_be_bytes(), (down as u32).to_be_bytes()].concat();
    plan.push(LAST.iter().position(|l| *l == last).unwrap() as u8);
    wire.send(header).send(plan).send(vec![b'u'; up]);
    wire.take(down);
    wire.send("!");
    match last {
        Last::ClientFin => wire.finish().is_over(),
        Last::MemberFin => wire.is_over(),
        // It must not overtake what was sent before; the member says so by nothing but having read it.
        Last::ClientReset => {
            std::thread::sleep(std::time::Duration::from_millis(30));
            wire.reset();
        }
        Last::MemberReset => assert!(wire.rest_and_reset().1),
    }
    ((header.len() + 10 + up) as u64, down as u64)
}

#[track_caller]
fn hold(s: &Scrape) {
    let open = s.sum("penstock_client_connections");
    let accepted = s.sum("penstock_client_connections_accepted_total");
    assert_eq!(accepted - s.sum("penstock_client_connections_closed_total"), open, "I1");
    assert_eq!(s.sum("penstock_worker_connections"), open);
    let opened = s.sum("penstock_backend_connections_opened_total");
    let connecting = s.sum_of("penstock_backend_connections", &["state=\"connecting\""]);
    let standing = s.sum("penstock_backend_connections") - connecting;
    assert_eq!(opened - s.sum("penstock_backend_connections_closed_total"), standing, "I2");
    assert_eq!((s.sum("penstock_pool_waiting"), s.sum("penstock_requests_in_flight")), (0, 0), "I8");
    assert_eq!(s.sum("penstock_affinity_lookups_total"), accepted, "I9");
    assert_eq!(s.sum("penstock_member_sources"), s.sum("penstock_affinity_entries"), "I10");
    assert_eq!(s.sum("penstock_affinity_entries"), 0, "nobody is there");
    assert_eq!(s.sum("penstock_client_connection_duration_seconds_count"), accepted - open);
}

struct Load {
    seed: u64,
    clients: usize,
    rounds: usize,
    proxy_in: bool,
    proxy_out: bool,
}

/// Random connections, many at once; gives what the proxy and the two sides counted.
fn load(setup: &Setup, load: &Load) -> (Proxy, [u64; 4], [u64; 4]) {
    println!("seed {:#x}", load.seed);
    let counted = Arc::new(Counted::default());
    let members: Vec<_> = (0..3).map(|_| member(&counted, load.proxy_out)).collect();
    let named: Vec<_> =
        ["a", "b", "c"].map(str::to_owned).into_iter().zip(members.iter().map(|m| m.address)).collect();
    let proxy = setup.before(&named);
    let (sent, received) = (AtomicU64::new(0), AtomicU64::new(0));
    let ends: [AtomicU64; 4] = Default::default();
    std::thread::scope(|scope| {
        for i in 0..load.clients {
            let (proxy, sent, received, ends) = (&proxy, &sent, &received, &ends);
            scope.spawn(move || {
                let mut random = Random::new(load.seed << 16 | i as u64);
                for _ in 0..load.rounds {
                    let host = 1 + random.below(30) as u8;
                    let header = if load.proxy_in {
                        v1(&format!("127.61.0.{host}:1"), "127.0.0.1:2")
                    } else {
                        String::new()
                    };
                    let last = random.below(4);
                    let plan = (random.below(20_000), random.below(200_000), LAST[last]);
                    let wire = proxy.client_from([127, 60, 0, host]);
                    let (s, r) = client(wire, &header, plan);
                    sent.fetch_add(s, Ordering::SeqCst);
                    received.fetch_add(r, Ordering::SeqCst);
                    ends[last].fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    drop(members);
    let now = |of: &AtomicU64| of.load(Ordering::SeqCst);
    let bytes = [now(&sent), now(&received), now(&counted.received), now(&counted.sent)];
    (proxy, bytes, ends.map(|of| of.into_inner()))
}

#[track_caller]
fn all_equal(setup: &Setup, plan: &Load) {
    let (proxy, bytes, ends) = load(setup, plan);
    let s = proxy.at_rest();
    hold(&s);
    let counted = [
        "penstock_client_received_bytes_total",
        "penstock_client_sent_bytes_total",
        "penstock_backend_sent_bytes_total",
        "penstock_backend_received_bytes_total",
    ];
    assert_eq!(counted.map(|name| s.sum(name) as u64), bytes, "I5");
    let total = (plan.clients * plan.rounds) as i64;
    assert_eq!(s.sum("penstock_client_connections_accepted_total"), total);
    let of = |name, label: &str| s.sum_of(name, &[label]) as u64;
    let by_client = |reason: &str| of("penstock_client_connections_closed_total", reason);
    let by_member = |reason: &str| of("penstock_backend_connections_closed_total", reason);
    let [client_fin, member_fin, client_reset, member_reset] = ends;
    assert_eq!(by_client("reason=\"client\""), client_fin);
    assert_eq!(by_client("reason=\"server_close\""), member_fin);
    assert_eq!(by_client("reason=\"error\""), client_reset + member_reset);
    assert_eq!(by_member("reason=\"client_abort\""), client_reset);
    assert_eq!(by_member("reason=\"error\""), member_reset);
    assert_eq!(by_member("reason=\"pinned\"") + by_member("reason=\"origin\""), client_fin + member_fin);
    assert_eq!(of("penstock_request_errors_total", "cause=\"client_abort\""), client_reset);
    assert_eq!(of("penstock_request_errors_total", "cause=\"backend_reset\""), member_reset);
    assert_eq!(s.sum("penstock_request_errors_total") as u64, client_reset + member_reset);
    let acquired = |result: &str| s.sum_of("penstock_pool_acquires_total", &[result]);
    assert_eq!(acquired("result=\"opened\"") + acquired("result=\"reused\""), total);
    assert_eq!(s.sum("penstock_pool_wait_seconds_count"), total);
}

#[test]
fn all_numbers_agree_after_a_random_load() {
    let plain = Load { seed: 0x5eed_0031, clients: 40, rounds: 15, proxy_in: false, proxy_out: false };
    all_equal(&tcp().workers(2), &plain);
    all_equal(
        &tcp().workers(3).backend("links: { max_per_member: 5 }"),
        &Load { seed: 0x5eed_0032, ..plain },
    );
}

#[test]
fn tunnels_are_counted_while_they_are_open() {
    let (proxy, member) = stand(&tcp());
    let mut open: Vec<_> = (0..30).map(|_| pair(&proxy, &member)).collect();
    open.iter_mut().for_each(|(client, link)| are_one(client, link));
    let s = proxy.scrape();
    for name in ["penstock_client_connections", "penstock_backend_connections"] {
        assert_eq!((s.sum_of(name, &["state=\"tunnel\""]), s.sum(name)), (30, 30), "{name}");
    }
    assert_eq!(s.sum("penstock_client_connections_closed_total"), 0, "I1");
    assert_eq!(s.sum("penstock_backend_connections_closed_total"), 0, "I2");
    assert_eq!((s.sum("penstock_requests_total"), s.sum("penstock_backend_requests_total")), (0, 0));
    let workers = ["worker=\"0\"", "worker=\"1\""].map(|w| s.sum_of("penstock_worker_connections", &[w]));
    assert_eq!(workers, [15, 15], "each worker has its half");
    drop(open);
    hold(&proxy.at_rest());
}

#[test]
fn headers_are_counted_to_the_byte() {
    let told = Load { seed: 0x5eed_0033, clients: 30, rounds: 10, proxy_in: true, proxy_out: true };
    let setup = tcp().listener("proxy_protocol: required").listener("trusted: any");
    all_equal(&setup.backend("proxy_protocol: v2"), &told);
}
