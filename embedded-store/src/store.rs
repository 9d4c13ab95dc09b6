//! The store: a directory of collections, and the thread that tidies them.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, RwLock, Weak};
use std::thread::{self, JoinHandle};

use qdrant_edge::{EdgeConfig, UpdateOperation};
use serde_json::{Map, Value};

use crate::collection::{Collection, Wait};
use crate::fault::Fault;
use crate::locks::{lock, read, write};
use crate::manifest::Manifest;
use crate::name::Name;

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another store of this one, has the directory open.
    #[error("another process has the vector store {0} open")]
    InUse(PathBuf),
    /// Reading or creating files failed.
    #[error("vector store files of {path} could not be used")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A collection's files are damaged or of an unknown version. Nothing was changed.
    #[error("the collection in {path} does not open: {reason}")]
    Damaged {
        /// The collection's directory.
        path: PathBuf,
        /// What the engine or the store found.
        reason: String,
    },
}

/// Why a flush failed. The collections named take no further writes until the store is opened again; what
/// was acknowledged is in their redo logs.
#[derive(Debug, thiserror::Error)]
#[error("collections could not be flushed: {0}")]
pub struct FlushError(String);

/// Why closing was not clean. What was acknowledged is in the redo logs.
#[derive(Debug, thiserror::Error)]
#[error("collections could not be closed cleanly: {0}")]
pub struct CloseError(String);

/// A directory of collections, open in this process only.
///
/// Its layout: `LOCK`, and per collection `collections/<number>/` with `manifest.json` (name and notes), `redo.log`
/// and `shard/` (the engine's files). Names never become paths. Methods block; call them outside
/// async code or through [`router`](crate::router), which does so.
pub struct EmbeddedStore {
    collections: RwLock<BTreeMap<Name, Arc<Collection>>>,
    /// Held while collections are created and deleted; the number of the next directory, or `None` once
    /// the store is closed.
    admin: Mutex<Option<u64>>,
    dir: PathBuf,
    tidier: Mutex<Option<Tidier>>,
    _lock: File,
}

