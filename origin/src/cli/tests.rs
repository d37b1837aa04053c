//! Tests that arguments mean what the help says, and that nonsense is refused.

use std::time::Duration;

use super::*;

fn options(arguments: &[&str]) -> Result<Options, String> {
    let arguments = std::iter::once(&"penstock-origin").chain(arguments);
    Arguments::try_parse_from(arguments).map(Options::from).map_err(|error| error.to_string())
}

fn listen(arguments: &[&str]) -> Vec<String> {
    let listen = options(arguments).unwrap().listen;
    listen.into_iter().map(|(member, address)| format!("{member}={address}")).collect()
}

#[test]
fn addresses_are_read_in_any_form() {
    let written = ["-l", "x=127.0.0.1:1", "-l", "127.0.0.2:2", "-l", "3", "-l", ":4", "-l", "y=[::1]:5"];
    let believed = ["x=127.0.0.1:1", "b=127.0.0.2:2", "c=127.0.0.1:3", "d=127.0.0.1:4", "y=[::1]:5"];
    assert_eq!(listen(&written), believed);
    assert_eq!(listen(&[]), ["a=127.0.0.1:9001", "b=127.0.0.1:9002", "c=127.0.0.1:9003"]);
    assert_eq!(
        (letters(25), letters(26), letters(701), letters(702)),
        ("z".into(), "aa".into(), "zz".into(), "aaa".into())
    );
}

#[test]
fn paths_stand_beside_addresses() {
    let written = ["-l", "x=unix:/tmp/x", "-l", "1", "-l", "unix:/tmp/a=b"];
    let options = options(&written).unwrap();
    assert_eq!(options.unix, [("x".to_owned(), "/tmp/x".into()), ("c".to_owned(), "/tmp/a=b".into())]);
    assert_eq!(options.listen, [("b".to_owned(), ([127, 0, 0, 1], 1).into())]);
}

#[test]
fn what_is_spoken_may_have_a_size() {
    let speaks = |text| options(&["--speaks", text]).map(|options| options.speaks);
    assert_eq!(options(&[]).unwrap().speaks, Speaks::Http);
    assert_eq!(speaks("http"), Ok(Speaks::Http));
    assert_eq!(speaks("echo"), Ok(Speaks::Echo));
    assert_eq!(speaks("generate:100MiB"), Ok(Speaks::Generate { bytes: 100 << 20 }));
    assert_eq!(speaks("generate:0"), Ok(Speaks::Generate { bytes: 0 }));
    assert_eq!(speaks("slow:64KiB"), Ok(Speaks::SlowReader { bytes_per_second: 65_536 }));
    assert_eq!(speaks("slow:2k"), Ok(Speaks::SlowReader { bytes_per_second: 2000 }));
    assert_eq!(speaks("lines"), Ok(Speaks::Lines { crlf: false }));
    assert_eq!(speaks("lines:crlf"), Ok(Speaks::Lines { crlf: true }));
    for wrong in [
        "",
        "lines:",
        "lines:cr",
        "Echo",
        "echo:1",
        "generate",
        "generate:",
        "generate:1KB",
        "slow:0",
        "slow:-1",
    ] {
        assert!(speaks(wrong).is_err(), "{wrong:?}");
    }
    assert!(speaks("generate:99999999999GiB").is_err());
}

#[test]
fn durations_need_a_number_and_a_known_unit() {
    let idle = |text| options(&["--idle-timeout", text]).map(|options| options.idle_timeout);
    assert_eq!(idle("60s"), Ok(Some(Duration::from_secs(60))));
    assert_eq!(idle("250ms"), Ok(Some(Duration::from_millis(250))));
    assert_eq!(idle("2m"), Ok(Some(Duration::from_secs(120))));
    for wrong in ["", "s", "0s", "5x", "99999999999999999999s", "-1s"] {
        assert!(idle(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    for wrong in [
        ["-l", "nonsense"],
        ["-l", "=127.0.0.1:1"],
        ["-t", "0"],
        ["--legacy", "x"],
        ["-l", "unix:"],
        ["--stats", "nonsense"],
    ] {
        assert!(options(&wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_count_is_written_in_many_ways() {
    let speaks = |text: &str| {
        let spoken = options(&["--speaks", &format!("length-prefixed{text}")])?.speaks;
        let Speaks::LengthPrefixed(prefix) = spoken else { return Err(format!("{spoken:?}")) };
        Ok((prefix.width, prefix.little, prefix.counts_header, prefix.offset))
    };
    assert_eq!(speaks(""), Ok((4, false, false, 0)));
    assert_eq!(speaks(":1"), Ok((1, false, false, 0)));
    assert_eq!(speaks(":4be"), Ok((4, false, false, 0)));
    assert_eq!(speaks(":8le,header"), Ok((8, true, true, 0)));
    assert_eq!(speaks(":2,offset=300,header"), Ok((2, false, true, 300)));
    let wrong =
        [":", ":3", ":16be", ":4xe", ":be", ":4be,", ":4,offset", ":4,offset=65536", ":4,head=1", ":\u{e9}"];
    for wrong in wrong {
        assert!(speaks(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_service_is_slow_and_small_as_told() {
    let told =
        options(&["--at-once", "8", "--work", "500us", "--legacy", "4", "--over-limit", "wait"]).unwrap();
    assert_eq!((told.at_once, told.work), (Some(8), Duration::from_micros(500)));
    assert_eq!((told.legacy, told.over_limit), (Some(4), Some(OverLimit::Wait)));
    let untold = options(&[]).unwrap();
    assert_eq!((untold.at_once, untold.work, untold.over_limit), (None, Duration::ZERO, None));
    assert!(options(&["--over-limit", "wait"]).is_err(), "there is no limit");
    for wrong in [["--at-once", "0"], ["--work", "0ms"], ["--work", "5ns"]] {
        assert!(options(&wrong).is_err(), "{wrong:?}");
    }
    assert!(options(&["--legacy", "1", "--over-limit", "drop"]).is_err());
}
