//! The keys that sign bundles and those that check them, as C2SP signed-note texts (Ed25519).

use signed_note::{StandardSigner, StandardVerifier, Verifier, VerifierList};

/// The text is no key, or its parts disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key: write <name>+<id>+<base64>, one a line")]
pub struct BadKey;

/// Signs bundles. Its text is `PRIVATE+KEY+<name>+<id>+<base64>`.
pub struct BundleKey {
    pub(super) signer: StandardSigner,
}

impl BundleKey {
    /// Reads a private key.
    ///
    /// # Errors
    /// [`BadKey`].
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        StandardSigner::new(text.trim_end()).map(|signer| Self { signer }).map_err(|_| BadKey)
    }
}

impl std::fmt::Debug for BundleKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BundleKey")
    }
}

/// The keys whose signatures count: lines of `<name>+<id>+<base64>`.
#[derive(Debug, Clone)]
pub struct BundleKeys {
    lines: Vec<String>,
}

impl BundleKeys {
    /// Reads one key a line. Empty lines and lines that start with `#` are skipped.
    ///
    /// # Errors
    /// [`BadKey`] when a line is no key, or there is none.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let lines: Vec<String> = lines.map(str::to_owned).collect();
        let keys = Self { lines };
        if keys.lines.is_empty() || keys.verifiers().count() != keys.lines.len() {
            return Err(BadKey);
        }
        Ok(keys)
    }

    fn verifiers(&self) -> impl Iterator<Item = StandardVerifier> {
        self.lines.iter().filter_map(|line| StandardVerifier::new(line).ok())
    }

    pub(super) fn list(&self) -> VerifierList {
        VerifierList::new(self.verifiers().map(|v| Box::new(v) as Box<dyn Verifier>).collect())
    }
}
