//! A member whose checks fail is left although it accepts connections, and met again when they succeed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::own_address::own_address;
use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup, member_at};
use crate::support::wire::{Wire, eventually, members_of};

/// A member that answers everything, and `/healthz` with the status that is set.
struct Patient {
    script: Script,
    status: Arc<AtomicU16>,
    checks: Arc<AtomicUsize>,
}

impl Patient {
    fn start(name: &'static str) -> Self {
        let (status, checks) = (Arc::new(AtomicU16::new(200)), Arc::new(AtomicUsize::new(0)));
        let (answer, count) = (status.clone(), checks.clone());
        let script = Script::start(move |_, mut wire| {
            while let Some(head) = wire.next_head() {
                let asks = head.starts_with("GET /healthz ");
                count.fetch_add(asks.into(), Ordering::SeqCst);
                let status = if asks { answer.load(Ordering::SeqCst) } else { 200 };
                wire.send(format!("HTTP/1.1 {status} x\r\nX-Member: {name}\r\nContent-Length: 0\r\n\r\n"));
            }
        });
        Self { script, status, checks }
    }

    fn says(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }
}

const CHECKED: &str =
    "health: { check: http, path: /healthz, interval: 20ms, timeout: 5s, rise: 2, fall: 2 }";

fn before(setup: &Setup, patients: &[Patient]) -> Proxy {
    let names = ["a", "b", "c"].map(str::to_owned);
    let members: Vec<_> = names.into_iter().zip(patients.iter().map(|p| p.script.address)).collect();
    let mut proxy = setup.before(&members);
    proxy.shares_its_members(); // with the connections of checks
    proxy
}

fn down(proxy: &Proxy, member: &str) -> bool {
    proxy.is_in_state(member, "down")
}

#[test]
fn a_member_that_answers_500_is_left_and_met_again_when_it_is_well() {
    let patients = ["a", "b", "c"].map(Patient::start);
    let proxy = before(&Setup::new().backend(CHECKED), &patients);
    let mut clients: Vec<_> = (1..=30).map(|i| proxy.client_from([127, 9, 0, i])).collect();
    let at_first = members_of(&mut clients);
    assert_eq!(at_first.iter().collect::<BTreeSet<_>>().len(), 3);

    patients[1].says(500);
    eventually("b is down", || down(&proxy, "b"));
    eventually("nobody meets b", || !members_of(&mut clients).contains(&"b".to_owned()));
    let meanwhile = members_of(&mut clients);
    for (first, now) in at_first.iter().zip(&meanwhile) {
        assert!(first == "b" || first == now, "{first} is well, yet its source met {now}");
    }
    eventually("its idle links are closed", || {
        proxy.sum_of("penstock_backend_connections", &["member=\"b\""]) == 0
    });
    assert!(proxy.sum_of("penstock_health_checks_total", &["member=\"b\"", "result=\"status\""]) >= 2);

    patients[1].says(204);
    eventually("all are at home again", || members_of(&mut clients) == at_first);
    assert!(!down(&proxy, "b"));
    assert_eq!(proxy.sum("penstock_request_errors_total"), 0, "no client has noticed");
}

/// One task checks a member, however many workers there are.
#[test]
fn a_member_is_checked_once_for_the_process() {
    let patients = [Patient::start("a")];
    let proxy = before(&Setup::new().workers(4).backend(CHECKED), &patients);
    eventually("there are some", || patients[0].checks.load(Ordering::SeqCst) > 20);
    let seen = patients[0].checks.load(Ordering::SeqCst) as i64;
    let counted = proxy.sum("penstock_health_checks_total");
    // One may be under way, and some may have followed.
    assert!(counted + 1 >= seen, "{seen} came, {counted} were made");
}

#[test]
fn while_all_are_down_clients_are_served_or_refused_as_the_operator_says() {
    for (all_down, status) in [("try", 200), ("refuse", 503)] {
        let patients = ["a", "b"].map(Patient::start);
        let checked = CHECKED.replace(" }", &format!(", all_down: {all_down} }}"));
        let proxy = before(&Setup::new().backend(&checked), &patients);
        let mut client = proxy.client();
        let home = client.get("/hello").member();
        patients.iter().for_each(|patient| patient.says(503));
        eventually("both are down", || down(&proxy, "a") && down(&proxy, "b"));
        let answer = client.get("/hello");
        assert_eq!(answer.status, status, "{all_down}");
        match all_down {
            "try" => assert_eq!(answer.member(), home, "they try their own member"),
            _ => assert_eq!(proxy.errors("no_member"), 1),
        }
        patients[0].says(200);
        eventually("one is well again", || proxy.client().get("/hello").status == 200);
    }
}

