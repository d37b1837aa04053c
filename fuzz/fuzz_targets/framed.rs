//! libFuzzer on `penstock_fuzz::framed`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| penstock_fuzz::framed::check(bytes));
