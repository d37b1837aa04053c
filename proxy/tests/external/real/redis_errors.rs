//! Errors between clients and Redis: requests that are none, servers that are not there.

use std::net::SocketAddr;

use crate::real::redis::{SERVER, server_at};
use crate::real::resp::{Reply, Talk, array};
use crate::support::child::Child;
use crate::support::place::{Directory, eventually, own_address};
use crate::support::program::are_here;
use crate::support::proxy::{Proxy, Setup};

const EIGHT: &str = "links: { max_per_member: 8, connect_timeout: 300ms }";

struct Stand {
    proxy: Proxy,
    server: Option<Child>,
    at: SocketAddr,
    directory: Directory,
}

impl Stand {
    fn new(listener: &str) -> Option<Self> {
        are_here(&[SERVER]).then(|| {
            let directory = Directory::new("redis-errors");
            let at = own_address();
            let server = Some(server_at(&directory, at, ""));
            let setup = Setup::resp(at).backend(EIGHT).backend("queue: { timeout: 2s }").listener(listener);
            Self { proxy: setup.start(), server, at, directory }
        })
    }

    fn talk(&self) -> Talk {
        Talk::connect(self.proxy.address())
    }

    fn kill(&mut self) {
        let server = self.server.take().unwrap();
        server.signal(rustix::process::Signal::KILL);
        drop(server);
    }

    fn revive(&mut self) {
        self.server = Some(server_at(&self.directory, self.at, ""));
    }

    fn errors(&self, cause: &str) -> Option<u64> {
        self.proxy.counted("penstock_request_errors_total", &format!("cause=\"{cause}\""))
    }
}

#[test]
fn what_is_no_request_is_refused_and_closed() {
    let Some(stand) = Stand::new("timeouts: { idle: 60s }") else { return };
    if stand.errors("bad_request").is_none() {
        return; // what Redis says to it is Redis's own
    }
    let bad: [&[u8]; 9] = [
        b"*1\r\n+PING\r\n",
        b"*1\r\n$4x\r\nPING\r\n",
        b"*x\r\n",
        b"*1048577\r\n",
        b"*1\r\n$-1\r\n",
        b"*1\r\n$4\nPING\r\n",
        b"*1\r\n$4\r\nPINGxx",
        b"*2\r\n$3\r\nGET\r\n:1\r\n",
        b"*1\r\n$99999999999999999999\r\n",
    ];
    for (i, bytes) in bad.iter().enumerate() {
        let mut talk = stand.talk();
        talk.say("ECHO before").send(bytes);
        assert_eq!(talk.reply(), Reply::bulk("before"), "{:?}", bytes.escape_ascii().to_string());
        let error = talk.reply();
        assert!(matches!(&error, Reply::Error(text) if text.starts_with("ERR penstock: ")), "{error:?}");
        talk.is_over();
        eventually("it is counted", || {
            stand.errors("bad_request").unwrap() + stand.errors("body_too_large").unwrap() == i as u64 + 1
        });
    }
    assert_eq!(stand.talk().ask("PING").text(), "PONG");
}

#[test]
fn what_is_too_long_is_refused_and_closed() {
    let Some(stand) = Stand::new("framing: { max_length: 100KiB }") else { return };
    if stand.errors("body_too_large").is_none() {
        return;
    }
    let mut talk = stand.talk();
    let fits = vec![b'x'; 100 * 1024 - 50];
    talk.send(array(&[b"SET", b"key", &fits]));
    assert_eq!(talk.reply(), Reply::ok());
    assert_eq!(talk.ask("STRLEN key"), Reply::Integer(fits.len() as i64));
    talk.send("*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$102400\r\n");
    assert_eq!(talk.reply(), Reply::Error("ERR penstock: body_too_large".to_owned()));
    talk.is_over();
    let mut talk = stand.talk();
    talk.send(vec![b'x'; 70_000]);
    assert_eq!(talk.reply(), Reply::Error("ERR penstock: body_too_large".to_owned()));
    talk.is_over();
    assert_eq!(stand.errors("body_too_large"), Some(2));
    assert_eq!(
        stand.talk().ask("STRLEN key"),
        Reply::Integer(fits.len() as i64),
        "long answers are no matter"
    );
}

