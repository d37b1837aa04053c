//! The options of a member besides its address.

use std::time::Duration;

use crate::config::AdminState;
use crate::config::tests::mistakes::told;
use crate::config::tests::settings;

/// The options stand in line 6, from column 37 on.
fn with(options: &str) -> String {
    "listeners:\n  web: { bind: 127.0.0.1:0, backend: app }\nbackends:\n  app:\n    members:\n".to_owned()
        + &format!("      a: {{ address: 127.0.0.1:9001, {options} }}\n")
}

#[test]
fn what_a_member_serves_is_heard() {
    let member = |options: &str| settings(&with(options)).backends[0].members[0].clone();
    let plain = member("");
    assert_eq!((plain.backup, plain.state, plain.drain_for), (false, AdminState::Ready, None));
    assert!(member("backup: true").backup);
    assert_eq!(member("state: maintenance").state, AdminState::Maintenance);
    let drains = member("state: drain, drain_for: 90s");
    assert_eq!((drains.state, drains.drain_for), (AdminState::Drain, Some(Duration::from_secs(90))));
}

#[test]
fn mistakes_are_told() {
    let of = |option: &str, column: usize, why: &str| {
        let key = option.split(':').next().unwrap();
        told(&with(option), &[&format!("6:{column}: backends.app.members.a.{key}: {why}")]);
    };
    of("state: maint", 44, "`maint` is none of `ready`, `drain`, `maintenance`");
    of("drain_for: 0s", 48, "`0s` is too short; more than 0 is needed (or `off`)");
}
