//! Sends requests first alone and then in pipelines, and checks whether the order was kept.

use std::time::{Duration, Instant};

use super::answers::{Expected, Reply, Signature, judge};
use super::fault::Fault;
use super::requests::{self, Question};
use super::wire::{LISTEN_FOR, PAUSE, ProbeAddress, Unanswered, Wire};

/// The places at which heads are cut, in hundredths of a request: in the request line, in fields, before the
/// last CR LF.
const CUTS: [usize; 4] = [5, 50, 80, 99];
/// The number of unanswered requests after which a server is not asked again.
const ENOUGH: usize = 2;
/// The number of bytes of a wrong answer that are kept for the report.
const SHOWN: usize = 160;

/// A generator of tokens that identify requests, or of none.
pub(super) struct Tokens {
    next: Option<u64>,
}

impl Tokens {
    /// Makes a generator of no tokens.
    pub(super) const fn none() -> Self {
        Self { next: None }
    }

    /// Makes a generator that gives each request its own token. Two probes that run at the same time are
    /// unlikely to share any.
    pub(super) fn seeded(seed: u64) -> Self {
        Self { next: Some(seed) }
    }

    fn next(&mut self) -> Option<String> {
        let next = self.next.as_mut()?;
        *next = next.wrapping_add(0x9e37_79b9_7f4a_7c15);
        // SplitMix64 makes neighbours look unrelated, so that no token is a part of another answer by chance.
        let mut z = *next;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Some(format!("{:016x}", z ^ (z >> 31)))
    }
}

/// A request and the properties of its answers.
pub(super) struct Known {
    pub(super) question: Question,
    pub(super) signature: Signature,
    /// Whether the answers repeat the request's token.
    pub(super) echoes: bool,
    /// The longer of the times that two answers took alone.
    pub(super) took: Duration,
    /// The `Server` field of the answers.
    pub(super) server: Option<Vec<u8>>,
}

/// Sends each request twice, alone, and keeps the requests whose answers can be identified: they echo the
/// token, or look like no other. Also returns a connection that is as good as new.
pub(super) async fn learn(
    place: &ProbeAddress,
    questions: Vec<Question>,
    patience: Duration,
    tokens: &mut Tokens,
) -> Result<(Wire, Vec<Known>), PipelineFailure> {
    let mut wire = Wire::open(place).await?;
    let mut known: Vec<Known> = Vec::new();
    let mut why = PipelineFailure::from(Fault::Indistinct);
    let mut timeouts = 0;
    for question in questions {
        match ask_twice(&mut wire, question, place.host(), patience, tokens).await? {
            Alone::Known(new) => {
                // Two requests whose answers echo are told apart by their tokens.
                let told_apart = |other: &Known| {
                    other.signature.differs_from(&new.signature) || (other.echoes && new.echoes)
                };
                // A request whose answer looks like another's proves nothing about the order.
                if known.iter().all(told_apart) {
                    known.push(*new);
                }
            }
            Alone::Unsteady => {}
            Alone::Lost(fault) => {
                timeouts += usize::from(fault == Some(Fault::Timeout));
                why = fault.map_or(why, PipelineFailure::from);
                // A server that answers nothing would cost the patience for every request.
                if timeouts == ENOUGH && known.is_empty() {
                    return Err(why);
                }
                wire = Wire::open(place).await?;
            }
        }
    }
    let enough = known.len() > 1 || known.iter().any(|one| one.echoes);
    if enough { Ok((wire, known)) } else { Err(why) }
}

/// The result of sending a request alone.
enum Alone {
    Known(Box<Known>),
    /// The two answers have nothing in common.
    Unsteady,
    /// The connection cannot be used any more, because the answer ended it, was too long, or was too late.
    Lost(Option<Fault>),
}

async fn ask_twice(
    wire: &mut Wire,
    question: Question,
    host: &str,
    patience: Duration,
    tokens: &mut Tokens,
) -> Result<Alone, PipelineFailure> {
    let mut answers: Vec<Reply> = Vec::new();
    let (mut echoes, mut took) = (true, Duration::ZERO);
    for _ in 0..2 {
        let token = tokens.next();
        let mut bytes = Vec::new();
        question.write(host, token.as_deref(), &mut bytes);
        let asked = Instant::now();
        let offence = |fault: Fault, wire: &Wire| {
            let bytes = wire.unread();
            PipelineFailure {
                fault,
                answered: 0,
                asked: question.line(token.as_deref()),
                bytes: bytes[..bytes.len().min(SHOWN)].to_vec(),
            }
        };
        if let Err(fault) = wire.send([&*bytes], PAUSE).await {
            return Err(offence(fault, wire));
        }
        match crate::event_loop::timeout(patience, wire.answer(question.method)).await {
            Ok(Ok(reply)) if reply.keeps_link => {
                took = took.max(asked.elapsed());
                echoes &= token.as_ref().is_some_and(|token| reply.contains(token.as_bytes()));
                answers.push(reply);
            }
            Ok(Ok(_)) => return Ok(Alone::Lost(Some(Fault::Closes))),
            Ok(Err(Unanswered::Fault(fault))) => return Err(offence(fault, wire)),
            Ok(Err(Unanswered::TooLong)) => return Ok(Alone::Lost(None)),
            Err(_) => return Ok(Alone::Lost(Some(Fault::Timeout))),
        }
        if let Err(fault) = wire.stays_quiet(LISTEN_FOR).await {
            return Err(offence(fault, wire));
        }
    }
    let [first, second] = &answers[..] else { return Ok(Alone::Unsteady) };
    let server = first.field("server").map(<[u8]>::to_vec);
    Ok(Signature::of(first, second).map_or(Alone::Unsteady, |signature| {
        Alone::Known(Box::new(Known { question, signature, echoes, took, server }))
    }))
}

