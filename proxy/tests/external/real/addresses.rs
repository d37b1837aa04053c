//! The client's address, as real servers see it behind the proxy, and as the proxy sees it behind another.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use penstock_origin::{Options, Origin};
use serde_json::Value;

use crate::real::database::Postgres;
use crate::real::pgwire::Pg;
use crate::real::web::{Browser, NGINX, Nginx};
use crate::support::child::Child;
use crate::support::place::{Directory, eventually, own_address};
use crate::support::program::are_here;
use crate::support::proxy::{HAPROXY, HEADED, Setup, haproxy};

fn nginx_sees_the_client(version: &str) {
    if !are_here(&[NGINX]) {
        return;
    }
    let nginx = Nginx::start();
    let proxy = Setup::tcp(&nginx.headed[..1]).backend(&format!("proxy_protocol: {version}")).start();
    let browser = Browser::from([127, 0, 0, 77], proxy.address());
    let (source, destination) = (browser.address().to_string(), proxy.address().to_string());
    assert!(source.starts_with("127.0.0.77:"));
    assert_eq!(browser.get("/own")[..2], [source.clone(), destination.clone()]);
    eventually("the log tells", || nginx.log() == [format!("{source} {destination} /own")]);
}

#[test]
fn nginx_logs_the_clients_address_and_port_told_by_version_1() {
    nginx_sees_the_client("v1");
}

#[test]
fn nginx_logs_the_clients_address_and_port_told_by_version_2() {
    nginx_sees_the_client("v2");
}

/// HAProxy that wants a PROXY header, and connects to the database from the address that it names.
fn relay(directory: &Directory, to: SocketAddr) -> (Child, SocketAddr) {
    let at = own_address();
    let mut text =
        format!("frontend relay\n bind {at} accept-proxy\n log-format %ci:%cp,%[fc_pp_unique_id]\n");
    text += " default_backend database\nbackend database\n";
    for source in ["127.0.0.78", "127.0.0.79"] {
        let name = source.replace('.', "-");
        text += &format!(" use-server {name} if {{ src {source} }}\n");
        text += &format!(" server {name} {to} source {source} weight 0\n");
    }
    text += &format!(" server other {to}\n");
    (haproxy(directory, &text, at), at)
}

/// Gives what the relay logged of each of the clients.
fn postgres_sees_the_client(version: &str) -> Option<Vec<String>> {
    if !are_here(&[HAPROXY]) {
        return None;
    }
    let server = Postgres::start()?;
    let directory = Directory::new("relay");
    let (mut relay, at) = relay(&directory, server.at);
    let proxy = Setup::tcp(&[at]).backend(&format!("proxy_protocol: {version}")).start();
    let mut logged = Vec::new();
    for last in [78, 79] {
        let mut client = Pg::connect([127, 0, 0, last], proxy.address());
        let source = format!("127.0.0.{last}");
        let own = "select host(client_addr) from pg_stat_activity where pid = pg_backend_pid()";
        assert_eq!(client.ask(own), Ok(source.clone()));
        assert!(server.child.said().contains(&format!("connection received: host={source} port=")));
        let line = format!("{source}:{},", client.port());
        drop(client);
        relay.until(&line, |said| said.contains(&line));
        let said = relay.said();
        logged.push(said.lines().find_map(|said| said.strip_prefix(&line)).unwrap().to_owned());
    }
    Some(logged)
}

#[test]
fn postgres_shows_the_clients_address_behind_a_relay_told_by_version_1() {
    postgres_sees_the_client("v1");
}

#[test]
fn postgres_shows_the_clients_address_behind_a_relay_told_by_version_2() {
    let Some(ids) = postgres_sees_the_client("v2") else { return };
    assert!(ids.iter().all(|id| !id.is_empty() && id != "-"), "each has a unique id: {ids:?}");
    assert_ne!(ids[0], ids[1]);
}

/// What `/stats` of the origin shows of the clients that asked for something before, and of the one that asks.
fn the_origin_sees_the_client(version: u8) {
    let listen = vec![("a".to_owned(), ([127, 0, 0, 1], 0).into())];
    let origin = Origin::start(Options { listen, proxy_protocol: true, ..Options::default() }).unwrap();
    let member = origin.addresses()[0].1;
    let proxy = Setup::tcp(&[member]).backend(&format!("proxy_protocol: v{version}")).start();
    let first = Browser::from([127, 0, 0, 77], proxy.address());
    let mut wanted = vec![first.address().to_string()];
    first.get("/bytes/10");
    let second = Browser::from([127, 0, 0, 78], proxy.address());
    wanted.push(second.address().to_string());
    let stats: Value = serde_json::from_str(&second.get("/stats").concat()).unwrap();

    let clients = stats["listeners"][0]["clients"].as_array().unwrap();
    let told = |name: &str| clients.iter().map(|client| client[name].clone()).collect::<Vec<_>>();
    assert_eq!(told("address"), wanted);
    assert_eq!(told("destination"), [proxy.address().to_string(), proxy.address().to_string()]);
    assert_eq!(told("header"), [version, version]);
    let ids = told("unique_id");
    assert_eq!(ids.iter().all(Value::is_string) && ids[0] != ids[1], version == 2, "{ids:?}");
    assert_eq!(stats["total"]["headers_bad"], 0);
}

