//! Tests `peers` and `ladder` with the real origin and the real proxy, and mistakes that end them before any load.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_penstock-bench");

/// Returns the command, with the programs of this build.
fn bench(words: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(words).env_remove("PENSTOCK_BIN").env_remove("PENSTOCK_ORIGIN_BIN");
    command
}

/// Says whether proxy and origin were built beside the generator, as `cargo test --workspace` does.
fn are_built() -> bool {
    let folder = Path::new(PROGRAM).parent().unwrap();
    let built = ["penstock", "penstock-origin"].iter().all(|name| folder.join(name).is_file());
    if !built {
        assert!(std::env::var_os("PENSTOCK_TEST_ALL").is_none(), "build the workspace before this test");
        println!("SKIPPED: penstock and penstock-origin are not in {}", folder.display());
    }
    built
}

/// A file that goes at the end of the test.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("penstock-bench-test.{}.{name}", std::process::id())))
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(&self.0).unwrap()).unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Asserts that a command said one line with these words, and ended with this status.
fn fails(mut command: Command, status: i32, says: &[&str]) {
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    assert!(output.stdout.is_empty() && said.lines().count() == 1, "{output:?}");
    for words in says {
        assert!(said.contains(words), "{words:?} in {said}");
    }
}

#[test]
fn unknown_loads_and_ladders_are_refused_with_those_that_there_are() {
    fails(bench(&["peers", "http-c65"]), 2, &["no scenario http-c65", "http-c64"]);
    fails(bench(&["ladder", "hallo"]), 2, &["no ladder hallo", "workstations"]);
}

#[test]
fn a_proxy_that_is_asked_for_and_not_installed_is_named() {
    let mut command = bench(&["peers", "http-c64", "--peers", "envoy"]);
    command.env("ENVOY_BIN", "/no/such/envoy");
    fails(command, 4, &["envoy cannot be measured", "ENVOY_BIN=/no/such/envoy"]);
    let mut command = bench(&["ladder", "hello"]);
    command.env("PENSTOCK_BIN", "/no/such/penstock");
    fails(command, 4, &["PENSTOCK_BIN=/no/such/penstock", "cargo build --release -p penstock"]);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for words in [["peers", "http-c64", "--port", &port], ["ladder", "hello", "--port", &port]] {
        let mut command = bench(&words);
        command.env("PENSTOCK_BIN", "/bin/true");
        fails(command, 4, &[&format!("port {port} "), "--port"]);
    }
}

#[test]
fn a_descriptor_limit_that_is_too_low_is_named() {
    for words in ["peers http-c10000", "ladder keepalive10k"] {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("ulimit -n 256; exec {PROGRAM} {words}")])
            .env("PENSTOCK_BIN", "/bin/true");
        fails(command, 4, &["10000 clients need", "hard limit is 256"]);
    }
}

#[test]
fn an_origin_that_does_not_start_is_named() {
    let mut command = bench(&["peers", "http-c64", "--peers", "direct"]);
    command.env("PENSTOCK_ORIGIN_BIN", "/bin/false");
    fails(command, 4, &["origin ended with"]);
}

fn succeeds(mut command: Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = String::from_utf8(stdout).unwrap();
    assert!(status.success(), "{status}\n{said}\n{}", String::from_utf8_lossy(&stderr));
    said
}

#[test]
fn penstock_is_compared_in_a_table_a_page_and_json() {
    if !are_built() {
        return;
    }
    let (page, json) = (File::new("html"), File::new("json"));
    let (html, file) = (page.0.display().to_string(), json.0.display().to_string());
    let words =
        ["peers", "http-c64", "tcp-c64", "--peers", "direct,penstock", "--rounds", "2", "--seconds", "1"];
    let mut command = bench(&words);
    command.args(["--html", &html, "--json", &file]);
    let said = succeeds(command);
    assert!(said.contains("## http-c64:") && said.contains("## tcp-c64:"), "{said}");
    assert!(said.contains("penstock was checked: 240 clients of 24 sources"), "{said}");
    assert!(fs::read_to_string(&page.0).unwrap().contains("<svg"));
    let json = json.json();
    assert_eq!((&json["format"], &json["interrupted"]), (&"penstock-bench peers".into(), &false.into()));
    let series = json["measured"][0]["series"].as_array().unwrap();
    assert_eq!(
        series.iter().map(|one| one["peer"].as_str().unwrap()).collect::<Vec<_>>(),
        ["direct", "penstock"]
    );
    for one in series {
        let rounds = one["rounds"].as_array().unwrap();
        assert_eq!(rounds.len(), 2, "{one}");
        for round in rounds {
            assert!(
                round["answered"].as_u64().unwrap() > 0 && round["wrong"] == 0 && round["failed"] == 0,
                "{one}"
            );
            assert!(round["backend_connections"].as_u64().unwrap() > 0, "{one}");
        }
    }
    // Many clients share few connections; direct, each has its own.
    assert_eq!(series[0]["rounds"][0]["backend_connections"], 64);
    assert!(series[1]["rounds"][0]["proxy_cpu_seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_ladder_stands_beside_what_was_published() {
    if !are_built() {
        return;
    }
    let said = succeeds(bench(&["ladder", "ipc", "--rounds", "1", "--seconds", "1"]));
    for words in ["member over a Unix socket", "Source: github.com/rigtorp/ipc-bench", "Hardware: "] {
        assert!(said.contains(words), "{words:?} in {said}");
    }
}

#[test]
fn ctrl_c_keeps_what_was_measured() {
    if !are_built() {
        return;
    }
    let words = ["peers", "http-c64", "--peers", "penstock", "--rounds", "1000", "--seconds", "1"];
    let child = bench(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Each start of a proxy has a folder of its own: the first is the check's, and the third comes after a window.
    let third = std::env::temp_dir().join(format!("penstock-bench.{}.2", child.id()));
    let began = Instant::now();
    while !third.exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "nothing is measured");
        sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("The run was interrupted") && said.contains("| penstock |"), "{said}");
}
