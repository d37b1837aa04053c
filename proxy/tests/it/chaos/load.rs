//! Clients that check every response, through all four ways, for as long as chaos lasts.

use std::fmt;
use std::net::Ipv4Addr;
use std::thread::JoinHandle;
use std::time::Duration;

use penstock_bench::{Command, Plan, Protocol, Report, Stop, Work};

use crate::chaos::setup::Places;

/// An exchange that has not ended by then never will: longer than every limit of the proxy's.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct Load(Vec<(&'static str, JoinHandle<Report>)>);

/// What came of each plan.
pub(crate) struct Seen(Vec<(&'static str, Report)>);

/// What is asked, by the name of the way.
pub(crate) fn plans(places: &Places, seed: u64, stop: Stop) -> Vec<(&'static str, Plan)> {
    let plan = |seed, to| Plan {
        clients: 12,
        sources: (1..=6).map(|last| Ipv4Addr::new(127, 0, 9, last)).collect(),
        stop,
        pause: Duration::from_millis(15),
        seed,
        abort_one_in: Some(40),
        timeout: PATIENCE,
        ..Plan::new(to)
    };
    let http = Work::Mixed(vec![
        (4, Work::Ids),
        (2, Work::Post { sizes: vec![10, 5_000, 200_000] }),
        (2, Work::Pattern { sizes: vec![0, 1_000, 300_000], chunked: false }),
        (1, Work::Pattern { sizes: vec![0, 1_000, 100_000], chunked: true }),
        (1, Work::Get("/delay/20".to_owned())),
    ]);
    let words = Work::Mixed(vec![
        (4, Work::Add(String::new())),
        (1, Work::Add("delay 20".to_owned())),
        (2, Work::Say { sizes: vec![10, 1_000, 20_000] }),
    ]);
    let keys = |command| Work::Keys { command, sizes: vec![10, 1_000, 50_000] };
    let keys = Work::Mixed(vec![(2, keys(Command::Set)), (4, keys(Command::Get)), (2, keys(Command::Incr))]);
    let lines = Protocol::Lines { crlf: false };
    vec![
        ("http", Plan { work: http, ..plan(seed, places.http) }),
        ("http, pipelined", Plan { work: Work::Ids, depth: 5, ..plan(seed + 1, places.http) }),
        (
            "resp",
            Plan { work: keys, protocol: Protocol::Resp, may_forget: true, ..plan(seed + 2, places.resp) },
        ),
        (
            "lines",
            Plan {
                work: words.clone(),
                protocol: lines,
                depth: 3,
                refusal: Some(b"ERR busy\n".to_vec()),
                ..plan(seed + 3, places.lines)
            },
        ),
        ("tcp", Plan { work: words, protocol: lines, ..plan(seed + 4, places.tcp) }),
    ]
}

impl Load {
    pub(crate) fn start(places: &Places, seed: u64, duration: Duration) -> Self {
        let plans = plans(places, seed, Stop::Duration(duration)).into_iter();
        Self(
            plans
                .map(|(name, plan)| (name, std::thread::spawn(move || penstock_bench::run(&plan).unwrap())))
                .collect(),
        )
    }

    /// What they saw, when the last exchange has ended.
    pub(crate) fn end(self) -> Seen {
        Seen(self.0.into_iter().map(|(name, thread)| (name, thread.join().unwrap())).collect())
    }
}

impl Seen {
    /// Answers that were wrong or another's, and exchanges that never ended.
    pub(crate) fn faults(&self) -> Vec<String> {
        let bad = self.0.iter().filter(|(_, report)| report.wrong() > 0 || report.errors.timeout > 0);
        bad.map(|(name, report)| format!("{name}: {report:?}")).collect()
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words =
            ["clients", "asked", "2xx", "4xx", "5xx", "left", "cut", "no answer", "wrong", "no connect"];
        let [way, asked, ok, c4, c5, left, cut, none, wrong, refused] = words;
        writeln!(
            f,
            "{way:<16}{asked:>8}{ok:>8}{c4:>6}{c5:>6}{left:>7}{cut:>6}{none:>11}{wrong:>7}{refused:>12}"
        )?;
        for (name, report) in &self.0 {
            let [_, ok, _, c4, c5] = report.by_class;
            let (errors, asked, left) = (&report.errors, report.requests, report.aborted);
            let cut = errors.read + errors.write + errors.closed_early;
            let (none, wrong, refused) = (errors.timeout, report.wrong(), errors.connect);
            writeln!(
                f,
                "{name:<16}{asked:>8}{ok:>8}{c4:>6}{c5:>6}{left:>7}{cut:>6}{none:>11}{wrong:>7}{refused:>12}"
            )?;
        }
        Ok(())
    }
}
