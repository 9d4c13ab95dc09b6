//! Who may import whom.

use super::{metadata, none, root};
use std::fs;

/// A crate of others, and the only one of ours that may name it.
const OWNED: [(&str, &str); 5] = [
    ("casbin", "policy-engine"),
    ("vaultrs", "kms-bridge"),
    ("sqlx", "control-plane"),
    ("qdrant-edge", "embedded-store"),
    ("jsonwebtoken", "proxy"),
];

/// Crates that do not know each other. All may use `vocab`.
const STRANGERS: [&str; 6] =
    ["policy-engine", "kms-bridge", "embedding-cipher", "content-guard", "audit-log", "embedded-store"];

/// Crates that would be a second TLS or a second cryptography beside rustls and ring.
const BANNED: [&str; 5] = ["openssl", "openssl-sys", "native-tls", "aws-lc-rs", "aws-lc-sys"];

#[test]
fn each_owned_crate_has_one_owner() {
    let mut faults = Vec::new();
    for package in metadata().workspace_packages() {
        for dependency in &package.dependencies {
            for (owned, owner) in OWNED {
                if dependency.name == owned && package.name.as_str() != owner {
                    faults.push(format!("{} imports {owned}; only {owner} may", package.name));
                }
            }
        }
    }
    none("imports by the wrong crate", &faults);
}

#[test]
fn siblings_are_strangers() {
    let packages = metadata().workspace_packages();
    let ours: Vec<&str> = packages.iter().map(|p| p.name.as_str()).collect();
    let mut faults = Vec::new();
    for stranger in STRANGERS {
        assert!(ours.contains(&stranger), "{stranger} is not in the workspace: this rule guards nothing");
    }
    for package in packages.iter().filter(|p| STRANGERS.contains(&p.name.as_str())) {
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            if ours.contains(&name) && name != "vocab" && name != package.name.as_str() {
                faults.push(format!("{} imports {name}", package.name));
            }
        }
    }
    none("siblings that know each other", &faults);
}

#[test]
fn one_tls_and_one_cryptography() {
    let faults: Vec<String> = metadata()
        .packages
        .iter()
        .filter(|p| BANNED.contains(&p.name.as_str()))
        .map(|p| format!("{} {}", p.name, p.version))
        .collect();
    none("banned crates in the tree", &faults);
}

#[test]
fn everything_comes_from_the_registry_or_from_here() {
    let faults: Vec<String> = metadata()
        .packages
        .iter()
        .filter(|p| p.source.as_ref().is_some_and(|s| !s.is_crates_io()))
        .map(|p| format!("{} from {:?}", p.name, p.source))
        .collect();
    none("packages from elsewhere", &faults);
}

#[test]
fn the_offline_verifier_has_no_async_runtime() {
    let directory = root().join("audit-log/src/verify");
    let files = super::files::below(&directory, &["rs"]);
    assert!(!files.is_empty(), "{} holds nothing: this rule guards nothing", directory.display());
    let faults: Vec<String> = files
        .iter()
        .filter(|file| fs::read_to_string(file).unwrap().contains("tokio"))
        .map(|file| file.display().to_string())
        .collect();
    none("verifier files that name tokio", &faults);
}
