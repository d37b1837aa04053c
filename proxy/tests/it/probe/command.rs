//! `penstock probe`: its verdict, its exit code and its JSON, against raw members and the included origin.

use std::net::SocketAddr;
use std::process::{Command, Output};

use penstock_origin::{Options, Origin};
use serde_json::Value;

use crate::probe::members::{Manner, Member};
use crate::support::own_address::own_address;

pub(crate) fn penstock(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_penstock")).arg("probe").args(arguments).output().unwrap()
}

/// What it says of a URL, and its exit code.
#[track_caller]
pub(crate) fn probe(arguments: &[&str]) -> (Value, i32) {
    let output = penstock(&[arguments, &["--json"]].concat());
    let said = String::from_utf8(output.stdout).unwrap();
    let json: Value = serde_json::from_str(&said)
        .unwrap_or_else(|why| panic!("{why}: {said}{}", String::from_utf8_lossy(&output.stderr)));
    let code = output.status.code().unwrap();
    assert_eq!(json["exit_code"], code, "{json:#}");
    (json, code)
}

#[track_caller]
fn finds(manner: Manner, verdicts: &[&str], code: i32) -> Value {
    let url = format!("http://{}/it", Member::start(manner).address);
    let (json, found) = probe(&[&url, "--requests", "300", "--links", "4"]);
    assert!(verdicts.iter().any(|verdict| json["verdict"] == *verdict), "{manner:?}: {json:#}");
    assert_eq!(found, code, "{json:#}");
    json
}

#[test]
fn a_member_that_keeps_the_order_is_told_from_unknown_software() {
    let json = finds(Manner::Good, &["keeps order"], 0);
    assert_eq!(json["told_apart_by"], "echo", "{json:#}");
    assert_eq!((&json["server"], &json["software"]), (&"raw".into(), &"unknown".into()), "{json:#}");
    assert!(json["requests"].as_u64().unwrap() >= 300, "{json:#}");
    assert!(json["configure"].as_str().unwrap().contains("pipeline: 16"), "{json:#}");
    let cases = json["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 7, "{json:#}");
    assert!(
        cases
            .iter()
            .all(|case| case["requests"].as_u64() > Some(0) && case["faults"] == Value::Array(vec![]))
    );
}

#[test]
fn the_included_origin_keeps_the_order_of_slow_before_quick() {
    let at: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let origin = Origin::start(Options { listen: vec![("a".to_owned(), at)], ..Options::default() }).unwrap();
    let url = format!("http://{}/echo", origin.addresses()[0].1);
    let (json, code) = probe(&[&url, "--slow", "/delay/30", "--requests", "300"]);
    assert_eq!((&json["verdict"], code), (&"keeps order".into(), 0), "{json:#}");
    assert_eq!((&json["server"], &json["software"]), (&"penstock-origin".into(), &"keeps order".into()));
    let slow = json["cases"].as_array().unwrap().iter().find(|case| case["case"] == "slow before quick");
    assert_eq!(slow.unwrap()["requests"], 16, "{json:#}");
    assert!(json["slow_takes_longer_ms"].as_u64().unwrap() >= 20, "{json:#}");
}

#[test]
fn members_that_drop_reorder_close_and_lie_are_told_from_each_other() {
    finds(Manner::FirstOfRead, &["drops"], 1);
    finds(Manner::Swaps, &["reorders"], 1);
    finds(Manner::Doubles, &["lies"], 1);
    finds(Manner::Surplus, &["lies"], 1);
    finds(Manner::HeadWithContent, &["lies"], 1);
    finds(Manner::ClosesAlways, &["closes"], 1);
    finds(Manner::Old, &["closes"], 1);
    let json = finds(Manner::ClosesAmid, &["closes"], 1);
    assert_eq!(json["first_offence"]["fault"], "closed", "{json:#}");
    assert_eq!(json["first_offence"]["answered"], 3, "{json:#}");
}

#[test]
fn answers_by_threads_are_out_of_order_and_shown() {
    let json = finds(Manner::Threads, &["reorders"], 1);
    let offence = &json["first_offence"];
    assert!(offence["asked"].as_str().unwrap().starts_with("GET /"), "{json:#}");
    assert!(offence["bytes"].as_str().unwrap().starts_with("HTTP/1.1 404 Not Found\\r\\n"), "{json:#}");
}

/// Requests that are answered in order while all take as long are out of order only when one takes longer.
#[test]
fn only_a_slow_request_tells_of_a_server_of_threads_without_delays() {
    let member = Member::start(Manner::SlowLast);
    let url = format!("http://{}/it", member.address);
    let (json, _) = probe(&[&url, "--requests", "300"]);
    assert_eq!(json["verdict"], "keeps order", "{json:#}");
    let (json, code) = probe(&[&url, "--requests", "300", "--slow", "/slow"]);
    assert_eq!((&json["verdict"], code), (&"reorders".into(), 1), "{json:#}");
    assert_eq!(json["first_offence"]["case"], "slow before quick", "{json:#}");
}

#[test]
fn what_cannot_be_tried_or_told_apart_has_the_exit_code_2() {
    finds(Manner::Alike, &["cannot be told apart"], 2);
    let gone = own_address();
    let (json, code) = probe(&[&format!("http://{gone}/")]);
    assert_eq!((&json["verdict"], code), (&"could not be tried".into(), 2), "{json:#}");
    assert!(json["says"].as_str().unwrap().contains("connection refused"), "{json:#}");
    for bad in ["https://127.0.0.1/", "127.0.0.1", "http:///"] {
        let output = penstock(&[bad]);
        assert_eq!(output.status.code(), Some(2), "{bad}");
        assert!(String::from_utf8(output.stderr).unwrap().starts_with("penstock probe: "), "{bad}");
    }
}

#[test]
fn people_are_told_in_plain_words_and_no_bar_is_drawn_into_a_file() {
    let url = format!("http://{}/it", Member::start(Manner::FirstOfRead).address);
    let output = penstock(&[&url, "--requests", "100"]);
    let said = String::from_utf8(output.stdout).unwrap();
    for part in ["server       http://127.0.0.1:", "unknown software", "verdict      drops: ", "pipeline: 1"]
    {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let help = String::from_utf8(penstock(&["--help"]).stdout).unwrap();
    for part in ["--slow", "--requests", "--links", "--json", "Exit code", "docs/pipelining.md", "Try it"] {
        assert!(help.contains(part), "{part:?} is not in\n{help}");
    }
}
