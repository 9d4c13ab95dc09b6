//! Any text is a document or refused with its defects; what loads can be asked and tested.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy_engine_fuzz::{ask, compile, facts};

fuzz_target!(|text: &str| {
    if let Some(set) = compile(text) {
        let _ = set.run_tests();
        for resource in ["model/openai/gpt-4.1", "vector/db/deeds", "ledger"] {
            ask(&set, &resource.parse().expect("a resource"), &facts());
        }
    }
});
