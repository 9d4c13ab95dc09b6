//! Loading a policy directory: a set whose own tests fail is not run.

use policy_engine::{LoadError, PolicySet, TestOutcome, TestResult};
use std::path::Path;

/// Why a policy directory is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolicyError {
    /// The documents do not compile.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A `[[test]]` of the documents does not hold.
    #[error("{0}")]
    Tests(String),
}

/// Loads every document and runs their tests.
///
/// # Errors
/// [`PolicyError`] with every defect, or every test that failed.
pub(crate) fn load(directory: &Path) -> Result<PolicySet, PolicyError> {
    let policy = PolicySet::load_dir(directory)?;
    let failed: Vec<String> = policy.run_tests().iter().filter_map(told).collect();
    if failed.is_empty() { Ok(policy) } else { Err(PolicyError::Tests(failed.join("\n"))) }
}

/// One failed test, with its place.
fn told(outcome: &TestOutcome) -> Option<String> {
    match &outcome.result {
        TestResult::Passed => None,
        TestResult::Failed(differences) => {
            Some(format!("{}:{}: test {:?}: {}", outcome.file, outcome.line, outcome.name, differences.join("; ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"
version = 1
tenant = "acme"
[roles]
app = { members = ["u:app"] }
[[rule]]
id = "chat"
allow = ["model.chat"]
roles = ["app"]
on = "model/**"
[[test]]
name = "the app chats"
as = "u:app"
do = "model.chat"
on = "model/models/m"
expect = "EXPECTED"
"#;

    #[test]
    fn a_directory_whose_tests_fail_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("acme.toml");
        std::fs::write(&file, DOCUMENT.replace("EXPECTED", "allow")).unwrap();
        assert!(load(dir.path()).is_ok());
        std::fs::write(&file, DOCUMENT.replace("EXPECTED", "deny")).unwrap();
        let message = load(dir.path()).map(|_| ()).unwrap_err().to_string();
        assert!(message.contains("the app chats") && message.contains("acme.toml"), "{message}");
    }
}
