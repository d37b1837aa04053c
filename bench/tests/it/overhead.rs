//! Tests `overhead` between an origin and a small proxy that both run in the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::server::{Server, honest, ok};
use crate::tables::{Say, Table, answer, line};

/// Starts a proxy of one connection each, in which `change` may change the bytes of answers.
fn proxy(to: SocketAddr, change: impl Fn(&mut [u8]) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    socket2::SockRef::from(&listener).listen(1024).unwrap();
    let (address, change) = (listener.local_addr().unwrap(), Arc::new(change));
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let member = TcpStream::connect(to).unwrap();
            client.set_nodelay(true).unwrap();
            member.set_nodelay(true).unwrap();
            let back = (member.try_clone().unwrap(), client.try_clone().unwrap());
            let change = Arc::clone(&change);
            thread::spawn(move || relay(client, member, |_| {}));
            thread::spawn(move || relay(back.0, back.1, |bytes| change(bytes)));
        }
    });
    address
}

fn relay(mut from: TcpStream, mut to: TcpStream, change: impl Fn(&mut [u8])) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(n @ 1..) = from.read(&mut bytes) {
        change(&mut bytes[..n]);
        if to.write_all(&bytes[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

fn program(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_penstock-bench"));
    command.arg("overhead").args(words);
    command
}

const SHORT: [&str; 9] =
    ["--connections", "1,4", "--clients", "4", "--rounds", "1", "--leg", "100ms", "--json"];

fn run(words: &[&str]) -> Output {
    program(words).args(SHORT).output().unwrap()
}

fn page(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("penstock-bench-{name}-{}.html", std::process::id()))
}

#[test]
fn both_ways_are_measured_and_reported() {
    let origin = Server::start(honest);
    let proxied = proxy(origin.address, |_| {});
    let (direct, proxied) = (format!("http://{}/x", origin.address), format!("http://{proxied}/x"));
    let html = page("both");
    let output = run(&["--direct", &direct, "--proxied", &proxied, "--html", html.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["version"], &report["interrupted"], &report["direct"]),
        (&1.into(), &false.into(), &direct.as_str().into())
    );
    let capacity = report["capacity"].as_array().unwrap();
    assert_eq!(capacity.len(), 2);
    for leg in capacity.iter().chain([&report["latency"]]) {
        for side in ["direct", "proxied"] {
            assert!(leg[side]["requests_per_second"].as_f64().unwrap() > 0.0, "{leg}");
            assert!(leg[side]["latency_seconds"]["p99"].as_f64().unwrap() > 0.0, "{leg}");
            // Both servers are threads of this test, which is found by its ports.
            assert!(leg[side]["cpu_seconds_per_1000"]["origin"].as_f64().unwrap() > 0.0, "{leg}");
        }
    }
    assert_eq!(report["capacity"][1]["proxied"]["connections"], serde_json::json!({ "in": 4.0, "out": 4.0 }));
    assert!(report["generator"]["ceilings"][0]["requests_per_second"].as_f64().unwrap() > 0.0, "{report}");
    assert!(report["latency"]["added_seconds"]["p50"]["mean"].is_f64(), "{report}");
    assert_eq!(report["verified"]["faults"], 0);
    assert!(report["verified"]["answers"].as_u64().unwrap() < origin.counts().1);
    let shown = std::fs::read_to_string(&html).unwrap();
    assert!(shown.contains("<svg") && shown.contains(&direct), "{shown}");
    std::fs::remove_file(&html).unwrap();
}

#[test]
fn other_protocols_are_measured_too() {
    let lines = Table::start(line, |words, _| Say::Bytes((answer(words) + "\n").into()));
    let proxied = proxy(lines.address, |_| {}).to_string();
    let words =
        ["--protocol", "lines", "--direct", &lines.address.to_string(), "--proxied", &proxied, "--no-html"];
    let output = run(&words);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["protocol"], &report["verified"]["faults"]), (&"lines".into(), &0.into()));
    let words: Vec<&str> = words.into_iter().chain(["--send", "tag x add 2 3", "--expect", "x 5"]).collect();
    let output = run(&words);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let words: Vec<&str> = words.into_iter().map(|word| if word == "x 5" { "x 6" } else { word }).collect();
    let output = run(&words);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}

