//! libFuzzer on `penstock_fuzz::link_machine`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| penstock_fuzz::link_machine::check(bytes));
