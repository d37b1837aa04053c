//! Runs the long probe of `penstock probe`: thousands of pipelined requests on many connections.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use crate::config::Address;
use crate::proto::http::Method;

use super::fault::Fault;
use super::pipeline::{Known, Pieces, Pipeline, PipelineFailure, Tokens, learn};
use super::report::{Case, Evidence, Report, ToldApart};
use super::requests::{self, ID, Question};
use super::wire::{ProbeAddress, Wire};

/// The time to wait for the answer to a request that was sent alone.
const PATIENCE_ALONE: Duration = Duration::from_secs(10);
/// The time to wait for an answer that is known to be slow.
const PATIENCE_SLOW: Duration = Duration::from_secs(120);
/// The least time to wait for an answer in a pipeline, and the factor on the longest time alone.
const PATIENCE: (Duration, u32) = (Duration::from_secs(2), 8);
/// The largest number of requests on one connection, since many servers close after a hundred.
const PER_LINK: usize = 64;
/// The depths of pipelines that are sent in one segment.
const DEPTHS: [usize; 6] = [2, 4, 8, 16, 32, 64];
/// The depth of all other pipelines.
const DEPTH: usize = 16;
/// The number of quick requests behind a slow one, and of repetitions.
const BEHIND_SLOW: (usize, usize) = (3, 4);
/// The number of faults after which a case ends.
const ENOUGH: usize = 3;

/// The target of the probe, and its extent.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) address: Address,
    pub(super) host: String,
    /// The target that the user named, in origin form.
    pub(super) target: String,
    /// A target on the same server that takes longer.
    pub(super) slow: Option<String>,
    /// The approximate number of pipelined requests.
    pub(super) requests: usize,
    /// The number of connections at a time.
    pub(super) links: usize,
}

/// Probes a server. `progress` is called with the number of planned requests that have been sent.
pub(super) async fn run(plan: &Plan, progress: &mut dyn FnMut(usize)) -> Report {
    let place = ProbeAddress::at(plan.address.clone(), plan.host.clone());
    // Two probes of one server must not mistake each other's answers for their own.
    let mut tokens = Tokens::seeded(RandomState::new().build_hasher().finish());
    let (wire, known) = match learn(&place, questions(plan), PATIENCE_ALONE, &mut tokens).await {
        Ok(learned) => learned,
        Err(offence) => return Report::untried(offence),
    };
    drop(wire);
    let slowest = known.iter().map(|one| one.took).max().unwrap_or_default();
    let patience = PATIENCE.0.max(slowest * PATIENCE.1);
    let mut battery = Battery {
        place: &place,
        known: &known,
        tokens,
        patience,
        cases: Vec::new(),
        sent: 0,
        links: 0,
        first: None,
        progress,
    };
    battery.all(plan).await;
    let slow = battery.slow(plan).await;
    let Battery { cases, links, first, .. } = battery;
    let echo = known.iter().find(|one| one.echoes).map(|one| one.question.target.clone());
    let told_apart = echo.map_or(ToldApart::Looks(known.len()), ToldApart::Echo);
    let server = known.iter().find_map(|one| one.server.clone());
    Report::tried(Evidence { server, told_apart, cases, links, first, slow })
}

/// Returns the requests for the user's target with each method, and those that every member gets, all with a
/// token.
fn questions(plan: &Plan) -> Vec<Question> {
    let and = if plan.target.contains('?') { '&' } else { '?' };
    let target = format!("{}{and}penstock-probe={ID}", plan.target);
    let methods = [Method::Get, Method::Head, Method::Options];
    let mut questions: Vec<_> = methods.map(|method| Question::new(method, target.clone())).into();
    questions.push(Question::new(Method::Get, format!("/.well-known/penstock-probe/{ID}")));
    questions.extend(requests::usual());
    questions
}

struct Battery<'b> {
    place: &'b ProbeAddress,
    known: &'b [Known],
    tokens: Tokens,
    patience: Duration,
    cases: Vec<Case>,
    sent: usize,
    links: usize,
    /// The first failure, and the case in which it occurred.
    first: Option<(&'static str, PipelineFailure)>,
    progress: &'b mut dyn FnMut(usize),
}

