//! Files and directories that only their owner may read.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use super::KeyringError;

/// More than any file of the keyring has.
const MAX_FILE: u64 = 4096;

/// Makes the directory with mode 0700 unless it is there; refuses one that others can enter.
pub(super) fn private_dir(dir: &Path) -> Result<(), KeyringError> {
    match fs::symlink_metadata(dir) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = DirBuilder::new().mode(0o700).create(dir);
            match made {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(io_error(dir, error));
                }
                _ => sync_parent(dir)?,
            }
        }
        Err(error) => return Err(io_error(dir, error)),
    }
    let metadata = fs::symlink_metadata(dir).map_err(|e| io_error(dir, e))?;
    if !metadata.is_dir() {
        return Err(KeyringError::NotPlain(dir.to_owned()));
    }
    refuse_open(dir, &metadata, 0o700)
}

/// Reads a whole file; refuses one that others can read or that is no plain file.
pub(super) fn read_private(path: &Path) -> Result<Vec<u8>, KeyringError> {
    let file = File::open(path).map_err(|e| io_error(path, e))?;
    // Of the opened file, not of the path: nobody can change it in between.
    let metadata = file.metadata().map_err(|e| io_error(path, e))?;
    if !metadata.is_file() {
        return Err(KeyringError::NotPlain(path.to_owned()));
    }
    refuse_open(path, &metadata, 0o600)?;
    let mut bytes = Vec::with_capacity(usize::try_from(MAX_FILE).unwrap_or(0));
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(|e| io_error(path, e))?;
    Ok(bytes)
}

/// Makes a file of mode 0600 with these bytes, whole or not at all, durable when the call returns.
/// Fails with [`io::ErrorKind::AlreadyExists`] when the path is taken, and leaves that file alone.
pub(super) fn create_private(path: &Path, bytes: &[u8]) -> Result<(), KeyringError> {
    let (draft, written) = write_draft(path, bytes);
    // A link, as opposed to a rename, fails when the path is taken.
    let linked = written.and_then(|()| fs::hard_link(&draft, path));
    // A crash before this line leaves a draft that nothing reads.
    let removed = fs::remove_file(&draft);
    linked.and(removed).map_err(|e| io_error(path, e))?;
    sync_parent(path)
}

/// How many files with this extension the directory has.
pub(super) fn count(dir: &Path, extension: &str) -> Result<usize, KeyringError> {
    let mut count: usize = 0;
    for entry in fs::read_dir(dir).map_err(|e| io_error(dir, e))? {
        let path = entry.map_err(|e| io_error(dir, e))?.path();
        if path.extension().is_some_and(|found| found == extension) {
            count = count.saturating_add(1);
        }
    }
    Ok(count)
}

/// Removes a file, durable when the call returns.
pub(super) fn remove(path: &Path) -> Result<(), KeyringError> {
    fs::remove_file(path).map_err(|e| io_error(path, e))?;
    sync_parent(path)
}

fn write_draft(path: &Path, bytes: &[u8]) -> (PathBuf, io::Result<()>) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let draft = path.with_extension(format!("tmp-{}-{number}", std::process::id()));
        match write_new(&draft, bytes) {
            // Left behind by a process that had our id and crashed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            written => return (draft, written),
        }
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_parent(path: &Path) -> Result<(), KeyringError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(|e| io_error(parent, e))
}

fn refuse_open(path: &Path, metadata: &fs::Metadata, wanted: u32) -> Result<(), KeyringError> {
    let mode = metadata.mode() & 0o777;
    if mode & !wanted == 0 { Ok(()) } else { Err(KeyringError::TooOpen { path: path.to_owned(), mode, wanted }) }
}

fn io_error(path: &Path, source: io::Error) -> KeyringError {
    KeyringError::Io { path: path.to_owned(), source }
}
