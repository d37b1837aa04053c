//! Describes the machine on which figures were measured, and the day.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

/// A machine.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) cpus: usize,
    pub(crate) model: String,
    pub(crate) kernel: String,
}

impl Machine {
    /// Returns this machine.
    pub(crate) fn here() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let info = read("/proc/cpuinfo");
        let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        Self {
            cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            model: model.map_or("an unknown CPU", |(_, name)| name.trim()).to_owned(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }
}

/// Returns this machine with this number of CPUs, and the date, in one line.
pub(crate) fn describe(cpus: usize) -> String {
    let Machine { model, kernel, .. } = Machine::here();
    format!("{cpus} CPUs ({model}), Linux {kernel}, loopback, {}", date(SystemTime::now()))
}

/// Returns the date in UTC as YYYY-MM-DD.
pub(crate) fn date(time: SystemTime) -> String {
    let (year, month, day) = civil(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 86_400);
    format!("{year}-{month:02}-{day:02}")
}

/// Returns the date of a day since 1970 (the algorithm of Howard Hinnant for days from 1970 on).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year + era * 400 + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(19_782), (2024, 2, 29));
        assert_eq!(civil(20_785), (2026, 11, 28));
        assert_eq!(civil(20_818), (2026, 12, 31));
    }
}
