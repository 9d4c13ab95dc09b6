//! Policies on their way into a sidecar: read whole, checked whole, or refused.

mod history;
mod watch;

pub(crate) use history::{History, HistoryError};
pub(crate) use watch::watch;

use policy_engine::{
    Candidate, Document, LoadError, Options, Policies, PolicySet, TestOutcome, TestResult,
    bundle::{BundleKeys, PolicyVersion},
    lint::{Finding, Severity, Surroundings},
};
use proxy::config::{Config, PolicyConfig, PolicySource};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// Why a policy is refused. What runs stays.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolicyError {
    /// The documents cannot be read, or do not compile.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A file beside the documents cannot be read.
    #[error("could not read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The keys of bundles are no verifier keys.
    #[error("{} holds no verifier keys", path.display())]
    Keys {
        /// The file.
        path: PathBuf,
    },
    /// The bundle does not open, or must not be used now.
    #[error(transparent)]
    Bundle(#[from] HistoryError),
    /// A `[[test]]` of the documents does not hold.
    #[error("tests of the policy fail:\n{0}")]
    Tests(String),
    /// A lint that matters found something.
    #[error("lints of the policy fail:\n{0}")]
    Lints(String),
}

impl PolicyError {
    /// The kind of fault, as events name it.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Load(LoadError::Defective(_)) => "defects",
            Self::Load(_) | Self::Unreadable { .. } => "unreadable",
            Self::Keys { .. } => "keys",
            Self::Bundle(_) => "bundle",
            Self::Tests(_) => "tests",
            Self::Lints(_) => "lints",
        }
    }
}

/// A policy that compiled, whose tests hold and whose lints found no error.
pub(crate) struct Checked {
    pub(crate) set: PolicySet,
    /// The version, of a bundle.
    pub(crate) version: Option<PolicyVersion>,
    /// The bytes of the bundle.
    pub(crate) bundle: Option<Vec<u8>>,
    /// What the lints found that does not keep it from running.
    pub(crate) findings: Vec<Finding>,
}

/// Reads and checks policies for one sidecar.
#[derive(Clone)]
pub(crate) struct Loader {
    pub(crate) options: Options,
}

impl Loader {
    /// For the sidecar of a configuration.
    pub(crate) fn of(config: &Config) -> Self {
        Self { options: Options { engine: config.policy.engine, ..Options::default() } }
    }

    /// Reads, compiles, tests and lints. With a policy that runs, the tenants whose documents did not change are
    /// taken over from it.
    ///
    /// # Errors
    /// [`PolicyError`] with every defect, every test that failed, or every lint that matters.
    pub(crate) fn load(
        &self,
        source: &PolicySource,
        history: Option<&History>,
        running: Option<&PolicySet>,
    ) -> Result<Checked, PolicyError> {
        let (documents, version, bundle) = match source {
            PolicySource::Directory(path) => (PolicySet::read_dir(path)?, None, None),
            PolicySource::Bundle { file, keys } => {
                let keys = bundle_keys(keys)?;
                let (opened, bytes) = match history {
                    Some(history) => history.choose(file, &keys)?,
                    None => history::open(file, &keys)?,
                };
                (opened.documents, Some(opened.version), Some(bytes))
            }
        };
        let (set, findings) = self.check(&documents, running)?;
        Ok(Checked { set, version, bundle, findings })
    }

    /// Compiles, tests and lints documents.
    fn check(
        &self,
        documents: &[Document],
        running: Option<&PolicySet>,
    ) -> Result<(PolicySet, Vec<Finding>), PolicyError> {
        let compiled = match running {
            Some(running) => running.recompile(documents),
            None => PolicySet::compile_with(documents, self.options),
        };
        let set = compiled.map_err(LoadError::Defective)?;
        let failed: Vec<String> = set.run_tests().iter().filter_map(told).collect();
        if !failed.is_empty() {
            return Err(PolicyError::Tests(failed.join("\n")));
        }
        // Sidecars of different upstreams may share a policy: an upstream that is unknown here is no error here.
        let surroundings = Surroundings { now: now(), upstreams: None };
        let (errors, findings): (Vec<_>, Vec<_>) = set
            .lint(&surroundings)
            .into_iter()
            .partition(|f| f.severity == Severity::Error && !f.lint.comes_with_time());
        if errors.is_empty() {
            Ok((set, findings))
        } else {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Err(PolicyError::Lints(lines.join("\n")))
        }
    }

    /// Everything that the `[policy]` section names: the policy in force and the one on trial. Sets that run already
    /// and decide alike are taken over: what threads remember of them is still good.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub(crate) fn policies(
        &self,
        config: &PolicyConfig,
        history: &History,
        running: Option<&Policies>,
    ) -> Result<(Policies, Option<PolicyVersion>), PolicyError> {
        let known = running.map(Policies::current);
        let current = self.load(&config.source, Some(history), known.map(AsRef::as_ref))?;
        current.log();
        history.keep(&current)?;
        let policies = Policies::new(keep(known, current.set));
        let candidate = config.candidate.as_ref().map(|candidate| {
            let set = self.load(&candidate.source, None, Some(policies.current()))?.set;
            let known = running.and_then(Policies::candidate).map(|candidate| &candidate.set);
            Ok::<_, PolicyError>(Candidate { set: keep(known, set), rollout: candidate.rollout.clone() })
        });
        Ok((policies.with_candidate(candidate.transpose()?), current.version))
    }
}

fn keep(running: Option<&Arc<PolicySet>>, new: PolicySet) -> Arc<PolicySet> {
    running.filter(|running| running.digest() == new.digest()).map_or_else(|| Arc::new(new), Arc::clone)
}

impl Checked {
    /// Tells the operator what the lints found.
    pub(crate) fn log(&self) {
        for finding in
            self.findings.iter().filter(|finding| matches!(finding.severity, Severity::Error | Severity::Warning))
        {
            tracing::warn!(%finding, "policy lint");
        }
    }
}

/// The keys that may sign bundles.
///
/// # Errors
/// [`PolicyError::Unreadable`] and [`PolicyError::Keys`].
pub(crate) fn bundle_keys(path: &Path) -> Result<BundleKeys, PolicyError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| PolicyError::Unreadable { path: path.to_owned(), source })?;
    BundleKeys::parse(&text).map_err(|_| PolicyError::Keys { path: path.to_owned() })
}

/// The clock of lints: whole seconds since the Unix epoch.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
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
mod tests;
