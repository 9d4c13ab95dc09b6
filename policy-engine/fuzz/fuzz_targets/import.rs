//! Any pair of texts is a casbin model with its policy, or refused with reasons; what loads answers or says why not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy_engine::import::{Casbin, CasbinText, Matching};
use serde_json::Value;

fuzz_target!(|texts: (&str, &str)| {
    let (model, policy) = texts;
    match Casbin::load(CasbinText { model, policy }, Matching::default()) {
        Ok(casbin) => {
            for words in [&["alice", "data1", "read"][..], &["alice", "domain1", "data1", "read"], &["alice"]] {
                let values: Vec<Value> = words.iter().map(|word| Value::from(*word)).collect();
                let _ = casbin.decide(&values);
            }
        }
        Err(refused) => assert!(!refused.to_string().is_empty()),
    }
});
