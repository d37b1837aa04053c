//! Slows one direction of a connection: so many bytes per second, and a stall.

use std::time::Duration;

use tokio::time::Instant;

/// The pieces per second in which a paced connection reads or writes.
const PIECES_PER_SECOND: u64 = 100;

/// The pace of one direction. Without a rate and without a stall it never makes anybody wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    bytes_per_second: Option<u64>,
    /// The time before which nothing moves.
    not_before: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(bytes_per_second: Option<u64>) -> Self {
        Self { bytes_per_second: bytes_per_second.map(|rate| rate.max(1)), not_before: None }
    }

    /// Returns the number of bytes that may move now, or the time at which to ask again.
    pub(crate) fn allows(&mut self, now: impl FnOnce() -> Instant) -> Result<usize, Instant> {
        if let Some(time) = self.not_before {
            if now() < time {
                return Err(time);
            }
            self.not_before = None;
        }
        let piece = self.bytes_per_second.map_or(u64::MAX, |rate| rate.div_ceil(PIECES_PER_SECOND));
        Ok(usize::try_from(piece).unwrap_or(usize::MAX))
    }

    /// Records that `bytes` moved.
    pub(crate) fn moved(&mut self, bytes: usize, now: impl FnOnce() -> Instant) {
        if let Some(rate) = self.bytes_per_second {
            self.not_before = Some(now() + Duration::from_secs_f64(bytes as f64 / rate as f64));
        }
    }

    /// Lets nothing move until `time`, or longer if the rate asks for that.
    pub(crate) fn stall_until(&mut self, time: Instant) {
        self.not_before = Some(self.not_before.map_or(time, |before| before.max(time)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_move_at_the_rate() {
        let begin = Instant::now();
        let (mut pace, mut now, mut moved) = (Pace::new(Some(1000)), begin, 0);
        while now < begin + Duration::from_secs(2) {
            match pace.allows(|| now) {
                Ok(most) => {
                    moved += most;
                    pace.moved(most, || now);
                }
                Err(later) => now = later,
            }
        }
        assert_eq!(moved, 2000);
    }

    #[test]
    fn without_a_rate_everything_moves_and_no_clock_is_read() {
        let mut pace = Pace::new(None);
        pace.moved(1 << 20, || panic!("nobody needs the time"));
        assert_eq!(pace.allows(|| panic!("nobody needs the time")), Ok(usize::MAX));
    }

    #[test]
    fn a_stall_ends_at_its_time() {
        let (mut pace, now) = (Pace::new(None), Instant::now());
        let later = now + Duration::from_millis(50);
        pace.stall_until(later);
        assert_eq!(pace.allows(|| now), Err(later));
        assert_eq!(pace.allows(|| later), Ok(usize::MAX));
        assert_eq!(pace.allows(|| now), Ok(usize::MAX));
    }
}
