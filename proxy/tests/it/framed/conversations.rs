//! A conversation breaks off, and no frame of it is answered with what belongs to another.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup};

fn before(member: &Script) -> Proxy {
    Setup::new().listener("protocol: resp").workers(1).before_one(member.address)
}

/// The first link that hears EXEC is closed without an answer; all else is answered +OK.
#[test]
fn one_error_is_not_taken_for_the_answers_to_several_words() {
    let closed = AtomicUsize::new(0);
    let member = Script::start(move |_, mut link| {
        let mut heard = Vec::new();
        let mut room = [0; 4096];
        while let Ok(count @ 1..) = std::io::Read::read(&mut link.stream, &mut room) {
            heard.extend_from_slice(&room[..count]);
            if heard.windows(4).any(|four| four == b"MULT") {
                if !heard.ends_with(b"EXEC\r\n") {
                    continue;
                }
                if closed.fetch_add(1, SeqCst) < 5 {
                    return;
                }
            }
            let lines = heard.iter().filter(|byte| **byte == b'\n').count();
            link.send("+OK\r\n".repeat(lines));
            heard.clear();
        }
    });
    let proxy = before(&member);
    for round in 0..10 {
        let mut client = proxy.client();
        client.send("SET a 1\r\nMULTI\r\nSET b 1\r\nSET c 1\r\nEXEC\r\nSET d 1\r\nSET e 1\r\n");
        if round >= 5 {
            assert_eq!(client.take(7 * 5), b"+OK\r\n".repeat(7));
            continue;
        }
        let (got, _) = client.rest_and_reset();
        let got = String::from_utf8(got).unwrap();
        let error = got.strip_prefix("+OK\r\n").expect("what was before it is answered");
        assert!(error.starts_with("-ERR penstock: ") && error.lines().count() == 1, "{got:?}");
    }
}

/// The member closes amid the answers: the client is closed, too, and gets nothing more.
#[test]
fn a_conversation_that_breaks_off_amid_its_answers_ends_its_client() {
    let member = Script::start(|_, mut link| {
        let mut heard = [0; 4096];
        while let Ok(count @ 1..) = std::io::Read::read(&mut link.stream, &mut heard) {
            if heard[..count].starts_with(b"MULTI") {
                link.send("+OK\r\n+QUE");
                return;
            }
            link.send("+OK\r\n");
        }
    });
    let proxy = before(&member);
    for _ in 0..5 {
        let mut client = proxy.client();
        client.send("MULTI\r\nSET b 1\r\nEXEC\r\nSET d 1\r\n");
        let (got, _) = client.rest_and_reset();
        let got = String::from_utf8(got).unwrap();
        assert!("+OK\r\n+QUE".starts_with(&got), "{got:?}");
        let mut other = proxy.client();
        assert_eq!(other.send("SET a 1\r\n").take(5), b"+OK\r\n");
    }
}
