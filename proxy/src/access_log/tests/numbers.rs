//! Tests how numbers, addresses and times are written: at their bounds, and for each day of three centuries.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::super::number;
use super::super::timestamp::Timestamp;

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = b">".to_vec();
    write(&mut out);
    String::from_utf8(out).unwrap().split_off(1)
}

#[test]
fn numbers_are_as_the_formatter_writes_them() {
    for n in [0, 1, 9, 10, 99, 100, 12_345, 1_000_000, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
        assert_eq!(written(|out| number::decimal(n, out)), n.to_string());
    }
}

#[test]
fn seconds_have_six_decimals() {
    let rows = [
        (0, "0.000000"),
        (999, "0.000000"),
        (1_000, "0.000001"),
        (999_999_999, "0.999999"),
        (1_000_000_000, "1.000000"),
        (61_020_304_050, "61.020304"),
        (u64::MAX, "18446744073.709551"),
    ];
    for (nanos, text) in rows {
        assert_eq!(written(|out| number::seconds(nanos, out)), text);
    }
}

#[test]
fn addresses_are_as_the_standard_library_writes_them() {
    let v6: [Ipv6Addr; 3] =
        [Ipv6Addr::LOCALHOST, Ipv6Addr::UNSPECIFIED, "2001:db8::a:0:0:1".parse().unwrap()];
    let v4 = [[0, 0, 0, 0], [127, 0, 0, 1], [255, 10, 100, 9]].map(Ipv4Addr::from);
    for address in v6.map(IpAddr::from).into_iter().chain(v4.map(IpAddr::from)) {
        assert_eq!(written(|out| number::address(address, out)), address.to_string());
    }
}

#[test]
fn each_day_follows_the_one_before() {
    let (mut year, mut month, mut day) = (1970, 1, 1);
    let mut stamp = Timestamp::default();
    for n in 0..366 * 330 {
        let second = n * 86_400 + n % 86_400;
        let text = written(|out| stamp.write(Duration::from_millis(second * 1000 + n % 1000), out));
        let (hour, minute) = (n / 3600 % 24, n / 60 % 60);
        let expected =
            format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}.{:03}Z", n % 60, n % 1000);
        assert_eq!(text, expected);
        day += 1;
        if day > days_of(year, month) {
            (day, month) = (1, month + 1);
        }
        if month > 12 {
            (month, year) = (1, year + 1);
        }
    }
    assert!(year > 2290);
}

fn days_of(year: u64, month: u64) -> u64 {
    let by = |years| u64::is_multiple_of(year, years);
    let leap = by(4) && (!by(100) || by(400));
    match month {
        2 => 28 + u64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[test]
fn times_within_a_second_and_back_again() {
    let mut stamp = Timestamp::default();
    let mut at = |millis| written(|out| stamp.write(Duration::from_millis(millis), out));
    assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
    assert_eq!(at(951_782_400_999), "2000-02-29T00:00:00.999Z");
    assert_eq!(at(951_782_400_001), "2000-02-29T00:00:00.001Z");
    assert_eq!(at(951_782_399_500), "2000-02-28T23:59:59.500Z");
    assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
    assert_eq!(at(253_402_300_799_000), "9999-12-31T23:59:59.000Z");
    assert_eq!(at(u64::MAX), "9999-12-31T23:59:59.615Z", "there is no later year");
}

#[test]
fn the_common_log_format_has_names_of_months() {
    let mut stamp = Timestamp::default();
    let mut at = |second| written(|out| stamp.write_common(Duration::from_secs(second), out));
    assert_eq!(at(0), "01/Jan/1970:00:00:00 +0000");
    assert_eq!(at(1_795_328_621), "22/Nov/2026:06:23:41 +0000");
    assert_eq!(at(1_767_225_599), "31/Dec/2025:23:59:59 +0000");
}
