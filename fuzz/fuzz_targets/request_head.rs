//! libFuzzer on `penstock_fuzz::request_head`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| penstock_fuzz::request_head::check(bytes));