impl EmbeddedStore {
    /// Opens the store in a directory, creating it where needed, and replays the writes that a crash
    /// left unflushed.
    ///
    /// # Errors
    /// [`OpenError`]: the directory is in use, unusable, or holds a damaged collection.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let io_at = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { path, source }
        };
        let root = dir.join("collections");
        fs::create_dir_all(&root).map_err(io_at(&root))?;
        let lock_path = dir.join("LOCK");
        let lock_file =
            File::options().create(true).truncate(false).write(true).open(&lock_path).map_err(io_at(&lock_path))?;
        lock_file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => OpenError::InUse(dir.into()),
            TryLockError::Error(source) => OpenError::Io { path: lock_path.clone(), source },
        })?;
        let mut collections = BTreeMap::new();
        let mut next = 0_u64;
        for entry in fs::read_dir(&root).map_err(io_at(&root))? {
            let path = entry.map_err(io_at(&root))?.path();
            let Some(number) = number_of(&path) else {
                continue;
            };
            next = next.max(number + 1);
            let damaged = |reason: String| OpenError::Damaged { path: path.clone(), reason };
            match Manifest::read(&path).map_err(|e| damaged(e.to_string()))? {
                Some(manifest) => {
                    let collection = Collection::load(&path, manifest).map_err(|e| damaged(e.to_string()))?;
                    collections.insert(collection.name().clone(), Arc::new(collection));
                }
                // A creation or deletion that a crash interrupted.
                None => fs::remove_dir_all(&path).map_err(io_at(&path))?,
            }
        }
        let tidier = spawn_tidier().map_err(io_at(dir))?;
        let store = Self {
            collections: RwLock::new(collections),
            admin: Mutex::new(Some(next)),
            dir: root,
            tidier: Mutex::new(Some(tidier)),
            _lock: lock_file,
        };
        store.all().iter().for_each(|collection| store.tidy_if_due(collection));
        Ok(store)
    }

    /// Brings everything that was written so far from the redo logs into the engine's own files. Not needed
    /// for durability: an acknowledged write is already on disk.
    ///
    /// # Errors
    /// [`FlushError`] names the collections that failed; the others were flushed.
    pub fn flush(&self) -> Result<(), FlushError> {
        each(&self.all(), Collection::flush).map_err(FlushError)
    }

    /// Closes every collection. Later calls answer 503. Waits for an index that is being built.
    ///
    /// # Errors
    /// [`CloseError`] names the collections that failed; the others were closed.
    pub fn close(&self) -> Result<(), CloseError> {
        *lock(&self.admin) = None;
        let collections: Vec<_> = core::mem::take(&mut *write(&self.collections)).into_values().collect();
        let closed = each(&collections, Collection::close);
        // What is queued for the tidier is gone with these, so that it ends at once.
        drop(collections);
        let tidier = lock(&self.tidier).take();
        if let Some((sender, thread)) = tidier {
            drop(sender);
            if thread.join().is_err() {
                tracing::error!("the tidying thread of the vector store panicked");
            }
        }
        closed.map_err(CloseError)
    }

    /// All collections, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Collection>> {
        read(&self.collections).values().cloned().collect()
    }

    /// The collection of that name.
    pub(crate) fn collection(&self, name: &str) -> Result<Arc<Collection>, Fault> {
        if lock(&self.admin).is_none() {
            return Err(Fault::Closed);
        }
        let name = Name::new(name)?;
        let found = read(&self.collections).get(&name).cloned();
        found.ok_or_else(|| Fault::NoCollection(name.as_str().into()))
    }

    /// Makes a collection; it is on disk when this returns.
    pub(crate) fn create(&self, name: &str, config: EdgeConfig, metadata: Map<String, Value>) -> Result<(), Fault> {
        let name = Name::new(name)?;
        let mut admin = lock(&self.admin);
        let number = admin.ok_or(Fault::Closed)?;
        if read(&self.collections).contains_key(&name) {
            return Err(Fault::CollectionExists(name.as_str().into()));
        }
        *admin = Some(number + 1);
        let dir = self.dir.join(format!("{number:08}"));
        let made = Collection::create(&dir, name.clone(), config, metadata);
        let collection = made.inspect_err(|_| discard(&dir))?;
        write(&self.collections).insert(name, Arc::new(collection));
        Ok(())
    }

    /// Deletes a collection; gives whether there was one.
    pub(crate) fn delete(&self, name: &str) -> Result<bool, Fault> {
        let name = Name::new(name)?;
        let admin = lock(&self.admin);
        admin.ok_or(Fault::Closed)?;
        let Some(collection) = write(&self.collections).remove(&name) else {
            return Ok(false);
        };
        match collection.delete() {
            Ok(()) => Ok(true),
            Err(error) => {
                // Still there if its manifest is; after that only files are left, which opening removes.
                if matches!(error, Fault::Io { doing: "removing the manifest", .. }) {
                    write(&self.collections).insert(name, collection);
                }
                Err(error)
            }
        }
    }

    /// Writes to a collection and sees to its tidying. Gives the write's number.
    pub(crate) fn write(
        &self,
        collection: &Arc<Collection>,
        operation: UpdateOperation,
        wait: Wait,
    ) -> Result<u64, Fault> {
        let number = collection.write(operation, wait)?;
        self.tidy_if_due(collection);
        Ok(number)
    }

    fn tidy_if_due(&self, collection: &Arc<Collection>) {
        if collection.claim_tidying()
            && let Some((sender, _)) = lock(&self.tidier).as_ref()
            && sender.send(Arc::downgrade(collection)).is_err()
        {
            tracing::error!("the tidying thread of the vector store is gone; searches will slow down");
        }
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "the vector store was not closed cleanly");
        }
    }
}

impl core::fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("EmbeddedStore").field("dir", &self.dir).finish_non_exhaustive()
    }
}

fn number_of(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.parse().ok()
}

fn discard(dir: &Path) {
    if let Err(error) = fs::remove_dir_all(dir) {
        tracing::warn!(%error, "the files of a failed creation stay until the store is opened again");
    }
}

fn each(collections: &[Arc<Collection>], f: impl Fn(&Collection) -> Result<(), Fault>) -> Result<(), String> {
    let failures: Vec<_> = collections
        .iter()
        .filter_map(|collection| f(collection).err().map(|e| format!("{}: {e}", collection.name().as_str())))
        .collect();
    if failures.is_empty() { Ok(()) } else { Err(failures.join("; ")) }
}

/// Tells the tidying thread of a collection that is due; dropped, it ends the thread.
type Tidier = (Sender<Weak<Collection>>, JoinHandle<()>);

fn spawn_tidier() -> io::Result<Tidier> {
    let (sender, due) = mpsc::channel::<Weak<Collection>>();
    let thread = thread::Builder::new().name("vector-tidier".into()).spawn(move || {
        for collection in due {
            let Some(collection) = collection.upgrade() else { continue };
            match collection.tidy() {
                // Deleted or closed meanwhile.
                Ok(()) | Err(Fault::NoCollection(_)) => {}
                Err(error) => tracing::error!(collection = collection.name().as_str(), %error, "tidying failed"),
            }
        }
    })?;
    Ok((sender, thread))
}
