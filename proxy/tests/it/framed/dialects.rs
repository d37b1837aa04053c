//! Tests the two dialects of Redis before members that a test plays: one knows no HELLO, one stops knowing it.
//!
//! `tests/external/real/redis_resp3.rs` asks a real server.

use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup};
use crate::support::wire::{Wire, eventually};

const HELLO3: &str = "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n";
const GET: &str = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
const UNKNOWN: &str = "-ERR unknown command `HELLO`, with args beginning with: `3`, \r\n";

fn before(member: &Script, links: usize) -> Proxy {
    let setup = Setup::new().workers(1).listener("protocol: resp");
    setup.backend(&format!("links: {{ max_per_member: {links} }}")).before_one(member.address)
}

/// Answers HELLO with this, byte by byte where it is `torn`, and GET with what the link speaks.
fn plays(mut link: Wire, torn: bool, hello: &str, mut third: bool) {
    while let Some(first) = link.try_take(HELLO3.len().min(GET.len())) {
        let mut said = first;
        if said.starts_with(b"*2\r\n$5") {
            said.extend(link.take(HELLO3.len() - said.len()));
            third = hello.starts_with('%') && said.ends_with(b"3\r\n");
            let answer = if third || hello.starts_with('-') { hello } else { "*2\r\n$5\r\nproto\r\n:2\r\n" };
            if torn {
                answer.bytes().for_each(|byte| {
                    link.send([byte]);
                });
            } else {
                link.send(answer);
            }
        } else {
            link.send(if third { "_\r\n" } else { "$-1\r\n" });
        }
    }
}

#[track_caller]
fn hears(client: &mut Wire, said: &str, expected: &str) {
    client.send(said);
    assert_eq!(String::from_utf8(client.take(expected.len())).unwrap(), expected);
}

#[test]
fn a_member_that_knows_no_hello_says_so_itself_and_the_client_goes_on_without() {
    let member = Script::start(|_, link| plays(link, false, UNKNOWN, false));
    let proxy = before(&member, 1);
    let mut old = proxy.client();
    for _ in 0..5 {
        let mut client = proxy.client();
        hears(&mut client, HELLO3, UNKNOWN);
        hears(&mut client, GET, "$-1\r\n");
        hears(&mut old, GET, "$-1\r\n");
    }
    assert_eq!(proxy.errors("bad_response"), 0);
}

#[test]
fn the_answer_to_a_greeting_is_nobodys_however_it_is_cut() {
    let hello = "%2\r\n$5\r\nproto\r\n:3\r\n$4\r\nmode\r\n|1\r\n+a\r\n+b\r\n~2\r\n,1.5\r\n#t\r\n";
    for torn in [false, true] {
        let member = Script::start(move |_, link| plays(link, torn, hello, false));
        let proxy = before(&member, 1);
        let (mut third, mut second) = (proxy.client(), proxy.client());
        hears(&mut third, HELLO3, hello);
        for _ in 0..20 {
            // The one link is told each time what to speak now.
            hears(&mut second, GET, "$-1\r\n");
            hears(&mut third, GET, "_\r\n");
            third.send(GET.repeat(10));
            hears(&mut second, &GET.repeat(10), &"$-1\r\n".repeat(10));
            hears(&mut third, "", &"_\r\n".repeat(10));
        }
    }
}

#[test]
fn a_greeting_that_is_refused_ends_its_link_with_its_cause() {
    // Only the first connection speaks RESP3, and it is closed after one answer.
    let hello = "%1\r\n$5\r\nproto\r\n:3\r\n";
    let member = Script::start(move |number, mut link| {
        if number > 0 {
            return plays(link, false, "-NOPERM no\r\n", false);
        }
        link.take(HELLO3.len());
        link.send(hello);
    });
    let proxy = before(&member, 1);
    let mut third = proxy.client();
    hears(&mut third, HELLO3, hello);
    let mut second = proxy.client();
    for round in 1..=3 {
        hears(&mut third, GET, "-ERR penstock: bad_response\r\n");
        hears(&mut second, GET, "$-1\r\n");
        assert_eq!(proxy.errors("bad_response"), round);
    }
    eventually("the links are closed", || {
        proxy.sum_of("penstock_backend_connections_closed_total", &["reason=\"desync\""]) >= 3
    });
}
