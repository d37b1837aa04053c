//! Tests that nobody sits on a link: clients that are slow, stalled or gone take nothing from those that are honest.
//!
//! `matrix` has 200 attackers of each kind, from one address and from 200, beside 20 honest requests a second; the
//! other files of tests hold one promise each. `member` is the service behind the proxy, `attack` the attackers,
//! `honest` those who must not notice them, and `client` one end of a connection. Nothing asserts how long something
//! took: an honest request that waits is measured and printed, one that is refused is a failure.

mod attack;
mod client;
mod clocks;
mod gone;
mod honest;
mod matrix;
mod member;
mod moving;
mod room;
mod turns;
