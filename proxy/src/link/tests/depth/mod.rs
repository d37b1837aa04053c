//! What `Depth` makes of answers, and of whole members in virtual time.
//! In: samples, or a world of clients, a proxy and a member. Out: depth, links, rates and times.
//! Knows nothing of sockets.

mod member;
mod report;
mod rng;
mod samples;
mod scenarios;
mod world;
