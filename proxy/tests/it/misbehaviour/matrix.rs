//! The matrix: each misdeed, before so many clients, by each setting of `pipeline` and in each protocol, has one right
//! result. A row that fails prints the table of its test.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::misbehaviour::load::{Load, Tally};
use crate::misbehaviour::member::{Claim, Member, Misdeed};
use crate::misbehaviour::panics;
use crate::misbehaviour::protocol::Protocol;
use crate::misbehaviour::setup;
use crate::support::stand::Proxy;
use crate::support::wire::eventually;

/// What is written for `links.pipeline`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Setting {
    /// Nothing is, so that it is `auto`.
    Auto,
    /// `pipeline: 32`: the operator's word.
    Pipeline32,
    /// As `Auto`, and the member says that it is nginx and behaves well until it is believed.
    Trusted,
}

/// What is right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expected {
    /// Nobody gets an answer that is not its own.
    Clean,
    /// What the member does cannot be told from good answers while it happens, and the operator has vouched for the
    /// member: `docs/pipelining.md` says so, under what is quoted here. It becomes visible in the end, so it stops.
    DocumentedUntilLearned(&'static str),
    /// As before, and it never becomes visible.
    Documented(&'static str),
}

/// What `docs/pipelining.md` says of members that answer too few requests or too many.
const MISCOUNTS: &str = "answers too few requests, or too many, with well-formed answers";
/// What it says of members that answer in another order.
const OVERTAKES: &str = "answers all of them in another order is never found out";

/// Requests a client sends in a burst, and bursts: few clients ask more often, so that they meet on a link.
const FEW: (u32, u32) = (10, 5);
const MANY: (u32, u32) = (1, 5);

struct Row {
    protocol: Protocol,
    setting: Setting,
    clients: u32,
    misdeed: Misdeed,
}

impl Row {
    fn expected(&self) -> Expected {
        if self.is_one_at_a_time() {
            return Expected::Clean;
        }
        match self.misdeed {
            Misdeed::None | Misdeed::ClosesAmid | Misdeed::Pauses | Misdeed::NeverEnds => Expected::Clean,
            Misdeed::AddsJunk | Misdeed::HeadWithContent | Misdeed::HeadWithAnswer => Expected::Clean,
            // An empty line is a line.
            Misdeed::AddsCrLf if self.protocol != Protocol::Lines => Expected::Clean,
            Misdeed::Reorders => Expected::Documented(OVERTAKES),
            Misdeed::Drops
            | Misdeed::Doubles
            | Misdeed::AddsCrLf
            | Misdeed::AddsAnswer
            | Misdeed::NoContentWithAnswer
            | Misdeed::NotModifiedWithAnswer => Expected::DocumentedUntilLearned(MISCOUNTS),
        }
    }

    /// Whether a link carries one request at a time: by default to a member that nobody knows, unless its protocol
    /// promises order.
    fn is_one_at_a_time(&self) -> bool {
        self.setting == Setting::Auto && self.protocol != Protocol::Resp
    }

    /// Whether a request that provokes nothing is always answered.
    fn spares_innocents(&self) -> bool {
        match (self.protocol, self.misdeed) {
            (_, Misdeed::None) => true,
            // On a slow machine others meet the time-out as well.
            (_, Misdeed::NeverEnds) => false,
            // What is lost is sent again once, and may meet another link that is about to be closed.
            (_, Misdeed::ClosesAmid) => self.protocol == Protocol::Http && self.is_one_at_a_time(),
            // What was not answered may be sent again.
            (Protocol::Http, _) => self.expected() == Expected::Clean,
            // What was not answered may not: only a link of one's own is safe from others.
            (Protocol::Lines | Protocol::LengthPrefixed, _) => self.is_one_at_a_time(),
            (Protocol::Resp, _) => false,
        }
    }

    /// The lines of the backend's section.
    fn backend(&self) -> Vec<&'static str> {
        // Only where a member may say nothing at all: a slow machine must not run into it elsewhere.
        let may_be_silent = match self.misdeed {
            Misdeed::Drops => !self.is_one_at_a_time(),
            misdeed => misdeed == Misdeed::NeverEnds,
        };
        let timeout = may_be_silent.then_some("response_timeout: 500ms");
        let links = match self.setting {
            Setting::Auto => None,
            // The budget does not bind on a slow machine.
            Setting::Pipeline32 => Some("links: { pipeline: 32, pipeline_budget: 20ms }"),
            Setting::Trusted => Some("links: { pipeline_budget: 20ms }"),
        };
        timeout.into_iter().chain(links).collect()
    }

    fn run(self) -> Outcome {
        let began = Instant::now();
        let trusted = self.setting == Setting::Trusted;
        let claim = if trusted { Claim::Nginx } else { Claim::Nothing };
        let member = Member::start_as(claim, self.protocol, self.misdeed);
        let proxy = Rc::new(setup::proxy(self.protocol, &self.backend(), member.address));
        let (each, bursts) = if self.clients < 100 { FEW } else { MANY };
        // Each of these costs a time-out, and there is nothing to be learned.
        let bursts = if self.misdeed == Misdeed::NeverEnds { 2 } else { bursts };
        let head = self.misdeed.is_about_head();
        let panicked = panics::seen();
        let load =
            Load { to: proxy.address(), protocol: self.protocol, clients: self.clients, bursts, each, head };
        if trusted {
            member.behaves(true);
            eventually("the member has passed its probe", || {
                Load { clients: 16, bursts: 1, each: 4, ..load }.run();
                proxy.sum("penstock_backend_pipeline_depth_limit") > 1
            });
            member.behaves(false);
        }
        let before = proxy.at_rest().sum("penstock_requests_total") as u64;
        let (verdicts, judged) = (Rc::new(RefCell::new(vec![Verdict::of(&proxy)])), proxy.clone());
        let noted = verdicts.clone();
        let tally = load.run_and(move || noted.borrow_mut().push(Verdict::of(&judged)));
        let verdicts = verdicts.take();
        let mut outcome = Outcome {
            deepest: member.deepest(),
            before,
            verdicts,
            row: self,
            tally,
            wrong: Vec::new(),
            took: Duration::ZERO,
        };
        outcome.judge(u64::from(load.clients * bursts * each));
        outcome.compare_with(&proxy);
        let may_be_probed = outcome.row.setting != Setting::Auto;
        outcome.check(may_be_probed || !member.was_probed(), "a member that nobody knows was probed");
        outcome.check(panics::seen() == panicked, "something panicked");
        outcome.took = began.elapsed();
        outcome
    }
}