#[test]
fn the_origin_counts_the_clients_address_told_by_version_1() {
    the_origin_sees_the_client(1);
}

#[test]
fn the_origin_counts_the_clients_address_told_by_version_2() {
    the_origin_sees_the_client(2);
}

/// HAProxy that tells penstock of its clients.
fn teller(directory: &Directory, to: SocketAddr, how: &str) -> (Child, SocketAddr) {
    let at = own_address();
    let text = format!("frontend teller\n bind {at}\n default_backend penstock\n");
    let check = "backend penstock\n option httpchk GET /check\n option log-health-checks\n";
    (haproxy(directory, &format!("{text}{check} server penstock {to} {how}\n"), at), at)
}

const BELIEVES: [&str; 2] = [HEADED, "trusted: 127.0.0.0/8"];

/// What `how` HAProxy tells penstock, penstock tells nginx.
fn the_client_is_told_on(how: &str) {
    if !are_here(&[NGINX, HAPROXY]) {
        return;
    }
    let (nginx, directory) = (Nginx::start(), Directory::new("teller"));
    let setup = Setup::tcp(&nginx.headed[..1]).backend("proxy_protocol: v2");
    let proxy = BELIEVES.into_iter().fold(setup, Setup::listener).start();
    let (_haproxy, front) = teller(&directory, proxy.address(), how);
    let browser = Browser::from([127, 0, 0, 77], front);
    let source = browser.address().to_string();
    assert_eq!(browser.get("/own")[..2], [source, front.to_string()]);
}

#[test]
fn the_address_told_by_version_1_is_told_on() {
    the_client_is_told_on("send-proxy");
}

#[test]
fn the_address_told_by_version_2_is_told_on() {
    the_client_is_told_on("send-proxy-v2 proxy-v2-options crc32c,unique-id");
}

/// A health check is nobody's connection but the checker's: its header says LOCAL, and its own address counts.
#[test]
fn a_health_check_of_the_proxy_before_us_goes_through() {
    if !are_here(&[NGINX, HAPROXY]) {
        return;
    }
    let (nginx, directory) = (Nginx::start(), Directory::new("teller"));
    let setup = Setup::tcp(&nginx.headed[..1]).backend("proxy_protocol: v1");
    let proxy = BELIEVES.into_iter().fold(setup, Setup::listener).start();
    let (mut haproxy, _) = teller(&directory, proxy.address(), "send-proxy-v2 check");
    haproxy.until_it_says("Health check for server penstock/penstock succeeded");
    eventually("the check is in the log", || nginx.log().iter().any(|line| line.ends_with(" /check")));
    let log = nginx.log();
    let own = |line: &String| line.starts_with("127.0.0.1:") && line.contains(&proxy.address().to_string());
    assert!(log.iter().all(own), "{log:?}");
}

#[test]
fn members_of_an_http_listener_learn_the_address_from_x_forwarded_for() {
    if !are_here(&[NGINX, HAPROXY]) {
        return;
    }
    let (nginx, directory) = (Nginx::start(), Directory::new("teller"));
    let proxy = BELIEVES.into_iter().fold(Setup::http(&[nginx.plain]), Setup::listener).start();
    let (_haproxy, front) = teller(&directory, proxy.address(), "send-proxy-v2");
    for last in [77, 78] {
        assert_eq!(Browser::from([127, 0, 0, last], front).get("/"), [format!("127.0.0.{last}")]);
    }
}

/// To penstock all of these come from one address, HAProxy's: only the header tells the sources apart.
#[test]
fn a_source_that_a_header_tells_always_meets_the_same_member() {
    if !are_here(&[NGINX, HAPROXY]) {
        return;
    }
    let (nginx, directory) = (Nginx::start(), Directory::new("teller"));
    let setup = Setup::tcp(&nginx.headed).backend("proxy_protocol: v2");
    let proxy = BELIEVES.into_iter().fold(setup, Setup::listener).start();
    let (_haproxy, front) = teller(&directory, proxy.address(), "send-proxy-v2");
    let met = |last| Browser::from([127, 0, 0, last], front).get("/")[2].clone();
    let first: Vec<_> = (10..30).map(met).collect();
    // Not in the same order: whoever gives members out in turn would have them right.
    let mut again: Vec<_> = (10..30).rev().map(met).collect();
    again.reverse();
    assert_eq!(first, again);
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 2, "both members are met: {first:?}");
}
