//! Tests that a mistake ends in one clear line and its exit status, before any load.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Output};

use crate::server::{Reply, Server, honest, ok};

fn program(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_penstock-bench")).args(words).output().unwrap()
}

/// Asserts that the program said one line with these words, and ended with this status.
fn fails(words: &[&str], status: i32, says: &[&str]) {
    let output = program(words);
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(status), "{words:?}: {output:?}");
    assert_eq!(said.lines().count(), 1, "{words:?}: {said}");
    assert!(output.stdout.is_empty(), "{words:?}: {output:?}");
    for word in says {
        assert!(said.contains(word), "{word:?} in {said}");
    }
}

#[test]
fn an_address_that_does_not_answer() {
    // A bound socket that does not listen refuses, and keeps the port from others.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let url = format!("http://{address}/");
    fails(&["load", &url, "-c", "1000"], 3, &[&address.to_string(), "nothing listens there"]);
}

#[test]
fn a_wrong_protocol() {
    let server = Server::start(honest);
    let address = server.address.to_string();
    let shut = Server::start(|_| Reply::SendAndClose(b"-ERR unknown command\r\n".into()));
    let url = format!("http://{}/", shut.address);
    fails(&["load", &url], 3, &["the answer is not HTTP/1.1", "--protocol"]);
    let closed = Server::start(|_| Reply::SendAndClose(Vec::new()));
    let url = format!("http://{}/", closed.address);
    fails(&["load", &url], 3, &["ended without an answer", "does it speak HTTP/1.1?"]);
    // An HTTP server waits for the end of a head that never comes.
    let words = ["load", &address, "--protocol", "lines", "--timeout", "500ms"];
    fails(&words, 3, &["no whole answer within 500ms", "does it speak lines?"]);
    assert_eq!(server.counts().1, 0);
}

#[test]
fn an_origin_that_answers_wrongly() {
    let missing = Server::start(|_| Reply::Send(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".into()));
    let url = format!("http://{}/gone", missing.address);
    fails(&["load", &url], 3, &["the answer to GET /gone has a status of 4xx"]);
    assert_eq!(missing.counts().1, 1, "nothing but the check was sent");
    let wrong = Server::start(|_| Reply::Send(ok("a", b"another body")));
    let url = format!("http://{}", wrong.address);
    fails(&["load", &url, "--work", "bytes"], 3, &["the answer to the request is wrong"]);
    let other = Server::start(|_| Reply::Send(ok("a", b"{\"target\":\"/echo?id=77-2\"}")));
    let url = format!("http://{}", other.address);
    fails(&["load", &url, "--work", "ids"], 3, &["belongs to another request"]);
}

#[test]
fn a_descriptor_limit_that_is_too_low() {
    let server = Server::start(honest);
    let url = format!("http://{}/", server.address);
    fails(&["load", &url, "-c", "99999999"], 4, &["99999999 clients need", "hard limit", "ulimit -Hn"]);
    assert_eq!(server.counts().0, 0);
}

#[test]
fn a_bad_line_of_a_mix() {
    let server = Server::start(honest);
    let url = format!("http://{}/", server.address);
    let file = std::env::temp_dir().join(format!("penstock-bench-mix-{}", std::process::id()));
    let mut mix = std::fs::File::create(&file).unwrap();
    mix.write_all(b"{\"path\": \"/\"}\n{\"path\": \"/\", \"weight\": -1}\n").unwrap();
    let name = file.display().to_string();
    fails(&["load", &url, "--mix-file", &name], 2, &[&format!("{name}:2: weight: ")]);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(server.counts().0, 0);
}

#[test]
fn the_check_is_not_in_the_report_and_can_be_left_out() {
    for (words, extra) in [("", 1), ("--no-check", 0), ("--allow-breaks", 0)] {
        let server = Server::start(honest);
        let url = format!("http://{}/", server.address);
        let mut all = vec!["load", url.as_str(), "-c", "2", "-n", "3", "--json"];
        all.extend(words.split_whitespace());
        let report: serde_json::Value = serde_json::from_slice(&program(&all).stdout).unwrap();
        assert_eq!(report["answered"], 6);
        assert_eq!(server.counts().1, 6 + extra, "{words}");
    }
}

#[test]
fn a_listener_that_never_answers_is_told_after_the_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    fails(&["load", &url, "--timeout", "300ms"], 3, &["no whole answer within 300ms"]);
}
