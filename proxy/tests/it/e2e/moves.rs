//! A reload says how many sources it moves, and so many move; `penstock affinity plan` says it before.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use serde_json::Value;

use crate::support::binary::{Binary, output};
use crate::support::stand::{Setup, directory, origin};
use crate::support::wire::{Wire, eventually};

/// The number of sources.
const SOURCES: u8 = 200;

fn clients(proxy: &Binary) -> Vec<Wire> {
    let from = |i| Wire::connect_from(Ipv4Addr::new(127, 77, 3, i), proxy.listener("web"));
    (1..=SOURCES).map(from).collect()
}

fn members(clients: &mut [Wire]) -> Vec<String> {
    clients.iter_mut().map(|client| client.get("/hello").member()).collect()
}

/// What the last reload said of moves: how many, of how many, and from which member to which.
fn said(proxy: &Binary) -> (usize, usize, BTreeMap<(String, String), usize>) {
    let out = proxy.out();
    let line = out.iter().rfind(|line| line.contains("the new configuration is in use; ")).unwrap();
    let (_, moves) = line.split_once("; ").unwrap();
    if let Some(rest) = moves.strip_prefix("none of ") {
        return (0, rest.split(' ').next().unwrap().parse().unwrap(), BTreeMap::new());
    }
    let number = |at: usize| moves.split(' ').nth(at).unwrap().parse().unwrap();
    let (_, pairs) = moves.trim_end_matches(')').split_once('(').unwrap();
    let pairs = pairs.split(", ").map(|pair| {
        let (members, count) = pair.split_once(": ").unwrap();
        let (from, to) = members.split_once(" to ").unwrap();
        ((from.to_owned(), to.to_owned()), count.parse().unwrap())
    });
    (number(0), number(2), pairs.collect())
}

fn moved(before: &[String], after: &[String]) -> BTreeMap<(String, String), usize> {
    let mut pairs = BTreeMap::new();
    for (before, after) in before.iter().zip(after).filter(|(before, after)| before != after) {
        *pairs.entry((before.clone(), after.clone())).or_default() += 1;
    }
    pairs
}

/// The configurations that follow each other: a member goes, one comes, a weight grows, and only addresses change.
fn texts(setup: &Setup, all: &[(String, SocketAddr)]) -> Vec<String> {
    let [a, b, c, d] = [0, 1, 2, 3].map(|i| all[i].clone());
    let heavy = c.1;
    let weighted = |text: String| {
        let plain = format!("c: \"{heavy}\"");
        assert!(text.contains(&plain), "{text}");
        text.replace(&plain, &format!("c: {{ address: \"{heavy}\", weight: 4 }}"))
    };
    // At another address, the same name moves nobody.
    let renamed = (a.0.clone(), all[4].1);
    vec![
        setup.text(&[a.clone(), b, c.clone()]),
        setup.text(&[a.clone(), c.clone()]),
        setup.text(&[d.clone(), c.clone(), a.clone()]),
        weighted(setup.text(&[a, c.clone(), d.clone()])),
        weighted(setup.text(&[renamed, c, d])),
    ]
}

#[test]
fn as_many_sources_move_as_the_reload_says() {
    let origin = origin(5);
    let setup = Setup::new().top("admin: 127.0.0.1:0");
    let texts = texts(&setup, origin.addresses());
    let proxy = Binary::run(&texts[0]);
    let mut clients = clients(&proxy);
    let mut before = members(&mut clients);
    for (i, text) in texts.iter().enumerate().skip(1) {
        assert_eq!(proxy.reload(text), "");
        // The member at the new address says its own name there, which is e; it is a to the proxy.
        let after: Vec<_> = members(&mut clients)
            .into_iter()
            .map(|name| if name == "e" { "a".to_owned() } else { name })
            .collect();
        let pairs = moved(&before, &after);
        let count = pairs.values().sum::<usize>();
        assert_eq!(count == 0, i == 4, "reload {i}: {pairs:?}");
        assert_eq!(said(&proxy), (count, SOURCES.into(), pairs), "reload {i}");
        before = after;
    }
}

#[test]
fn the_next_connections_of_tcp_clients_move_as_the_reload_says() {
    let origin = origin(5);
    let setup = Setup::new().top("admin: 127.0.0.1:0").listener("protocol: tcp");
    let texts = texts(&setup, origin.addresses());
    let config = directory("run").join("config.yaml");
    std::fs::write(&config, &texts[0]).unwrap();
    let within = config.parent().unwrap();
    let proxy = Binary::spawn(&["run", "-c", config.to_str().unwrap()], within, config.clone());
    // Only a listener of HTTP is told with something to try.
    eventually("it tells its addresses", || proxy.out().iter().any(|line| line.starts_with("metrics")));
    let mut first = clients(&proxy);
    let before = members(&mut first);
    assert_eq!(proxy.reload(&texts[1]), "");
    assert_eq!(members(&mut first), before, "connections stay");
    let after = members(&mut clients(&proxy));
    let pairs = moved(&before, &after);
    assert_eq!(said(&proxy), (pairs.values().sum(), SOURCES.into(), pairs));
}

