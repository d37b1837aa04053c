//! Tests clients that stay connected between orders, while counters at rest are compared.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;

use penstock_bench::{Clients, Plan, Stop, Work};

use crate::server::{Server, honest};

#[test]
fn clients_stay_connected_between_rounds() {
    let server = Server::start(honest);
    let plan = Plan {
        clients: 300,
        threads: 2,
        work: Work::Ids,
        stop: Stop::Requests(3),
        ..Plan::new(server.address)
    };
    let mut clients = Clients::connect(&plan).unwrap();
    assert_eq!(clients.idle().unwrap(), 300);
    for _ in 0..3 {
        let round = clients.round().unwrap();
        assert!(round.is_clean(), "{round:?}");
        assert_eq!((round.answered, round.connections), (300, 0));
        assert_eq!(clients.idle().unwrap(), 300);
    }
    assert_eq!(clients.work().unwrap().answered, 900);
    let total = clients.close().unwrap();
    assert_eq!((total.connections, total.answered, total.bytes_sent, total.bytes_received), server.counts());
    assert_eq!((total.connections, total.answered), (300, 1800));
}

/// Serves one connection: one answer, then whatever the test says.
fn answer_then(
    act: impl FnOnce(std::net::TcpStream) + Send + 'static,
) -> (Clients, mpsc::Sender<()>, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (go, wait) = mpsc::channel();
    let (tell, done) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        assert!(stream.read(&mut [0; 1000]).unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        wait.recv().unwrap();
        act(stream);
        tell.send(()).unwrap();
    });
    (Clients::connect(&Plan::new(address)).unwrap(), go, done)
}

#[test]
fn a_close_while_idle_is_seen_and_is_no_error() {
    let (mut clients, go, done) = answer_then(drop);
    clients.round().unwrap();
    assert_eq!(clients.idle().unwrap(), 1);
    go.send(()).unwrap();
    done.recv().unwrap();
    assert_eq!(clients.idle().unwrap(), 0);
    assert!(clients.close().unwrap().is_clean());
}

#[test]
fn bytes_that_come_while_idle_are_surplus() {
    let (keep, kept) = mpsc::channel();
    let (mut clients, go, done) = answer_then(move |mut stream| {
        stream.write_all(b"HTTP/1.1 408 Late\r\n\r\n").unwrap();
        keep.send(stream).unwrap();
    });
    clients.round().unwrap();
    go.send(()).unwrap();
    done.recv().unwrap();
    assert_eq!(clients.idle().unwrap(), 0);
    let total = clients.close().unwrap();
    assert_eq!((total.errors.surplus, total.errors.total(), total.answered), (1, 1, 1), "{total:?}");
    assert_eq!(total.bytes_received, 38 + 21);
    drop(kept);
}
