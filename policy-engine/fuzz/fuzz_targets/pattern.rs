//! Any text is a pattern or refused, and any path is a resource or refused; a resource reads back, and what matches
//! is decided.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy_engine::{Facts, Resource};
use policy_engine_fuzz::{ask, compile, quoted};

fuzz_target!(|texts: (&str, &str)| {
    let (pattern, path) = texts;
    let resource = path.parse::<Resource>();
    if let Ok(resource) = &resource {
        assert_eq!(resource.to_string(), path);
    }
    let document = format!(
        "version = 1\ntenant = \"acme\"\n[[rule]]\nid = \"r\"\ndeny = \"*\"\nroles = \"everyone\"\non = [{}, \"**\"]\n",
        quoted(pattern)
    );
    if let (Some(set), Ok(resource)) = (compile(&document), resource) {
        ask(&set, &resource, &Facts::default());
    }
});
