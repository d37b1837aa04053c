//! Redis through `protocol: tcp`: its own benchmark, pipelined and not, and large values both ways.
//!
//! The server that the other tests of Redis stand on is here, too.

use std::net::SocketAddr;

use crate::real::random::{assert_same, write_bytes};
use crate::support::child::{Child, Run};
use crate::support::place::{Directory, own_address, until_it_listens};
use crate::support::program::{Program, are_here};
use crate::support::proxy::Setup;

pub(crate) const SERVER: Program = Program::new("redis-server", "redis-server");
pub(crate) const BENCHMARK: Program = Program::new("redis-benchmark", "redis-tools");
pub(crate) const CLI: Program = Program::new("redis-cli", "redis-tools");

fn server(directory: &Directory) -> (Child, SocketAddr) {
    let at = own_address();
    (server_at(directory, at, ""), at)
}

/// A server that keeps nothing when it ends, with these options more.
pub(crate) fn server_at(directory: &Directory, at: SocketAddr, more: &str) -> Child {
    let run = Run::new(SERVER, directory.path()).args(&format!("--bind {} --port {}", at.ip(), at.port()));
    let mut server = run.args("--appendonly no --save").arg("").args(more).start();
    until_it_listens(&mut server, at);
    server
}

fn benchmark(directory: &Directory, proxy: SocketAddr, more: &str) {
    let at = format!("-h {} -p {} --csv", proxy.ip(), proxy.port());
    let run = Run::new(BENCHMARK, directory.path()).args(&at).args("-c 50 -n 20000 -t ping,set,get,lrange");
    let out = run.args(more).succeed();
    let rows: Vec<_> = out.lines().filter(|line| !line.contains("\"rps\"")).collect();
    for wanted in ["PING_INLINE", "PING_MBULK", "SET", "GET", "LRANGE_100", "LRANGE_600"] {
        assert!(rows.iter().any(|row| row.starts_with(&format!("\"{wanted}"))), "no {wanted} in {out}");
    }
}

#[test]
fn redis_benchmark_runs_to_its_end_one_request_at_a_time() {
    if !are_here(&[SERVER, BENCHMARK]) {
        return;
    }
    let directory = Directory::new("redis");
    let (_server, at) = server(&directory);
    let proxy = Setup::tcp(&[at]).start();
    benchmark(&directory, proxy.address(), "");
    proxy.carried_all();
}

#[test]
fn redis_benchmark_runs_to_its_end_with_sixteen_in_flight() {
    if !are_here(&[SERVER, BENCHMARK]) {
        return;
    }
    let directory = Directory::new("redis");
    let (_server, at) = server(&directory);
    let proxy = Setup::tcp(&[at]).start();
    benchmark(&directory, proxy.address(), "-P 16");
    proxy.carried_all();
}

#[test]
fn redis_cli_writes_and_reads_a_large_value() {
    if !are_here(&[SERVER, CLI]) {
        return;
    }
    const LENGTH: usize = 10_000_000;
    let directory = Directory::new("redis");
    let (_server, at) = server(&directory);
    let proxy = Setup::tcp(&[at]).start();
    let cli = || {
        let run = Run::new(CLI, directory.path());
        run.args(&format!("-h {} -p {}", proxy.address().ip(), proxy.address().port()))
    };
    let value = directory.join("value");
    write_bytes(&value, 21, LENGTH);

    assert_eq!(cli().args("-x set key").input(&value).succeed(), "OK\n");
    assert_eq!(cli().args("strlen key").succeed(), format!("{LENGTH}\n"));
    let read = directory.join("read");
    let get = cli().args("--raw get key").output(&read);
    get.succeed();
    let mut bytes = std::fs::read(&read).unwrap();
    assert_eq!(bytes.pop(), Some(b'\n'), "redis-cli ends its answer with a line end");
    std::fs::write(&read, bytes).unwrap();
    assert_same(&value, &read, LENGTH as u64);
    proxy.carried_all();
}
