//! A tunnel ends when nothing has moved for too long, or when it is too old; where neither is limited, it does not.

use std::io::{Read, Write};
use std::time::Duration;

use crate::support::stand::{Proxy, Setup};
use crate::support::wire::{Wire, eventually};
use crate::tcp::given::{are_one, pair, says, stand, tcp};

fn limited(limits: &str) -> Setup {
    tcp().listener(&format!("tunnel: {{ {limits} }}"))
}

/// One tunnel was ended by the proxy, for this reason, and both sides were told in order.
#[track_caller]
fn was_ended(proxy: &Proxy, reason: &str, link_reason: &str) {
    let s = proxy.at_rest();
    let of = |name, reason: &str| s.sum_of(name, &[&format!("reason=\"{reason}\"")]);
    assert_eq!(of("penstock_client_connections_closed_total", reason), 1);
    assert_eq!(of("penstock_backend_connections_closed_total", link_reason), 1);
    assert_eq!(s.sum("penstock_request_errors_total"), 0);
    assert_eq!(s.sum("penstock_backend_connections"), 0);
}

#[test]
fn an_idle_tunnel_is_ended() {
    let (proxy, member) = stand(&limited("idle_timeout: 200ms"));
    let (mut client, mut link) = pair(&proxy, &member);
    are_one(&mut client, &mut link);
    client.is_over();
    link.is_over();
    was_ended(&proxy, "idle_timeout", "idle");
}

#[test]
fn one_that_never_said_anything_is_ended() {
    let (proxy, member) = stand(&limited("idle_timeout: 200ms"));
    let (mut client, mut link) = pair(&proxy, &member);
    client.is_over();
    link.is_over();
    was_ended(&proxy, "idle_timeout", "idle");
}

#[test]
fn a_half_closed_one_is_ended_too() {
    let (proxy, member) = stand(&limited("idle_timeout: 200ms"));
    let (mut client, mut link) = pair(&proxy, &member);
    client.send("question").finish();
    assert_eq!(link.rest(), b"question");
    client.is_over();
    was_ended(&proxy, "idle_timeout", "idle");
}

#[test]
fn traffic_in_either_direction_keeps_a_tunnel() {
    let (proxy, member) = stand(&limited("idle_timeout: 1s"));
    let (mut client, mut link) = pair(&proxy, &member);
    for way in 0..2 {
        let (from, to) = if way == 0 { (&mut client, &mut link) } else { (&mut link, &mut client) };
        for i in 0..30 {
            says(from, &format!("{i}"), to);
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    client.is_over();
    was_ended(&proxy, "idle_timeout", "idle");
}

#[test]
fn an_old_tunnel_is_ended_whatever_it_does() {
    let (proxy, member) = stand(&limited("max_age: 400ms"));
    let (mut client, mut link) = pair(&proxy, &member);
    are_one(&mut client, &mut link);
    let echo = std::thread::spawn(move || {
        let mut room = [0; 100];
        while let Ok(n @ 1..) = link.stream.read(&mut room) {
            if link.stream.write_all(&room[..n]).is_err() {
                break;
            }
        }
    });
    while client.stream.write_all(b"ping").is_ok() {
        if !matches!(client.stream.read(&mut [0; 4]), Ok(1..)) {
            break;
        }
    }
    echo.join().unwrap();
    was_ended(&proxy, "max_age", "max_age");
}

#[test]
fn a_client_that_waits_grows_old_but_is_not_idle() {
    let setup = limited("idle_timeout: 100ms, max_age: 600ms").backend("links: { max_per_member: 1 }");
    let (proxy, member) = stand(&setup.backend("queue: { timeout: 20s }"));
    let (mut client, mut link) = pair(&proxy, &member);
    let mut waits = proxy.client();
    eventually("it waits", || proxy.sum("penstock_pool_waiting") == 1);
    // The first is kept by what it says, and would keep the second out for longer than that may wait.
    let busy = std::thread::spawn(move || {
        while client.stream.write_all(b"x").is_ok() && matches!(link.stream.read(&mut [0; 9]), Ok(1..)) {
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    waits.rest_and_reset();
    busy.join().unwrap();
    let s = proxy.at_rest();
    let of = |reason| s.sum_of("penstock_client_connections_closed_total", &[reason]);
    assert_eq!(of("reason=\"max_age\""), 2, "the one that waited, too");
}

#[test]
fn without_limits_a_tunnel_stays() {
    let (proxy, member) = stand(&limited("idle_timeout: off, max_age: off"));
    let mut pairs: Vec<(Wire, Wire)> = (0..10).map(|_| pair(&proxy, &member)).collect();
    std::thread::sleep(Duration::from_millis(1200));
    pairs.iter_mut().for_each(|(client, link)| are_one(client, link));
    assert_eq!(proxy.sum("penstock_client_connections_closed_total"), 0);
}
