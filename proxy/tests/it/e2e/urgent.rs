//! TCP urgent data (FTP, telnet and Oracle Net send it) is data like any other, and what follows it is passed at once.

use std::net::SocketAddr;

use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup};
use crate::support::wire::{Wire, request};

/// So often, as what stalls does so only where all of it comes at once.
const ROUNDS: usize = 100;

fn urgently(wire: &Wire, byte: u8) {
    let socket = socket2::SockRef::from(&wire.stream);
    assert_eq!(socket.send_out_of_band(&[byte]).unwrap(), 1);
}

/// Sends this with its byte at `at` urgent.
fn send_with_urgent(wire: &mut Wire, bytes: &[u8], at: usize) {
    wire.send(&bytes[..at]);
    urgently(wire, bytes[at]);
    wire.send(&bytes[at + 1..]);
}

/// A member that repeats eight bytes at a time, with the fourth of them urgent.
fn echo() -> Script {
    Script::start(|_, mut wire| {
        while let Some(came) = wire.try_take(8) {
            send_with_urgent(&mut wire, &came, 3);
        }
    })
}

fn tunnel_through(proxy: &Proxy, address: SocketAddr, opening: &str) -> Wire {
    let mut client = proxy.client();
    if !opening.is_empty() {
        client.send(opening.replace("ADDRESS", &address.to_string()));
        let head = client.next_head().unwrap();
        assert!(head.starts_with("HTTP/1.1 101 ") || head.starts_with("HTTP/1.1 200 "), "{head}");
    }
    client
}

#[test]
fn it_passes_through_tcp_mode_both_ways() {
    let member = echo();
    let proxy = Setup::new().listener("protocol: tcp").before_one(member.address);
    let mut client = tunnel_through(&proxy, member.address, "");
    for round in 0..ROUNDS {
        send_with_urgent(&mut client, b"abc!ABOR", 3);
        assert_eq!(client.take(8), b"abc!ABOR", "round {round}");
    }
}

/// Behind a stream that has filled the buffer, bytes are moved by splice(2), which stops in front of an urgent byte.
#[test]
fn it_passes_amid_a_stream_that_is_spliced() {
    const BULK: usize = 4 << 20;
    let member = Script::start(|_, mut wire| {
        while let Some(came) = wire.try_take(BULK + 8) {
            assert!(came[..BULK].iter().all(|byte| *byte == b'.'));
            wire.send(&came[BULK..]);
        }
        wire.finish();
    });
    let proxy = Setup::new().listener("protocol: tcp").before_one(member.address);
    let mut client = proxy.client();
    for round in 0..20 {
        client.send(vec![b'.'; BULK]);
        send_with_urgent(&mut client, b"abc!ABOR", 3);
        assert_eq!(client.take(8), b"abc!ABOR", "round {round}");
    }
    assert!(proxy.sum("penstock_tunnel_spliced_bytes_total") > 0);
    // The end of the stream comes together with the urgent byte and what is behind it.
    client.send(vec![b'.'; BULK]);
    send_with_urgent(&mut client, b"abc!ABOR", 3);
    client.finish();
    assert_eq!(client.rest(), b"abc!ABOR");
}

#[test]
fn it_passes_through_an_upgrade_and_a_connect_tunnel() {
    let member = Script::start(|_, mut wire| {
        let head = wire.next_head().unwrap();
        wire.send(if head.starts_with("CONNECT") {
            "HTTP/1.1 200 OK\r\n\r\n"
        } else {
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: telnet\r\n\r\n"
        });
        while let Some(came) = wire.try_take(8) {
            send_with_urgent(&mut wire, &came, 3);
        }
    });
    let setup = Setup::new().listener("upgrades: any").listener("connect: true");
    let proxy = setup.before_one(member.address);
    for opening in [
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: telnet\r\n\r\n",
        "CONNECT ADDRESS HTTP/1.1\r\nHost: ADDRESS\r\n\r\n",
    ] {
        let mut client = tunnel_through(&proxy, member.address, opening);
        for round in 0..ROUNDS {
            send_with_urgent(&mut client, b"abc!ABOR", 3);
            assert_eq!(client.take(8), b"abc!ABOR", "round {round}");
        }
    }
}

#[test]
fn it_is_part_of_requests_and_answers_of_http() {
    let member = Script::start(|_, mut wire| {
        while let Some(head) = wire.next_head() {
            assert!(head.starts_with("GET /urgent HTTP/1.1\r\n"), "{head}");
            send_with_urgent(&mut wire, b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nabc!ABOR", 41);
        }
    });
    let proxy = Setup::new().before_one(member.address);
    let mut client = proxy.client();
    for round in 0..ROUNDS {
        send_with_urgent(&mut client, request("GET", "/urgent").as_bytes(), 7);
        assert_eq!(client.answer().text(), "abc!ABOR", "round {round}");
    }
}

#[test]
fn it_is_part_of_lines_and_of_commands_of_redis() {
    let lines = Script::start(|_, mut wire| {
        while let Some(came) = wire.try_take(9) {
            send_with_urgent(&mut wire, &came, 3);
        }
    });
    let redis = Script::start(|_, mut wire| {
        while let Some(came) = wire.try_take(b"*2\r\n$4\r\nECHO\r\n$8\r\nabc!ABOR\r\n".len()) {
            assert!(came.ends_with(b"abc!ABOR\r\n"));
            send_with_urgent(&mut wire, b"$8\r\nabc!ABOR\r\n", 7);
        }
    });
    for (protocol, member, asked, at, answer) in [
        ("lines", &lines, &b"abc!ABOR\n"[..], 3, &b"abc!ABOR\n"[..]),
        ("resp", &redis, b"*2\r\n$4\r\nECHO\r\n$8\r\nabc!ABOR\r\n", 21, b"$8\r\nabc!ABOR\r\n"),
    ] {
        let proxy = Setup::new().listener(&format!("protocol: {protocol}")).before_one(member.address);
        let mut client = proxy.client();
        for round in 0..ROUNDS {
            send_with_urgent(&mut client, asked, at);
            assert_eq!(client.take(answer.len()), answer, "{protocol}, round {round}");
        }
    }
}

/// The mark may be the last there is.
#[test]
fn a_stream_goes_on_behind_an_urgent_byte_that_was_the_last_for_a_while() {
    let member = echo();
    let proxy = Setup::new().listener("protocol: tcp").before_one(member.address);
    let mut client = proxy.client();
    for _ in 0..ROUNDS {
        send_with_urgent(&mut client, b"1234567!", 7);
        assert_eq!(client.take(8), b"1234567!");
        client.send("plain...");
        assert_eq!(client.take(8), b"plain...");
    }
}
