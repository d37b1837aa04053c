//! What a client says before its turn is not kept without bound, and is done in its turn.

use std::sync::mpsc::{Sender, channel};

use crate::script::Script;
use crate::stand::{Proxy, Setup};
use crate::wire::{Wire, eventually, post};

/// A member of Redis's language that answers the first request when it is told to, and then +OK for each.
fn held() -> (Script, Sender<usize>) {
    let (open, gate) = channel();
    let gate = std::sync::Mutex::new(gate);
    let member = Script::start(move |_, mut link| {
        let mut first = [0; 1];
        if std::io::Read::read_exact(&mut link.stream, &mut first).is_err() {
            return;
        }
        let Ok(answers) = gate.lock().unwrap().recv() else { return };
        let mut reader = link.stream.try_clone().unwrap();
        let discard = std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        link.send("+OK\r\n".repeat(answers));
        _ = discard.join();
    });
    (member, open)
}

#[track_caller]
fn settled(proxy: &Proxy) -> i64 {
    let mut moved = -1;
    eventually("it takes no more", || {
        std::thread::sleep(std::time::Duration::from_millis(100));
        let now = proxy.sum("penstock_client_received_bytes_total");
        std::mem::replace(&mut moved, now) == now && now > 0
    });
    moved
}

/// Writes on a thread, as much as is taken.
fn writes(client: &Wire, bytes: Vec<u8>) -> std::thread::JoinHandle<()> {
    let mut stream = client.stream.try_clone().unwrap();
    std::thread::spawn(move || drop(std::io::Write::write_all(&mut stream, &bytes)))
}

const MUCH: usize = 40_000_000;

/// GET may share its link, so there is room behind it; but MULTI may not begin there.
#[test]
fn what_must_wait_for_its_link_is_left_in_the_socket() {
    let (member, open) = held();
    let proxy = Setup::new().listener("protocol: resp").workers(1).before_one(member.address);
    let mut client = proxy.client();
    let sets = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n".repeat(MUCH / 27);
    client.send("GET a\r\n");
    eventually("it is in flight", || proxy.sum("penstock_backend_requests_in_flight") == 1);
    client.send("MULTI\r\n");
    let writing = writes(&client, sets);
    let read = settled(&proxy);
    assert!(read < 2_000_000, "{read} bytes were read ahead");
    client.stream.shutdown(std::net::Shutdown::Both).unwrap();
    drop(open);
    writing.join().unwrap();
}

/// As above, for HTTP.
#[test]
fn a_body_that_must_wait_for_its_link_is_left_in_the_socket() {
    let (member, open) = held();
    let proxy = Setup::new().workers(1).before_one(member.address);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    eventually("it is in flight", || proxy.sum("penstock_backend_requests_in_flight") == 1);
    client.send(format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {MUCH}\r\n\r\n"));
    let writing = writes(&client, vec![b'x'; MUCH]);
    let read = settled(&proxy);
    assert!(read < 2_000_000, "{read} bytes were read ahead");
    client.stream.shutdown(std::net::Shutdown::Both).unwrap();
    drop(open);
    writing.join().unwrap();
}

/// What a client said before it ended its side is done in its turn, also where it had to wait for that.
#[test]
fn a_body_behind_a_slow_answer_is_sent_after_the_end_of_the_clients_side() {
    let (origin, proxy) = Setup::new().with_origin(1);
    for _ in 0..10 {
        let mut client = proxy.client();
        client
            .send("GET /delay/20 HTTP/1.1\r\nHost: h\r\n\r\n")
            .send(post("/add", br#"{"args":[1,2]}"#))
            .finish();
        assert_eq!(client.answer().status, 200);
        assert_eq!(client.answer().text(), r#"{"result":3}"#);
        client.is_over();
    }
    assert_eq!(origin.stats().total().requests, 20);
}
