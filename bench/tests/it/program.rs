//! The program as a user runs it.
//! In: command lines. Out: what it prints and its exit status.
//! Knows nothing of the library's types.

use std::process::{Command, Output};

use crate::server::{Reply, Server, honest};

fn load(server: &Server, words: &str) -> Output {
    let url = format!("http://{}/json", server.address);
    let mut command = Command::new(env!("CARGO_BIN_EXE_penstock-bench"));
    command.args(["load", &url]).args(words.split_whitespace()).output().unwrap()
}

#[test]
fn json_tells_the_counts_and_success_is_zero() {
    let server = Server::start(honest);
    let output =
        load(&server, "--clients 50 --requests 4 --sources 127.8.0.0/24 --work mixed --threads 2 --json");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let (accepted, requests, received, sent) = server.counts();
    assert_eq!((&report["requests"], &report["sources"]), (&200.into(), &50.into()));
    assert_eq!((&report["connections"], &report["answered"]), (&accepted.into(), &requests.into()));
    assert_eq!((&report["bytes_sent"], &report["bytes_received"]), (&received.into(), &sent.into()));
    assert_eq!(report["sources_by_member"]["a"], 50);
}

#[test]
fn a_server_in_trouble_is_told_in_words_and_status_one() {
    let server = Server::start(|_| Reply::SendAndClose(Vec::new()));
    let output = load(&server, "--clients 2 --requests 3");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("errors     6 (closed_early 6)"), "{text}");
    assert!(text.contains("end of input with 1 in flight"), "{text}");
}

#[test]
fn what_cannot_be_run_is_refused_with_status_two() {
    let server = Server::start(honest);
    for words in ["--sources nonsense", "--clients 99999999", "--duration soon", "-n 1 -d 1s"] {
        let output = load(&server, words);
        assert_eq!(output.status.code(), Some(2), "{words}");
        assert!(!output.stderr.is_empty());
    }
    assert_eq!(server.counts().0, 0);
}

#[test]
fn help_teaches() {
    let server = Server::start(honest);
    let text = String::from_utf8(load(&server, "--help").stdout).unwrap();
    for word in ["Examples:", "--sources", "--abort-one-in", "--depth", "Exit status"] {
        assert!(text.contains(word), "{word} in {text}");
    }
}
