//! A member that fails the requests of clients is ejected for a time, but never so many that too few are left.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup};
use crate::support::wire::{Wire, eventually, request};

/// A member that does with each request what the test says last.
struct Moody {
    address: SocketAddr,
    script: Option<Script>,
    mood: Arc<AtomicU8>,
}

/// It answers 200.
const FINE: u8 = 0;
/// It answers 500.
const FAILS: u8 = 1;
/// It is stopped: the kernel takes connections and requests, and the answers come when it goes on.
const STOPPED: u8 = 2;
/// It closes the connection without an answer.
const CLOSES: u8 = 3;

impl Moody {
    fn start(name: &'static str) -> Self {
        let mood = Arc::new(AtomicU8::new(FINE));
        let now = mood.clone();
        let script = Script::start(move |_, mut wire| {
            while wire.next_head().is_some() {
                while now.load(Ordering::SeqCst) == STOPPED {
                    std::thread::sleep(Duration::from_millis(5));
                }
                let status = match now.load(Ordering::SeqCst) {
                    CLOSES => return,
                    FAILS => 500,
                    _ => 200,
                };
                let answer = format!("HTTP/1.1 {status} x\r\nX-Member: {name}\r\nContent-Length: 0\r\n\r\n");
                // The proxy may have closed meanwhile.
                if wire.stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
        });
        Self { address: script.address, script: Some(script), mood }
    }

    fn is(&self, mood: u8) {
        self.mood.store(mood, Ordering::SeqCst);
    }

    /// It closes its connections when they are used next, and accepts no more.
    fn goes_away(&mut self) {
        self.is(CLOSES);
        self.script = None;
    }
}

/// Threads of connections end when it goes on.
impl Drop for Moody {
    fn drop(&mut self) {
        self.is(FINE);
    }
}

fn two() -> [Moody; 2] {
    ["a", "b"].map(Moody::start)
}

fn addresses(members: &[Moody]) -> Vec<(String, SocketAddr)> {
    let names = ["a", "b", "c"].map(str::to_owned);
    names.into_iter().zip(members.iter().map(|member| member.address)).collect()
}

/// For longer than any test runs.
const FOR_LONG: &str =
    "ejection: { failures: 50%, volume: 10, window: 1m, base_time: 1h, max_time: 1h, keep: 50% }";
/// For a second, or two.
const BRIEFLY: &str = "ejection: { failures: 50%, volume: 10, window: 1m, base_time: 1s, max_time: 2s }";

const SOURCES: u8 = 60;

fn clients(proxy: &Proxy) -> Vec<Wire> {
    (1..=SOURCES).map(|i| proxy.client_from([127, 9, 2, i])).collect()
}

/// The status and the member that each client gets.
fn ask(clients: &mut [Wire]) -> Vec<(u16, String)> {
    clients
        .iter_mut()
        .map(|client| {
            let answer = client.get("/hello");
            (answer.status, answer.member())
        })
        .collect()
}

fn homes(clients: &mut [Wire]) -> Vec<String> {
    let homes: Vec<_> = ask(clients).into_iter().map(|(_, member)| member).collect();
    assert_eq!(homes.iter().collect::<BTreeSet<_>>().len(), 2, "both have sources");
    homes
}

fn is_ejected(proxy: &Proxy, member: &str) -> bool {
    proxy.is_in_state(member, "ejected")
}

fn ejections(proxy: &Proxy, member: &str) -> i64 {
    proxy.sum_of("penstock_member_ejections_total", &[&format!("member=\"{member}\"")])
}

fn failures(proxy: &Proxy, cause: &str) -> i64 {
    proxy.sum_of("penstock_backend_request_failures_total", &[&format!("cause=\"{cause}\"")])
}

#[test]
fn a_member_that_answers_500_next_to_a_healthy_one_is_ejected() {
    let members = two();
    let proxy = Setup::new().backend(FOR_LONG).before(&addresses(&members));
    let mut clients = clients(&proxy);
    let homes = homes(&mut clients);
    members[1].is(FAILS);
    eventually("everybody gets 200", || {
        let answers = ask(&mut clients);
        for (home, (_, member)) in homes.iter().zip(&answers) {
            assert!(home == "b" || home == member, "{home} is healthy, yet its source met {member}");
        }
        answers.iter().all(|(status, _)| *status == 200)
    });
    assert!(is_ejected(&proxy, "b") && !is_ejected(&proxy, "a"));
    assert_eq!([ejections(&proxy, "a"), ejections(&proxy, "b")], [0, 1]);
    eventually("its idle links are closed", || {
        proxy.sum_of("penstock_backend_connections", &["member=\"b\""]) == 0
    });
}

#[test]
fn a_member_that_is_stopped_is_ejected() {
    let members = two();
    let setup = Setup::new().backend(FOR_LONG).backend("response_timeout: 300ms");
    let proxy = setup.before(&addresses(&members));
    homes(&mut clients(&proxy));
    members[1].is(STOPPED);
    eventually("everybody gets 200", || {
        let mut clients = clients(&proxy);
        // A client may be closed behind a 504, so each asks once.
        clients.iter_mut().all(|client| client.get("/hello").status == 200)
    });
    assert_eq!([ejections(&proxy, "a"), ejections(&proxy, "b")], [0, 1]);
    assert!(failures(&proxy, "timeout") >= 10 && failures(&proxy, "reset") == 0);
}

#[test]
fn a_member_that_closes_instead_of_answering_is_ejected() {
    let members = two();
    let proxy = Setup::new().backend(FOR_LONG).before(&addresses(&members));
    homes(&mut clients(&proxy));
    members[1].is(CLOSES);
    eventually("everybody gets 200", || {
        clients(&proxy).iter_mut().all(|client| client.get("/hello").status == 200)
    });
    assert_eq!([ejections(&proxy, "a"), ejections(&proxy, "b")], [0, 1]);
    assert!(failures(&proxy, "reset") >= 10 && failures(&proxy, "timeout") == 0);
}

#[test]
fn answers_of_500_are_no_failures_if_the_operator_says_so() {
    let members = two();
    let line = FOR_LONG.replace(" }", ", server_errors: false }");
    let proxy = Setup::new().backend(&line).before(&addresses(&members));
    let mut clients = clients(&proxy);
    homes(&mut clients);
    members[1].is(FAILS);
    for _ in 0..10 {
        assert!(ask(&mut clients).iter().any(|(status, _)| *status == 500));
        std::thread::sleep(Duration::from_millis(300)); // so that it is judged in between
    }
    assert_eq!(ejections(&proxy, "b"), 0);
}

#[test]
fn a_member_that_returns_serves_its_own_sources_and_nobody_else_moves() {
    let members = two();
    let proxy = Setup::new().backend(BRIEFLY).before(&addresses(&members));
    let mut clients = clients(&proxy);
    let homes = homes(&mut clients);
    members[1].is(FAILS);
    eventually("it is ejected", || {
        ask(&mut clients);
        ejections(&proxy, "b") == 1
    });
    members[1].is(FINE);
    let expected: Vec<_> = homes.iter().map(|home| (200, home.clone())).collect();
    eventually("all are at home again", || {
        let answers = ask(&mut clients);
        for (home, (_, member)) in homes.iter().zip(&answers) {
            assert!(home == "b" || home == member, "{home} is healthy, yet its source met {member}");
        }
        answers == expected
    });
    assert!(!is_ejected(&proxy, "b"));
    assert_eq!(ejections(&proxy, "b"), 1, "what happened before does not count again");
}

#[test]
fn a_member_that_goes_on_failing_is_ejected_again_and_again() {
    let members = two();
    let proxy = Setup::new().backend(BRIEFLY).before(&addresses(&members));
    let mut clients = clients(&proxy);
    homes(&mut clients);
    members[1].is(FAILS);
    let mut returned = 0;
    let mut was_met = true;
    eventually("it has been ejected three times", || {
        let is_met = ask(&mut clients).iter().any(|(status, _)| *status == 500);
        returned += u32::from(is_met && !was_met);
        was_met = is_met;
        ejections(&proxy, "b") == 3
    });
    assert_eq!(returned, 2, "each ejection ends");
}

#[test]
fn where_all_fail_enough_members_stay() {
    let members = two();
    let proxy = Setup::new().backend(FOR_LONG).before(&addresses(&members));
    let mut clients = clients(&proxy);
    homes(&mut clients);
    members.iter().for_each(|member| member.is(FAILS));
    eventually("one is ejected", || {
        ask(&mut clients);
        ejections(&proxy, "a") + ejections(&proxy, "b") == 1
    });
    for _ in 0..10 {
        assert!(ask(&mut clients).iter().all(|(status, _)| *status == 500), "the answer of the other one");
        std::thread::sleep(Duration::from_millis(300)); // so that it is judged in between
    }
    assert_eq!(ejections(&proxy, "a") + ejections(&proxy, "b"), 1);
    assert_eq!(u8::from(is_ejected(&proxy, "a")) + u8::from(is_ejected(&proxy, "b")), 1);
}

/// The last one that was up goes away, and the ejected one is better than none.
#[test]
fn an_ejected_member_is_recalled_when_the_others_are_gone() {
    let mut members = two();
    let proxy = Setup::new().backend(FOR_LONG).before(&addresses(&members));
    homes(&mut clients(&proxy));
    members[1].is(FAILS);
    eventually("b is ejected", || {
        clients(&proxy).iter_mut().for_each(|client| _ = client.get("/hello"));
        is_ejected(&proxy, "b")
    });
    members[1].is(FINE);
    members[0].goes_away();
    eventually("b is recalled", || {
        clients(&proxy).iter_mut().for_each(|client| _ = client.get("/hello"));
        proxy.is_in_state("a", "down") && !is_ejected(&proxy, "b")
    });
    assert!(ask(&mut clients(&proxy)).iter().all(|(status, member)| *status == 200 && member == "b"));
}

#[test]
fn a_reload_keeps_the_ejection_of_a_member_that_stays_and_no_other() {
    let members = two();
    let (with, without) = (Setup::new().backend(FOR_LONG), Setup::new());
    let both = addresses(&members);
    let mut proxy = with.before(&both);
    let eject = |proxy: &Proxy, times: i64| {
        eventually("it is ejected", || {
            clients(proxy).iter_mut().for_each(|client| _ = client.get("/hello"));
            ejections(proxy, "b") == times
        });
        eventually("that is known", || is_ejected(proxy, "b"));
    };
    members[1].is(FAILS);
    eject(&proxy, 1);
    proxy.reload(&with.clone().backend("queue: { timeout: 9s }").text(&both)).unwrap();
    proxy.reload(&Setup::new().backend(&FOR_LONG.replace("50%, v", "40%, v")).text(&both)).unwrap();
    for _ in 0..10 {
        assert!(is_ejected(&proxy, "b"));
        assert!(clients(&proxy).iter_mut().all(|client| client.get("/hello").status == 200));
        std::thread::sleep(Duration::from_millis(300)); // so that it is judged in between
    }
    proxy.reload(&without.text(&both)).unwrap();
    eventually("without ejection it is up", || !is_ejected(&proxy, "b"));
    assert!(clients(&proxy).iter_mut().any(|client| client.get("/hello").status == 500));

    proxy.reload(&with.text(&both)).unwrap();
    eject(&proxy, 2);
    proxy.reload(&with.text(&both[..1])).unwrap();
    members[1].is(FINE);
    proxy.reload(&with.text(&both)).unwrap();
    eventually("a member that was away is up", || !is_ejected(&proxy, "b"));
    assert_eq!(homes(&mut clients(&proxy)).len(), usize::from(SOURCES));
    assert_eq!(ejections(&proxy, "b"), 2, "the count goes on");
}

#[test]
fn clients_that_leave_speak_against_nobody_and_late_answers_do() {
    let members = two();
    let ask_and_leave = |proxy: &Proxy| {
        let mut clients = clients(proxy);
        clients.iter_mut().for_each(|client| _ = client.send(request("GET", "/hello")));
        eventually("they wait", || proxy.sum("penstock_requests_in_flight") > 0);
    };
    members.iter().for_each(|member| member.is(STOPPED));
    let setup = Setup::new().backend(FOR_LONG);
    let proxy = setup.clone().backend("response_timeout: 60s").before(&addresses(&members));
    ask_and_leave(&proxy);
    members.iter().for_each(|member| member.is(FINE));
    proxy.at_rest();
    assert_eq!(proxy.sum("penstock_backend_request_failures_total"), 0);
    drop(proxy);

    members.iter().for_each(|member| member.is(STOPPED));
    let proxy = setup.backend("response_timeout: 300ms").before(&addresses(&members));
    ask_and_leave(&proxy);
    eventually("late answers count", || failures(&proxy, "timeout") > 0);
}

#[test]
fn a_tcp_member_that_resets_connections_is_ejected() {
    let is_fine = Arc::new(AtomicU8::new(FINE));
    let start = |name: &'static str, mood: Arc<AtomicU8>| {
        Script::start(move |_, mut wire| {
            while wire.try_take(4).is_some() {
                if mood.load(Ordering::SeqCst) != FINE {
                    return wire.reset();
                }
                wire.send(name);
            }
        })
    };
    let scripts = [start("a!", is_fine.clone()), start("b!", Arc::new(AtomicU8::new(FINE)))];
    let text = format!(
        "admin: off\nworkers: 2\nlisteners:\n  web: {{ bind: \"127.0.0.1:0\", protocol: tcp, backend: app }}\n\
         backends:\n  app:\n    {FOR_LONG}\n    members: {{ a: \"{}\", b: \"{}\" }}\n",
        scripts[0].address, scripts[1].address
    );
    let proxy = Proxy::run(&text);
    let met = || -> Vec<_> {
        let meets = |mut client: Wire| client.send("word").try_take(2).unwrap_or_default();
        clients(&proxy).into_iter().map(meets).collect()
    };
    assert_eq!(met().iter().collect::<BTreeSet<_>>().len(), 2);
    is_fine.store(FAILS, Ordering::SeqCst);
    eventually("everybody meets b", || met().iter().all(|name| name == b"b!"));
    assert_eq!([ejections(&proxy, "a"), ejections(&proxy, "b")], [1, 0]);
    is_fine.store(FINE, Ordering::SeqCst);
}
