//! Any text is a condition or refused; what loads gives an answer or a fault, for rich calls and for bare ones.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy_engine::Facts;
use policy_engine_fuzz::{ask, compile, facts, quoted};

fuzz_target!(|text: &str| {
    let document = format!(
        "version = 1\ntenant = \"acme\"\n[budgets]\nb = {{ tokens = 1, per = \"day\" }}\n[[rule]]\nid = \"r\"\n\
         allow = \"*\"\nroles = \"everyone\"\non = \"**\"\nwhen = {}\n",
        quoted(text)
    );
    if let Some(set) = compile(&document) {
        for resource in ["model/openai/gpt-4.1", "vector/db/deeds", "ledger"] {
            let resource = resource.parse().expect("a resource");
            ask(&set, &resource, &facts());
            ask(&set, &resource, &Facts::default());
        }
    }
});
