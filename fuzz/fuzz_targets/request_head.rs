//! libFuzzer on `penstock_fuzz::request_head`.
//! In: bytes that libFuzzer makes. Out: a crash where the check finds a broken promise.
//! Knows nothing of what is checked.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| penstock_fuzz::request_head::check(bytes));
