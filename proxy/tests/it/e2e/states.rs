//! What the operator says of a member: it drains, it is in maintenance, it is a backup.

use std::collections::BTreeSet;

use penstock_origin::Origin;

use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup, member_at, origin};
use crate::support::wire::{Wire, eventually, members_of};

/// The members a, b and c of an origin, where some have more to say than their address.
fn members(origin: &Origin, said: &[(&str, &str)]) -> String {
    let text = Setup::new().text(origin.addresses());
    let say = |text: String, (name, options): &(&str, &str)| {
        let (_, address) = origin.addresses().iter().find(|(other, _)| other == name).unwrap();
        let with_options = format!("{name}: {{ address: \"{address}\", {options} }}");
        text.replace(&format!("{name}: \"{address}\""), &with_options)
    };
    said.iter().fold(text, say)
}

#[test]
fn a_member_that_drains_keeps_its_sources_and_takes_no_new_one() {
    let origin = origin(3);
    let mut proxy = Proxy::run(&members(&origin, &[]));
    let mut clients: Vec<_> = (1..=60).map(|i| proxy.client_from([127, 9, 1, i])).collect();
    let at_first = members_of(&mut clients);
    proxy.reload(&members(&origin, &[("b", "state: drain")])).unwrap();
    eventually("b drains", || proxy.is_in_state("b", "drain"));
    assert_eq!(members_of(&mut clients), at_first, "who is there stays, and nobody else moves");
    let of_b: Vec<_> = (1..=60).filter(|i| at_first[usize::from(*i) - 1] == "b").collect();
    for i in &of_b {
        assert_eq!(proxy.client_from([127, 9, 1, *i]).get("/hello").member(), "b", "its source is there");
    }
    let mut strangers: Vec<_> = (1..=60).map(|i| proxy.client_from([127, 9, 2, i])).collect();
    let met: BTreeSet<_> = members_of(&mut strangers).into_iter().collect();
    assert_eq!(met, ["a", "c"].map(str::to_owned).into(), "strangers go elsewhere");

    // A reload that changes something else leaves the sources where they are.
    proxy.reload(&members(&origin, &[("b", "state: drain"), ("c", "drain_for: 1h")])).unwrap();
    assert_eq!(members_of(&mut clients), at_first);
    // A source whose last client has gone is a stranger, too.
    let gone = of_b[0];
    clients.remove(usize::from(gone) - 1).finish().is_over();
    eventually("it is gone", || proxy.client_from([127, 9, 1, gone]).get("/hello").member() != "b");

    proxy.reload(&members(&origin, &[])).unwrap();
    assert!(proxy.is_in_state("b", "up"));
    assert_eq!(proxy.client_from([127, 9, 1, gone]).get("/hello").member(), "b", "it is as it was");
    assert_eq!(proxy.sum("penstock_request_errors_total"), 0);
}

#[test]
fn a_member_in_maintenance_serves_nobody_and_nobody_else_moves() {
    let origin = origin(3);
    let mut proxy = Proxy::run(&members(&origin, &[("c", "state: maintenance")]));
    assert!(proxy.is_in_state("c", "maint"), "from the start");
    let mut clients: Vec<_> = (1..=60).map(|i| proxy.client_from([127, 9, 3, i])).collect();
    let without_c = members_of(&mut clients);
    assert!(!without_c.contains(&"c".to_owned()));
    proxy.reload(&members(&origin, &[])).unwrap();
    let all = members_of(&mut clients);
    assert!(all.contains(&"c".to_owned()));
    let moved = |before: &[String], after: &[String]| -> BTreeSet<String> {
        before.iter().zip(after).filter(|(b, a)| b != a).map(|(_, a)| a.clone()).collect()
    };
    assert_eq!(moved(&without_c, &all), ["c".to_owned()].into(), "only those of c move");

    proxy.reload(&members(&origin, &[("a", "state: maintenance")])).unwrap();
    let without_a = members_of(&mut clients);
    assert!(!without_a.contains(&"a".to_owned()));
    assert_eq!(moved(&without_a, &all), ["a".to_owned()].into());
    eventually("a has no link", || proxy.sum_of("penstock_backend_connections", &["member=\"a\""]) == 0);
    assert_eq!(proxy.sum("penstock_request_errors_total"), 0);
}

