//! Answers that nobody awaits are read all the same, because their number tells of the member.
//! In: bytes from the member. Out: whether they are answers to what was sent, one each.
//! Delivers nothing.

use super::{Broken, Queue, Sink};
use crate::turn::Nanos;

impl<T> Queue<T> {
    /// Bytes have come on a link that carries nothing that anybody awaits. False when the member has said that it answers
    /// no more.
    ///
    /// # Errors
    /// When the bytes are not answers to what was asked.
    pub fn hear_out<S: Sink<T>>(
        &mut self,
        input: &[u8],
        now: Nanos,
        out: &mut Vec<u8>,
        sink: &mut S,
    ) -> Result<bool, Broken> {
        self.parting = true;
        match self.receive(input, now, out, sink) {
            Err(Broken::Abandoned) => Ok(false), // an answer too long to be read for nobody
            heard => heard,
        }
    }
}
