//! A corpus of requests and responses that want to be read in two ways, sent through penstock between strict readers.
//!
//! `requests` and `responses` are the corpus, a file for each family; `judge` and `verdicts` say how it is judged, the
//! others carry them. None of it shares code with the proxy; seeds are printed.

#![allow(clippy::unwrap_used)] // these are tests, helpers included: what cannot be unwrapped fails them

mod case;
mod cuts;
mod judge;
mod play;
mod poison;
mod recorder;
mod reply;
mod requests;
mod responses;
#[path = "../it/support/scrape.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod scrape;
mod seen;
#[path = "../it/support/splitmix.rs"]
mod splitmix;
#[path = "../it/support/stand.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod stand;
mod verdicts;
#[path = "../it/support/wire.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod wire;
