//! Tests of what `Depth` makes of responses, and of whole members in virtual time.

mod member;
mod report;
mod rng;
mod samples;
mod scenarios;
mod world;