#[test]
fn with_all_members_in_maintenance_requests_are_refused_whatever_all_down_says() {
    let origin = origin(3);
    let every = ["a", "b", "c"].map(|name| (name, "state: maintenance"));
    let mut proxy = Proxy::run(&members(&origin, &[]));
    let mut client = proxy.client();
    assert_eq!(client.get("/hello").status, 200);
    proxy.reload(&members(&origin, &every)).unwrap();
    assert_eq!(client.get("/hello").status, 503);
    assert_eq!(proxy.client().get("/hello").status, 503);
    assert_eq!(proxy.errors("no_member"), 2);
    proxy.reload(&members(&origin, &[])).unwrap();
    assert_eq!(client.get("/hello").status, 200);
}

#[test]
fn requests_that_wait_for_a_member_in_maintenance_go_to_another_one() {
    let origin = origin(2);
    let one_link = "links: { max_per_member: 1, pipeline: 1 }";
    let text = |state: &str| {
        let text = Setup::new().workers(1).backend(one_link).text(origin.addresses());
        let (name, address) = &origin.addresses()[0];
        text.replace(
            &format!("{name}: \"{address}\""),
            &format!("{name}: {{ address: \"{address}\", state: {state} }}"),
        )
    };
    let mut proxy = Proxy::run(&text("ready"));
    let of_a = (1..).find(|i| proxy.client_from([127, 9, 4, *i]).get("/hello").member() == "a").unwrap();
    let mut holder = proxy.client_from([127, 9, 4, of_a]);
    holder.send("GET /delay/2000 HTTP/1.1\r\nHost: h\r\n\r\n");
    eventually("it has the link", || proxy.sum("penstock_requests_in_flight") == 1);
    let mut waiting = proxy.client_from([127, 9, 4, of_a]);
    waiting.send("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    eventually("the other one waits", || proxy.sum("penstock_pool_waiting") == 1);
    proxy.reload(&text("maintenance")).unwrap();
    assert_eq!(waiting.answer().member(), "b");
    assert_eq!(holder.answer().member(), "a", "what was sent is answered");
}

#[test]
fn a_member_that_has_drained_for_long_enough_is_in_maintenance() {
    let origin = origin(2);
    let drains = |time: &str| members(&origin, &[("a", &format!("state: drain, drain_for: {time}"))]);
    let mut proxy = Proxy::run(&members(&origin, &[]));
    let mut clients: Vec<_> = (1..=20).map(|i| proxy.client_from([127, 9, 5, i])).collect();
    let at_first = members_of(&mut clients);
    assert!(at_first.contains(&"a".to_owned()));
    proxy.reload(&drains("1h")).unwrap();
    assert_eq!(members_of(&mut clients), at_first);
    proxy.reload(&drains("50ms")).unwrap();
    eventually("its time is over", || proxy.is_in_state("a", "maint"));
    assert!(!members_of(&mut clients).contains(&"a".to_owned()));
    proxy.reload(&drains("50ms")).unwrap();
    assert!(proxy.is_in_state("a", "maint"), "a reload that does not concern it does not begin again");
    proxy.reload(&members(&origin, &[])).unwrap();
    assert_eq!(members_of(&mut clients), at_first);
}

#[test]
fn a_backup_serves_while_no_other_member_is_up() {
    let spare = member_at("spare", ([127, 0, 0, 1], 0).into());
    let first = member_at("first", ([127, 0, 0, 1], 0).into());
    let (at, other) = (first.addresses()[0].1, spare.addresses()[0].1);
    let text = Setup::new().text(&[("first".to_owned(), at), ("spare".to_owned(), other)]);
    let backup = format!("spare: {{ address: \"{other}\", backup: true }}");
    let proxy = Proxy::run(&text.replace(&format!("spare: \"{other}\""), &backup));
    let mut clients: Vec<_> = (1..=30).map(|i| proxy.client_from([127, 9, 6, i])).collect();
    let all_meet = |clients: &mut [Wire], member: &str| members_of(clients).iter().all(|m| m == member);
    assert!(all_meet(&mut clients, "first"));
    drop(first);
    assert!(all_meet(&mut clients, "spare"), "a backup is better than nobody");
    let _first = member_at("first", at);
    eventually("the first one is met again", || all_meet(&mut clients, "first"));
    assert_eq!(proxy.sum("penstock_request_errors_total"), 0);
}

/// Connections of TCP are assigned once, so those who are there stay, and new ones of their sources come to them.
#[test]
fn tunnels_of_a_member_that_drains_stay_and_strangers_go_elsewhere() {
    let origin = origin(3);
    let tcp = |said: &[(&str, &str)]| {
        members(&origin, said).replace("backend: app", "protocol: tcp\n    backend: app")
    };
    let links =
        |text: String| text.replace("links: { pipeline: 32, min_rate: off, max_per_member: auto }", "");
    let mut proxy = Proxy::run(&links(tcp(&[])));
    let mut clients: Vec<_> = (1..=40).map(|i| proxy.client_from([127, 9, 7, i])).collect();
    let at_first = members_of(&mut clients);
    proxy.reload(&links(tcp(&[("b", "state: drain")]))).unwrap();
    for i in (1..=40).filter(|i| at_first[usize::from(*i) - 1] == "b") {
        assert_eq!(proxy.client_from([127, 9, 7, i]).get("/hello").member(), "b");
    }
    let mut strangers: Vec<_> = (1..=40).map(|i| proxy.client_from([127, 9, 8, i])).collect();
    assert!(!members_of(&mut strangers).contains(&"b".to_owned()));
    proxy.reload(&links(tcp(&[("b", "state: maintenance")]))).unwrap();
    assert_eq!(members_of(&mut clients), at_first, "tunnels stay");
    let closes = links(tcp(&[("b", "state: drain")]))
        .replace("    members:", "    health: { on_down: close }\n    members:");
    proxy.reload(&closes).unwrap();
    assert_eq!(members_of(&mut clients), at_first, "draining closes nothing");
    proxy.reload(&closes.replace("state: drain", "state: maintenance")).unwrap();
    let (of_b, mut others): (Vec<_>, Vec<_>) =
        clients.into_iter().zip(&at_first).partition(|(_, member)| *member == "b");
    let closed = of_b.len() as i64;
    of_b.into_iter().for_each(|(mut client, _)| client.is_over());
    assert!(others.iter_mut().all(|(client, member)| client.get("/hello").member() == **member));
    let counted = || proxy.sum_of("penstock_client_connections_closed_total", &["reason=\"member_down\""]);
    eventually("they are counted", || counted() == closed);
    for i in (1..=40).filter(|i| at_first[usize::from(*i) - 1] == "b") {
        assert_ne!(proxy.client_from([127, 9, 7, i]).get("/hello").member(), "b");
    }
}

/// WebSocket and the like are tunnels, too.
#[test]
fn an_upgraded_connection_is_closed_with_its_member_where_the_operator_says_so() {
    let member = Script::start(|_, mut wire| {
        while let Some(head) = wire.next_head() {
            if head.contains("Upgrade: ") {
                wire.send("HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhi");
                let _ = wire.rest();
                return;
            }
            wire.send("HTTP/1.1 200 x\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let setup = Setup::new().listener("upgrades: [echo]").backend("health: { on_down: close }");
    let text = setup.text(&[("a".to_owned(), member.address)]);
    let mut proxy = Proxy::run(&text);
    let mut upgraded = proxy.client();
    upgraded.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    assert!(upgraded.head().starts_with("HTTP/1.1 101 "));
    assert_eq!(upgraded.take(2), b"hi");
    let mut plain = proxy.client();
    assert_eq!(plain.get("/").status, 200);
    let address = member.address;
    let out = format!("a: {{ address: \"{address}\", state: maintenance }}");
    proxy.reload(&text.replace(&format!("a: \"{address}\""), &out)).unwrap();
    upgraded.is_over();
    assert_eq!(plain.get("/").status, 503, "its connection stays");
}
