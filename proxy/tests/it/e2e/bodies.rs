//! Ten megabytes pass both ways byte for byte, however slowly they are read or written, and are never held.

use std::io::Write;
use std::time::Duration;

use crate::support::binary::Binary;
use crate::support::stand::{Setup, origin};
use crate::support::wire::{Wire, fields, pattern};

const MANY: usize = 10 << 20;

fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in body.chunks(size) {
        write!(out, "{:x}\r\n", chunk.len()).unwrap();
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

/// Sends all, while another thread reads what is echoed.
fn echo(mut wire: Wire, head: &str, body: Vec<u8>) -> (Wire, Vec<u8>) {
    let mut writer = wire.stream.try_clone().unwrap();
    let head = head.to_owned();
    let sender = std::thread::spawn(move || {
        writer.write_all(head.as_bytes()).unwrap();
        writer.write_all(&body).unwrap();
    });
    let answer = wire.answer();
    sender.join().unwrap();
    (wire, answer.body)
}

#[test]
fn long_answers_arrive_byte_for_byte() {
    let (_origin, proxy) = Setup::new().with_origin(1);
    let mut client = proxy.client();
    for target in ["bytes", "chunked", "until-close"] {
        let answer = client.get(&format!("/{target}/{MANY}"));
        assert!(answer.body == pattern(MANY), "{target}: {} bytes", answer.body.len());
    }
}

#[test]
fn long_bodies_go_there_and_back_byte_for_byte() {
    let (_origin, proxy) = Setup::new().with_origin(1);
    let body = pattern(MANY);
    let head = format!("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {MANY}\r\n\r\n");
    let (client, echoed) = echo(proxy.client(), &head, body.clone());
    assert!(echoed == body, "by length: {} bytes", echoed.len());
    let head = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    for size in [1000, 100_000] {
        let (_, echoed) = echo(proxy.client(), head, chunked(&body, size));
        assert!(echoed == body, "chunks of {size}: {} bytes", echoed.len());
    }
    let mut client = client;
    assert_eq!(client.get("/hello").status, 200);
}

#[test]
fn slow_readers_get_all_and_cost_little() {
    let origin = origin(1);
    // Who shares a link with a slow reader waits for it.
    let setup = Setup::new().workers(1).backend("links: { pipeline: 1 }");
    let setup = setup.listener("timeouts: { write: 60s }");
    let proxy = Binary::run(&setup.text(origin.addresses()));
    Wire::connect(proxy.listener("web")).get("/bytes/100000");
    let before = proxy.peak_memory();
    let get = format!("GET /bytes/{MANY} HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut readers: Vec<_> = (0..8).map(|_| Wire::connect_narrow(proxy.listener("web"))).collect();
    readers.iter_mut().for_each(|reader| drop(reader.send(&get).head()));
    std::thread::sleep(Duration::from_millis(300)); // so that what could be read ahead has been
    let mut other = Wire::connect(proxy.listener("web"));
    assert_eq!(other.get("/hello").status, 200, "others are not held up");
    let grown = proxy.peak_memory() - before;
    assert!(grown < 16 << 20, "{grown} bytes more for 80 MiB that nobody reads");
    let expected = pattern(MANY);
    for mut reader in readers {
        let mut body = Vec::new();
        while body.len() < MANY {
            body.extend(reader.take((MANY - body.len()).min(1 << 16)));
        }
        assert!(body == expected);
    }
    let grown = proxy.peak_memory() - before;
    assert!(grown < 16 << 20, "{grown} bytes more for 80 MiB");
}

#[test]
fn slow_writers_and_slow_members_cost_little() {
    // A member that takes a body only when told to.
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let member = crate::support::script::Script::start(move |_, mut wire| {
        while let Some(head) = wire.next_head() {
            gate.lock().unwrap().recv().unwrap();
            let length = fields(&head, "content-length")[0].parse().unwrap();
            let right = wire.take(length) == pattern(length);
            wire.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{right}",
                right.to_string().len()
            ));
        }
    });
    let setup = Setup::new().workers(1);
    let proxy = Binary::run(&setup.text(&[("a".to_owned(), member.address)]));
    let before = proxy.peak_memory();
    let mut client = Wire::connect(proxy.listener("web"));
    let mut writer = client.stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        write!(writer, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {MANY}\r\n\r\n").unwrap();
        writer.write_all(&pattern(MANY)).unwrap();
    });
    std::thread::sleep(Duration::from_millis(300)); // so that what could be read ahead has been
    let grown = proxy.peak_memory() - before;
    assert!(grown < 8 << 20, "{grown} bytes more for 10 MiB that the member does not take");
    go.send(()).unwrap();
    sender.join().unwrap();
    assert_eq!(client.answer().text(), "true");
    drop(go);
}

#[test]
fn a_body_in_small_pieces_is_the_same_body() {
    let (_origin, proxy) = Setup::new().with_origin(1);
    let body = pattern(20_000);
    let mut client = proxy.client();
    client.send(format!("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.len()));
    body.chunks(17).for_each(|piece| {
        client.send(piece);
    });
    assert!(client.answer().body == body);
    client.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    chunked(&body, 7).chunks(13).for_each(|piece| {
        client.send(piece);
    });
    assert!(client.answer().body == body);
}

#[test]
fn a_client_that_asks_and_asks_but_never_reads_costs_little() {
    let origin = origin(1);
    let proxy = Binary::run(&Setup::new().workers(1).text(origin.addresses()));
    Wire::connect(proxy.listener("web")).get("/bytes/100000");
    let before = proxy.peak_memory();
    let mut client = Wire::connect_narrow(proxy.listener("web"));
    client.send("GET /bytes/100000 HTTP/1.1\r\nHost: h\r\n\r\n".repeat(1000));
    std::thread::sleep(Duration::from_millis(300)); // so that what could be read ahead has been
    let grown = proxy.peak_memory() - before;
    assert!(grown < 8 << 20, "{grown} bytes more for 100 MB that nobody reads");
    for i in 0..1000 {
        assert_eq!(client.answer().body.len(), 100_000, "answer {i}");
    }
}
