//! A member that no other can stand in for is waited for, since it may be back in a moment; clients are told when it is not.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::own_address::own_address;
use crate::support::stand::{Proxy, Setup, member_at, origin};
use crate::support::wire::{Wire, eventually, request};

const AWAY: Duration = Duration::from_millis(800);

/// A member that goes away may take a request with it, also the second time: it is not sent a third time. That is no refusal.
const LOST: (u16, &str) = (502, "backend_reset");

fn state(proxy: &Proxy, state: &str) -> i64 {
    proxy.sum_of("penstock_member_state", &[&format!("state=\"{state}\"")])
}

/// So many clients ask all the time, each for something else, while `meanwhile` happens. Tells how many were answered, none
/// otherwise than by a member, and what `meanwhile` returned.
fn asked_during<R>(proxy: &Proxy, clients: usize, meanwhile: impl FnOnce(&dyn Fn(usize)) -> R) -> (usize, R) {
    let (answered, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (counts, ends) = (&answered, &over);
    let stays = std::thread::scope(|scope| {
        for i in 0..clients {
            scope.spawn(move || {
                let mut client = proxy.client_from([127, 0, 1, i as u8 + 1]);
                for n in 0.. {
                    if ends.load(Ordering::SeqCst) {
                        break;
                    }
                    let id = format!("{i}-{n}");
                    let answer = client.get(&format!("/echo?tag={id}."));
                    if answer.cause() == LOST {
                        continue;
                    }
                    assert!(
                        answer.status == 200 && answer.text().contains(&format!("tag={id}.")),
                        "{answer:?}"
                    );
                    counts.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let more = |count: usize| {
            let before = counts.load(Ordering::SeqCst);
            eventually("they are answered", || counts.load(Ordering::SeqCst) >= before + count);
        };
        let stays = meanwhile(&more);
        ends.store(true, Ordering::SeqCst);
        stays
    });
    (answered.into_inner(), stays)
}

#[test]
fn nobody_is_refused_while_the_only_member_restarts() {
    let member = origin(1);
    let address = member.addresses()[0].1;
    let proxy = Setup::new().before_one(address);
    let (answered, _member) = asked_during(&proxy, 24, |more| {
        let mut member = Some(member);
        for _ in 0..3 {
            more(200);
            member.take().into_iter().for_each(drop);
            std::thread::sleep(AWAY);
            member = Some(member_at("a", address));
            more(200);
        }
        member
    });
    assert!(answered >= 1200);
    assert_eq!(proxy.at_rest().sum("penstock_request_errors_total"), proxy.errors(LOST.1));
    assert_eq!((state(&proxy, "up"), state(&proxy, "down")), (1, 0));
}

#[test]
fn who_came_while_it_was_down_is_answered_when_it_is_back() {
    let address = own_address();
    let proxy = Setup::new().backend("links: { connect_timeout: 60s }").backend("queue: { timeout: 60s }");
    let proxy = proxy.before_one(address);
    let mut clients: Vec<_> = (0..30).map(|_| proxy.client()).collect();
    for (i, client) in clients.iter_mut().enumerate() {
        match i % 3 {
            0 => client.send(request("GET", "/hello")),
            1 => client.send(request("HEAD", "/hello")),
            _ => client.send(crate::support::wire::post("/echo", b"not sent before")),
        };
    }
    eventually("they all wait", || proxy.sum("penstock_pool_waiting") == 30);
    eventually("it is seen to be down", || state(&proxy, "down") == 1);
    std::thread::sleep(AWAY);
    let _member = member_at("a", address);
    for (i, client) in clients.iter_mut().enumerate() {
        let answer = client.answer_to(if i % 3 == 1 { "HEAD" } else { "GET" });
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(i % 3 != 2 || answer.body == b"not sent before");
    }
    drop(clients);
    assert_eq!(proxy.at_rest().sum("penstock_request_errors_total"), 0);
}

/// One attempt at a time for a worker, whoever waits; the listener has gone, so each is refused at once.
#[test]
fn those_who_wait_do_not_storm_the_member() {
    let proxy = Setup::new().workers(1).backend("links: { connect_timeout: 60s }");
    let proxy = proxy.backend("queue: { timeout: 1s }").before_one(own_address());
    let mut clients: Vec<_> = (0..200).map(|_| proxy.client()).collect();
    clients.iter_mut().for_each(|client| _ = client.send(request("GET", "/hello")));
    for client in &mut clients {
        assert_eq!(client.answer().cause(), (503, "connect_refused"), "that is why nothing came of it");
    }
    let tries = proxy.sum_of("penstock_backend_connect_errors_total", &["cause=\"refused\""]);
    // A few at once before anything is known; then one after each pause, and not one for each who waits.
    assert!((5..150).contains(&tries), "{tries}");
}

#[test]
fn who_waits_in_vain_is_told_why_within_its_time() {
    let links = "links: { connect_timeout: 400ms }";
    let proxy = Setup::new().backend(links).before_one(own_address());
    let mut client = proxy.client();
    for method in ["GET", "POST"] {
        assert_eq!(client.ask(method, "/").cause(), (503, "connect_refused"));
    }
    // That of the queue, where it is shorter.
    let proxy = Setup::new().backend("links: { connect_timeout: 60s }").backend("queue: { timeout: 400ms }");
    let proxy = proxy.before_one(own_address());
    assert_eq!(proxy.client().get("/").cause(), (503, "connect_refused"));
    assert_eq!(proxy.errors("connect_refused"), 1);
    assert_eq!(proxy.sum("penstock_pool_waiting"), 0);
}

#[test]
fn no_more_wait_for_it_than_may() {
    let setup = Setup::new().workers(1).backend("links: { max_per_member: 1, connect_timeout: 2s }");
    let proxy = setup.backend("queue: { max: 3 }").before_one(own_address());
    let mut clients: Vec<_> = (0..10).map(|_| proxy.client()).collect();
    clients.iter_mut().for_each(|client| _ = client.send(request("GET", "/")));
    let mut causes: Vec<_> = clients.iter_mut().map(|c| c.answer().cause().1.to_owned()).collect();
    causes.sort();
    assert_eq!(
        causes.iter().filter(|cause| *cause == "queue_full").count(),
        6,
        "three wait for one link: {causes:?}"
    );
    assert_eq!(causes.iter().filter(|cause| *cause == "connect_refused").count(), 4, "{causes:?}");
}

/// Two addresses at which nobody listens yet.
fn two() -> [SocketAddr; 2] {
    let both = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    both.map(|listener| listener.local_addr().unwrap())
}

/// Whoever of them is back first serves all, wherever they wait.
#[test]
fn those_who_wait_go_to_the_first_member_that_is_back() {
    for first in [0, 1] {
        let addresses = two();
        let named = [("a".to_owned(), addresses[0]), ("b".to_owned(), addresses[1])];
        let setup =
            Setup::new().backend("links: { connect_timeout: 60s }").backend("queue: { timeout: 60s }");
        let proxy = setup.before(&named);
        let mut clients: Vec<_> = (1..=40).map(|i| proxy.client_from([127, 0, 2, i])).collect();
        clients.iter_mut().for_each(|client| _ = client.send(request("GET", "/hello")));
        eventually("both are seen to be down", || state(&proxy, "down") == 2);
        let _member = member_at("one", addresses[first]);
        clients.iter_mut().for_each(|client| assert_eq!(client.answer().status, 200));
        assert_eq!(state(&proxy, "up"), 1);
    }
}

/// Where another one answers, nobody waits for a member that does not.
#[test]
fn who_can_be_served_elsewhere_does_not_wait() {
    let member = origin(1);
    let named = [("a".to_owned(), own_address()), ("b".to_owned(), member.addresses()[0].1)];
    let setup = Setup::new().backend("links: { connect_timeout: 60s }").backend("queue: { timeout: 60s }");
    let proxy = setup.before(&named);
    for i in 1..=40 {
        let mut client: Wire = proxy.client_from([127, 0, 3, i]);
        assert_eq!(client.get("/hello").status, 200);
    }
}
