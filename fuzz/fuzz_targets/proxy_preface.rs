//! libFuzzer on `penstock_fuzz::proxy_preface`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| penstock_fuzz::proxy_preface::check(bytes));
