//! A client's requests before its turn are not kept without bound, and are done in their turn.

use std::sync::mpsc::{Sender, channel};

use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup};
use crate::support::wire::{Wire, eventually, post, request};

/// A member that answers the quick at once, and a GET of anything else when its sender is gone.
fn held(quick: &'static str, answer: &'static str, end: &'static [u8]) -> (Script, Sender<()>) {
    let (open, gate) = channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let member = Script::start(move |_, mut link| {
        let (mut heard, mut room) = (Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = std::io::Read::read(&mut link.stream, &mut room) {
            heard.extend_from_slice(&room[..count]);
            while let Some(at) = memchr::memmem::find(&heard, end) {
                if !heard.starts_with(quick.as_bytes()) {
                    _ = gate.lock().unwrap().recv();
                    return;
                }
                heard.drain(..at + end.len());
                link.send(answer);
            }
        }
    });
    (member, open)
}

/// It answers quickly, so requests are put behind others.
fn pipelines(proxy: &Proxy, quick: &str, answer: &str) -> Wire {
    let mut client = proxy.client();
    eventually("it pipelines", || {
        client.send(quick.repeat(16));
        assert_eq!(client.take(16 * answer.len()), answer.repeat(16).as_bytes());
        proxy.sum("penstock_backend_pipeline_depth_limit") >= 8
    });
    client
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
    let (member, open) = held("PING", "+PONG\r\n", b"\r\n");
    let proxy = Setup::new().listener("protocol: resp").workers(1).before_one(member.address);
    let mut client = pipelines(&proxy, "PING\r\n", "+PONG\r\n");
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
    let answer = "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 0\r\n\r\n";
    let (member, open) = held("GET /quick", answer, b"\r\n\r\n");
    let proxy = Setup::new().workers(1).before_one(member.address);
    let mut client = pipelines(&proxy, &request("GET", "/quick"), answer);
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
