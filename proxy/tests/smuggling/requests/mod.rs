//! The raw requests of the corpus, a file for each family; each test judges one.
//! In: nothing. Out: cases.
//! Knows nothing of how they are judged.

mod coding;

use crate::judge::{judge, setup};

#[test]
fn transfer_encoding_in_disguise() {
    judge(&setup(), coding::cases());
}