impl Battery<'_> {
    /// Runs every case until half of the requests have been sent, then many connections at a time.
    async fn all(&mut self, plan: &Plan) {
        let with = |method: Method| {
            let asks = |i: &usize| self.known[*i].question.method == method;
            (0..self.known.len()).filter(asks).collect::<Vec<_>>()
        };
        let every: Vec<_> = (0..self.known.len()).collect();
        let (gets, heads) = (with(Method::Get), with(Method::Head));
        // Equal requests prove nothing about the order unless their answers echo a token.
        let alike = gets.len() < 2 && gets.iter().all(|i| !self.known[*i].echoes);
        let gets = if alike { every.clone() } else { gets };
        let mut rounds = 0;
        while rounds == 0 || self.sent < plan.requests / 2 {
            let before = self.sent;
            for depth in DEPTHS {
                self.try_out("in one segment, 2 to 64 deep", &gets, rounds, depth, Pieces::One).await;
            }
            self.try_out("GET, HEAD and OPTIONS mixed", &every, rounds, DEPTH, Pieces::One).await;
            if let (Some(head), Some(get)) = (heads.first(), gets.first()) {
                self.try_out("HEAD with GET behind", &[*head, *get], 0, DEPTH, Pieces::One).await;
            }
            self.try_out("cut inside of heads", &every, rounds, DEPTH, Pieces::Split).await;
            self.try_out("each in its own segment", &every, rounds, DEPTH, Pieces::EachItsOwn).await;
            if rounds == 0 {
                self.try_out("byte by byte", &every, rounds, 3, Pieces::Bytes).await;
            }
            rounds += 1;
            if self.sent == before {
                break; // all cases have ended
            }
        }
        while self.sent < plan.requests && !self.case("many connections at once").has_ended() {
            self.many("many connections at once", &every, plan.links).await;
        }
    }

    /// Sends one pipeline on a new connection, and waits for its answers.
    async fn try_out(
        &mut self,
        name: &'static str,
        of: &[usize],
        first: usize,
        depth: usize,
        pieces: Pieces,
    ) {
        if self.case(name).has_ended() {
            return;
        }
        let order: Vec<_> = requests::order(of.len(), first, depth).into_iter().map(|i| of[i]).collect();
        let pipeline = Pipeline::new(self.known, &order, self.place.host(), &mut self.tokens);
        let outcome = match self.open().await {
            Ok(mut wire) => {
                // A closed connection shows when the answers are read.
                let _ = pipeline.send(&mut wire, pieces).await;
                pipeline.read_answers_within(&mut wire, self.patience).await
            }
            Err(fault) => Err(pipeline.offence(fault, 0, b"")),
        };
        self.note(name, pipeline.len(), outcome);
    }

    /// Sends pipelines on many connections before waiting for answers, until each connection has carried its
    /// share.
    async fn many(&mut self, name: &'static str, of: &[usize], links: usize) {
        let mut wires = Vec::new();
        for _ in 0..links {
            match self.open().await {
                Ok(wire) => wires.push(Some(wire)),
                Err(fault) => {
                    let none = Pipeline::new(self.known, of, self.place.host(), &mut self.tokens);
                    return self.note(name, 0, Err(none.offence(fault, 0, b"")));
                }
            }
        }
        for round in 0..PER_LINK / DEPTH {
            let mut sent = Vec::new();
            for (i, wire) in wires.iter_mut().enumerate() {
                let Some(wire) = wire else { continue };
                // Each connection begins with another request, so that equal answers do not hide a swap.
                let order = requests::order(of.len(), round + i, DEPTH).into_iter().map(|i| of[i]);
                let order: Vec<_> = order.collect();
                let pipeline = Pipeline::new(self.known, &order, self.place.host(), &mut self.tokens);
                let _ = pipeline.send(wire, Pieces::One).await;
                sent.push((i, pipeline));
            }
            for (i, pipeline) in sent {
                let Some(wire) = &mut wires[i] else { continue };
                let outcome = pipeline.read_answers_within(wire, self.patience).await;
                // After a fault, nothing on the connection can be trusted.
                if outcome.is_err() {
                    wires[i] = None;
                }
                self.note(name, pipeline.len(), outcome);
                if self.case(name).has_ended() {
                    return;
                }
            }
        }
    }

    /// Sends a slow request with quick ones behind it, whose answers must come later. Returns how much longer
    /// the slow one takes alone.
    async fn slow(&mut self, plan: &Plan) -> Option<Result<Duration, Fault>> {
        let name = "slow before quick";
        let target = plan.slow.as_ref()?;
        let and = if target.contains('?') { '&' } else { '?' };
        let slow = Question::new(Method::Get, format!("{target}{and}penstock-probe={ID}"));
        let quick = self.known.iter().find(|one| one.echoes).or_else(|| self.known.first())?;
        let questions = vec![quick.question.clone(), slow];
        let learned = learn(self.place, questions, PATIENCE_SLOW, &mut self.tokens).await;
        let (wire, known) = match learned {
            Ok((wire, known)) if known.len() == 2 => (wire, known),
            Ok(_) => return Some(Err(Fault::Indistinct)),
            Err(offence) => return Some(Err(offence.fault)),
        };
        drop(wire);
        let patience = self.patience.max(known[1].took * PATIENCE.1);
        for _ in 0..BEHIND_SLOW.1 {
            let order: Vec<_> = [1].into_iter().chain([0; BEHIND_SLOW.0]).collect();
            let pipeline = Pipeline::new(&known, &order, self.place.host(), &mut self.tokens);
            let outcome = match self.open().await {
                Ok(mut wire) => {
                    let _ = pipeline.send(&mut wire, Pieces::One).await;
                    pipeline.read_answers_within(&mut wire, patience).await
                }
                Err(fault) => Err(pipeline.offence(fault, 0, b"")),
            };
            self.note(name, pipeline.len(), outcome);
        }
        Some(Ok(known[1].took.saturating_sub(known[0].took)))
    }

    async fn open(&mut self) -> Result<Wire, Fault> {
        self.links += 1;
        let opened = crate::event_loop::timeout(self.patience, Wire::open(self.place)).await;
        opened.unwrap_or(Err(Fault::Timeout))
    }

    fn case(&mut self, name: &'static str) -> &mut Case {
        let at = self.cases.iter().position(|case| case.name == name);
        let at = at.unwrap_or_else(|| {
            self.cases.push(Case { name, requests: 0, faults: Vec::new() });
            self.cases.len() - 1
        });
        &mut self.cases[at]
    }

    fn note(&mut self, name: &'static str, requests: usize, outcome: Result<(), PipelineFailure>) {
        self.sent += requests;
        let case = self.case(name);
        case.requests += requests;
        if let Err(offence) = outcome {
            case.faults.push(offence.fault);
            self.first.get_or_insert((name, offence));
        }
        (self.progress)(self.sent);
    }
}

impl Case {
    /// Returns whether more requests would show nothing new. Each dropped request costs the full wait.
    fn has_ended(&self) -> bool {
        self.faults.len() >= ENOUGH || self.faults.contains(&Fault::Dropped)
    }
}
