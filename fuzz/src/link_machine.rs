//! Drives the machines of a link by bytes: the queue of one link, and the pool of links to one member.
//!
//! It does to the machines only what `connection.rs` and `cell_map.rs` may do.

mod place;
mod pool;
mod queue;
mod told;

use penstock::config::{FrameKind, Framing};

use super::input::Input;

/// Checks a course of events.
pub fn check(input: &[u8]) {
    let mut input = Input(input);
    let framing = |kind| Framing { kind, max_length: 1 << 20, repeatable: true, refusal: None };
    match input.below(4) {
        0 => queue::run(None, &mut input),
        1 => pool::run(&mut input),
        2 => queue::run(Some(framing(FrameKind::Resp)), &mut input),
        _ => queue::run(Some(framing(FrameKind::Lines { crlf: true })), &mut input),
    }
}
