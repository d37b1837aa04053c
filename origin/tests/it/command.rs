//! The command says where it listens, serves, and ends with 0 when told to.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::wire::Wire;

/// A process that ends when the test does, however it does.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn end_by(&mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
        self.0.wait().unwrap().code()
    }
}

fn run(arguments: &[&str]) -> (Running, Vec<String>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_penstock-origin"));
    let mut child = command.args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        lines.push(line.unwrap());
        if lines.last().unwrap().starts_with("try:") {
            break;
        }
    }
    (Running(child), lines)
}

#[test]
fn it_announces_serves_and_obeys_signals() {
    for (signal, extra) in
        [(Signal::INT, vec![]), (Signal::TERM, vec!["--legacy", "2", "--idle-timeout", "60s"])]
    {
        let (mut child, lines) =
            run(&[&["-l", "x=127.0.0.1:0", "-l", "127.0.0.1:0"], extra.as_slice()].concat());
        let address = lines[0].strip_prefix("member x listens on ").unwrap();
        assert!(lines[1].starts_with("member b listens on 127.0.0.1:"), "{lines:?}");
        assert_eq!(*lines.last().unwrap(), format!("try: curl -i http://{address}/json"));
        let mut wire = Wire::connect(address.parse().unwrap());
        assert_eq!(wire.get("/json").field("x-member"), Some("x"));
        assert_eq!(child.end_by(signal), Some(0));
        assert_eq!(wire.rest(), b"");
    }
}

#[test]
fn a_taken_address_is_said_and_fails() {
    let (_first, lines) = run(&["-l", "x=127.0.0.1:0"]);
    let address = lines[0].strip_prefix("member x listens on ").unwrap();
    let second = Command::new(env!("CARGO_BIN_EXE_penstock-origin")).args(["-l", address]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains(address));
}

#[test]
fn frames_are_announced_with_a_request_that_they_answer() {
    let cases = [
        ("lines:crlf", r"add 2 3\r\n", "add 2 3\r\n", "5\r\n"),
        ("length-prefixed:2le,header,offset=1", r"x\012\000add 2 3", "x\x0a\0add 2 3", "x\x04\x005"),
    ];
    for (speaks, printed, said, answer) in cases {
        let arguments =
            ["-l", "127.0.0.1:0", "--speaks", speaks, "--legacy", "8", "--at-once", "2", "--work", "1ms"];
        let (mut child, lines) = run(&arguments);
        let address = lines[0].strip_prefix("member a listens on ").unwrap();
        assert_eq!(lines[2], "at once: 2 requests on each member, each takes 1ms at least");
        let nc = address.replace(':', " ");
        assert_eq!(*lines.last().unwrap(), format!("try: printf '{printed}' | nc -N {nc}"));
        let mut wire = Wire::connect(address.parse().unwrap());
        assert_eq!(wire.send(said).shut().rest(), answer.as_bytes());
        assert_eq!(child.end_by(Signal::TERM), Some(0));
    }
}

#[test]
fn bytes_paths_and_stats_are_announced_and_served() {
    let path = crate::wire::fresh_path();
    let listen = format!("b=unix:{}", path.display());
    let arguments = ["-l", "127.0.0.1:0", "-l", &listen, "--speaks", "banner", "--proxy-protocol"];
    let (mut child, lines) = run(&[&arguments[..], &["--stats", "127.0.0.1:0"]].concat());
    assert_eq!(lines[1], format!("member b listens on unix:{}", path.display()));
    assert!(lines[3].starts_with(r"try: printf 'PROXY UNKNOWN\r\n' | nc -N 127.0.0.1 "), "{lines:?}");
    let said = Wire::unix(&path).send("PROXY UNKNOWN\r\nQUIT\r\n").rest();
    assert_eq!(said, b"220 b ready\r\n221 bye\r\n");
    let stats = lines[2].strip_prefix("stats: http://").unwrap().strip_suffix("/stats").unwrap();
    let told = Wire::connect(stats.parse().unwrap()).get("/stats").json();
    assert_eq!(told["listeners"][1]["headers_good"], 1);
    assert_eq!(child.end_by(Signal::TERM), Some(0));
    assert!(!path.exists());
}
