//! The local keyring: KEKs in files, each sealed under a root key.

mod files;
mod root;
mod sealing;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use ring::rand::SystemRandom;
use vocab::Plain;

use crate::{
    locked::{DEEP, scrub_stack},
    names::KekName,
    provider::{DekBytes, Destruction, Finding, KekProvider, ProviderError, Severity},
    scope::{WrapContext, WrappedDek},
};
use root::{Cost, RootKey};

/// Extension of the files that hold KEKs.
const KEK_EXTENSION: &str = "kek";

/// What opens a keyring.
#[derive(Debug)]
pub enum Unlock {
    /// A file with 64 hexadecimal digits, readable by its owner only. It is made when neither it nor
    /// the keyring exist. Keep a copy elsewhere than the keyring's backup.
    KeyFile(PathBuf),
    /// A passphrase, stretched by Argon2id. It is chosen when the keyring is first opened.
    Passphrase(Plain<String>),
}

/// Why a keyring was not opened.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The passphrase or the key file is not the one that the keyring was made with.
    #[error("the passphrase or key file does not open this keyring")]
    WrongKey,
    /// The keyring is opened by a key file, and a passphrase was given, or the other way round.
    #[error("the keyring is opened by {wanted}")]
    OtherUnlock {
        /// What the keyring was made with, in words.
        wanted: &'static str,
    },
    /// An empty passphrase protects nothing.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// The keyring exists and its key file does not: restore it from its copy.
    #[error("the key file {0} of an existing keyring is missing")]
    KeyFileMissing(PathBuf),
    /// The key file does not hold 64 hexadecimal digits.
    #[error("the key file {0} does not hold 64 hexadecimal digits")]
    BadKeyFile(PathBuf),
    /// A file or directory can be read or written by others than its owner.
    #[error("{path} is open to other users (mode {mode:03o}); it must have mode {wanted:03o}")]
    TooOpen {
        /// The file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The permission bits that it must have, or fewer.
        wanted: u32,
    },
    /// Something else than a plain file or directory is in the place of one.
    #[error("{0} is not a plain file or directory")]
    NotPlain(PathBuf),
    /// There are KEKs and no root file: restore it. A new one would open none of them.
    #[error("the root file of an existing keyring is missing")]
    RootFileMissing,
    /// The root file is damaged or of a newer release.
    #[error("the root file of the keyring is damaged or of an unknown version")]
    BadRootFile,
    /// The system gave no randomness, or no memory for Argon2id.
    #[error("the system gave no randomness or no memory")]
    NoResources,
    /// A file could not be read or written.
    #[error("the keyring file {path} could not be read or written")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A [`KekProvider`] on a directory of the local machine: mode 0700, one file of mode 0600 for each
/// KEK, sealed with AES-256-GCM under a root key that is not in the directory.
///
/// The root key stays in memory; a KEK is read from its file for each operation and forgotten again,
/// so that a deleted file is a destroyed KEK at once, whoever deleted it. Formats:
/// `docs/formats-value.md`.
pub struct LocalKeyring {
    dir: PathBuf,
    root: Arc<RootKey>,
    rng: SystemRandom,
}

impl LocalKeyring {
    /// Opens the keyring in `dir`, or makes one when there is none. It blocks on the disk, and with
    /// a passphrase for about a second of computing.
    ///
    /// # Errors
    /// [`KeyringError`]; an existing keyring is never changed by a failed opening.
    pub fn open(dir: &Path, unlock: &Unlock) -> Result<Self, KeyringError> {
        Self::open_with_cost(dir, unlock, Cost::STANDARD)
    }

    fn open_with_cost(dir: &Path, unlock: &Unlock, cost: Cost) -> Result<Self, KeyringError> {
        files::private_dir(dir)?;
        let rng = SystemRandom::new();
        let root = root::open(dir, unlock, cost, &rng)?;
        Ok(Self { dir: dir.to_owned(), root: Arc::new(root), rng })
    }

    /// Runs a blocking operation on the file of a KEK.
    async fn on_file<T: Send + 'static>(
        &self,
        kek: &KekName,
        operation: impl FnOnce(&Path, &RootKey, &KekName) -> Result<T, ProviderError> + Send + 'static,
    ) -> Result<T, ProviderError> {
        let path = self.dir.join(kek.as_str()).with_extension(KEK_EXTENSION);
        let (root, kek) = (Arc::clone(&self.root), kek.clone());
        tokio::task::spawn_blocking(move || operation(&path, &root, &kek))
            .await
            .map_err(|stopped| ProviderError::Unavailable(Arc::new(stopped)))?
    }

    async fn read(&self, kek: &KekName) -> Result<DekBytes, ProviderError> {
        self.on_file(kek, |path, root, kek| {
            let sealed = files::read_private(path).map_err(of_kek_file)?;
            let kek = sealing::open_kek(root, kek, &sealed).ok_or(ProviderError::Corrupt);
            scrub_stack::<DEEP>();
            kek
        })
        .await
    }
}

#[async_trait]
impl KekProvider for LocalKeyring {
    async fn create_kek(&self, kek: &KekName) -> Result<(), ProviderError> {
        let rng = self.rng.clone();
        self.on_file(kek, move |path, root, kek| {
            let sealed = sealing::new_kek(root, kek, &rng).ok_or_else(no_randomness)?;
            files::create_private(path, &sealed).map_err(|error| match error {
                KeyringError::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
                    ProviderError::KekExists
                }
                other => of_kek_file(other),
            })
        })
        .await
    }

    async fn wrap(&self, kek: &KekName, dek: &DekBytes, context: &WrapContext) -> Result<Vec<u8>, ProviderError> {
        let kek = self.read(kek).await?;
        sealing::wrap_dek(&kek, dek, context, &self.rng).ok_or_else(no_randomness)
    }

    async fn unwrap(&self, deks: &[WrappedDek]) -> Result<Vec<Result<DekBytes, ProviderError>>, ProviderError> {
        let mut answers = Vec::with_capacity(deks.len());
        for dek in deks {
            let answer = match self.read(&dek.kek).await {
                Ok(kek) => sealing::unwrap_dek(&kek, &dek.wrapped, &dek.context()),
                Err(error) => Err(error),
            };
            answers.push(answer);
            scrub_stack::<DEEP>();
        }
        Ok(answers)
    }

    async fn destroy(&self, kek: &KekName) -> Result<Destruction, ProviderError> {
        self.on_file(kek, |path, _, _| files::remove(path).map_err(of_kek_file)).await?;
        Ok(Destruction::Done)
    }

    async fn examine(&self) -> Vec<Finding> {
        let dir = self.dir.clone();
        let keks = tokio::task::spawn_blocking(move || files::count(&dir, KEK_EXTENSION)).await;
        match keks {
            Ok(Ok(keks)) => {
                vec![Finding { severity: Severity::Fine, text: format!("the local keyring holds {keks} KEKs") }]
            }
            _ => vec![Finding { severity: Severity::Broken, text: "the local keyring cannot be listed".to_owned() }],
        }
    }
}

impl std::fmt::Debug for LocalKeyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalKeyring").field("dir", &self.dir).finish_non_exhaustive()
    }
}

fn of_kek_file(error: KeyringError) -> ProviderError {
    match error {
        KeyringError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => ProviderError::UnknownKek,
        KeyringError::TooOpen { .. } | KeyringError::NotPlain(_) => ProviderError::Denied(Arc::new(error)),
        other => ProviderError::Unavailable(Arc::new(other)),
    }
}

fn no_randomness() -> ProviderError {
    ProviderError::Unavailable(Arc::new(KeyringError::NoResources))
}
