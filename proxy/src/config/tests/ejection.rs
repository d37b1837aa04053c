//! The options about the ejection of members.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::config::Ejection;
use crate::config::tests::mistakes::{told, warned};
use crate::config::tests::settings;
use crate::config::tests::values::agree;

/// The value stands in line 6, from column 15 on.
fn with(ejection: &str) -> String {
    with_protocol("http", ejection)
}

fn with_protocol(protocol: &str, ejection: &str) -> String {
    format!(
        "listeners:\n  web: {{ bind: 127.0.0.1:0, protocol: {protocol}, backend: app }}\nbackends:\n  app:\n"
    ) + &format!("    members: {{ a: 127.0.0.1:9001, b: 127.0.0.1:9002 }}\n    ejection: {ejection}\n")
}

fn ejection(text: &str) -> Option<Arc<Ejection>> {
    settings(text).backends[0].ejection.clone()
}

fn default(failures: u8) -> Ejection {
    let time = Duration::from_secs(10);
    let max_time = Duration::from_secs(300);
    Ejection { failures, volume: 20, window: time, base_time: time, max_time, keep: 50, server_errors: true }
}

#[test]
fn members_are_ejected_only_if_the_operator_says_so() {
    let without = with("off").replace("    ejection: off\n", "");
    for text in [with("off"), with("{}"), without] {
        assert_eq!(ejection(&text), None, "{text}");
    }
    assert_eq!(ejection(&with("50%")).as_deref(), Some(&default(50)));
}

#[test]
fn every_option_is_heard() {
    let options = "{ failures: 30%, volume: 7, window: 1m, base_time: 2s, max_time: 1h, keep: 0%, server_errors: false }";
    let seconds = Duration::from_secs;
    let expected = Ejection {
        failures: 30,
        volume: 7,
        window: seconds(60),
        base_time: seconds(2),
        max_time: seconds(3600),
        keep: 0,
        server_errors: false,
    };
    assert_eq!(ejection(&with(options)).as_deref(), Some(&expected));
}

/// An error that Redis answers is one of the command, as a rule, and other frames have no status.
#[test]
fn answers_have_a_status_only_in_http() {
    for protocol in ["resp", "tcp"] {
        let heard = ejection(&with_protocol(protocol, "50%"));
        assert_eq!(heard.as_deref(), Some(&Ejection { server_errors: false, ..default(50) }), "{protocol}");
    }
}

#[test]
fn mistakes_are_told() {
    let of = |option: &str, why: &str| {
        let key = option.split(':').next().unwrap();
        let column = 17 + key.len() + ": ".len();
        let place = format!("6:{column}: backends.app.ejection.{key}: {why}");
        told(&with(&format!("{{ {option} }}")), &[&place]);
    };
    of("failures: 0%", "0% would eject members that fail nothing; 1% at least, or `off`");
    of("failures: 50", "`50` has no unit; write `50%` (or `off`)");
    of("failures: 101%", "`101%` is outside of 0% to 100% (or `off`)");
    of("volume: 0", "0 is outside of 1 to 1000000");
    of("window: 500ms", "`500ms` is too short; 1s at least");
    of("window: 6m", "`6m` is too long; 5m at most");
    of("base_time: 1500ms", "`1500ms` is no multiple of 1s");
    of("max_time: 1s", "is shorter than `base_time`");
    of("keep: half", "expected a share in whole percent such as `10%`, not `half`");
}

#[test]
fn options_without_effect_are_told() {
    let path = "backends.app.ejection";
    warned(
        &with("{ volume: 3, window: 3s, base_time: 3s, max_time: 3s, keep: 3%, server_errors: false }"),
        &[
            &format!("6:25: {path}.volume: has no effect without `failures`"),
            &format!("6:36: {path}.window: has no effect without `failures`"),
            &format!("6:51: {path}.base_time: has no effect without `failures`"),
            &format!("6:65: {path}.max_time: has no effect without `failures`"),
            &format!("6:75: {path}.keep: has no effect without `failures`"),
            &format!("6:94: {path}.server_errors: has no effect without `failures`"),
        ],
    );
    warned(
        &with("{ failures: 50%, keep: 100% }"),
        &[&format!("6:38: {path}.keep: with 100% no member is ever ejected")],
    );
}

#[test]
fn the_schema_agrees_with_the_reader() {
    agree([
        ("/backends/app/ejection", json!(["50%", "off"]), json!([50, true, "50"])),
        ("/backends/app/ejection/failures", json!(["1%", "100%", "off"]), json!([50, "101%"])),
        ("/backends/app/ejection/volume", json!([1, 1_000_000]), json!([0, 1_000_001])),
        ("/backends/app/ejection/keep", json!(["0%", "100%"]), json!([0, "half"])),
        ("/backends/app/ejection/server_errors", json!([true, false]), json!(["5xx"])),
    ]);
}
