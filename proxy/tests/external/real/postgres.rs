//! PostgreSQL through the proxy: prepared statements, bulk, and cancel requests, which are connections of their own.

use std::time::Duration;

use rustix::process::Signal;

use crate::real::database::Postgres;
use crate::real::pgwire::Pg;
use crate::real::random::{assert_same, write_lines};
use crate::support::place::{Directory, eventually};
use crate::support::proxy::Setup;

/// SQLSTATE of a query that was cancelled.
const QUERY_CANCELED: &str = "57014";
/// Clients x transactions of `pgbench`.
const CLIENTS: usize = 8;
const EACH: usize = 200;

/// Has `pgbench` run its transactions here, and the server count them.
#[track_caller]
fn run_pgbench(server: &Postgres, at: std::net::SocketAddr) {
    server.pgbench_at(at).args("-i -q -s 2").succeed();
    let said = server.pgbench_at(at).args(&format!("-n -M prepared -c {CLIENTS} -j 2 -t {EACH}")).succeed();

    let all = CLIENTS * EACH;
    assert!(said.contains(&format!("actually processed: {all}/{all}")), "{said}");
    assert!(said.contains("failed transactions: 0 "), "{said}");
    assert_eq!(server.ask("select count(*) from pgbench_history"), all.to_string());
    let sums =
        "select (select sum(delta) from pgbench_history) = (select sum(abalance) from pgbench_accounts)";
    assert_eq!(server.ask(sums), "t");
}

#[test]
fn pgbench_with_prepared_statements_loses_no_transaction() {
    let Some(server) = Postgres::start() else { return };
    let proxy = Setup::tcp(&[server.at]).start();
    run_pgbench(&server, proxy.address());
    proxy.carried_all();
}

#[test]
fn copy_carries_100_megabytes_in_and_out_unchanged() {
    const LINES: usize = 100_000; // of 1,000 bytes
    let Some(server) = Postgres::start() else { return };
    let proxy = Setup::tcp(&[server.at]).start();
    let (written, read) = (server.directory.join("written"), server.directory.join("read"));
    write_lines(&written, 31, LINES);

    let psql = |sql: String| server.psql_at(proxy.address()).arg("-c").arg(sql).succeed();
    psql("create unlogged table big (line text)".to_owned());
    psql(format!("\\copy big from '{}'", written.display()));
    assert_eq!(server.ask("select count(*) from big"), LINES.to_string());
    psql(format!("\\copy big to '{}'", read.display()));
    assert_same(&written, &read, LINES as u64 * 1000);
    proxy.carried_all();
}

#[test]
fn psql_cancels_its_query_when_it_is_interrupted() {
    let Some(server) = Postgres::start() else { return };
    let proxy = Setup::tcp(&[server.at]).start();
    let mut psql = server.psql_at(proxy.address()).args("-c").arg("select pg_sleep(100)").start();
    server.until_sleepers(1);
    psql.signal(Signal::INT);

    assert!(!psql.wait().success());
    assert!(psql.said().contains("canceling statement due to user request"), "{}", psql.said());
    server.until_sleepers(0);
}

/// A cancel request names a process of the server that runs the query, and means nothing to any other.
#[test]
fn a_cancel_request_meets_the_member_that_runs_the_query() {
    const SOURCES: u8 = 12;
    let Some(one) = Postgres::start() else { return };
    let Some(other) = Postgres::start() else { return };
    let proxy = Setup::tcp(&[one.at, other.at]).start();
    let connect = |i| Pg::connect([127, 0, 0, 10 + i], proxy.address());
    let mut clients: Vec<_> = (0..SOURCES).map(connect).collect();
    clients.iter_mut().for_each(|client| client.send("select pg_sleep(100)"));
    let asleep = || (one.sleepers(), other.sleepers());
    eventually("all sleep", || asleep().0 + asleep().1 == usize::from(SOURCES));
    let (here, there) = asleep();
    assert!(here > 0 && there > 0, "{here} sources meet one member and {there} the other");

    // Not in the order they came in: whoever gives members out in turn would have them right.
    for mut client in clients.into_iter().rev() {
        client.cancel();
        assert_eq!(client.answer(), Err(QUERY_CANCELED.to_owned()));
        assert_eq!(client.ask("select 7"), Ok("7".to_owned()), "the connection outlives its query");
    }
    assert_eq!(asleep(), (0, 0));
}

#[test]
fn pgbench_runs_over_the_unix_socket_of_a_member() {
    let Some(server) = Postgres::start() else { return };
    let proxy = Setup::tcp_to(&server.socket()).start();
    run_pgbench(&server, proxy.address());
    proxy.carried_all();
    assert!(server.child.said().contains("connection received: host=[local]"));
}

#[test]
fn psql_connects_to_a_unix_socket_of_ours() {
    let Some(server) = Postgres::start() else { return };
    let directory = Directory::new("socket");
    let _proxy = Setup::tcp(&[server.at]).at(directory.join(".s.PGSQL.5432")).start();
    let psql = server.psql(directory.path().to_str().unwrap(), 5432);
    assert_eq!(psql.arg("-c").arg("select 6 * 7").succeed(), "42\n");
}

/// The server waits a second for a client's first word, and no longer: a warm link is closed again and again.
#[test]
fn a_warm_link_that_the_server_gave_up_is_not_used() {
    let Some(server) = Postgres::start_with("-c authentication_timeout=1s") else { return };
    let proxy = Setup::tcp(&[server.at]).backend("links: { warm: 8 }").start();
    for i in 0..12 {
        let mut client = Pg::connect([127, 0, 0, 1], proxy.address());
        assert_eq!(client.ask(&format!("select {i}")), Ok(i.to_string()));
        std::thread::sleep(Duration::from_millis(300));
    }
    assert_ne!(proxy.counted("penstock_pool_acquires_total", "reused"), Some(0));
    let gone = |why| proxy.counted("penstock_backend_connections_closed_total", &format!("reason=\"{why}\""));
    assert!(gone("origin").is_none_or(|origin| origin + gone("stale").unwrap() > 0));
}