/// A member may fail its checks before a client finds that nobody listens there. Both reasons must end, without any client.
#[test]
fn a_member_whose_checks_fail_first_and_that_is_away_comes_back() {
    let at = own_address();
    let checked = "health: { check: connect, interval: 20ms, timeout: 5s, rise: 2, fall: 2 }";
    let brief = "links: { max_per_member: auto, connect_timeout: 100ms }";
    let mut proxy = Setup::new().backend(checked).backend(brief).before_one(at);
    proxy.shares_its_members();
    eventually("its checks fail", || down(&proxy, "a"));
    assert_eq!(proxy.client().get("/hello").status, 503);
    assert!(proxy.sum("penstock_backend_connect_errors_total") > 0, "the client tried it all the same");
    let _member = member_at("a", at);
    eventually("it is up", || !down(&proxy, "a"));
}

#[test]
fn a_reload_takes_checks_and_their_verdicts_away_and_brings_them_back() {
    let patients = ["a", "b"].map(Patient::start);
    let (with, without) = (Setup::new().backend(CHECKED), Setup::new());
    let mut proxy = before(&with, &patients);
    let member = |i: usize| (["a", "b"][i].to_owned(), patients[i].script.address);
    patients[1].says(404);
    eventually("b is down", || down(&proxy, "b"));
    proxy.reload(&without.text(&[member(0), member(1)])).unwrap();
    eventually("nobody says so any more", || !down(&proxy, "b"));
    proxy.reload(&with.text(&[member(0), member(1)])).unwrap();
    eventually("b is down again", || down(&proxy, "b"));
    proxy.reload(&with.text(&[member(0)])).unwrap();
    proxy.reload(&with.text(&[member(0), member(1)])).unwrap();
    eventually("and again", || down(&proxy, "b"));
    let more = CHECKED.replace("fall: 2", "fall: 3");
    proxy.reload(&Setup::new().backend(&more).text(&[member(0), member(1)])).unwrap();
    assert!(down(&proxy, "b"), "another check does not begin with the opposite verdict");
    patients[1].says(200);
    eventually("b is well", || !down(&proxy, "b"));
}

/// A check, and what members say that it finds well or not.
struct Case {
    check: &'static str,
    /// The bytes that the member gets; none for a head of HTTP.
    asked: Option<&'static str>,
    well: &'static str,
    ill: &'static str,
    result: &'static str,
}

const PING: Option<&str> = Some("*1\r\n$4\r\nPING\r\n");

#[test]
fn each_kind_of_check_tells_well_from_ill() {
    let cases = [
        Case {
            check: "check: http, expect: all is well, path: \"/h?x=1\", host: health.example",
            asked: None,
            well: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nall is\r\n5\r\n well\r\n0\r\n\r\n",
            ill: "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nall is lost",
            result: "content",
        },
        Case {
            check: "check: http, status: 200-299",
            asked: None,
            well: "HTTP/1.1 204 No Content\r\n\r\n",
            ill: "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
            result: "status",
        },
        Case {
            check: "check: http",
            asked: None,
            well: "HTTP/1.1 399 x\r\nContent-Length: 0\r\n\r\n",
            ill: "SSH-2.0-x\r\n\r\n",
            result: "malformed",
        },
        Case {
            check: "check: http",
            asked: None,
            well: "HTTP/1.0 200 OK\r\n\r\nto the end",
            ill: "",
            result: "closed",
        },
        Case {
            check: "check: ping",
            asked: PING,
            well: "+PONG\r\n",
            ill: "-LOADING x\r\n",
            result: "content",
        },
        Case {
            check: "check: ping",
            asked: PING,
            well: "-NOAUTH Authentication required.\r\n",
            ill: "",
            result: "closed",
        },
        Case {
            check: "check: bytes, send: \"HELO\\r\\n\", expect: hex:32353020",
            asked: Some("HELO\r\n"),
            well: "220 hi\r\n250 ok\r\n",
            ill: "220 hi\r\n550 no\r\n",
            result: "content",
        },
    ];
    for case in &cases {
        let is_well = Arc::new(AtomicUsize::new(1));
        let (well, ill, wellness, asked) = (case.well, case.ill, is_well.clone(), case.asked);
        let script = Script::start(move |_, mut wire| {
            match asked {
                None => _ = wire.next_head(),
                Some(asked) => {
                    assert!(wire.try_take(asked.len()).is_none_or(|came| came == asked.as_bytes()))
                }
            }
            wire.send(if wellness.load(Ordering::SeqCst) == 1 { well } else { ill });
        });
        let health = format!("health: {{ {}, interval: 10ms, timeout: 5s, rise: 1, fall: 1 }}", case.check);
        let mut proxy = Setup::new().backend(&health).before_one(script.address);
        proxy.shares_its_members();
        let ok = || proxy.sum_of("penstock_health_checks_total", &["result=\"ok\""]);
        eventually("a check succeeds", || ok() > 0);
        is_well.store(0, Ordering::SeqCst);
        eventually(&format!("{}: it is down", case.check), || down(&proxy, "a"));
        let label = format!("result=\"{}\"", case.result);
        assert!(proxy.sum_of("penstock_health_checks_total", &[&label]) > 0, "{}: {label}", case.check);
        is_well.store(1, Ordering::SeqCst);
        eventually(&format!("{}: it is up", case.check), || !down(&proxy, "a"));
    }
}

