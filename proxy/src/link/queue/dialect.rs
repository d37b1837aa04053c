//! Tracks what the member at the other end of a link speaks, and has it greeted before it has to speak something else.
//!
//! A greeting takes effect in order, as all that is sent does, so any request may go over any link; which link a pool
//! prefers is a matter of cost alone. The response to a greeting is nobody's; if it is an error, the link ends.

use crate::proto::framing::{Dialect, greeting};

use super::super::exchange::{Greeting, Request};
use super::Queue;

impl<T> Queue<T> {
    /// What the next request would be spoken in without a greeting.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Puts a greeting before this request, where it needs one.
    pub(super) fn greet(&mut self, request: &Request) -> Greeting {
        if request.dialect == self.dialect {
            return Greeting::None;
        }
        self.dialect = request.dialect;
        if request.greets {
            return Greeting::None; // is one
        }
        self.out.extend_from_slice(greeting(request.dialect));
        Greeting::Sent
    }

    /// The frame that was put on the link last makes it speak this, unless it is refused. Then the link ends, as after every
    /// last word of a conversation that is.
    pub fn turns_to(&mut self, dialect: Dialect) {
        self.dialect = dialect;
        if let Some(slot) = self.slots.back_mut() {
            (slot.request.dialect, slot.request.greets) = (dialect, true);
        }
    }
}
