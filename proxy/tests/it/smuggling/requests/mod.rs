//! The raw requests of the corpus, a file for each family; each test judges one.

mod chunks;
mod coding;
mod connection;
mod expect;
mod fields;
mod host;
mod length;
mod limits;
mod line;
mod pipelines;
mod upgrade;

use std::collections::HashSet;

use crate::smuggling::case::Case;
use crate::smuggling::judge::{judge, setup};

/// Every family, by the name of its file.
fn families() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("chunks", chunks::cases()),
        ("coding", coding::cases()),
        ("connection", connection::cases()),
        ("connects", upgrade::connects()),
        ("expect", expect::cases()),
        ("fields", fields::cases()),
        ("host", host::cases()),
        ("length", length::cases()),
        ("limits", [limits::heads(), limits::bodies()].into_iter().flatten().collect()),
        ("line", line::cases()),
        ("pipelines", pipelines::cases()),
        ("upgrade", upgrade::cases()),
    ]
}

#[test]
fn the_corpus_is_large_and_has_no_case_twice() {
    let all: Vec<_> = families().into_iter().flat_map(|(_, cases)| cases).collect();
    let bytes: HashSet<_> = all.iter().map(|case| case.bytes.as_slice()).collect();
    assert!(bytes.len() >= 600, "{} requests", bytes.len());
    for (family, cases) in families() {
        let names: HashSet<_> = cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names.len(), cases.len(), "two cases of {family} have one name");
    }
}

#[test]
fn transfer_encoding_in_disguise() {
    judge(&setup(), coding::cases());
}

#[test]
fn content_length_in_disguise() {
    judge(&setup(), length::cases());
}

#[test]
fn chunks_and_trailers() {
    judge(&setup(), chunks::cases());
}

#[test]
fn request_lines() {
    judge(&setup(), line::cases());
}

#[test]
fn hosts() {
    judge(&setup(), host::cases());
}

#[test]
fn connection_and_what_it_names() {
    judge(&setup(), connection::cases());
}

#[test]
fn expectations() {
    judge(&setup(), expect::cases());
}

#[test]
fn upgrades() {
    judge(&setup(), upgrade::cases());
}

#[test]
fn connects() {
    judge(&setup().listener("connect: true"), upgrade::connects());
}

#[test]
fn names_and_values() {
    judge(&setup(), fields::cases());
}

#[test]
fn heads_at_their_limits() {
    judge(&setup().listener(limits::HEADS), limits::heads());
}

#[test]
fn bodies_at_their_limit() {
    judge(&setup().listener(limits::BODIES), limits::bodies());
}

#[test]
fn pipelines_of_which_one_is_bad() {
    judge(&setup(), pipelines::cases());
}
