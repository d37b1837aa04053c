//! Reads responses that nobody awaits, because their number tells whether the member keeps order. Nothing is delivered.

use super::{Broken, QueueAccess, Sink, receive};
use crate::turn::Nanos;

/// Bytes have come on a link that carries nothing that anybody awaits. False when the member has said that it answers
/// no more.
///
/// # Errors
/// When the bytes are not answers to what was asked.
pub(in crate::link) fn hear_out<T: Clone, S: Sink<T>>(
    queue: &mut impl QueueAccess<T>,
    input: &[u8],
    now: Nanos,
    out: &mut Vec<u8>,
    sink: &mut S,
) -> Result<bool, Broken> {
    queue.with(|queue| queue.parting = true);
    match receive(queue, input, now, out, sink) {
        Err(Broken::Abandoned) => Ok(false), // an answer too long to be read for nobody
        heard => heard,
    }
}
