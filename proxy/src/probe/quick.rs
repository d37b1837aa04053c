//! Runs the short probe that precedes pipelining to a member of known software.

use std::time::Duration;

use crate::config::{Address, Backend};

use super::fault::Fault;
use super::pipeline::{Pieces, Pipeline, Tokens, learn};
use super::requests;
use super::wire::{ProbeAddress, Wire};

/// The longest duration of the whole probe.
const LONGEST: Duration = Duration::from_secs(3);
/// A request whose answer alone takes longer than this is not sent again.
const LONGEST_ALONE: Duration = Duration::from_millis(500);
/// The number of requests in each pipeline.
const DEPTH: usize = 12;

/// Checks on a separate connection whether a member keeps the order of pipelined requests.
///
/// The probe first sends each request twice alone to learn its answer, and then pipelines: in one segment, and
/// split in the middle of heads. It takes 3 s at most, reads 256 KiB of content at most for each answer, and
/// sends only GET, HEAD and OPTIONS without content. It needs a tokio runtime with I/O and time.
///
/// # Errors
/// Returns why the member was not shown to keep the order.
pub async fn quick(address: &Address, backend: &Backend) -> Result<(), Fault> {
    let place = ProbeAddress::of(address, backend);
    let mut answered_alone = false;
    let probe = probe(&place, &mut answered_alone);
    let ended = crate::event_loop::timeout(LONGEST, probe).await;
    ended.unwrap_or(Err(if answered_alone { Fault::Dropped } else { Fault::Timeout }))
}

async fn probe(place: &ProbeAddress, answered_alone: &mut bool) -> Result<(), Fault> {
    let mut tokens = Tokens::none();
    let learned = learn(place, requests::usual(), LONGEST_ALONE, &mut tokens).await;
    let (mut wire, known) = learned.map_err(|offence| offence.fault)?;
    *answered_alone = true;
    let ways = [Pieces::One, Pieces::Split, Pieces::EachItsOwn, Pieces::One];
    for (round, pieces) in ways.into_iter().enumerate() {
        let order = requests::order(known.len(), round, DEPTH);
        exchange(&mut wire, &Pipeline::new(&known, &order, place.host(), &mut tokens), pieces).await?;
    }
    // One more exchange shows that the connection still works.
    exchange(&mut wire, &Pipeline::new(&known, &[0], place.host(), &mut tokens), Pieces::One).await
}

async fn exchange(wire: &mut Wire, pipeline: &Pipeline<'_>, pieces: Pieces) -> Result<(), Fault> {
    pipeline.send(wire, pieces).await?;
    pipeline.hear(wire).await.map_err(|offence| offence.fault)
}
