//! Writes times of day in UTC, in RFC 3339 with milliseconds or in the common log format.
//!
//! The time since the Unix epoch is an argument. The calendar date is computed once a second at most.

use std::time::Duration;

/// The text of the last second that was written.
#[derive(Debug)]
pub(super) struct Timestamp {
    second: u64,
    text: [u8; 24],
}

impl Default for Timestamp {
    fn default() -> Self {
        Self { second: 0, text: *b"1970-01-01T00:00:00.000Z" }
    }
}

/// The last second of the year 9999, since a year has four digits (RFC 3339 section 5.6).
const LAST: u64 = 253_402_300_799;
const DAY: u64 = 86_400;
const MONTHS: [[u8; 3]; 12] = [
    *b"Jan", *b"Feb", *b"Mar", *b"Apr", *b"May", *b"Jun", *b"Jul", *b"Aug", *b"Sep", *b"Oct", *b"Nov",
    *b"Dec",
];

impl Timestamp {
    /// Appends `since_epoch` in RFC 3339.
    pub(super) fn write(&mut self, since_epoch: Duration, out: &mut Vec<u8>) {
        self.turn_to(since_epoch);
        digits(since_epoch.subsec_millis().into(), &mut self.text[20..23]);
        out.extend_from_slice(&self.text);
    }

    /// Appends `since_epoch` in the common log format.
    pub(super) fn write_common(&mut self, since_epoch: Duration, out: &mut Vec<u8>) {
        self.turn_to(since_epoch);
        let [year, day, time] = [0..4, 8..10, 11..19].map(|place| &self.text[place]);
        let month = usize::from((self.text[5] - b'0') * 10 + self.text[6] - b'0');
        for part in [day, b"/", &MONTHS[month - 1], b"/", year, b":", time, b" +0000"] {
            out.extend_from_slice(part);
        }
    }

    fn turn_to(&mut self, since_epoch: Duration) {
        let second = since_epoch.as_secs().min(LAST);
        // The date is the expensive part, and many lines share a second.
        if second != self.second {
            self.second = second;
            self.text[..19].copy_from_slice(&date_and_time(second));
        }
    }
}

fn date_and_time(second: u64) -> [u8; 19] {
    let mut text = *b"0000-00-00T00:00:00";
    let (year, month, day) = date(second / DAY);
    let time = second % DAY;
    let parts = [(0..4, year), (5..7, month), (8..10, day)];
    let clock = [(11..13, time / 3600), (14..16, time / 60 % 60), (17..19, time % 60)];
    for (place, number) in parts.into_iter().chain(clock) {
        digits(number, &mut text[place]);
    }
    text
}

/// Returns year, month and day of a day counted from 1970-01-01, in the Gregorian calendar. In years that
/// begin in March the leap day comes last, and the lengths of months repeat every five months, 153 days
/// (`civil_from_days` in Howard Hinnant's "chrono-compatible low-level date algorithms").
fn date(day: u64) -> (u64, u64, u64) {
    let since_march_0 = day + 719_468; // 0000-03-01
    let era = since_march_0 / 146_097; // 400 years
    let of_era = since_march_0 % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march_month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year + era * 400 + u64::from(month <= 2), month, of_month)
}

/// Fills `place` with the last digits of `number`, padded with zeros.
fn digits(mut number: u64, place: &mut [u8]) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}
