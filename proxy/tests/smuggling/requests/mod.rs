//! The raw requests of the corpus, a file for each family; each test judges one.
//! In: nothing. Out: cases.
//! Knows nothing of how they are judged.

mod chunks;
mod coding;
mod length;

use crate::judge::{judge, setup};

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
