//! Reports the findings of `penstock probe` as text, as JSON, and as an exit code.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::fault::Fault;
use super::pipeline::PipelineFailure;
use super::software::{Software, judge};

/// The result for a server in a few words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProbeVerdict {
    KeepsOrder,
    Drops,
    Reorders,
    Closes,
    Lies,
    CannotBeToldApart,
    CouldNotBeTried,
}

impl ProbeVerdict {
    fn of(fault: Fault) -> Self {
        match fault {
            Fault::Dropped => Self::Drops,
            Fault::Reordered => Self::Reorders,
            Fault::Closed | Fault::Closes => Self::Closes,
            Fault::Surplus | Fault::Malformed(_) | Fault::Differs => Self::Lies,
            Fault::Indistinct => Self::CannotBeToldApart,
            Fault::Connect(_) | Fault::Timeout => Self::CouldNotBeTried,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::KeepsOrder => "keeps order",
            Self::Drops => "drops",
            Self::Reorders => "reorders",
            Self::Closes => "closes",
            Self::Lies => "lies",
            Self::CannotBeToldApart => "cannot be told apart",
            Self::CouldNotBeTried => "could not be tried",
        }
    }

    /// Returns the exit code: 0 if the server keeps the order, 1 if a fault was found, 2 if nothing was
    /// shown.
    const fn exit_code(self) -> u8 {
        match self {
            Self::KeepsOrder => 0,
            Self::Drops | Self::Reorders | Self::Closes | Self::Lies => 1,
            Self::CannotBeToldApart | Self::CouldNotBeTried => 2,
        }
    }
}

/// The way in which answers are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ToldApart {
    /// The service repeats a token of the request in its answers to this target.
    Echo(String),
    /// The answers to this number of requests differ.
    Looks(usize),
}

/// One way of sending pipelines, and its results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) requests: usize,
    pub(super) faults: Vec<Fault>,
}

/// All observations of a server that could be probed.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) server: Option<Vec<u8>>,
    pub(super) told_apart: ToldApart,
    pub(super) cases: Vec<Case>,
    pub(super) links: usize,
    pub(super) first: Option<(&'static str, PipelineFailure)>,
    /// How much longer the slow target takes, or why it could not be used; `None` if the user named none.
    pub(super) slow: Option<Result<Duration, Fault>>,
}

/// The outcome of the battery.
#[derive(Debug)]
pub(super) struct Report {
    verdict: ProbeVerdict,
    seen: Reached,
}

/// The progress of the battery.
#[derive(Debug)]
enum Reached {
    /// A request that was sent alone failed, or no two answers could be told apart.
    Alone(PipelineFailure),
    /// Pipelines were sent.
    Pipelines(Evidence),
}

/// A slow target must take at least this much longer to test the order.
const SLOWER: Duration = Duration::from_millis(10);

impl Report {
    /// Makes the report of a probe that failed before any pipeline was sent.
    pub(super) fn untried(offence: PipelineFailure) -> Self {
        Self { verdict: ProbeVerdict::of(offence.fault), seen: Reached::Alone(offence) }
    }

    /// Makes the report of pipelines. The first failure decides, since later ones may be its consequences:
    /// the answer after a dropped one looks like an answer that came too early.
    pub(super) fn tried(evidence: Evidence) -> Self {
        let first = evidence.first.as_ref().map(|(_, offence)| ProbeVerdict::of(offence.fault));
        Self { verdict: first.unwrap_or(ProbeVerdict::KeepsOrder), seen: Reached::Pipelines(evidence) }
    }

    pub(super) fn exit_code(&self) -> u8 {
        self.verdict.exit_code()
    }

    fn evidence(&self) -> Option<&Evidence> {
        match &self.seen {
            Reached::Pipelines(evidence) => Some(evidence),
            Reached::Alone(_) => None,
        }
    }

    /// Returns the first failure and its case.
    fn offence(&self) -> Option<(&'static str, &PipelineFailure)> {
        match &self.seen {
            Reached::Pipelines(evidence) => evidence.first.as_ref().map(|(case, offence)| (*case, offence)),
            Reached::Alone(offence) => Some(("alone", offence)),
        }
    }

    /// Returns the advice for the configuration.
    fn advice(&self) -> String {
        let software = self.evidence().and_then(|e| e.server.as_deref()).map_or(Software::Unknown, judge);
        match (self.verdict, software) {
            (ProbeVerdict::KeepsOrder, Software::KeepsOrder(_)) => {
                "nothing: `pipeline: auto`, the default, pipelines to it once its own short probe has passed".into()
            }
            (ProbeVerdict::KeepsOrder, Software::Breaks(entry)) => format!(
                "nothing: penstock does not pipeline to this version of {}. If yours is patched, \
                 `links: {{ pipeline: 16 }}` takes your word for it",
                entry.product
            ),
            (ProbeVerdict::KeepsOrder, Software::Unknown) => {
                "`links: { pipeline: 16 }` takes your word that every answer of this service is in order; without it \
                 penstock does not pipeline to software that it does not know"
                    .into()
            }
            (ProbeVerdict::CannotBeToldApart, _) => {
                "nothing: penstock does not pipeline to it. Name a URL whose answer repeats its query, or two that \
                 differ, to have it tried"
                    .into()
            }
            (ProbeVerdict::CouldNotBeTried, _) => "nothing was shown: see that the server answers, and try again".into(),
            _ => "`links: { pipeline: 1 }`, or nothing: by default penstock does not pipeline to a server whose probe \
                  fails"
                .into(),
        }
    }

