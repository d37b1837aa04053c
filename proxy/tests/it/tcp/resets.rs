//! A reset on one side is a reset on the other, never a FIN, and what had been sent before it arrives first.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::support::scrape::Scrape;
use crate::support::stand::Proxy;
use crate::support::wire::{Wire, eventually};
use crate::tcp::given::{are_one, is_reset, pair, stand, tcp};
use crate::tcp::stream::{Manner, write};

#[track_caller]
fn counts(s: &Scrape, cause: &str, client: &str, link: &str) {
    let of = |name, label: String| s.sum_of(name, &[&label]);
    assert_eq!(of("penstock_request_errors_total", format!("cause=\"{cause}\"")), 1, "{cause}");
    assert_eq!(s.sum("penstock_request_errors_total"), 1);
    assert_eq!(of("penstock_client_connections_closed_total", format!("reason=\"{client}\"")), 1, "{client}");
    assert_eq!(of("penstock_backend_connections_closed_total", format!("reason=\"{link}\"")), 1, "{link}");
}

fn by_client(proxy: &Proxy) {
    counts(&proxy.at_rest(), "client_abort", "error", "client_abort");
}

fn by_member(proxy: &Proxy) {
    counts(&proxy.at_rest(), "backend_reset", "error", "error");
}

#[test]
fn a_reset_by_the_client_reaches_the_member() {
    let (proxy, member) = stand(&tcp());
    let (mut client, mut link) = pair(&proxy, &member);
    are_one(&mut client, &mut link);
    client.reset();
    is_reset(&mut link);
    by_client(&proxy);
}

#[test]
fn a_reset_by_the_member_reaches_the_client() {
    let (proxy, member) = stand(&tcp());
    let (mut client, mut link) = pair(&proxy, &member);
    are_one(&mut client, &mut link);
    link.reset();
    is_reset(&mut client);
    by_member(&proxy);
}

#[test]
fn a_reset_before_any_byte_passes() {
    let (proxy, member) = stand(&tcp());
    let (client, mut link) = pair(&proxy, &member);
    client.reset();
    is_reset(&mut link);
    by_client(&proxy);
}

#[test]
fn what_was_sent_before_a_reset_arrives_before_it() {
    let (proxy, member) = stand(&tcp());
    let (mut client, mut link) = pair(&proxy, &member);
    client.send("last words");
    eventually("they have been read", || proxy.sum("penstock_client_received_bytes_total") == 10);
    client.reset();
    assert_eq!(link.rest_and_reset(), (b"last words".to_vec(), true));
}

#[test]
fn a_reset_after_a_half_close_by_the_client_passes() {
    let (proxy, member) = stand(&tcp());
    let (mut client, mut link) = pair(&proxy, &member);
    client.send("question").finish();
    assert_eq!(link.rest(), b"question");
    client.reset();
    // The member has heard FIN already, so that it only learns of the reset when it says something.
    fails_to_write(&mut link);
    by_client(&proxy);
}

#[test]
fn a_reset_after_a_half_close_by_the_member_passes() {
    let (proxy, member) = stand(&tcp());
    let (mut client, mut link) = pair(&proxy, &member);
    link.send("answer").finish();
    assert_eq!(client.rest(), b"answer");
    link.reset();
    fails_to_write(&mut client);
    by_member(&proxy);
}

/// A reset has arrived: nothing can be written any more. Nothing is written before it is there.
#[track_caller]
fn fails_to_write(wire: &mut Wire) {
    let stream = wire.stream.try_clone().unwrap();
    eventually("a reset is there", || stream.take_error().unwrap().is_some());
    let error = wire.stream.write(b"too late").unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
}

#[test]
fn the_silent_side_may_reset_after_the_other_has_ended() {
    let (proxy, member) = stand(&tcp());
    let (mut client, mut link) = pair(&proxy, &member);
    client.send("question").finish();
    assert_eq!(link.rest(), b"question");
    link.send("half an ans");
    assert_eq!(client.take(11), b"half an ans");
    link.reset();
    is_reset(&mut client);
    by_member(&proxy);
}

