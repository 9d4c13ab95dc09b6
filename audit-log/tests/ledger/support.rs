//! What the tests share.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use audit_log::verify::{Report, verify_dir};
use audit_log::{
    CallStatus, Correlation, Count, Coverage, Decision, Facts, IntentRecord, Ledger, LedgerConfig, OpenError,
    OutcomeRecord, Pseudonym, SigningKey, Subject, UnixMillis, VerifierKeys, Word,
};
use tempfile::TempDir;
use vocab::{ModelName, RecordId, TenantId, UpstreamName};

/// A checkpoint only when the ledger is opened and closed.
pub(crate) const ON_CLOSE: Duration = Duration::from_secs(3600);

pub(crate) struct Home {
    pub(crate) dir: TempDir,
    pub(crate) keys: VerifierKeys,
}

impl Home {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = SigningKey::load_or_generate(&dir.path().join("signing.key"), "aios.test/host").unwrap();
        let keys = VerifierKeys::parse(key.verifier_key()).unwrap();
        Self { dir, keys }
    }

    pub(crate) fn key(&self) -> SigningKey {
        SigningKey::load(&self.dir.path().join("signing.key")).unwrap()
    }

    pub(crate) fn host(&self) -> PathBuf {
        self.dir.path().join("host")
    }

    pub(crate) fn config() -> LedgerConfig {
        LedgerConfig { checkpoint_interval: ON_CLOSE, segment_bytes: 256 * 1024, ..LedgerConfig::default() }
    }

    pub(crate) fn open(&self) -> Result<Ledger, OpenError> {
        Ledger::open(&self.host(), self.key(), Self::config())
    }

    /// What a killed process would leave: a copy of the directory while the ledger is open.
    pub(crate) fn crash_image(&self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy(self.dir.path(), dir.path());
        Self { dir, keys: self.keys.clone() }
    }

    pub(crate) fn verify(&self) -> Report {
        verify_dir(&self.host(), &self.keys, &mut |_| {})
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every file below a directory, in order.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

pub(crate) fn now(n: u32) -> UnixMillis {
    UnixMillis::new(Count::from(n))
}

pub(crate) fn word(text: &'static str) -> Word {
    Word::new(text).unwrap()
}

pub(crate) fn intent(n: u32) -> IntentRecord {
    IntentRecord {
        record: RecordId::new(&format!("r{n}")).unwrap(),
        time: now(n),
        tenant: TenantId::new("acme").unwrap(),
        principal: Pseudonym::new("0123456789abcdef0123456789abcdef").unwrap(),
        subject: Subject {
            action: word("model.chat"),
            resource: word("model:openai/gpt-4o"),
            upstream: Some(UpstreamName::new("openai").unwrap()),
            region: Some(word("eu")),
            model: Some(ModelName::new("gpt-4o").unwrap()),
            collection: None,
        },
        decision: Decision {
            policy: word("sha256:ab12"),
            rules: [word("allow-chat"), word("mask-pii")].into(),
            obligations: [word("pseudonymise")].into(),
            facts: Facts { roles: [word("app")].into(), tokens: Some(Count::from(7_u32)), ..Facts::default() },
            shadow: [].into(),
            compared: None,
        },
        coverage: [
            (word("messages.0.content"), Coverage::Scanned),
            (word("messages.1.image"), Coverage::ExemptBy(word("images-ok"))),
        ]
        .into(),
        labels: [(word("email"), Count::from(2_u32))].into(),
        request: None,
        request_bytes: Count::from(1234_u32),
        correlation: Correlation::default(),
    }
}

pub(crate) fn outcome(n: u32) -> OutcomeRecord {
    OutcomeRecord::bare(now(n), CallStatus::Completed)
}

/// Records whole calls, and gives the index of the last record.
pub(crate) async fn calls(ledger: &Ledger, range: std::ops::Range<u32>) -> u64 {
    let mut last = 0;
    for n in range {
        let intent = ledger.intent(intent(n)).await.unwrap();
        last = ledger.outcome(intent, outcome(n)).await.unwrap().index();
    }
    last
}
