//! FIN passes in each direction by itself, behind all bytes, and the other direction goes on.

use crate::support::stand::Proxy;
use crate::tcp::given::{are_one, pair, says, stand, tcp};
use crate::tcp::stream::{Manner, read, write};

fn closed(proxy: &Proxy, reason: &str) -> (i64, i64) {
    let s = proxy.at_rest();
    let of = |name| s.sum_of(name, &[&format!("reason=\"{reason}\"")]);
    assert_eq!(s.sum("penstock_request_errors_total"), 0);
    (of("penstock_client_connections_closed_total"), of("penstock_backend_connections_closed_total"))
}

#[test]
fn the_client_may_end_first_and_hear_on() {
    let (proxy, member) = stand(&tcp());
    let (mut client, mut link) = pair(&proxy, &member);
    client.send("the whole question").finish();
    assert_eq!(link.rest(), b"the whole question");
    for i in 0..50 {
        says(&mut link, &format!("part {i} of the answer"), &mut client);
    }
    link.finish();
    client.is_over();
    assert_eq!(closed(&proxy, "client").0, 1);
}

#[test]
fn the_member_may_end_first_and_hear_on() {
    let (proxy, member) = stand(&tcp());
    let (mut client, mut link) = pair(&proxy, &member);
    link.send("all I have to say").finish();
    assert_eq!(client.rest(), b"all I have to say");
    for i in 0..50 {
        says(&mut client, &format!("part {i} of the upload"), &mut link);
    }
    client.finish();
    link.is_over();
    assert_eq!(closed(&proxy, "server_close").0, 1);
    assert_eq!(closed(&proxy, "origin").1, 1);
}

#[test]
fn both_may_end_at_once() {
    let (proxy, member) = stand(&tcp());
    for _ in 0..100 {
        let (mut client, mut link) = pair(&proxy, &member);
        are_one(&mut client, &mut link);
        link.finish();
        client.finish();
        client.is_over();
        link.is_over();
    }
    let s = proxy.at_rest();
    assert_eq!(s.sum("penstock_request_errors_total"), 0);
    assert_eq!(s.sum("penstock_client_connections_closed_total"), 100);
}

#[test]
fn a_client_that_ends_at_once_is_told_the_answer() {
    let (proxy, member) = stand(&tcp());
    let mut client = proxy.client();
    client.finish();
    let mut link = member.next();
    link.is_over();
    link.send("nobody asked").finish();
    assert_eq!(client.rest(), b"nobody asked");
    assert_eq!(closed(&proxy, "client").0, 1);
}

#[test]
fn a_member_that_ends_at_once_still_hears_the_client() {
    let (proxy, member) = stand(&tcp());
    let (mut client, mut link) = pair(&proxy, &member);
    link.finish();
    client.is_over();
    client.send("are you there?").finish();
    assert_eq!(link.rest(), b"are you there?");
    assert_eq!(closed(&proxy, "server_close").0, 1);
}

/// Connects, says something, ends, and is gone before there is a link: the member gets all of it.
#[test]
fn what_came_before_the_link_is_delivered() {
    let (proxy, member) = stand(&tcp());
    let mut client = proxy.client();
    client.send("early ").send("bytes").finish();
    let mut link = member.next();
    assert_eq!(link.rest(), b"early bytes");
    link.finish();
    client.is_over();
}

#[test]
fn fin_comes_behind_all_bytes() {
    let (proxy, member) = stand(&tcp());
    for (seed, length) in [(1, 1), (2, 65_536), (3, 65_537), (4, 3_000_000), (5, 20_000_000)] {
        let (client, link) = pair(&proxy, &member);
        let downwards = std::thread::spawn(move || {
            write(&link.stream, seed, length, Manner::Steady).unwrap();
            let mut link = link;
            link.finish();
            (read(&link.stream, seed + 100, Manner::Steady), link)
        });
        assert_eq!(read(&client.stream, seed, Manner::Steady), length, "downwards");
        write(&client.stream, seed + 100, length, Manner::Steady).unwrap();
        let mut client = client;
        client.finish();
        assert_eq!(downwards.join().unwrap().0, length, "upwards, after the other had ended");
    }
    assert_eq!(closed(&proxy, "server_close").0, 5);
}
