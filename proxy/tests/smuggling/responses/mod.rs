//! The raw answers of the corpus, a file for each family; each test judges one.
//! In: nothing. Out: cases.
//! Knows nothing of how they are judged.

mod chunks;
mod endings;
mod heads;
mod interim;
mod lengths;
mod surplus;

use crate::verdicts::judge;

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