/// What the proxy thinks of the member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Verdict {
    offences: i64,
    /// It is not pipelined to because it broke the rules.
    pub(crate) broken: bool,
}

impl Verdict {
    pub(crate) fn of(proxy: &Proxy) -> Self {
        let scrape = proxy.scrape();
        let broken = scrape.sum_of("penstock_backend_pipeline_depth_reason", &["reason=\"broken\""]) > 0
            && scrape.sum("penstock_backend_pipeline_depth_limit") == 1;
        Self { offences: scrape.sum("penstock_backend_offences_total"), broken }
    }

    /// Whether the member was known to break the rules from then to now; it may have got another chance between.
    fn stands_in(self, now: Self) -> bool {
        self.broken && now == self
    }
}

/// What came of a row.
struct Outcome {
    row: Row,
    tally: Tally,
    /// The most requests that the member saw on one link at once.
    deepest: usize,
    /// What was thought of the member before each burst, and at the end.
    verdicts: Vec<Verdict>,
    /// Answers that had been counted before.
    before: u64,
    /// How long the row took, for whoever looks for slow rows.
    took: Duration,
    /// What is wrong with that.
    wrong: Vec<String>,
}

impl Outcome {
    fn check(&mut self, holds: bool, otherwise: impl Into<String>) {
        if !holds {
            self.wrong.push(otherwise.into());
        }
    }

