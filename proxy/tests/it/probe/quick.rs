//! The short probe, against members that keep the order and members that do not.

use std::net::SocketAddr;

use penstock::config::{Address, parse};
use penstock::probe::{self, Fault};
use penstock_origin::{Options, Origin};

use crate::probe::members::{Manner, Member};
use crate::support::own_address::own_address;

/// Probes an address as a worker's helper thread would.
pub(crate) fn quick(address: impl Into<Address>) -> Result<(), Fault> {
    let config = "listeners: { l: { bind: 127.0.0.1:0, backend: b } }\nbackends: { b: { members: { m: 127.0.0.1:1 } } }\n";
    let settings = parse("test", config, &|_| None).unwrap_or_else(|why| panic!("{why}")).settings;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(probe::quick(&address.into(), &settings.backends[0]))
}

#[track_caller]
fn finds(manner: Manner, allowed: &[&str]) {
    let member = Member::start(manner);
    let found = quick(member.address);
    let word = found.map_or_else(Fault::word, |()| "nothing");
    assert!(allowed.contains(&word), "{manner:?}: {found:?}, not one of {allowed:?}");
}

#[test]
fn a_member_that_keeps_the_order_passes() {
    assert_eq!(quick(Member::start(Manner::Good).address), Ok(()));
}

#[test]
fn the_included_origin_passes() {
    let at: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let origin = Origin::start(Options { listen: vec![("a".to_owned(), at)], ..Options::default() }).unwrap();
    assert_eq!(quick(origin.addresses()[0].1), Ok(()));
}

#[test]
fn a_member_that_answers_the_first_of_each_read_drops() {
    finds(Manner::FirstOfRead, &["dropped"]);
}

#[test]
fn a_member_that_answers_each_on_a_thread_reorders() {
    // An answer to HEAD in the place of one to GET swallows those behind it, which looks like another answer.
    finds(Manner::Threads, &["reordered", "differs", "malformed", "dropped"]);
}

#[test]
fn answers_that_are_swapped_are_found() {
    finds(Manner::Swaps, &["reordered"]);
}

#[test]
fn answers_that_come_twice_are_surplus() {
    finds(Manner::Doubles, &["surplus"]);
}

#[test]
fn bytes_behind_an_answer_are_surplus() {
    finds(Manner::Surplus, &["surplus"]);
}

#[test]
fn content_behind_an_answer_to_head_is_surplus() {
    finds(Manner::HeadWithContent, &["surplus"]);
}

#[test]
fn a_member_that_closes_amid_a_pipeline_is_found() {
    finds(Manner::ClosesAmid, &["closed"]);
}

#[test]
fn a_member_that_closes_after_each_answer_is_found() {
    finds(Manner::ClosesAlways, &["closes"]);
    finds(Manner::Old, &["closes"]);
}

#[test]
fn answers_that_look_alike_prove_nothing() {
    finds(Manner::Alike, &["indistinct"]);
}

#[test]
fn a_member_that_says_nothing_or_no_http_is_found() {
    finds(Manner::Silent, &["timeout"]);
    finds(Manner::Babbles, &["malformed"]);
}

#[test]
fn an_answer_that_nobody_asked_for_is_found() {
    finds(Manner::Lies, &["differs", "malformed", "dropped"]);
}

#[test]
fn nobody_there_is_told_with_the_cause() {
    let gone = own_address();
    let found = quick(gone);
    assert_eq!(found, Err(Fault::Connect(std::io::ErrorKind::ConnectionRefused)));
    assert_eq!(found.unwrap_err().to_string(), "connecting to it failed: connection refused");
}
