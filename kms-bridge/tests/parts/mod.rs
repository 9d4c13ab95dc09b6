//! Real parts that the tests run against, and where they are.

use std::path::PathBuf;

/// The path of a real part, in an environment variable that `cargo xtask test` sets. Without it the
/// test is skipped, which is no pass; where `CI` is set, it fails instead.
pub(crate) fn part(variable: &str, what: &str) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(variable).map(PathBuf::from) {
        assert!(path.exists(), "{variable} names {}, which is not there", path.display());
        return Some(path);
    }
    let reason = format!("{variable} does not name {what}; `cargo xtask setup` installs it");
    assert!(std::env::var_os("CI").is_none(), "{reason}");
    eprintln!("skipped: {reason}");
    None
}
