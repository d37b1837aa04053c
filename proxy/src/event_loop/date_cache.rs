//! The time of day as HTTP writes it (an IMF-fixdate, RFC 9110 section 5.6.7), put together once a second.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::nanos::{Nanos, nanos};

/// The present second's text.
#[derive(Debug)]
pub(super) struct DateCache {
    text: [u8; 29],
    /// When the next second begins, on the worker's clock.
    until: Nanos,
}

impl Default for DateCache {
    fn default() -> Self {
        Self { text: *b"Thu, 01 Jan 1970 00:00:00 GMT", until: 0 }
    }
}

impl DateCache {
    pub(super) fn date(&mut self, now: Nanos) -> [u8; 29] {
        if now >= self.until {
            self.read(now);
        }
        self.text
    }

    #[cold]
    fn read(&mut self, now: Nanos) {
        let clock = SystemTime::now();
        let into_second = clock.duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
        let left = Duration::from_secs(1) - Duration::from_nanos(into_second.into());
        self.until = now + nanos(left);
        // Before 1970 and after 9999 there is none.
        let clock = clock.clamp(UNIX_EPOCH, UNIX_EPOCH + LAST);
        if let Ok(text) = httpdate::fmt_http_date(clock).into_bytes().try_into() {
            self.text = text;
        }
    }
}

/// The last second of 9999.
const LAST: Duration = Duration::from_secs(253_402_300_799);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_time_of_day_and_is_read_once_a_second() {
        let mut calendar = DateCache::default();
        let before = SystemTime::now();
        let text = calendar.date(5);
        let told = httpdate::parse_http_date(std::str::from_utf8(&text).unwrap()).unwrap();
        assert!(told <= SystemTime::now() && told + Duration::from_secs(1) > before);
        assert!(calendar.until > 5 && calendar.until <= 5 + 1_000_000_000);
        calendar.text[0] = b'X';
        assert_eq!(calendar.date(calendar.until - 1)[0], b'X');
        assert_ne!(calendar.date(calendar.until)[0], b'X');
    }
}
