//! The bundles that ran here: what keeps an older one from coming back unnoticed, and lets one come back that an
//! operator names.
//!
//! `DATA/policies/<version>.bundle` is each bundle that was adopted. `DATA/policies/rollback` holds the number of
//! the version that runs instead of the newest, as long as it is there.

use super::Checked;
use policy_engine::bundle::{Bundle, BundleError, BundleKeys, PolicyVersion, Wanted, open as open_bundle};
use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// The bundles of one data directory.
#[derive(Debug, Clone)]
pub(crate) struct History {
    directory: PathBuf,
}

/// Why no bundle could be chosen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HistoryError {
    /// A file could not be read or written.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A bundle does not open.
    #[error("the bundle {} is refused", path.display())]
    Refused {
        /// The bundle.
        path: PathBuf,
        /// Why.
        source: BundleError,
    },
    /// The rollback names no version.
    #[error("{} holds no version", path.display())]
    Rollback {
        /// The file.
        path: PathBuf,
    },
    /// The version that the rollback names never ran here.
    #[error("version {0} never ran here")]
    Unknown(PolicyVersion),
}

impl History {
    /// That of a data directory.
    pub(crate) fn of(data: &Path) -> Self {
        Self { directory: data.join("policies") }
    }

    /// The bundle that shall run: the one that a rollback names, or the one of the source, which must not be older
    /// than what ran here last.
    pub(super) fn choose(&self, source: &Path, keys: &BundleKeys) -> Result<(Bundle, Vec<u8>), HistoryError> {
        if let Some(version) = self.rollback()? {
            let path = self.path(version);
            if !path.exists() {
                return Err(HistoryError::Unknown(version));
            }
            return read(&path, keys, &Wanted::Exactly(version));
        }
        let newest = self.versions()?.into_iter().max();
        let wanted = match newest {
            None => Wanted::First,
            Some(version) => {
                let (kept, _) = read(&self.path(version), keys, &Wanted::Exactly(version))?;
                Wanted::Onward { version, policy: kept.policy }
            }
        };
        read(source, keys, &wanted)
    }

    /// Keeps the bundle of a policy that was adopted.
    pub(crate) fn keep(&self, adopted: &Checked) -> Result<(), HistoryError> {
        let (Some(version), Some(bytes)) = (adopted.version, &adopted.bundle) else { return Ok(()) };
        let path = self.path(version);
        if path.exists() {
            return Ok(());
        }
        let failed = |source| HistoryError::Io { path: path.clone(), source };
        fs::create_dir_all(&self.directory).map_err(failed)?;
        let temporary = path.with_extension("tmp");
        let written = fs::File::create(&temporary).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        written.and_then(|()| fs::rename(&temporary, &path)).map_err(failed)
    }

    /// The versions that ran here, oldest first.
    pub(crate) fn versions(&self) -> Result<Vec<PolicyVersion>, HistoryError> {
        let failed = |source| HistoryError::Io { path: self.directory.clone(), source };
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut versions = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if path.extension().is_some_and(|e| e == "bundle") {
                versions.extend(stem.parse::<PolicyVersion>().ok());
            }
        }
        versions.sort_unstable();
        Ok(versions)
    }

    /// The version that an operator named, if one did.
    pub(crate) fn rollback(&self) -> Result<Option<PolicyVersion>, HistoryError> {
        let path = self.rollback_path();
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(HistoryError::Io { path, source }),
            Ok(text) => text.trim().parse().map(Some).map_err(|_| HistoryError::Rollback { path }),
        }
    }

    /// Names the version that shall run instead of the newest; `None` lets the newest run again.
    pub(crate) fn roll_back(&self, version: Option<PolicyVersion>) -> Result<(), HistoryError> {
        let path = self.rollback_path();
        let failed = |source| HistoryError::Io { path: path.clone(), source };
        match version {
            Some(version) if !self.path(version).exists() => Err(HistoryError::Unknown(version)),
            Some(version) => {
                let temporary = path.with_extension("tmp");
                let written = fs::write(&temporary, format!("{version}\n"));
                written.and_then(|()| fs::rename(&temporary, &path)).map_err(failed)
            }
            None => match fs::remove_file(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                removed => removed.map_err(failed),
            },
        }
    }

    /// The file that names a rollback: a watcher looks at it too.
    pub(super) fn rollback_path(&self) -> PathBuf {
        self.directory.join("rollback")
    }

    fn path(&self, version: PolicyVersion) -> PathBuf {
        self.directory.join(format!("{version}.bundle"))
    }
}

/// Opens a bundle of any version.
pub(super) fn open(path: &Path, keys: &BundleKeys) -> Result<(Bundle, Vec<u8>), HistoryError> {
    read(path, keys, &Wanted::First)
}

fn read(path: &Path, keys: &BundleKeys, wanted: &Wanted) -> Result<(Bundle, Vec<u8>), HistoryError> {
    let bytes = fs::read(path).map_err(|source| HistoryError::Io { path: path.to_owned(), source })?;
    let bundle =
        open_bundle(&bytes, keys, wanted).map_err(|source| HistoryError::Refused { path: path.to_owned(), source })?;
    Ok((bundle, bytes))
}
