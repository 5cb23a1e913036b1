#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| neuvol_fuzz::open_frame(bytes));
