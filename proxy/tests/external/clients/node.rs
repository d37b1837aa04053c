//! Node.js: undici, which pipelines, and Node's own http, which sends and shows trailers. The scripts are beside this file.

use crate::clients::front::Front;
use crate::support::child::Run;
use crate::support::program::{Program, are_here};

const NODE: Program = Program::new("node", "nodejs");
/// `.ci/run` puts it there, with `npm ci`.
const MODULES: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/../node/node_modules");
const UNDICI: Program = Program::new(
    concat!(env!("CARGO_TARGET_TMPDIR"), "/../node/node_modules/undici/package.json"),
    "none, npm: CONTRIBUTING.md",
);

macro_rules! script {
    ($name:literal) => {
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/external/clients/node/", $name)
    };
}

#[track_caller]
fn run(script: &str, part: &str, expected: u64) -> Front {
    let front = Front::start();
    let node = Run::new(NODE, front.path()).env("MODULES", MODULES).arg(script);
    let said = node.arg(front.address().to_string()).arg(part).succeed();
    assert_eq!(said.trim(), format!("{expected} requests"));
    front.carried(expected);
    front
}

#[test]
fn undici_pipelines_ten_deep_on_one_connection() {
    if are_here(&[NODE, UNDICI]) {
        let front = run(script!("with_undici.mjs"), "pipelined", 1000);
        front.counts("penstock_client_pipelined_requests_total", "", 1..=1000);
        front.counts("penstock_client_connections_accepted_total", "", 1..=1);
    }
}

#[test]
fn undici_mixes_methods_on_four_connections() {
    if are_here(&[NODE, UNDICI]) {
        let front = run(script!("with_undici.mjs"), "mixed", 400);
        front.counts("penstock_client_connections_accepted_total", "", 4..=4);
    }
}

#[test]
fn undici_shows_trailers_and_hints() {
    if are_here(&[NODE, UNDICI]) {
        run(script!("with_undici.mjs"), "oddities", 2);
    }
}

#[test]
fn undici_opens_websockets() {
    if are_here(&[NODE, UNDICI]) {
        run(script!("with_undici.mjs"), "websocket", 3);
    }
}

#[test]
fn http_sends_and_shows_trailers() {
    if are_here(&[NODE]) {
        run(script!("with_http.mjs"), "trailers", 2);
    }
}

#[test]
fn http_hears_hints() {
    if are_here(&[NODE]) {
        run(script!("with_http.mjs"), "hints", 1);
    }
}

#[test]
fn http_keeps_its_connections() {
    if are_here(&[NODE]) {
        let front = run(script!("with_http.mjs"), "kept", 300);
        front.counts("penstock_client_connections_accepted_total", "", 3..=3);
    }
}
