//! Configuration: one TOML file, every value overridable by environment, secrets by reference only.
//!
//! [`Config::load`] parses `raw` serde shapes into typed parts before any port is bound, and reports
//! every fault with its key path. A faulty configuration never becomes a [`Config`].

mod environment;
mod key_services;
mod keys;
mod parsed;
mod policy;
mod raw;
mod secret;
mod strict;

use std::path::Path;

pub use key_services::{AwsService, KeyServiceConfig, KeyServiceKind, Pkcs11Service, VaultLogin, VaultService};
pub use keys::{KeyringUnlock, KeysConfig};
pub use parsed::{
    Config, Durability, LedgerSettings, Limits, Listen, ListenTls, UpstreamConfig, UpstreamKind, UpstreamUrl,
};
pub use policy::{CandidateConfig, PolicyConfig, PolicySource};
pub use secret::{Secret, SecretError, SecretRef};

/// One fault of a configuration: where and what, never the value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigDefect {
    /// The key path, such as `upstream[0].url`; empty for the file as a whole.
    pub key: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl ConfigDefect {
    /// A defect at a key path.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }
}

impl core::fmt::Display for ConfigDefect {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.key.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.key, self.message) }
    }
}

/// Why a configuration was refused: every fault that was found, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigDefect>);

impl core::fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (index, defect) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{defect}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl Config {
    /// Reads a file and the process environment.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every fault of the file and of the overrides.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| ConfigErrors(vec![ConfigDefect::new("", format!("cannot read {}: {e}", path.display()))]))?;
        let overrides = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        Self::parse(&text, overrides)
    }

    /// Parses a text with `AIOS__SECTION__KEY` overrides. Pure but for the files that it names, which
    /// are checked for presence when the parts are built, not here.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every fault.
    pub fn parse(text: &str, overrides: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigErrors> {
        let mut defects = Vec::new();
        let mut table = match text.parse::<toml::Table>() {
            Ok(table) => table,
            Err(e) => return Err(ConfigErrors(vec![syntax(text, &e)])),
        };
        environment::apply(&mut table, overrides, &mut defects);
        let raw: raw::Raw = strict::deserialize(table, &mut defects);
        match parsed::parse(raw, &mut defects) {
            Some(config) if defects.is_empty() => Ok(config),
            _ => {
                defects.sort();
                defects.dedup();
                Err(ConfigErrors(defects))
            }
        }
    }
}

/// The place and kind of a syntax error. The line itself is not shown: it may hold a secret.
fn syntax(text: &str, error: &toml::de::Error) -> ConfigDefect {
    let line = error.span().and_then(|s| text.get(..s.start)).map_or(1, |before| before.matches('\n').count() + 1);
    ConfigDefect::new("", format!("line {line}: {}", error.message().lines().next().unwrap_or("not TOML")))
}

#[cfg(test)]
mod tests;
