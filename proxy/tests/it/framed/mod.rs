//! Tests what `protocol: lines` and `length_prefixed` promise to their users, end to end, with the included origin.
//!
//! Each promise has a file; `given` is what they stand on, besides `support`.

mod answers;
mod conversations;
mod counts;
mod dialects;
mod given;
mod lifecycle;
mod limits;
mod load;
mod lookahead;
mod misbehaviour;
mod refusals;
mod rescue;
