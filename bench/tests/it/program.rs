//! Tests the program as a user runs it.

use std::process::{Command, Output};

use crate::server::{Reply, Server, honest};
use crate::tables::{Say, Table, answer, line};

fn load(server: &Server, words: &str) -> Output {
    let url = format!("http://{}/json", server.address);
    let mut command = Command::new(env!("CARGO_BIN_EXE_penstock-bench"));
    command.args(["load", &url]).args(words.split_whitespace()).output().unwrap()
}

#[test]
fn json_tells_the_counts_and_success_is_zero() {
    let server = Server::start(honest);
    let output = load(
        &server,
        "--clients 50 --requests 4 --sources 127.8.0.0/24 --work mixed --threads 2 --json --no-check",
    );
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
    let output = load(&server, "--clients 2 --requests 3 --no-check");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("errors     6 (closed_early 6)"), "{text}");
    assert!(text.contains("end of input with 1 in flight"), "{text}");
}

#[test]
fn what_cannot_be_run_is_refused_with_status_two() {
    let server = Server::start(honest);
    for words in ["--sources nonsense", "--duration soon", "-n 1 -d 1s", "--mix-file /there/is/none"] {
        let output = load(&server, words);
        assert_eq!(output.status.code(), Some(2), "{words}");
        assert!(!output.stderr.is_empty());
    }
    assert_eq!(server.counts().0, 0);
}

/// Runs the program against lines of which one in ten is `lie`.
fn lines(lie: &'static str, words: &str) -> Output {
    let table = Table::start(line, move |words, before| match before % 10 {
        9 if lie.is_empty() => Say::Last(Vec::new()),
        9 => Say::Bytes(lie.into()),
        _ => Say::Bytes((answer(words) + "\n").into()),
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_penstock-bench"));
    command.args([
        "load",
        &table.address.to_string(),
        "--protocol",
        "lines",
        "--no-check",
        "-n",
        "25",
        "-c",
        "2",
        "--json",
    ]);
    command.args(words.split_whitespace()).output().unwrap()
}

#[test]
fn breaks_are_allowed_where_asked_and_wrong_answers_never() {
    for (lie, words, status) in [
        ("", "", 1),
        ("", "--allow-breaks", 0),
        ("7-7 7\n", "--allow-breaks", 1),
        ("ERR busy\n", "--allow-breaks", 1),
        ("ERR busy\n", r"--allow-breaks --refusal hex:45525220627573790a", 0),
        ("ERR busy\n", r"--refusal hex:45525220627573790a", 1),
    ] {
        let output = lines(lie, words);
        assert_eq!(output.status.code(), Some(status), "{lie:?} {words}: {output:?}");
    }
}

#[test]
fn json_tells_the_classes_of_a_mix() {
    let server = Server::start(honest);
    let output = load(&server, "--clients 4 -n 50 --mix /a=1 --mix /b?x=1=1 --json");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let classes = report["classes"].as_object().unwrap();
    assert_eq!(classes.keys().collect::<Vec<_>>(), ["/a", "/b?x=1"]);
    let answered: u64 = classes.values().map(|class| class["answered"].as_u64().unwrap()).sum();
    assert_eq!(answered, 200);
    for name in ["p50", "p99", "p99.9", "max"] {
        assert!(classes["/a"]["latency_seconds"][name].as_f64().unwrap() > 0.0, "{name}");
    }
}

#[test]
fn help_teaches() {
    let server = Server::start(honest);
    let text = String::from_utf8(load(&server, "--help").stdout).unwrap();
    for word in ["Examples:", "--sources", "--abort-one-in", "--depth", "Exit status"] {
        assert!(text.contains(word), "{word} in {text}");
    }
}
