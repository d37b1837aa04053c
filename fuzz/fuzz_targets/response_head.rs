//! libFuzzer on `penstock_fuzz::response_head`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| penstock_fuzz::response_head::check(bytes));