#[test]
fn a_bad_request_in_a_transaction_ends_it() {
    let Some(stand) = Stand::new("timeouts: { idle: 60s }") else { return };
    let mut talk = stand.talk();
    talk.say("MULTI").say("SET key 1");
    assert_eq!(talk.replies(2)[0], Reply::ok());
    talk.send("*1\r\n+EXEC\r\n");
    let _ = talk.try_reply(); // an error, or the end
    talk.is_over();
    let mut other = stand.talk();
    assert_eq!(other.ask("GET key"), Reply::Nil);
    eventually("its link is closed", || !other.ask("CLIENT LIST").text().contains("multi=1"));
}

#[test]
fn while_the_server_is_away_errors_are_answered_and_then_all_goes_on() {
    let Some(mut stand) = Stand::new("timeouts: { idle: 60s }") else { return };
    if stand.errors("no_member").is_none() {
        return;
    }
    let mut talks: Vec<_> = (0..20).map(|_| stand.talk()).collect();
    talks.iter_mut().for_each(|talk| assert_eq!(talk.ask("SET key 1"), Reply::ok()));
    for round in 0..3 {
        stand.kill();
        for talk in &mut talks {
            let error = talk.ask("SET key 1");
            assert!(matches!(&error, Reply::Error(text) if text.starts_with("ERR penstock: ")), "{error:?}");
            talk.say("MULTI").say("ECHO a").say("EXEC");
        }
        for talk in &mut talks {
            // A transaction that had no link ends with its client.
            let error = talk.reply();
            assert!(matches!(&error, Reply::Error(text) if text.starts_with("ERR penstock: ")), "{error:?}");
        }
        talks = (0..20).map(|_| stand.talk()).collect();
        assert!(talks[0].ask("GET key").text().starts_with("ERR penstock: "));
        stand.revive();
        eventually("it is found again", || talks[0].ask("PING").text() == "PONG");
        for talk in &mut talks {
            assert_eq!(talk.ask(&format!("SET key {round}")), Reply::ok());
        }
    }
}

#[test]
fn who_keeps_a_link_is_closed_with_it() {
    let Some(mut stand) = Stand::new("timeouts: { idle: 60s }") else { return };
    let kept = ["SELECT 1", "SUBSCRIBE a", "MULTI", "WATCH a", "MONITOR"];
    let mut talks: Vec<_> = kept.iter().map(|_| stand.talk()).collect();
    for (talk, words) in talks.iter_mut().zip(kept) {
        talk.ask(words);
    }
    let mut waits = stand.talk();
    waits.say("BLPOP a 0");
    let mut other = stand.talk();
    eventually("it waits", || other.ask("INFO clients").text().contains("blocked_clients:1"));
    stand.kill();
    for (talk, words) in talks.iter_mut().zip(kept) {
        while let Ok(reply) = talk.try_reply() {
            let fits = matches!(&reply, Reply::Error(text) if text.starts_with("ERR penstock: "));
            assert!(fits || words == "MONITOR", "{words}: {reply:?}");
        }
    }
    assert!(waits.reply().text().starts_with("ERR penstock: "), "what only waited is told");
    stand.revive();
    eventually("it is found again", || waits.ask("PING").text() == "PONG");
}

#[test]
fn a_refusal_of_ones_own_is_answered() {
    if !are_here(&[SERVER]) {
        return;
    }
    let nobody = own_address();
    let setup = Setup::resp(nobody).listener("framing: { refusal: \"-BUSY come back later\\r\\n\" }").start();
    if setup.counted("penstock_requests_total", "").is_none() {
        return;
    }
    let mut talk = Talk::connect(setup.address());
    for _ in 0..3 {
        assert_eq!(talk.ask("GET a"), Reply::Error("BUSY come back later".to_owned()));
    }
    let setup = Setup::resp(nobody).listener("framing: { refusal: close }").start();
    let mut talk = Talk::connect(setup.address());
    talk.say("GET a").is_over();
}