/// A member that is stopped still accepts connections: the kernel does that.
#[test]
fn a_member_that_only_accepts_fails_a_check_that_asks_it_something() {
    let script = Script::start(|_, mut wire| while wire.next_head().is_some() {});
    let health = "health: { check: http, interval: 10ms, timeout: 50ms, rise: 1, fall: 1 }";
    let mut proxy = Setup::new().backend(health).before_one(script.address);
    proxy.shares_its_members();
    eventually("it is down", || down(&proxy, "a"));
    assert!(proxy.sum_of("penstock_health_checks_total", &["result=\"timeout\""]) > 0);
}

/// The checks of tcp members say PROXY LOCAL first where links begin with a PROXY header.
#[test]
fn a_check_introduces_itself_where_links_do() {
    let heads: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let seen = heads.clone();
    let script = Script::start(move |_, mut wire| {
        let head = wire.try_take(16).unwrap_or_default();
        wire.send("ready\n");
        seen.lock().unwrap().push(head);
    });
    let text = format!(
        "admin: off\nworkers: 2\nlisteners:\n  web: {{ bind: \"127.0.0.1:0\", protocol: tcp, backend: app }}\n\
         backends:\n  app:\n    proxy_protocol: v2\n    members: {{ a: \"{}\" }}\n\
         \x20   health: {{ check: bytes, expect: ready, interval: 10ms, timeout: 5s }}\n",
        script.address
    );
    let mut proxy = Proxy::run(&text);
    proxy.shares_its_members();
    eventually("a check succeeds", || proxy.sum_of("penstock_health_checks_total", &["result=\"ok\""]) > 0);
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    assert!(heads.lock().unwrap().iter().any(|head| head == local));
}

/// New clients of TCP go elsewhere, and those that are connected stay.
#[test]
fn clients_of_tcp_leave_a_member_that_is_down_alone() {
    let well = Arc::new(AtomicU16::new(1));
    let start = |name: &'static str, well: Arc<AtomicU16>| {
        Script::start(move |_, mut wire| {
            while let Some(asked) = wire.try_take(4) {
                let is_check = asked == b"well" && well.load(Ordering::SeqCst) == 0;
                wire.send(if is_check { "no" } else { name });
            }
        })
    };
    let scripts = [start("a!", well.clone()), start("b!", Arc::new(AtomicU16::new(1)))];
    let text = format!(
        "admin: off\nworkers: 2\nlisteners:\n  web: {{ bind: \"127.0.0.1:0\", protocol: tcp, backend: app }}\n\
         backends:\n  app:\n    links: {{ warm: 2 }}\n    members: {{ a: \"{}\", b: \"{}\" }}\n\
         \x20   health: {{ check: bytes, send: well, expect: \"!\", interval: 10ms, timeout: 5s }}\n",
        scripts[0].address, scripts[1].address
    );
    let mut proxy = Proxy::run(&text);
    proxy.shares_its_members();
    let meets = |client: &mut Wire| String::from_utf8(client.send("word").take(2)).unwrap();
    let mut clients: Vec<_> = (1..=20).map(|i| proxy.client_from([127, 9, 1, i])).collect();
    let first: Vec<_> = clients.iter_mut().map(meets).collect();
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 2);
    well.store(0, Ordering::SeqCst);
    eventually("a is down", || down(&proxy, "a"));
    eventually("its warm links are closed", || {
        proxy.sum_of("penstock_backend_connections", &["member=\"a\"", "state=\"idle\""]) == 0
    });
    assert_eq!(clients.iter_mut().map(meets).collect::<Vec<_>>(), first, "tunnels stay");
    for i in 1..=20 {
        assert_eq!(meets(&mut proxy.client_from([127, 9, 1, i])), "b!");
    }
}
