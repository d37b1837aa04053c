//! iperf3 through the proxy: a connection that controls, and one or eight that carry as much as they can.
//!
//! Both ends have to count the same bytes.

use std::net::SocketAddr;

use serde_json::Value;

use crate::support::child::{Child, Run};
use crate::support::place::{Directory, own_address, until_it_listens};
use crate::support::program::{Program, are_here};
use crate::support::proxy::Setup;

const IPERF: Program = Program::new("iperf3", "iperf3");

fn server(directory: &Directory) -> (Child, SocketAddr) {
    let at = own_address();
    let run = Run::new(IPERF, directory.path()).args(&format!("-s -B {} -p {}", at.ip(), at.port()));
    let mut server = run.start();
    until_it_listens(&mut server, at);
    (server, at)
}

fn run(streams: usize, more: &str) {
    if !are_here(&[IPERF]) {
        return;
    }
    let directory = Directory::new("iperf");
    let (_server, at) = server(&directory);
    let proxy = Setup::tcp(&[at]).start();
    let to = format!("-c {} -p {} -t 2 -J -P {streams} {more}", proxy.address().ip(), proxy.address().port());
    let said = Run::new(IPERF, directory.path()).args(&to).succeed();

    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(report["error"], Value::Null, "{said}");
    let ended = report["end"]["streams"].as_array().unwrap();
    assert_eq!(ended.len(), streams, "{said}");
    for stream in ended {
        assert!(stream["receiver"]["bytes"].as_u64().unwrap() > 0, "{stream}");
    }
    assert_ne!(proxy.counted("penstock_tunnel_spliced_bytes_total", ""), Some(0), "bulk is spliced");
}

#[test]
fn one_stream_to_the_server() {
    run(1, "");
}

#[test]
fn one_stream_from_the_server() {
    run(1, "-R");
}

#[test]
fn eight_streams_to_the_server() {
    run(8, "");
}

#[test]
fn eight_streams_from_the_server() {
    run(8, "-R");
}