#[test]
fn a_reload_without_moves_says_so() {
    let origin = origin(2);
    let text = Setup::new().top("admin: 127.0.0.1:0").text(origin.addresses());
    let proxy = Binary::run(&text);
    proxy.reload(&text);
    assert!(proxy.out().iter().any(|line| line.ends_with("is in use; no source moves")), "{:?}", proxy.out());
    let mut clients = clients(&proxy);
    members(&mut clients);
    proxy.reload(&text);
    assert_eq!(said(&proxy), (0, SOURCES.into(), BTreeMap::new()));
}

/// Writes both files, and runs the plan from one to the other with these arguments more.
fn plan(within: &Path, before: &str, after: &str, more: &[&str]) -> (bool, String) {
    std::fs::write(within.join("config.yaml"), before).unwrap();
    std::fs::write(within.join("next.yaml"), after).unwrap();
    let output = output(&[&["affinity", "plan", "next.yaml"], more].concat(), within);
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

const BEFORE: &str = "
listeners:
  web: { bind: 127.0.0.1:0, backend: app, routes: [{ match: { path_prefix: /v1 }, backend: api }] }
  data: { bind: 127.0.0.1:0, protocol: tcp, backend: db }
backends:
  app: { members: { a: 127.0.0.1:2, b: 127.0.0.1:3, c: 127.0.0.1:4 } }
  api: { affinity: { key: none }, members: { a: 127.0.0.1:2 } }
  db: { members: { a: 127.0.0.1:5 } }
";

#[test]
fn a_plan_shows_who_moves_by_member() {
    let within = directory("plan");
    let after = BEFORE.replace("a: 127.0.0.1:2, b: 127.0.0.1:3", "a: 127.0.0.9:2").replace("db", "sql");
    let (good, text) = plan(&within, BEFORE, &after, &["--json"]);
    assert!(good, "{text}");
    let json: Value = serde_json::from_str(&text).unwrap();
    let backend =
        |name: &str| json["backends"].as_array().unwrap().iter().find(|b| b["name"] == name).unwrap();
    for (name, change) in [("api", "no_affinity"), ("sql", "added"), ("db", "removed"), ("app", "counted")] {
        assert_eq!(backend(name)["change"], change, "{text}");
    }
    let app = backend("app");
    let members = app["members"].as_array().unwrap();
    let member = |name: &str| members.iter().find(|m| m["name"] == name).unwrap();
    let number = |value: &Value| value.as_u64().unwrap();
    assert_eq!(number(&app["sources"]), 100_000);
    assert_eq!((&member("b")["before"], &member("b")["after"]), (&app["moved"], &Value::Null));
    assert!((32_800..33_900).contains(&number(&app["moved"])), "a third: {text}");
    assert_eq!((number(&member("a")["loses"]), number(&member("c")["loses"])), (0, 0));
    let gains = number(&member("a")["gains"]) + number(&member("c")["gains"]);
    assert_eq!(gains, number(&app["moved"]));
    assert_eq!(app["moves"].as_array().unwrap().len(), 2, "from b to a, and from b to c");

    let (good, text) = plan(&within, BEFORE, &after, &[]);
    assert!(good, "{text}");
    for line in [
        "From config.yaml to next.yaml, by a sample of 100000 IPv4 addresses with all members up:",
        "app: 33.",
        "address 127.0.0.1:2 to 127.0.0.9:2",
        "  from b to a: 16.",
        "api: there is no affinity; each new client gets the member with the fewest",
        "sql: this backend is new",
        "db: this backend is removed",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn a_plan_without_moves_says_so() {
    let within = directory("plan");
    let after = BEFORE.replace("127.0.0.1:3", "127.0.0.9:3").replace("c: 127.0.0.1:4", "c: 127.0.0.9:4");
    let (good, text) = plan(&within, BEFORE, &after, &[]);
    assert!(good && text.contains("app: no source moves"), "{text}");
}

#[test]
fn a_plan_of_a_bad_file_says_what_is_wrong() {
    let within = directory("plan");
    let (good, text) =
        plan(&within, BEFORE, &BEFORE.replace("members: { a: 127.0.0.1:5 }", "member: {}"), &[]);
    assert!(!good && text.contains("next.yaml:"), "{text}");
    let (good, text) = plan(&within, BEFORE, BEFORE, &["--config", "missing.yaml"]);
    assert!(!good && text.contains("missing.yaml: cannot be read"), "{text}");
}
