//! The example configurations of `deploy/config` load as they are.

#![allow(clippy::unwrap_used, reason = "tests")]

use proxy::config::Config;
use std::path::Path;

#[test]
fn every_example_configuration_loads() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/config");
    let mut loaded = 0;
    for entry in std::fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "toml") {
            let text = std::fs::read_to_string(&path).unwrap();
            let config = Config::parse(&text, []);
            assert!(config.is_ok(), "{}: {}", path.display(), config.err().map_or_else(String::new, |e| e.to_string()));
            loaded += 1;
        }
    }
    assert!(loaded > 0, "{} holds no configuration", dir.display());
}
