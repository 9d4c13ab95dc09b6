//! Every change to the file system goes through here, so that tests can make each one fail.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A change to the file system that did not succeed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
pub struct IoFailure {
    /// What was tried.
    pub action: &'static str,
    /// On which file or directory.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl IoFailure {
    /// Whether the disk or the quota is full and nothing was lost: the same step may succeed later.
    /// A failed flush never counts: what it lost is unknown.
    pub(crate) fn is_full(&self) -> bool {
        self.action != FLUSH && matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

const FLUSH: &str = "flush";

/// The file system.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    /// Asked before each step: how many bytes of a write to let through, and the error to give.
    hook: Option<Arc<Hook>>,
}

type Hook = dyn Fn(&'static str, &Path) -> Option<Fault> + Send + Sync;

/// What a test makes of a step.
pub(crate) struct Fault {
    pub(crate) written: usize,
    pub(crate) error: io::Error,
}

impl Disk {
    /// A file system on which steps fail as the hook says.
    #[cfg(test)]
    pub(crate) fn failing(hook: impl Fn(&'static str, &Path) -> Option<Fault> + Send + Sync + 'static) -> Self {
        Self { hook: Some(Arc::new(hook)) }
    }

    fn step<T>(
        &self,
        action: &'static str,
        path: &Path,
        act: impl FnOnce(Option<usize>) -> io::Result<T>,
    ) -> Result<T, IoFailure> {
        let failed = |source| IoFailure { action, path: path.to_owned(), source };
        match self.hook.as_ref().and_then(|hook| hook(action, path)) {
            None => act(None).map_err(failed),
            Some(fault) => {
                if fault.written > 0 {
                    act(Some(fault.written)).map_err(failed)?;
                }
                Err(failed(fault.error))
            }
        }
    }

    /// Creates or empties a file.
    pub(crate) fn create(&self, path: &Path) -> Result<File, IoFailure> {
        self.step("create", path, |_| OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path))
    }

    pub(crate) fn write_at(&self, file: &File, path: &Path, bytes: &[u8], offset: u64) -> Result<(), IoFailure> {
        self.step("write", path, |torn| file.write_all_at(torn.and_then(|n| bytes.get(..n)).unwrap_or(bytes), offset))
    }

    /// Reserves room for a file of `length` bytes where the file system can, so that a full disk
    /// shows before anything is written.
    pub(crate) fn reserve(&self, file: &File, path: &Path, length: u64) -> Result<(), IoFailure> {
        self.step("reserve", path, |_| {
            match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, length) {
                Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
                done => done.map_err(io::Error::from),
            }
        })
    }

    /// Waits until the bytes of a file are on stable storage.
    pub(crate) fn flush(&self, file: &File, path: &Path) -> Result<(), IoFailure> {
        self.step(FLUSH, path, |_| file.sync_data())
    }

    /// Waits until the names in a directory are on stable storage.
    pub(crate) fn flush_dir(&self, path: &Path) -> Result<(), IoFailure> {
        self.step(FLUSH, path, |_| File::open(path)?.sync_all())
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<(), IoFailure> {
        self.step("rename", to, |_| fs::rename(from, to))
    }

    pub(crate) fn remove(&self, path: &Path) -> Result<(), IoFailure> {
        self.step("remove", path, |_| fs::remove_file(path))
    }

    /// Makes a directory and those above it, durably. Does nothing where it is.
    pub(crate) fn make_dirs(&self, path: &Path) -> Result<(), IoFailure> {
        if path.as_os_str().is_empty() || path.is_dir() {
            return Ok(());
        }
        let parent = path.parent().unwrap_or_else(|| Path::new(""));
        self.make_dirs(parent)?;
        self.step("create", path, |_| fs::create_dir(path))?;
        self.flush_dir(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
    }
}
