//! Counts the results of a run in exact sums that add up across clients and threads.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::check::Verdict;

/// The counts of one run, one round, or a sum of them.
///
/// Every exchange ends exactly once: `requests = answered + errors.lost() + aborted`.
#[derive(Clone)]
pub struct Report {
    /// The number of exchanges started, whose requests were given to a connection.
    pub requests: u64,
    /// The number of complete answers with correct framing, whatever their status or content.
    pub answered: u64,
    /// The part of `answered` by status: 1xx (always 0), 2xx, 3xx, 4xx, 5xx. In protocols of frames an answer
    /// counts as 2xx, and a refusal or an error reply as 5xx.
    pub by_class: [u64; 5],
    /// The errors by kind.
    pub errors: Errors,
    /// The number of exchanges that clients aborted on purpose, and of those in flight with them.
    pub aborted: u64,
    /// The number of exchanges of an open loop that were intended before the end and never started.
    pub unsent: u64,
    /// The number of complete answers that belong to another exchange.
    pub mix_ups: u64,
    /// The number of connections made.
    pub connections: u64,
    /// The number of bytes that sockets accepted.
    pub bytes_sent: u64,
    /// The number of bytes read from sockets, without bytes that were unread at an abort.
    pub bytes_received: u64,
    /// The number of answers by source and by the `X-Member` in them.
    pub members: BTreeMap<IpAddr, BTreeMap<String, u64>>,
    /// The latencies in nanoseconds from giving the request to the connection to reading the last byte, for
    /// answered exchanges, with three digits.
    pub latency: Histogram<u64>,
    /// The times in nanoseconds that successful connects took.
    pub connect_time: Histogram<u64>,
    /// The times in nanoseconds by which an open loop started exchanges too late although their client was
    /// free: the error of the generator itself. Late starts of busy clients are not included.
    pub lateness: Histogram<u64>,
    /// The latencies for each part of [`Work::Mixed`](crate::Work::Mixed), by its name: a target, or the kind of
    /// work. Empty for other work. Lost exchanges are not included.
    pub classes: BTreeMap<String, Histogram<u64>>,
    /// The time from the start of the first exchange to the end of the last one, summed over rounds, without
    /// connecting.
    pub elapsed: Duration,
    /// The texts of the first few errors and mix-ups.
    pub first_errors: Vec<String>,
}

/// The errors by kind.
///
/// Except for `connect`, `wrong_answer` and `surplus` these are exchanges without a complete answer, each
/// counted by the reason that ended its connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    /// Connects that failed or took too long, before any exchange.
    pub connect: u64,
    /// Exchanges lost to a failed write.
    pub write: u64,
    /// Exchanges lost to a failed read, usually a reset.
    pub read: u64,
    /// Exchanges lost to an end of input before the answer was complete.
    pub closed_early: u64,
    /// Exchanges lost to an answer that took longer than the plan allows.
    pub timeout: u64,
    /// Exchanges lost to bytes that are no answer of the protocol.
    pub bad_answer: u64,
    /// Complete 2xx answers with wrong content or length, which are also in `answered`.
    pub wrong_answer: u64,
    /// Occasions on which unrequested bytes came.
    pub surplus: u64,
}

impl Errors {
    /// Returns the number of each kind, by name.
    pub fn by_name(&self) -> [(&'static str, u64); 8] {
        [
            ("connect", self.connect),
            ("write", self.write),
            ("read", self.read),
            ("closed_early", self.closed_early),
            ("timeout", self.timeout),
            ("bad_answer", self.bad_answer),
            ("wrong_answer", self.wrong_answer),
            ("surplus", self.surplus),
        ]
    }

    /// Returns the sum of all kinds.
    pub fn total(&self) -> u64 {
        self.by_name().iter().map(|(_, count)| count).sum()
    }

    /// Returns the number of exchanges that got no complete answer against the client's will.
    pub fn lost(&self) -> u64 {
        self.write + self.read + self.closed_early + self.timeout + self.bad_answer
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.connect += other.connect;
        self.write += other.write;
        self.read += other.read;
        self.closed_early += other.closed_early;
        self.timeout += other.timeout;
        self.bad_answer += other.bad_answer;
        self.wrong_answer += other.wrong_answer;
        self.surplus += other.surplus;
    }
}

/// The way in which an exchange was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    Write,
    Read,
    ClosedEarly,
    Timeout,
    BadAnswer,
}

const FIRST_ERRORS: usize = 10;
const AN_HOUR: u64 = 3_600_000_000_000;

impl Default for Report {
    fn default() -> Self {
        Self {
            requests: 0,
            answered: 0,
            by_class: [0; 5],
            errors: Errors::default(),
            aborted: 0,
            unsent: 0,
            mix_ups: 0,
            connections: 0,
            bytes_sent: 0,
            bytes_received: 0,
            members: BTreeMap::new(),
            latency: histogram(),
            connect_time: histogram(),
            lateness: histogram(),
            classes: BTreeMap::new(),
            elapsed: Duration::ZERO,
            first_errors: Vec::new(),
        }
    }
}

/// Makes a histogram. The bounds and digits are valid, so that this cannot fail.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, AN_HOUR, 3).expect("bounds and digits are constants")
}

