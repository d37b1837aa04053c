//! Tests what the admin server shows: whether the proxy lives, whether it is ready, and what it counts.

use crate::support::stand::{Proxy, Setup};
use crate::support::wire::{Answer, Wire};

fn admin(proxy: &Proxy, path: &str) -> Answer {
    Wire::connect(proxy.running().admin_address().unwrap()).get(path)
}

fn start() -> (penstock_origin::Origin, Proxy) {
    Setup::new().top("admin: 127.0.0.1:0").with_origin(2)
}

#[test]
fn it_is_healthy_and_ready() {
    let (_origin, proxy) = start();
    let (health, ready) = (admin(&proxy, "/healthz"), admin(&proxy, "/readyz"));
    assert_eq!((health.status, health.text()), (200, "ok\n"));
    assert_eq!((ready.status, ready.text()), (200, "ready\n"));
    assert_eq!(admin(&proxy, "/nothing").status, 404);
}

#[test]
fn while_it_drains_it_is_healthy_but_not_ready() {
    let (_origin, mut proxy) = start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(proxy.running_mut().drain());
    let ready = admin(&proxy, "/readyz");
    assert_eq!((ready.status, ready.text()), (503, "draining\n"));
    assert_eq!(admin(&proxy, "/healthz").status, 200);
    assert_eq!(proxy.sum("penstock_draining"), 1);
}

#[test]
fn every_series_is_there_from_the_first_scrape_on() {
    let (_origin, proxy) = start();
    let first = admin(&proxy, "/metrics");
    assert!(first.field("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    let names = |text: &str| -> std::collections::BTreeSet<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
    };
    let before = names(first.text());
    for source in 1..=50 {
        let mut client = proxy.client_from([127, 13, 0, source]);
        for target in ["/hello", "/echo", "/status/500", "/fault/close", "/nothing"] {
            client.get(&format!("{target}?{source}"));
        }
        client.send("bad\r\n\r\n").answer();
    }
    let after = names(admin(&proxy, "/metrics").text());
    let new: Vec<_> = after.difference(&before).collect();
    assert!(new.is_empty(), "no traffic makes a new series: {new:?}");
    assert!(before.len() < 1000, "{} series", before.len());
}

#[test]
fn a_listener_without_admin_has_none() {
    let (_origin, proxy) = Setup::new().with_origin(1);
    assert_eq!(proxy.running().admin_address(), None);
}
