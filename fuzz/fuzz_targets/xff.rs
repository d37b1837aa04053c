//! libFuzzer on `penstock_fuzz::xff`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| penstock_fuzz::xff::check(bytes));