impl Report {
    /// Adds the counts of another report, including its elapsed time.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.answered += other.answered;
        self.by_class.iter_mut().zip(other.by_class).for_each(|(sum, n)| *sum += n);
        self.errors.add(&other.errors);
        self.aborted += other.aborted;
        self.unsent += other.unsent;
        self.mix_ups += other.mix_ups;
        self.connections += other.connections;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        for (source, seen) in &other.members {
            let sum = self.members.entry(*source).or_default();
            seen.iter().for_each(|(member, n)| *sum.entry(member.clone()).or_default() += n);
        }
        for (sum, times) in [
            (&mut self.latency, &other.latency),
            (&mut self.connect_time, &other.connect_time),
            (&mut self.lateness, &other.lateness),
        ] {
            // All histograms have the same bounds.
            sum.add(times).expect("the bounds are alike");
        }
        for (class, latency) in &other.classes {
            let sum = self.classes.entry(class.clone()).or_insert_with(histogram);
            sum.add(latency).expect("the bounds are alike");
        }
        self.elapsed += other.elapsed;
        other.first_errors.iter().for_each(|words| self.note(words.clone()));
    }

    /// Returns whether nothing failed, nothing was mixed up, and every answer was 2xx.
    pub fn is_clean(&self) -> bool {
        self.errors.total() == 0 && self.mix_ups == 0 && self.by_class[1] == self.answered
    }

    /// Returns whether every answer was right and belonged to its client. Refusals, lost connections and
    /// exchanges in flight on them are permitted.
    pub fn is_right(&self) -> bool {
        self.wrong() == 0
    }

    /// Returns the number of answers that were wrong, another exchange's, unreadable, or unrequested.
    pub fn wrong(&self) -> u64 {
        self.errors.wrong_answer + self.errors.bad_answer + self.errors.surplus + self.mix_ups
    }

    /// Returns the number of complete answers per second.
    pub fn per_second(&self) -> f64 {
        if self.elapsed.is_zero() { 0.0 } else { self.answered as f64 / self.elapsed.as_secs_f64() }
    }

    /// Returns the latency that this share (0.0 to 1.0) of the answered exchanges did not exceed.
    pub fn quantile(&self, share: f64) -> Duration {
        Duration::from_nanos(self.latency.value_at_quantile(share))
    }

    /// Returns the number of sources of each member.
    pub fn sources_by_member(&self) -> BTreeMap<String, u64> {
        let mut spread = BTreeMap::new();
        for member in self.members.values().flat_map(BTreeMap::keys) {
            *spread.entry(member.clone()).or_default() += 1;
        }
        spread
    }

    /// Returns the largest number of members that one source got: 1 with affinity.
    pub fn most_members_per_source(&self) -> usize {
        self.members.values().map(BTreeMap::len).max().unwrap_or(0)
    }

    /// Counts a connection and the time that its connect took.
    pub(crate) fn count_connection(&mut self, took: Duration) {
        self.connections += 1;
        self.connect_time.saturating_record(nanoseconds(took));
    }

    /// Counts the time by which the generator was late.
    pub(crate) fn count_lateness(&mut self, late: Duration) {
        self.lateness.saturating_record(nanoseconds(late));
    }

    /// Counts a complete answer.
    pub(crate) fn count_answer(
        &mut self,
        status: u16,
        took: Duration,
        verdict: Verdict,
        class: Option<&str>,
    ) {
        self.answered += 1;
        self.by_class[usize::from(status / 100).clamp(1, 5) - 1] += 1;
        let took = nanoseconds(took);
        self.latency.saturating_record(took);
        if let Some(class) = class {
            self.class(class).saturating_record(took);
        }
        match verdict {
            Verdict::Right => {}
            Verdict::Wrong(words) => {
                self.errors.wrong_answer += 1;
                self.note(words);
            }
            Verdict::MixUp(words) => {
                self.mix_ups += 1;
                self.note(words);
            }
        }
    }

    fn class(&mut self, name: &str) -> &mut Histogram<u64> {
        if !self.classes.contains_key(name) {
            self.classes.insert(name.to_owned(), histogram());
        }
        self.classes.get_mut(name).expect("it was put there just now")
    }

    pub(crate) fn count_member(&mut self, source: IpAddr, member: &str, answers: u64) {
        let seen = self.members.entry(source).or_default();
        match seen.get_mut(member) {
            Some(count) => *count += answers,
            None => drop(seen.insert(member.to_owned(), answers)),
        }
    }

    /// Counts `n` exchanges as lost.
    pub(crate) fn count_lost(&mut self, loss: Loss, n: u64) {
        let errors = &mut self.errors;
        *match loss {
            Loss::Write => &mut errors.write,
            Loss::Read => &mut errors.read,
            Loss::ClosedEarly => &mut errors.closed_early,
            Loss::Timeout => &mut errors.timeout,
            Loss::BadAnswer => &mut errors.bad_answer,
        } += n;
    }

    pub(crate) fn note(&mut self, words: String) {
        if self.first_errors.len() < FIRST_ERRORS {
            self.first_errors.push(words);
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Report {
    /// Formats the report as text, so that a failed assertion shows what happened.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{self}")
    }
}
