use super::*;
use audit_log::SigningKey;
use policy_engine::bundle::{BundleKey, seal};

const DOCUMENT: &str = r#"
version = 1
tenant = "acme"
[roles]
app = { members = ["u:app"] }
[[rule]]
id = "chat"
description = "The app chats."
allow = ["model.chat"]
roles = ["app"]
on = "model/models/**"
then = { pseudonymise = ["pii.email"] }
[[test]]
name = "the app chats"
as = "u:app"
do = "model.chat"
on = "model/models/m"
expect = "EXPECTED"
"#;

fn loader() -> Loader {
    Loader { options: Options::default() }
}

fn document(expected: &str) -> String {
    DOCUMENT.replace("EXPECTED", expected)
}

/// A rule that can never allow anything, since its condition never holds.
const DEAD: &str = r#"
[[rule]]
id = "dead"
allow = ["model.embed"]
roles = ["app"]
on = "model/models/**"
when = "call.tokens > 5 && call.tokens < 2"
then = { pseudonymise = ["pii.email"] }
"#;

fn refusal(dir: &Path, text: &str) -> PolicyError {
    std::fs::write(dir.join("acme.toml"), text).unwrap();
    loader().load(&PolicySource::Directory(dir.to_owned()), None, None).map(|_| ()).unwrap_err()
}

#[test]
fn a_directory_whose_tests_or_lints_fail_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("acme.toml"), document("allow")).unwrap();
    loader().load(&PolicySource::Directory(dir.path().to_owned()), None, None).map(|_| ()).unwrap();
    let failed = refusal(dir.path(), &document("deny"));
    assert!(failed.to_string().contains("the app chats") && failed.to_string().contains("acme.toml"), "{failed}");
    assert_eq!(failed.code(), "tests");
    let failed = refusal(dir.path(), &(document("allow") + DEAD));
    assert!(failed.to_string().contains("never-true"), "{failed}");
    assert_eq!(failed.code(), "lints");
    assert_eq!(refusal(dir.path(), "version = 2").code(), "defects");
}

/// Makes a key and lets it alone sign bundles.
fn released_by(dir: &Path, name: &str) -> BundleKey {
    let file = dir.join(name);
    let key = SigningKey::load_or_generate(&file, "policies.example").unwrap();
    std::fs::write(dir.join("keys"), key.verifier_key()).unwrap();
    BundleKey::parse(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// A directory with a bundle, its keys and a history.
struct Released {
    dir: tempfile::TempDir,
    key: BundleKey,
}

impl Released {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = released_by(dir.path(), "first");
        Self { key, dir }
    }

    fn release(&self, version: u64, text: &str) {
        let documents = [Document { name: "acme.toml".into(), text: text.into() }];
        let bytes = seal(&documents, PolicyVersion::new(version).unwrap(), 1, &self.key).unwrap();
        std::fs::write(self.dir.path().join("policy.bundle"), bytes).unwrap();
    }

    fn history(&self) -> History {
        History::of(self.dir.path())
    }

    /// Loads as a sidecar does, and gives the version that runs then.
    fn adopt(&self) -> Result<u64, PolicyError> {
        let source =
            PolicySource::Bundle { file: self.dir.path().join("policy.bundle"), keys: self.dir.path().join("keys") };
        let checked = loader().load(&source, Some(&self.history()), None)?;
        self.history().keep(&checked)?;
        Ok(checked.version.unwrap().get())
    }
}

#[test]
fn an_older_bundle_comes_back_only_by_its_name() {
    let released = Released::new();
    let first = document("allow");
    let second = first.replace("The app chats.", "The app chats, still.");
    released.release(1, &first);
    assert_eq!(released.adopt().unwrap(), 1);
    released.release(2, &second);
    assert_eq!(released.adopt().unwrap(), 2);
    released.release(1, &first);
    let refused = released.adopt().unwrap_err();
    assert!(crate::output::chain(&refused).contains("version 1 is older than 2"), "{refused:?}");
    released.history().roll_back(Some(PolicyVersion::new(1).unwrap())).unwrap();
    assert_eq!(released.adopt().unwrap(), 1);
    released.history().roll_back(None).unwrap();
    released.release(2, &second);
    assert_eq!(released.adopt().unwrap(), 2);
    assert!(released.history().roll_back(Some(PolicyVersion::new(9).unwrap())).is_err());
}

#[test]
fn a_bundle_of_another_key_is_refused() {
    let released = Released::new();
    released.release(1, &document("allow"));
    released_by(released.dir.path(), "second");
    assert_eq!(released.adopt().unwrap_err().code(), "bundle");
}