/// The way in which the bytes of a pipeline are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pieces {
    /// All bytes at once.
    One,
    /// Cut in the middle of heads.
    Split,
    /// Each request by itself, without waiting for answers.
    EachItsOwn,
    /// Each byte by itself.
    Bytes,
}

/// A failure of a pipeline: the fault, its place, and the bytes there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PipelineFailure {
    pub(super) fault: Fault,
    /// The number of good answers before the failure.
    pub(super) answered: usize,
    /// The request line whose answer is wrong or missing.
    pub(super) asked: String,
    /// The first bytes that came instead.
    pub(super) bytes: Vec<u8>,
}

/// Makes a failure of a fault that shows in no answer.
impl From<Fault> for PipelineFailure {
    fn from(fault: Fault) -> Self {
        Self { fault, answered: 0, asked: String::new(), bytes: Vec::new() }
    }
}

/// Requests that are sent without waiting for answers.
pub(super) struct Pipeline<'k> {
    requests: Vec<(&'k Known, Option<String>)>,
    bytes: Vec<u8>,
    /// The end of each request in `bytes`.
    ends: Vec<usize>,
}

impl<'k> Pipeline<'k> {
    /// Makes a pipeline of the requests of `known` at these indices.
    pub(super) fn new(known: &'k [Known], order: &[usize], host: &str, tokens: &mut Tokens) -> Self {
        let requests: Vec<_> = order.iter().map(|i| (&known[*i], tokens.next())).collect();
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for (known, token) in &requests {
            known.question.write(host, token.as_deref(), &mut bytes);
            ends.push(bytes.len());
        }
        Self { requests, bytes, ends }
    }

    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    pub(super) async fn send(&self, wire: &mut Wire, pieces: Pieces) -> Result<(), Fault> {
        let cut = |hundredths: &[usize]| requests::cut(&self.bytes, &self.ends, hundredths);
        match pieces {
            Pieces::One => wire.send([&*self.bytes], PAUSE).await,
            Pieces::Split => wire.send(cut(&CUTS), PAUSE).await,
            Pieces::EachItsOwn => wire.send(cut(&[100]), PAUSE).await,
            Pieces::Bytes => wire.send(self.bytes.chunks(1), Duration::ZERO).await,
        }
    }

    /// Waits for all answers, and checks that no more bytes come.
    pub(super) async fn hear(&self, wire: &mut Wire) -> Result<(), PipelineFailure> {
        self.read_answers_within(wire, Duration::MAX).await
    }

    /// Waits for all answers, for each up to `patience`, and checks that no more bytes come.
    pub(super) async fn read_answers_within(
        &self,
        wire: &mut Wire,
        patience: Duration,
    ) -> Result<(), PipelineFailure> {
        let expected: Vec<_> =
            self.requests.iter().map(|(known, token)| known.expect(token.as_deref())).collect();
        for (index, (known, _)) in self.requests.iter().enumerate() {
            let answer = crate::event_loop::timeout(patience, wire.answer(known.question.method)).await;
            let reply = match answer {
                Ok(Ok(reply)) => reply,
                Ok(Err(Unanswered::Fault(fault))) => return Err(self.offence(fault, index, wire.unread())),
                Ok(Err(Unanswered::TooLong)) => {
                    return Err(self.offence(Fault::Differs, index, wire.unread()));
                }
                Err(_) => return Err(self.offence(Fault::Dropped, index, wire.unread())),
            };
            // A close after an answer loses the requests behind it.
            let closes = if reply.keeps_link { Ok(()) } else { Err(Fault::Closes) };
            if let Err(fault) = judge(&reply, index, &expected).and(closes) {
                return Err(self.offence(fault, index, &[reply.head, reply.body].concat()));
            }
        }
        let quiet = wire.stays_quiet(LISTEN_FOR).await;
        quiet.map_err(|fault| self.offence(fault, self.len(), wire.unread()))
    }

    pub(super) fn offence(&self, fault: Fault, answered: usize, bytes: &[u8]) -> PipelineFailure {
        let last = self.requests.len().saturating_sub(1);
        let asked = self.requests.get(answered.min(last));
        let asked = asked.map(|(known, token)| known.question.line(token.as_deref()));
        let bytes = bytes[..bytes.len().min(SHOWN)].to_vec();
        PipelineFailure { fault, answered, asked: asked.unwrap_or_default(), bytes }
    }
}

impl Known {
    fn expect<'s>(&'s self, token: Option<&'s str>) -> Expected<'s> {
        Expected { signature: &self.signature, token: token.filter(|_| self.echoes) }
    }
}