/// Returns whether the programs that come with the generator are built beside it. Cargo builds them for the tests
/// of the whole workspace, and not for those of this package alone.
fn are_built() -> bool {
    let own = PathBuf::from(env!("CARGO_BIN_EXE_penstock-bench"));
    let built = ["penstock", "penstock-origin"].iter().all(|name| own.with_file_name(name).is_file());
    assert!(
        built || std::env::var_os("PENSTOCK_TEST_ALL").is_none(),
        "penstock and penstock-origin are not built"
    );
    if !built {
        println!("SKIPPED: penstock and penstock-origin are not built (cargo build --workspace)");
    }
    built
}

#[test]
fn without_addresses_the_own_programs_are_measured() {
    if !are_built() {
        return;
    }
    for protocol in [
        "http",
        "lines",
        "length-prefixed --length-bytes 2 --byte-order little --length-offset 1 --length-includes-header",
        "echo",
    ] {
        let words: Vec<&str> = ["--no-html", "--protocol"].into_iter().chain(protocol.split(' ')).collect();
        let output = run(&words);
        assert_eq!(output.status.code(), Some(0), "{protocol}: {output:?}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&report["verified"]["faults"], &report["interrupted"]), (&0.into(), &false.into()));
        let proxied = &report["latency"]["proxied"];
        assert!(proxied["cpu_seconds_per_1000"]["proxy"].as_f64().unwrap() > 0.0, "{protocol}: {report}");
        assert!(proxied["bytes_per_second"]["proxy_sends"].as_f64().unwrap() > 0.0, "{protocol}: {report}");
        assert_eq!(proxied["connections"]["in"], 4.0, "{protocol}: {report}");
        // A tunnel has no requests to count.
        if protocol != "echo" {
            let [proxy, generator] =
                ["requests_by_proxy", "requests_by_generator"].map(|name| &report["verified"][name]);
            assert_eq!(proxy, generator, "{protocol}");
        }
    }
}

#[test]
fn a_proxy_that_spoils_answers_under_load_is_told_by_status_one() {
    let origin = Server::start(honest);
    let seen = AtomicU64::new(0);
    let proxied = proxy(origin.address, move |bytes| {
        // The check before the load is one answer, and must pass.
        if seen.fetch_add(1, SeqCst) % 50 == 49 {
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
        }
    });
    let (direct, proxied) = (format!("http://{}/", origin.address), format!("http://{proxied}/"));
    let words =
        ["--direct", &direct, "--proxied", &proxied, "--work", "bytes", "--sizes", "100", "--no-html"];
    let output = run(&words);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["verified"]["faults"].as_u64().unwrap() > 0, "{report}");
    assert!(report["warnings"][0].as_str().unwrap().contains("exchanges failed"), "{report}");
}

