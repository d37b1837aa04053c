//! A corpus of requests and responses that want to be read in two ways, sent through penstock between strict readers.
//!
//! `requests` and `responses` are the corpus, a file for each family; `judge` and `verdicts` say how it is judged, the
//! others carry them. None of it shares code with the proxy; seeds are printed.

mod case;
mod cuts;
mod judge;
mod play;
mod poison;
mod recorder;
mod reply;
mod requests;
mod responses;
mod seen;
mod verdicts;
