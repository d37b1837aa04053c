//! Redis clients with their defaults, which are RESP3: redis-py 8 and node-redis 6. The scripts are in `python/` and `node/`.

use std::net::SocketAddr;

use crate::real::redis::{SERVER, server_at};
use crate::support::child::Run;
use crate::support::place::{Directory, own_address};
use crate::support::program::{Program, are_here};
use crate::support::proxy::Setup;

/// `.ci/run` puts them there, with `pip` and `npm ci`; CONTRIBUTING.md says how.
const PYTHON: Program = Program::new(
    concat!(env!("CARGO_TARGET_TMPDIR"), "/../python-redis/bin/python3"),
    "none, pip: CONTRIBUTING.md",
);
const NODE: Program = Program::new("node", "nodejs");
const MODULES: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/../node-redis/node_modules");
const NODE_REDIS: Program = Program::new(
    concat!(env!("CARGO_TARGET_TMPDIR"), "/../node-redis/node_modules/redis/package.json"),
    "none, npm: CONTRIBUTING.md",
);

macro_rules! script {
    ($name:literal) => {
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/external/real/", $name)
    };
}

fn stand(ask: impl Fn(&Directory, SocketAddr) -> String) {
    let directory = Directory::new("redis-clients");
    let at = own_address();
    let _server = server_at(&directory, at, "");
    for links in [8, 32] {
        let proxy = Setup::resp(at).backend(&format!("links: {{ max_per_member: {links} }}")).start();
        assert_eq!(ask(&directory, proxy.address()).trim(), "ok", "{links} links");
    }
}

#[test]
fn redis_py_connects_with_its_defaults() {
    if are_here(&[SERVER, PYTHON]) {
        stand(|directory, to| {
            let run = Run::new(PYTHON, directory.path()).arg(script!("python/with_redis.py"));
            run.arg(to.ip().to_string()).arg(to.port().to_string()).succeed()
        });
    }
}

#[test]
fn node_redis_connects_with_its_defaults() {
    if are_here(&[SERVER, NODE, NODE_REDIS]) {
        stand(|directory, to| {
            let run = Run::new(NODE, directory.path()).env("MODULES", MODULES);
            run.arg(script!("node/with_redis.mjs")).arg(to.to_string()).succeed()
        });
    }
}