#[test]
fn a_proxy_that_goes_away_leaves_the_figures_until_then() {
    let origin = Server::start(honest);
    let (seen, gone) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (count, end) = (Arc::clone(&seen), Arc::clone(&gone));
    let proxied = proxy(origin.address, move |bytes| {
        // From here on the answers are no HTTP, so that each connection ends without one.
        if count.fetch_add(1, SeqCst) > 600 {
            end.fetch_add(1, SeqCst);
            bytes.fill(b'x');
        }
    });
    let (direct, proxied) = (format!("http://{}/", origin.address), format!("http://{proxied}/"));
    let output = program(&["--direct", &direct, "--proxied", &proxied, "--no-html", "--json"])
        .args(["--connections", "1,2", "--clients", "2", "--rounds", "4", "--leg", "200ms"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["verified"]["answers"].as_u64().unwrap() > 500, "{report}");
    let warning = report["warnings"][0].as_str().unwrap();
    assert!(warning.contains("ended early") && warning.contains("no answer under load"), "{warning}");
    assert!(gone.load(SeqCst) > 0);
}

#[test]
fn mistakes_end_in_one_line_and_their_status() {
    let origin = Server::start(honest);
    let direct = format!("http://{}/", origin.address);
    let wrong = Server::start(|_| crate::server::Reply::Send(ok("a", b"wrong")));
    let wrong = format!("http://{}/", wrong.address);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let metrics = direct.clone();
    for (words, status, says) in [
        (
            &["--direct", &direct, "--proxied", "http://127.0.0.1:1/"][..],
            3,
            "127.0.0.1:1: nothing listens there",
        ),
        (&["--direct", &direct, "--proxied", &wrong, "--work", "bytes"], 3, "is wrong"),
        (&["--direct", &direct, "--proxied", &direct], 2, "nothing to compare"),
        (
            &["--direct", &direct, "--proxied", &wrong, "--origin-pid", "4000000000"],
            2,
            "no process 4000000000",
        ),
        (&["--direct", &direct, "--proxied", &wrong, "--metrics", &metrics], 3, "not those of penstock"),
        (&["--proxy-port", &port], 4, "in use"),
        (&["--origin-port", &port], 4, "in use"),
        (&["--penstock", "/there/is/none"], 4, "/there/is/none: there is no such program"),
        (&["--penstock", "/bin/false", "--origin", "/bin/false"], 4, "origin ended with exit status: 1"),
        (&["--clients", "99999999"], 4, "ulimit -Hn"),
        (&["--html", "/there/is/none/x.html"], 2, "there is no folder /there/is/none"),
    ] {
        let page: &[&str] = if words[0] == "--html" { &[] } else { &["--no-html"] };
        let output = program(words).args(page).output().unwrap();
        let said = String::from_utf8(output.stderr.clone()).unwrap();
        assert_eq!(output.status.code(), Some(status), "{words:?}: {output:?}");
        assert!(said.contains(says) && said.lines().count() == 1, "{words:?}: {said}");
        assert!(output.stdout.is_empty(), "{words:?}: {output:?}");
    }
}

/// Starts a program whose load lasts an hour, and interrupts it after so many requests.
fn interrupt(command: &mut Command, server: &Server, after: u64) -> (Option<i32>, Value) {
    let mut child: Child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    while server.counts().1 < after && began.elapsed() < Duration::from_secs(60) {
        thread::sleep(Duration::from_millis(10));
    }
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    let mut text = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_to_string(&mut text).unwrap();
    let status = child.wait().unwrap().code();
    let said: Vec<String> =
        BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap).collect();
    (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?} {said:?}")))
}

#[test]
fn an_interrupt_keeps_what_was_measured() {
    let server = Server::start(honest);
    let url = format!("http://{}/", server.address);
    let mut load = Command::new(env!("CARGO_BIN_EXE_penstock-bench"));
    let (status, report) = interrupt(load.args(["load", &url, "-d", "1h", "-c", "4", "--json"]), &server, 50);
    assert_eq!((status, &report["interrupted"]), (Some(130), &true.into()));
    assert!(report["answered"].as_u64().unwrap() > 0 && report["errors"]["closed_early"] == 0, "{report}");

    let proxied = format!("http://{}/", proxy(server.address, |_| {}));
    let before = server.counts().1;
    // A leg has some hundred requests: legs of both ways have ended when so many have come.
    let mut overhead = program(&["--direct", &url, "--proxied", &proxied, "--no-html", "--json"]);
    overhead.args(["--connections", "1", "--clients", "1", "--leg", "20ms", "--rounds", "100000"]);
    let (status, report) = interrupt(&mut overhead, &server, before + 5000);
    assert_eq!((status, &report["interrupted"]), (Some(130), &true.into()), "{report}");
    assert!(report["verified"]["answers"].as_u64().unwrap() > 500, "{report}");
    assert!(report["capacity"][0]["ratio"]["mean"].as_f64().unwrap() > 0.0, "{report}");
}
