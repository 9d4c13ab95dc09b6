//! Files that hold keys.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

/// Keeps two threads that make the same file out of each other's unfinished one.
static ATTEMPTS: AtomicU64 = AtomicU64::new(0);

/// Largest key file that is read: far beyond any real one.
const LIMIT: u64 = 1 << 20;

/// Reads a file of public keys.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(LIMIT.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LIMIT {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "more than 1 MiB"));
    }
    Ok(bytes)
}

/// The permission bits of a private file, if anyone but its owner has any.
pub(super) fn exposed(path: &Path) -> io::Result<Option<u32>> {
    let mode = fs::metadata(path)?.permissions().mode() & 0o777;
    Ok((mode & 0o077 != 0).then_some(mode))
}

/// Writes a new private file (mode 0600), whole and durable, or leaves the one that is there.
pub(super) fn create_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut temporary = path.as_os_str().to_owned();
    let attempt = ATTEMPTS.fetch_add(1, Ordering::Relaxed);
    temporary.push(format!(".new-{}-{attempt}", std::process::id()));
    let temporary = Path::new(&temporary);
    // A crashed process of the same id may have left one behind.
    let _ = fs::remove_file(temporary);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    // A link, unlike a rename, does not replace a key that another process made meanwhile.
    let linked = written.and_then(|()| fs::hard_link(temporary, path));
    let _ = fs::remove_file(temporary);
    match linked {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => fs::File::open(directory)?.sync_all(),
    }
}