    fn judge(&mut self, asked: u64) {
        let Tally { hung, innocents, .. } = self.tally;
        self.check(hung == 0, format!("{hung} requests never ended"));
        let ended = self.tally.all();
        self.check(ended == asked || hung > 0, format!("{asked} asked, {ended} ended"));
        let mixups = self.tally.mixups.clone();
        let is_clean = |bursts: &[u64]| bursts.iter().all(|count| *count == 0);
        match self.row.expected() {
            Expected::Clean => {
                let examples = self.tally.examples.join("; ");
                self.check(is_clean(&mixups), format!("mix-ups: {examples}"));
            }
            Expected::DocumentedUntilLearned(_) => {
                let found_out = |burst: &usize| self.verdicts[*burst].stands_in(self.verdicts[burst + 1]);
                let after: Vec<_> = (0..mixups.len()).filter(found_out).map(|burst| mixups[burst]).collect();
                self.check(is_clean(&after), format!("mix-ups go on: {mixups:?}"));
            }
            Expected::Documented(_) => {}
        }
        if self.row.spares_innocents() {
            self.check(innocents == 0, format!("{innocents} innocents failed"));
        }
        if self.row.is_one_at_a_time() {
            self.check(self.deepest <= 1, format!("pipelined {} deep", self.deepest));
        } else if self.row.misdeed == Misdeed::None && self.row.clients >= 100 {
            self.check(self.deepest > 1, "never pipelined, so the row shows nothing");
        }
    }

    /// The proxy comes to rest, and has counted as many answers as the clients.
    fn compare_with(&mut self, proxy: &Proxy) {
        let scrape = proxy.at_rest();
        if matches!(self.row.expected(), Expected::DocumentedUntilLearned(_)) && self.tally.mixed_up() > 0 {
            eventually("the misdeed is found out", || Verdict::of(proxy).offences > 0);
        }
        if self.row.protocol == Protocol::Http {
            let (counted, least) =
                (scrape.sum("penstock_requests_total") as u64 - self.before, self.tally.with_status());
            let most = self.tally.all();
            let agrees = (least..=most).contains(&counted);
            self.check(agrees, format!("{counted} answers counted, {least} to {most} seen"));
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { row, tally, deepest, wrong, took, .. } = self;
        let Row { protocol, setting, clients, misdeed } = row;
        let errors: Vec<_> = tally.errors.iter().map(|(name, count)| format!("{name}: {count}")).collect();
        let said = if wrong.is_empty() { "ok".to_owned() } else { wrong.join("; ") };
        let expected = match row.expected() {
            Expected::Clean => "none",
            Expected::DocumentedUntilLearned(_) => "learned",
            Expected::Documented(_) => "documented",
        };
        write!(
            f,
            "{:<22} {clients:>4} {:<11} {:<15} {deepest:>5} {:>8} {:>4} {:<10} {:>5.1} {:<30} {said}",
            format!("{misdeed:?}"),
            format!("{setting:?}"),
            format!("{protocol:?}"),
            tally.answered,
            tally.mixed_up(),
            expected,
            took.as_secs_f32(),
            errors.join(", "),
        )
    }
}

/// The exceptions are what the documentation says that they are.
#[test]
fn each_exception_is_documented() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/pipelining.md");
    let text = std::fs::read_to_string(path).unwrap();
    let words: Vec<_> = text.split_whitespace().collect();
    for sentence in [MISCOUNTS, OVERTAKES] {
        assert!(words.join(" ").contains(sentence), "docs/pipelining.md does not say: {sentence}");
    }
}

/// Runs all rows of this protocol, setting and number of clients; all of them are run before the first fails.
#[track_caller]
pub(crate) fn run(protocol: Protocol, setting: Setting, clients: u32) {
    panics::watch();
    println!(
        "{:<22} {:>4} {:<11} {:<15} {:>5} {:>8} {:>4} {:<10} {:>5} {:<30} verdict",
        "misdeed", "by", "setting", "protocol", "deep", "answered", "mix", "allowed", "took", "errors"
    );
    let mut failed = 0;
    for misdeed in Misdeed::ALL.into_iter().filter(|misdeed| misdeed.is_possible_in(protocol)) {
        let outcome = Row { protocol, setting, clients, misdeed }.run();
        println!("{outcome}");
        failed += usize::from(!outcome.wrong.is_empty());
    }
    assert_eq!(failed, 0, "rows that fail");
}
