//! The short probe that precedes pipelining to a member of known software.

use std::time::Duration;

use crate::config::{Address, Backend};

use super::answers::{Reply, Signature, judge};
use super::fault::Fault;
use super::requests::{self, Question};
use super::wire::{LISTEN_FOR, Place, Unanswered, Wire};

/// Longest time of the whole probe.
const LONGEST: Duration = Duration::from_secs(3);
/// A question that is answered alone in a longer time than this is not asked again.
const LONGEST_ALONE: Duration = Duration::from_millis(500);
/// Requests in each pipeline.
const DEPTH: usize = 12;
/// Where heads are cut, in hundredths of a request: in the request line, in a field, before the last CR LF.
const CUTS: [usize; 4] = [5, 50, 80, 99];

/// Asks a member whether it keeps the order of pipelined requests, on a connection of its own.
///
/// First it learns how each question is answered alone, twice; then it sends pipelines: in one segment, and split in
/// the middle of heads. It takes 3 s at most, reads 256 KiB of content at most for each answer, and sends
/// GET, HEAD and OPTIONS without content only. It needs a tokio runtime with I/O and time.
///
/// # Errors
/// Why the member was not shown to keep the order.
pub async fn quick(address: &Address, backend: &Backend) -> Result<(), Fault> {
    let place = Place::of(address, backend);
    let mut answered_alone = false;
    let probe = probe(&place, &mut answered_alone);
    let ended = tokio::time::timeout(LONGEST, probe).await;
    ended.unwrap_or(Err(if answered_alone { Fault::Dropped } else { Fault::Timeout }))
}

async fn probe(place: &Place, answered_alone: &mut bool) -> Result<(), Fault> {
    let host = place.host();
    let (mut wire, known) = learn(place, requests::usual()).await?;
    *answered_alone = true;
    let count = known.len();
    let ways = [Pieces::One, Pieces::Split, Pieces::EachItsOwn, Pieces::One];
    for (round, pieces) in ways.into_iter().enumerate() {
        let order = requests::order(count, round, DEPTH);
        let pipeline = Pipeline::new(&known, &order, &host);
        pipeline.send(&mut wire, pieces).await?;
        pipeline.hear(&mut wire).await?;
    }
    // The connection is as good as before.
    let last = Pipeline::new(&known, &[0], &host);
    last.send(&mut wire, Pieces::One).await?;
    last.hear(&mut wire).await
}

/// A question, and what its answer looks like.
pub(super) struct Known {
    pub(super) question: Question,
    pub(super) signature: Signature,
}

/// Asks each question twice, alone, and keeps those whose answers can be told apart; the first of these that looks
/// like another stays out. Leaves a connection on which all of them were answered.
pub(super) async fn learn(place: &Place, questions: Vec<Question>) -> Result<(Wire, Vec<Known>), Fault> {
    let host = place.host();
    let mut wire = Wire::open(place).await?;
    let mut known: Vec<Known> = Vec::new();
    let mut why = Fault::Indistinct;
    for question in questions {
        match ask_twice(&mut wire, &question, &host).await? {
            Alone::Known(signature) => {
                if known.iter().all(|other| other.signature.differs_from(&signature)) {
                    known.push(Known { question, signature });
                }
            }
            Alone::Unsteady => {}
            Alone::Lost(fault) => {
                why = fault.unwrap_or(why);
                wire = Wire::open(place).await?;
            }
        }
    }
    if known.len() < 2 { Err(why) } else { Ok((wire, known)) }
}

/// What came of a question that was asked alone.
enum Alone {
    Known(Signature),
    /// The two answers have nothing in common.
    Unsteady,
    /// The connection is of no use any more: the answer ended it, or is too long or too late to be waited for.
    Lost(Option<Fault>),
}

async fn ask_twice(wire: &mut Wire, question: &Question, host: &str) -> Result<Alone, Fault> {
    let mut answers = Vec::new();
    for _ in 0..2 {
        let mut bytes = Vec::new();
        question.write(host, &mut bytes);
        wire.send([&*bytes]).await?;
        match tokio::time::timeout(LONGEST_ALONE, wire.answer(question.method)).await {
            Ok(Ok(reply)) if reply.keeps_link => answers.push(reply),
            Ok(Ok(_)) => return Ok(Alone::Lost(Some(Fault::Closes))),
            Ok(Err(Unanswered::Fault(fault))) => return Err(fault),
            Ok(Err(Unanswered::TooLong)) => return Ok(Alone::Lost(None)),
            Err(_) => return Ok(Alone::Lost(Some(Fault::Timeout))),
        }
        wire.stays_quiet(LISTEN_FOR).await?;
    }
    let [first, second]: [Reply; 2] = answers.try_into().map_err(|_| Fault::Indistinct)?;
    Ok(Signature::of(&first, &second).map_or(Alone::Unsteady, Alone::Known))
}

/// How the bytes of a pipeline are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pieces {
    /// All at once.
    One,
    /// Cut in the middle of heads.
    Split,
    /// Each request on its own, without waiting for answers.
    EachItsOwn,
}

/// Requests that are sent without waiting for answers.
pub(super) struct Pipeline<'k> {
    known: Vec<&'k Known>,
    bytes: Vec<u8>,
    /// Where each request ends in `bytes`.
    ends: Vec<usize>,
}

impl<'k> Pipeline<'k> {
    pub(super) fn new(known: &'k [Known], order: &[usize], host: &str) -> Self {
        let known: Vec<_> = order.iter().map(|i| &known[*i]).collect();
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for Known { question, .. } in &known {
            question.write(host, &mut bytes);
            ends.push(bytes.len());
        }
        Self { known, bytes, ends }
    }

    pub(super) async fn send(&self, wire: &mut Wire, pieces: Pieces) -> Result<(), Fault> {
        match pieces {
            Pieces::One => wire.send([&*self.bytes]).await,
            Pieces::Split => wire.send(requests::cut(&self.bytes, &self.ends, &CUTS)).await,
            Pieces::EachItsOwn => wire.send(requests::cut(&self.bytes, &self.ends, &[100])).await,
        }
    }

    /// Waits for all answers, and then for nothing.
    pub(super) async fn hear(&self, wire: &mut Wire) -> Result<(), Fault> {
        let expected: Vec<_> = self.known.iter().map(|known| &known.signature).collect();
        for (index, known) in self.known.iter().enumerate() {
            let reply = wire.answer(known.question.method).await.map_err(|why| match why {
                Unanswered::Fault(fault) => fault,
                Unanswered::TooLong => Fault::Differs,
            })?;
            judge(&reply, index, &expected)?;
            if !reply.keeps_link {
                return Err(Fault::Closes);
            }
        }
        wire.stays_quiet(LISTEN_FOR).await
    }
}
