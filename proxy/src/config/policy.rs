//! The `[policy]` section: where the policy is, who decides, and what is on trial.

use super::{ConfigDefect, parsed::Taker, raw};
use policy_engine::{Engine, Percent, Rollout};
use std::{path::PathBuf, time::Duration};
use vocab::TenantId;

/// Where policies come from and how they are used.
#[derive(Debug, Clone)]
pub struct PolicyConfig {
    /// The policy in force.
    pub source: PolicySource,
    /// Who decides.
    pub engine: Engine,
    /// How often the source is looked at for changes; `None` for never.
    pub reload: Option<Duration>,
    /// A policy on trial.
    pub candidate: Option<CandidateConfig>,
}

/// Where a policy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicySource {
    /// A directory of documents.
    Directory(PathBuf),
    /// A signed bundle.
    Bundle {
        /// The bundle.
        file: PathBuf,
        /// The keys that may sign it: signed-note verifier keys, one a line.
        keys: PathBuf,
    },
}

/// A policy on trial beside the one in force.
#[derive(Debug, Clone)]
pub struct CandidateConfig {
    /// Where it is.
    pub source: PolicySource,
    /// For whom it is in force already.
    pub rollout: Rollout,
}

pub(super) fn policy(take: &mut Taker<'_>, raw: raw::RawPolicy) -> Option<PolicyConfig> {
    let source = source(take, "policy", (raw.directory, raw.bundle, raw.keys));
    let engine = match raw.engine.as_deref() {
        None => Some(Engine::default()),
        Some("slice") => Some(Engine::Slice),
        Some("index") => Some(Engine::Index),
        Some(_) => {
            take.fault("policy.engine", "must be \"index\" or \"slice\"");
            None
        }
    };
    let reload = match raw.reload_ms {
        Some(0) => None,
        other => Some(Duration::from_millis(other.unwrap_or(1_000))),
    };
    let candidate = raw.candidate.map(|raw| candidate(take, raw));
    let candidate = match candidate {
        None => None,
        Some(parsed) => Some(parsed?),
    };
    Some(PolicyConfig { source: source?, engine: engine?, reload, candidate })
}

fn candidate(take: &mut Taker<'_>, raw: raw::RawCandidate) -> Option<CandidateConfig> {
    let source = source(take, "policy.candidate", (raw.directory, raw.bundle, raw.keys));
    let rollout = match raw.rollout.as_deref() {
        Some("shadow") => Some(Rollout::Shadow),
        Some("tenants") if raw.tenants.is_empty() => {
            take.fault("policy.candidate.tenants", "is needed, for example tenants = [\"acme\"]");
            None
        }
        Some("tenants") => {
            let parse = |(at, name): (usize, &String)| {
                let key = format!("policy.candidate.tenants[{at}]");
                take.parsed(&key, Some(name), TenantId::new)
            };
            raw.tenants.iter().enumerate().map(parse).collect::<Option<_>>().map(Rollout::Tenants)
        }
        Some("share") => {
            let percent = raw.percent.and_then(|percent| Percent::new(percent).ok());
            if percent.is_none() {
                take.fault("policy.candidate.percent", "is needed: a whole number from 0 to 100");
            }
            percent.map(Rollout::Share)
        }
        _ => {
            take.fault("policy.candidate.rollout", "must be \"shadow\", \"tenants\" or \"share\"");
            None
        }
    };
    if raw.rollout.as_deref() != Some("tenants") && !raw.tenants.is_empty() {
        take.fault("policy.candidate.tenants", "goes with rollout = \"tenants\"");
    }
    if raw.rollout.as_deref() != Some("share") && raw.percent.is_some() {
        take.fault("policy.candidate.percent", "goes with rollout = \"share\"");
    }
    Some(CandidateConfig { source: source?, rollout: rollout? })
}

fn source(
    take: &mut Taker<'_>,
    section: &str,
    (directory, bundle, keys): (Option<String>, Option<String>, Option<String>),
) -> Option<PolicySource> {
    match (directory, bundle, keys) {
        (Some(directory), None, None) => Some(PolicySource::Directory(directory.into())),
        (None, Some(file), Some(keys)) => Some(PolicySource::Bundle { file: file.into(), keys: keys.into() }),
        (None, Some(_), None) => {
            take.fault(&format!("{section}.keys"), "is needed with a bundle: a file of verifier keys");
            None
        }
        (Some(_), Some(_), _) => {
            take.fault(&format!("{section}.bundle"), "a policy is a directory or a bundle, not both");
            None
        }
        (Some(_), None, Some(_)) => {
            take.fault(&format!("{section}.keys"), "goes with a bundle; a directory is not signed");
            None
        }
        (None, None, _) => {
            let key = format!("{section}.directory");
            take.defects.push(ConfigDefect::new(&key, "is needed, for example directory = \"policies/starter\""));
            None
        }
    }
}
