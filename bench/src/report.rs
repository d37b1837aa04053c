//! The report of a run: exact sums that add up across clients and threads.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::check::Verdict;

/// Counts of one run, one round, or a sum of them.
///
/// Every exchange ends exactly once: `requests = answered + errors.lost() + aborted`.
#[derive(Clone)]
pub struct Report {
    /// Exchanges started: a request was handed to a connection.
    pub requests: u64,
    /// Whole answers of good framing, whatever their status or content.
    pub answered: u64,
    /// `answered` by status: 1xx (always 0), 2xx, 3xx, 4xx, 5xx. In protocols of frames an answer is a 2xx,
    /// a refusal or an error reply a 5xx.
    pub by_class: [u64; 5],
    /// What went wrong, by kind.
    pub errors: Errors,
    /// Exchanges the client gave up on purpose, with those in flight beside them.
    pub aborted: u64,
    /// Whole answers that belong to another exchange.
    pub mix_ups: u64,
    /// Connections made.
    pub connections: u64,
    /// Bytes that sockets took.
    pub bytes_sent: u64,
    /// Bytes that were read from sockets; what lies unread at an abort is not among them.
    pub bytes_received: u64,
    /// Answers by source and by the `X-Member` they carried.
    pub members: BTreeMap<IpAddr, BTreeMap<String, u64>>,
    /// Nanoseconds from handing the request to the connection to the last byte read, answered
    /// exchanges only, to three digits.
    pub latency: Histogram<u64>,
    /// The same for each part of [`Work::Mixed`](crate::Work::Mixed), by its name: a target, or the kind
    /// of work. Empty where the work is no mix. What was lost is in none of them.
    pub classes: BTreeMap<String, Histogram<u64>>,
    /// From the first exchange's start to the last one's end, summed over rounds; connecting before
    /// that is not in it.
    pub elapsed: Duration,
    /// The first few errors and mix-ups, in words.
    pub first_errors: Vec<String>,
}

/// Errors by kind.
///
/// Except `connect`, `wrong_answer` and `surplus` these count exchanges that got no whole answer, each
/// under what ended its connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    /// Connects that failed or took too long; no exchange had begun.
    pub connect: u64,
    /// Lost to a failed write.
    pub write: u64,
    /// Lost to a failed read (a reset, mostly).
    pub read: u64,
    /// Lost to an end of input before the answer was whole.
    pub closed_early: u64,
    /// Lost to an answer that took longer than the plan allows.
    pub timeout: u64,
    /// Lost to bytes that are no answer of the protocol.
    pub bad_answer: u64,
    /// Whole 2xx answers of wrong content or length (they are in `answered`).
    pub wrong_answer: u64,
    /// Times bytes came that no request had asked for.
    pub surplus: u64,
}

impl Errors {
    /// Each kind by name.
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

    /// All of them.
    pub fn total(&self) -> u64 {
        self.by_name().iter().map(|(_, count)| count).sum()
    }

    /// Exchanges that got no whole answer though they wanted one.
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

/// How an exchange was lost.
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
            mix_ups: 0,
            connections: 0,
            bytes_sent: 0,
            bytes_received: 0,
            members: BTreeMap::new(),
            latency: histogram(),
            classes: BTreeMap::new(),
            elapsed: Duration::ZERO,
            first_errors: Vec::new(),
        }
    }
}

/// Bounds and digits are within what the histogram allows, so it cannot refuse them.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, AN_HOUR, 3).expect("bounds and digits are constants")
}

impl Report {
    /// Adds what another report counted, its elapsed time included.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.answered += other.answered;
        self.by_class.iter_mut().zip(other.by_class).for_each(|(sum, n)| *sum += n);
        self.errors.add(&other.errors);
        self.aborted += other.aborted;
        self.mix_ups += other.mix_ups;
        self.connections += other.connections;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        for (source, seen) in &other.members {
            let sum = self.members.entry(*source).or_default();
            seen.iter().for_each(|(member, n)| *sum.entry(member.clone()).or_default() += n);
        }
        // All our histograms have the same bounds.
        self.latency.add(&other.latency).expect("the bounds are alike");
        for (class, latency) in &other.classes {
            let sum = self.classes.entry(class.clone()).or_insert_with(histogram);
            sum.add(latency).expect("the bounds are alike");
        }
        self.elapsed += other.elapsed;
        other.first_errors.iter().for_each(|words| self.note(words.clone()));
    }

    /// Nothing failed, nothing was mixed up, and every answer was 2xx.
    pub fn is_clean(&self) -> bool {
        self.errors.total() == 0 && self.mix_ups == 0 && self.by_class[1] == self.answered
    }

    /// No answer was wrong: each that came was right and its own client's. Refusals, lost connections and
    /// what was in flight on them are not held against it.
    pub fn is_right(&self) -> bool {
        self.wrong() == 0
    }

    /// Answers that were wrong, another exchange's, no answers at all, or unasked.
    pub fn wrong(&self) -> u64 {
        self.errors.wrong_answer + self.errors.bad_answer + self.errors.surplus + self.mix_ups
    }

    /// Whole answers per second.
    pub fn per_second(&self) -> f64 {
        if self.elapsed.is_zero() { 0.0 } else { self.answered as f64 / self.elapsed.as_secs_f64() }
    }

    /// The latency that this share (0.0 to 1.0) of the answered exchanges did not exceed.
    pub fn quantile(&self, share: f64) -> Duration {
        Duration::from_nanos(self.latency.value_at_quantile(share))
    }

    /// How many sources saw each member.
    pub fn sources_by_member(&self) -> BTreeMap<String, u64> {
        let mut spread = BTreeMap::new();
        for member in self.members.values().flat_map(BTreeMap::keys) {
            *spread.entry(member.clone()).or_default() += 1;
        }
        spread
    }

    /// The most members any one source saw: 1 where sources stick.
    pub fn most_members_per_source(&self) -> usize {
        self.members.values().map(BTreeMap::len).max().unwrap_or(0)
    }

    /// Counts a whole answer.
    pub(crate) fn count_answer(
        &mut self,
        status: u16,
        took: Duration,
        verdict: Verdict,
        class: Option<&str>,
    ) {
        self.answered += 1;
        self.by_class[usize::from(status / 100).clamp(1, 5) - 1] += 1;
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
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

impl fmt::Debug for Report {
    /// The report as people read it, so that a failed assertion says what happened.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{self}")
    }
}