    /// Summarizes the result in one sentence.
    fn sentence(&self) -> String {
        let evidence = match &self.seen {
            Reached::Pipelines(evidence) => evidence,
            Reached::Alone(offence) => return offence.fault.to_string(),
        };
        let pipelined: usize = evidence.cases.iter().map(|case| case.requests).sum();
        let faults: usize = evidence.cases.iter().map(|case| case.faults.len()).sum();
        match &evidence.first {
            None => format!(
                "{} pipelined requests on {} connections were answered, each in its turn",
                grouped(pipelined),
                evidence.links
            ),
            Some((case, offence)) => format!(
                "{faults} of the pipelines went wrong; the first ({case}) after {} good answers: {}",
                offence.answered, offence.fault
            ),
        }
    }

    /// Returns the report as text.
    pub(super) fn text(&self, url: &str) -> String {
        let mut out = String::new();
        let mut line = |name: &str, text: &str| {
            // Writing to a `String` cannot fail.
            let _ = writeln!(out, "{name:<12} {text}");
        };
        line("server", &format!("{url}{}", self.software()));
        if let Some(evidence) = self.evidence() {
            line("told apart", &evidence.told_apart.sentence());
            for (i, case) in evidence.cases.iter().enumerate() {
                line(if i == 0 { "tried" } else { "" }, &case.sentence());
            }
            if let Some(note) = evidence.slow_note() {
                line("", &note);
            }
        }
        if let Some((_, offence)) = self.offence() {
            if !offence.asked.is_empty() {
                line("asked", &offence.asked);
            }
            if !offence.bytes.is_empty() {
                line("came", &format!("\"{}\"", offence.bytes.escape_ascii()));
            }
        }
        line("verdict", &format!("{}: {}", self.verdict.words(), self.sentence()));
        line("configure", &self.advice());
        out
    }

    fn software(&self) -> String {
        let Some(evidence) = self.evidence() else { return String::new() };
        let Some(server) = &evidence.server else {
            return ", which names no software (no Server field)".to_owned();
        };
        let name = server.escape_ascii();
        match judge(server) {
            Software::KeepsOrder(_) => format!(", {name}: known to keep the order"),
            Software::Breaks(entry) => format!(", {name}: known to break it: {}", entry.evidence),
            Software::Unknown => format!(", {name}: unknown software"),
        }
    }

    /// Returns the report as JSON.
    pub(super) fn json(&self, url: &str) -> Value {
        let evidence = self.evidence();
        let server = evidence.and_then(|e| e.server.as_deref());
        let case = |case: &Case| {
            let faults: Vec<_> = case.faults.iter().map(|fault| fault.word()).collect();
            json!({ "case": case.name, "requests": case.requests, "faults": faults })
        };
        let offence = |(case, offence): (&str, &PipelineFailure)| {
            json!({
                "case": case,
                "fault": offence.fault.word(),
                "answered": offence.answered,
                "asked": offence.asked,
                "bytes": offence.bytes.escape_ascii().to_string(),
            })
        };
        json!({
            "url": url,
            "verdict": self.verdict.words(),
            "exit_code": self.exit_code(),
            "says": self.sentence(),
            "configure": self.advice(),
            "server": server.map(|server| server.escape_ascii().to_string()),
            "software": match server.map_or(Software::Unknown, judge) {
                Software::KeepsOrder(_) => "keeps order",
                Software::Breaks(_) => "breaks",
                Software::Unknown => "unknown",
            },
            "told_apart_by": evidence.map(|e| match &e.told_apart {
                ToldApart::Echo(_) => "echo",
                ToldApart::Looks(_) => "looks",
            }),
            "connections": evidence.map(|e| e.links),
            "requests": evidence.map(|e| e.cases.iter().map(|case| case.requests).sum::<usize>()),
            "cases": evidence.map(|e| e.cases.iter().map(case).collect::<Vec<_>>()),
            "slow_takes_longer_ms": evidence.and_then(|e| e.slow?.ok()).map(|longer| longer.as_millis()),
            "first_offence": self.offence().map(offence),
        })
    }
}

impl Evidence {
    fn slow_note(&self) -> Option<String> {
        let Some(slow) = self.slow else {
            return Some(
                "slow before quick: not tried; name something that takes longer with --slow".to_owned(),
            );
        };
        match slow {
            Ok(longer) if longer < SLOWER => Some(format!(
                "the slow URL takes {} ms longer than the quick one: too little to tempt a server to reorder",
                longer.as_millis()
            )),
            Ok(_) => None,
            Err(fault) => Some(format!("slow before quick: not tried, because of the slow URL: {fault}")),
        }
    }
}

impl ToldApart {
    fn sentence(&self) -> String {
        match self {
            Self::Echo(target) => format!("each answer to {target} repeats the token of its request"),
            Self::Looks(kinds) => format!(
                "{kinds} questions are answered in ways that differ; two answers to the same one look alike"
            ),
        }
    }
}

impl Case {
    fn sentence(&self) -> String {
        let Self { name, requests, faults } = self;
        let outcome = match faults.first() {
            None => "in order".to_owned(),
            Some(first) => format!("{} of its pipelines went wrong: {first}", faults.len()),
        };
        format!("{name:<30} {:>6} requests: {outcome}", grouped(*requests))
    }
}

/// Writes a number with its digits grouped by three.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
