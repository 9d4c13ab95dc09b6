//! The database file: made for its owner only, refused when others may read it.

use super::OpenError;
use std::{
    fs, io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

/// Keeps two threads that make the same file out of each other's way.
static ATTEMPTS: AtomicU64 = AtomicU64::new(0);

/// Makes the file, or checks the one that is there.
///
/// A file that is there is never opened here: closing any descriptor of it would drop the locks that
/// SQLite holds on it in this process. A new one is made under another name, closed, then linked.
pub(super) fn prepare(path: &Path) -> Result<(), OpenError> {
    let io_fault = |source| OpenError::Io { path: path.to_owned(), source };
    match fs::metadata(path) {
        Ok(found) => return owner_only(path, &found),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(io_fault(e)),
    }
    let mut temporary = path.as_os_str().to_owned();
    let attempt = ATTEMPTS.fetch_add(1, Ordering::Relaxed);
    temporary.push(format!(".new-{}-{attempt}", std::process::id()));
    let temporary = Path::new(&temporary);
    // A crashed process of the same id may have left one behind.
    let _ = fs::remove_file(temporary);
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary).map_err(io_fault)?;
    drop(made);
    let linked = fs::hard_link(temporary, path);
    let _ = fs::remove_file(temporary);
    match linked {
        Ok(()) => Ok(()),
        // Another thread or process made it meanwhile.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => owner_only(path, &fs::metadata(path).map_err(io_fault)?),
        Err(e) => Err(io_fault(e)),
    }
}

fn owner_only(path: &Path, found: &fs::Metadata) -> Result<(), OpenError> {
    if !found.is_file() {
        return Err(OpenError::NotAFile { path: path.to_owned() });
    }
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(OpenError::Exposed { path: path.to_owned(), mode }) }
}
