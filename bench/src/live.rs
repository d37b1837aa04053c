//! Shows how a load goes: a progress bar, and on request a row for each second.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use penstock_bench::{Plan, Progress, Report, Stop};

const BAR: &str = "[{elapsed}] {bar:40} {percent:>3} %  {msg}";
const EVERY: Duration = Duration::from_secs(1);
const HEADINGS: &str = "    time  answers/s       p50       p99       max   errors  mix-ups";

/// The display of one load, which is hidden if standard error is no terminal.
pub(crate) struct Live {
    bar: ProgressBar,
    stop: Stop,
    before: Option<Report>,
}

impl Live {
    pub(crate) fn new(plan: &Plan) -> Self {
        let length = match plan.stop {
            Stop::Requests(each) => (plan.clients as u64).saturating_mul(each),
            Stop::Duration(duration) => duration.as_millis() as u64,
        };
        let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
        // Without a terminal nobody sees a row, so that no thread has to be asked for its counts.
        let before = stderr().is_terminal().then(Report::default);
        Self { bar: ProgressBar::new(length).with_style(style), stop: plan.stop, before }
    }

    /// Brings the display up to date.
    pub(crate) fn show(&mut self, progress: &Progress<'_>) {
        let (elapsed, answers) = (progress.elapsed, progress.answers);
        self.bar.set_position(match self.stop {
            Stop::Requests(_) => answers,
            Stop::Duration(_) => elapsed.as_millis() as u64,
        });
        let per_second = answers as f64 / elapsed.as_secs_f64().max(0.001);
        self.bar.set_message(format!("{answers} answers, {per_second:.0}/s"));
        let Some(before) = self.before.as_mut().filter(|before| elapsed >= before.elapsed + EVERY) else {
            return;
        };
        if before.elapsed.is_zero() {
            self.bar.println(HEADINGS);
        }
        let now = progress.report();
        self.bar.println(row(before, &now));
        *before = now;
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Returns a row about the time between two reports.
fn row(before: &Report, now: &Report) -> String {
    let mut latency = now.latency.clone();
    // A thread that has ended shows no counts any more, and then the difference cannot be told.
    if latency.subtract(&before.latency).is_err() {
        latency.reset();
    }
    let at = |share| milliseconds(Duration::from_nanos(latency.value_at_quantile(share)));
    let span = (now.elapsed - before.elapsed).as_secs_f64().max(0.001);
    format!(
        "{:>6.1} s {:>10.0} {} {} {} {:>8} {:>8}",
        now.elapsed.as_secs_f64(),
        now.answered.saturating_sub(before.answered) as f64 / span,
        at(0.5),
        at(0.99),
        at(1.0),
        now.errors.total(),
        now.mix_ups
    )
}

fn milliseconds(time: Duration) -> String {
    format!("{:>6.2} ms", time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_understood() {
        assert!(ProgressStyle::with_template(BAR).is_ok());
    }

    #[test]
    fn a_row_is_about_the_time_since_the_last_one() {
        let mut before = Report { answered: 100, elapsed: Duration::from_secs(1), ..Report::default() };
        before.latency.record_n(1_000_000, 100).unwrap();
        let mut now = Report { answered: 300, elapsed: Duration::from_secs(3), ..before.clone() };
        now.latency.record_n(5_000_000, 200).unwrap();
        let row = row(&before, &now);
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(cells, ["3.0", "s", "100", "5.00", "ms", "5.00", "ms", "5.00", "ms", "0", "0"], "{row}");
        assert_eq!(row.len(), HEADINGS.len());
    }
}
