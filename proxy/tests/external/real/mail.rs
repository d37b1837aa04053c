//! SMTP through the proxy: the server's banner comes before the client has said a word.

use std::net::SocketAddr;

use crate::support::child::{Child, Run};
use crate::support::place::{Directory, eventually, own_address, until_it_listens};
use crate::support::program::{Program, are_here};
use crate::support::proxy::Setup;

const SERVER: Program = Program::new("aiosmtpd", "python3-aiosmtpd");
const PYTHON: Program = Program::new("python3", "python3");

/// Sends as many messages as it is told on one connection, each with a large body, and one more on a second connection.
const CLIENT: &str = r#"
import smtplib, sys
host, port = sys.argv[1], int(sys.argv[2])
def message(i):
    body = "\r\n".join(f"{i} {line} " + "x" * 60 for line in range(5000))
    return f"Subject: number {i}\r\n\r\n{body}\r\n"
for connection in range(3):
    with smtplib.SMTP(host, port, timeout=60) as client:
        for i in range(3):
            refused = client.sendmail("a@example.com", ["b@example.com"], message(3 * connection + i))
            assert not refused, refused
print("sent")
"#;

fn server(directory: &Directory) -> (Child, SocketAddr) {
    let at = own_address();
    let run =
        Run::new(SERVER, directory.path()).args(&format!("-n -l {at} -c aiosmtpd.handlers.Debugging stdout"));
    let mut server = run.env("PYTHONUNBUFFERED", "1").start();
    until_it_listens(&mut server, at);
    (server, at)
}

fn messages_arrive(warm: u64) {
    if !are_here(&[SERVER, PYTHON]) {
        return;
    }
    let directory = Directory::new("mail");
    let (mut server, at) = server(&directory);
    let proxy = Setup::tcp(&[at]).backend(&format!("links: {{ warm: {warm} }}")).start();
    let idle = || proxy.counted("penstock_backend_connections", "state=\"idle\"");
    eventually("the links are warm", || idle().is_none_or(|idle| idle == warm));
    let (ip, port) = (proxy.address().ip().to_string(), proxy.address().port().to_string());
    let sent = Run::new(PYTHON, directory.path()).arg("-c").arg(CLIENT).arg(ip).arg(port).succeed();
    assert_eq!(sent, "sent\n");

    server.until("the end of nine messages", |said| said.matches("END MESSAGE").count() == 9);
    let said = server.said();
    for i in 0..9 {
        assert_eq!(said.matches(&format!("Subject: number {i}\n")).count(), 1, "message {i}");
        let lines = said.lines().filter(|line| line.starts_with(&format!("{i} ")) && line.ends_with("xxx"));
        let numbers: Vec<usize> =
            lines.map(|line| line.split(' ').nth(1).unwrap().parse().unwrap()).collect();
        assert_eq!(numbers, Vec::from_iter(0..5000), "lines of message {i}");
    }
    let reused = proxy.counted("penstock_pool_acquires_total", "result=\"reused\"");
    assert!(reused.is_none_or(|reused| (warm..=3 * warm).contains(&reused)), "{reused:?}");
}

#[test]
fn messages_reach_a_server_that_speaks_first() {
    messages_arrive(0);
}

#[test]
fn messages_reach_it_over_warm_links_whose_banner_came_before_the_client() {
    messages_arrive(2);
}
