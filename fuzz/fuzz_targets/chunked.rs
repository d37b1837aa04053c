//! libFuzzer on `penstock_fuzz::chunked`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| penstock_fuzz::chunked::check(bytes));
