//! A client that has ended its side (`printf ... | nc -N`) gets what Redis answers, byte for byte, and its link is let go.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::real::redis::{SERVER, server_at};
use crate::real::resp::{Reply, Talk};
use crate::support::place::{Directory, eventually, own_address};
use crate::support::program::are_here;
use crate::support::proxy::Setup;

/// Says this and FIN, and reads to the end.
#[track_caller]
fn half_closed(to: SocketAddr, said: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(said).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answers = Vec::new();
    let end = stream.read_to_end(&mut answers);
    assert!(end.is_ok(), "{}: {end:?} after {}", said.escape_ascii(), answers.escape_ascii());
    answers
}

#[test]
fn a_client_that_has_ended_its_side_is_answered_as_redis_answers_it() {
    if !are_here(&[SERVER]) {
        return;
    }
    let directory = Directory::new("redis-half-close");
    let at = own_address();
    let _server = server_at(&directory, at, "");
    let proxy = Setup::resp(at).backend("links: { max_per_member: 4 }").start();
    let cases: &[&[u8]] = &[
        b"SET a 1\r\nGET a\r\n",
        b"AUTH x\r\nSET a 1\r\n",
        b"SELECT 1\r\nSET a 2\r\nGET a\r\n",
        b"SET a \"b c\"\r\nGET a\r\n",
        b"SUBSCRIBE c d\r\n",
        b"SUBSCRIBE c\r\nUNSUBSCRIBE c\r\nGET a\r\n",
        b"MONITOR\r\n",
        b"MULTI\r\nSET a 1\r\n",
        b"MULTI\r\nSET a 1\r\nGET a",
        b"MULTI\r\n",
        b"MULTI\r\nSET a 1\r\nEXEC\r\n",
        b"WATCH a\r\nGET a\r\n",
        b"WATCH a\r\nMULTI\r\nNOSUCH\r\nEXEC\r\nGET a\r\n",
        b"GET a\r\nGE",
        b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*2\r\n$3\r\nGET\r\n$100\r\na",
        b"BLPOP none 0\r\n",
        b"PING\r\nBLPOP none 0\r\nPING\r\n",
        b"RPUSH l 1\r\nBLPOP l 0\r\nPING\r\n",
        b"WATCH a\r\nBLPOP none 0\r\nGET a\r\n",
        b"SELECT 1\r\nBLPOP none 0\r\n",
        b"XREAD BLOCK 0 STREAMS none $\r\n",
        b"QUIT\r\nGET a\r\n",
        b"",
    ];
    // More often than there are links, so that one that is not let go is missed.
    for round in 0..5 {
        for said in cases {
            let (direct, proxied) = (half_closed(at, said), half_closed(proxy.address(), said));
            let shown = proxied.escape_ascii().to_string();
            assert_eq!(shown, direct.escape_ascii().to_string(), "{} in round {round}", said.escape_ascii());
        }
    }
    let mut other = Talk::connect(at);
    eventually("nobody is blocked, watches or subscribes any more", || {
        let clients = other.ask("INFO clients").text().contains("blocked_clients:0");
        let list = other.ask("CLIENT LIST").text().to_owned();
        clients && !list.contains("multi=0") && !list.contains("sub=1") && !list.contains("db=1")
    });
}

#[test]
fn what_has_been_answered_reaches_a_client_that_reads_late() {
    if !are_here(&[SERVER]) {
        return;
    }
    let directory = Directory::new("redis-half-close-late");
    let at = own_address();
    let _server = server_at(&directory, at, "");
    let proxy = Setup::resp(at).backend("links: { max_per_member: 2 }").start();
    let value = "x".repeat(100_000);
    assert_eq!(Talk::connect(at).say(&format!("SET big {value}")).reply(), Reply::ok());
    // More than any socket keeps, and half a request behind it.
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all("GET big\r\n".repeat(300).as_bytes()).unwrap();
    stream.write_all(b"GET bi").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut other = Talk::connect(proxy.address());
    assert_eq!(other.ask("PING").text(), "PONG");
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).unwrap();
    assert_eq!(answers.len(), 300 * (value.len() + "$100000\r\n\r\n".len()));
}
