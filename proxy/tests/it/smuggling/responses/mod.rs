//! The raw responses of the corpus, a file for each family; each test judges one.

mod chunks;
mod endings;
mod heads;
mod interim;
mod lengths;
mod surplus;

use std::collections::HashSet;

use crate::smuggling::verdicts::judge;

#[test]
fn the_corpus_is_large() {
    let families = [
        lengths::cases(),
        chunks::cases(),
        heads::cases(),
        interim::cases(),
        surplus::cases(),
        endings::cases(),
    ];
    let all: Vec<_> = families.iter().flatten().collect();
    let cases: HashSet<_> = all.iter().map(|case| (case.asked, case.then, case.bytes.as_slice())).collect();
    assert!(cases.len() >= 180, "{} answers", cases.len());
}

#[test]
fn lengths_and_codings_of_answers() {
    judge(lengths::cases());
}

#[test]
fn chunks_of_answers() {
    judge(chunks::cases());
}

#[test]
fn heads_of_answers() {
    judge(heads::cases());
}

#[test]
fn interim_answers() {
    judge(interim::cases());
}

#[test]
fn surplus_answers() {
    judge(surplus::cases());
}

#[test]
fn ends_of_answers() {
    judge(endings::cases());
}
