//! Reads responses that nobody awaits, because their number tells whether the member keeps order. Nothing is delivered.

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
