//! Python's http.client and aiohttp; the scripts are beside this file and say what they do.

use crate::clients::front::Front;
use crate::support::child::Run;
use crate::support::program::{Program, are_here};

// Debian's, as it sees Debian's packages.
const PYTHON: Program = Program::new("/usr/bin/python3", "python3");
const AIOHTTP: Program =
    Program::new("/usr/lib/python3/dist-packages/aiohttp/__init__.py", "python3-aiohttp");

const HTTP_CLIENT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/external/clients/python/http_client.py");
const WITH_AIOHTTP: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/external/clients/python/with_aiohttp.py");

#[track_caller]
fn run(script: &str, part: &str, expected: u64) {
    let front = Front::start();
    let python = Run::new(PYTHON, front.path()).env("no_proxy", "*").arg("-B").arg(script);
    let said = python.arg(front.address().to_string()).arg(part).succeed();
    assert_eq!(said.trim(), format!("{expected} requests"));
    front.carried(expected);
}

#[test]
fn http_client_keeps_its_connection() {
    if are_here(&[PYTHON]) {
        run(HTTP_CLIENT, "kept", 209);
    }
}

#[test]
fn http_client_speaks_an_old_version() {
    if are_here(&[PYTHON]) {
        run(HTTP_CLIENT, "old", 4);
    }
}

#[test]
fn aiohttp_asks_a_thousand_times_on_twenty_connections() {
    if are_here(&[PYTHON, AIOHTTP]) {
        run(WITH_AIOHTTP, "many", 1000);
    }
}

#[test]
fn aiohttp_sends_bodies() {
    if are_here(&[PYTHON, AIOHTTP]) {
        run(WITH_AIOHTTP, "bodies", 44);
    }
}

#[test]
fn aiohttp_reads_over_hints() {
    if are_here(&[PYTHON, AIOHTTP]) {
        run(WITH_AIOHTTP, "hints", 10);
    }
}

#[test]
fn aiohttp_opens_websockets() {
    if are_here(&[PYTHON, AIOHTTP]) {
        run(WITH_AIOHTTP, "websocket", 5);
    }
}