/// A server that answers without having read all of the request, and closes: its kernel sends a reset.
#[test]
fn an_answer_arrives_though_the_request_was_not_read() {
    for length in [10, 50_000, 2_000_000] {
        let (proxy, member) = stand(&tcp());
        let (mut client, mut link) = pair(&proxy, &member);
        client.send(vec![b'q'; 50_000]);
        eventually("all of it is at the member", || proxy.sum("penstock_backend_sent_bytes_total") == 50_000);
        let reader = std::thread::spawn(move || client.rest_and_reset());
        (&link.stream).read_exact(&mut [0; 5]).unwrap();
        link.send(vec![b'a'; length]);
        eventually("the answer is on its way", || {
            proxy.sum("penstock_backend_received_bytes_total") == length as i64
        });
        drop(link);
        let (answer, reset) = reader.join().unwrap();
        assert_eq!((answer.len(), reset), (length, true));
        by_member(&proxy);
    }
}

/// What the proxy has read, it delivers, also to a client that reads it only after the reset.
#[test]
fn a_reset_does_not_overtake_what_was_read_before() {
    let (proxy, member) = stand(&tcp());
    let (mut client, mut link) = pair(&proxy, &member);
    let length = 1_500_000;
    link.send(vec![b'a'; length]);
    eventually("it is with the proxy", || {
        proxy.sum("penstock_backend_received_bytes_total") == length as i64
    });
    link.reset();
    let (answer, reset) = client.rest_and_reset();
    assert_eq!((answer.len(), reset), (length, true));
    by_member(&proxy);
}

/// More than is ever written here.
const ENDLESS: u64 = 1 << 40;

#[test]
fn a_client_killed_in_a_download_is_seen_by_the_member() {
    for seed in 0..20 {
        let (proxy, member) = stand(&tcp());
        let (mut client, link) = pair(&proxy, &member);
        let writing = std::thread::spawn(move || {
            let failed = write(&link.stream, seed, ENDLESS, Manner::Steady).unwrap_err();
            (failed.kind(), link)
        });
        client.take(100_000 * seed as usize);
        client.reset();
        let (failed, _link) = writing.join().unwrap();
        assert!(
            matches!(failed, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
            "seed {seed}: {failed}"
        );
        by_client(&proxy);
    }
}

#[test]
fn a_member_killed_in_an_upload_is_seen_by_the_client() {
    for seed in 0..20 {
        let (proxy, member) = stand(&tcp());
        let (client, mut link) = pair(&proxy, &member);
        let writing = std::thread::spawn(move || {
            let failed = write(&client.stream, seed, ENDLESS, Manner::Steady).unwrap_err();
            (failed.kind(), client)
        });
        link.take(100_000 * seed as usize);
        link.reset();
        let (failed, _client) = writing.join().unwrap();
        assert!(
            matches!(failed, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
            "seed {seed}: {failed}"
        );
        by_member(&proxy);
    }
}

/// Whichever direction of the proxy notices first, what arrives is a reset and nothing that looks like an end.
/// (The kernel tells of a reset once, to the reader or the writer; behind a FIN it would tell the writer `EPIPE`.)
#[test]
fn a_reset_amid_traffic_is_never_an_end() {
    let (proxy, member) = stand(&tcp());
    for round in 0..300 {
        let (client, link) = pair(&proxy, &member);
        let (mut breaks, mut reads) = if round % 2 == 0 { (client, link) } else { (link, client) };
        let talking = reads.stream.try_clone().unwrap();
        let talk = std::thread::spawn(move || talk_on(&talking));
        breaks.take(700 * (round / 2));
        breaks.send("bye");
        breaks.reset();
        let (_, reset) = reads.rest_and_reset();
        let written = talk.join().unwrap();
        assert!(reset || written == ErrorKind::ConnectionReset, "round {round}: an end, then {written}");
    }
}

fn talk_on(mut stream: &TcpStream) -> ErrorKind {
    loop {
        if let Err(error) = stream.write_all(&[b'x'; 700]) {
            return error.kind();
        }
    }
}
