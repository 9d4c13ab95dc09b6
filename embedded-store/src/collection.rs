//! One collection: the engine's shard, its redo log, and the order in which the two are used.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use qdrant_edge::{EdgeConfig, EdgeShard, OperationResult, UpdateOperation};
use serde_json::{Map, Value};

use crate::duplicates;
use crate::engine::Engine;
use crate::fault::Fault;
use crate::locks::{lock, read, write};
use crate::manifest::{Manifest, sync_dir};
use crate::name::Name;
use crate::redo::RedoLog;
use crate::resolve;

/// The engine is flushed when the redo log has grown by this much; a replay is at most this long.
const REDO_LIMIT_BYTES: u64 = 32 << 20;
/// Writes are refused with less free disk than this. The engine writes through memory maps of sparse
/// files, where a full disk would kill the process instead of giving an error.
const FREE_BYTES_NEEDED: u64 = 256 << 20;
/// Points written between two looks at whether segments should be merged or indexed.
const POINTS_PER_TIDYING: usize = 5_000;

/// The file that is there while the engine optimises. Found on opening, it tells of an optimisation that was
/// killed, and perhaps of points in two segments.
const OPTIMIZING: &str = "optimizing";

/// What a writer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Until the write is on disk.
    Synced,
    /// Until the write is applied and with the kernel.
    Applied,
}

/// An open collection.
pub(crate) struct Collection {
    name: Name,
    metadata: Map<String, Value>,
    dir: PathBuf,
    /// `None` once the collection is deleted or closed.
    engine: RwLock<Option<Engine>>,
    /// Held while a write is appended and applied, and while the engine flushes. Taken after `engine`.
    writer: Mutex<Journal>,
    /// The redo log's file, to be synced without `writer`.
    redo_file: Arc<File>,
    /// Writes appended so far, and how many of them are on disk. `synced` is taken after `writer`.
    appended: AtomicU64,
    synced: Mutex<u64>,
    failed: AtomicBool,
    untidied: AtomicUsize,
    tidying: AtomicBool,
}

struct Journal {
    redo: RedoLog,
    /// While the engine optimises, a flush does not cover what it deletes from the segments at work: nothing
    /// leaves the redo log then.
    optimizing: bool,
}

impl Collection {
    /// Makes a new collection in a directory that does not exist yet.
    pub(crate) fn create(
        dir: &Path,
        name: Name,
        config: EdgeConfig,
        metadata: Map<String, Value>,
    ) -> Result<Self, Fault> {
        require_space(dir.parent().unwrap_or(dir))?;
        let shard = dir.join("shard");
        fs::create_dir_all(&shard).map_err(Fault::io("creating the collection's directory"))?;
        let engine = Engine::create(&shard, config)?;
        engine.flush()?;
        let (redo, _) = RedoLog::open(&redo_path(dir)).map_err(Fault::io("creating the redo log"))?;
        let manifest = Manifest::new(name.as_str().into(), metadata);
        manifest.write(dir).map_err(Fault::io("writing the manifest"))?;
        sync_dir(dir.parent().unwrap_or(dir)).map_err(Fault::io("syncing the store's directory"))?;
        Ok(Self::assemble(dir, name, manifest.metadata, engine, redo))
    }

    /// Opens a collection and replays what the engine had not flushed.
    pub(crate) fn load(dir: &Path, manifest: Manifest) -> Result<Self, Fault> {
        let name = Name::new(&manifest.name)?;
        let engine = Engine::load(&dir.join("shard"))?;
        let (mut redo, operations) = RedoLog::open(&redo_path(dir)).map_err(Fault::io("reading the redo log"))?;
        let replayed = operations.len();
        for operation in operations {
            let operation = engine.read(|shard| resolve::without_deleted(shard, operation))?;
            match engine.apply(operation) {
                // The engine refuses again what it refused before: such a write was not acknowledged.
                Err(Fault::WrongInput(_) | Fault::NoPoint(_)) | Ok(()) => {}
                Err(error) => return Err(error),
            }
        }
        let interrupted = dir.join(OPTIMIZING).exists();
        if interrupted {
            remove_duplicates(&engine, &mut redo)?;
        }
        if replayed > 0 || interrupted {
            engine.flush()?;
            unmark(dir).map_err(Fault::io("removing the mark of an optimisation"))?;
            redo.clear().map_err(Fault::io("clearing the redo log"))?;
            tracing::info!(collection = name.as_str(), replayed, "replayed writes after an unclean end");
        }
        Ok(Self::assemble(dir, name, manifest.metadata, engine, redo))
    }

    fn assemble(dir: &Path, name: Name, metadata: Map<String, Value>, engine: Engine, redo: RedoLog) -> Self {
        Self {
            name,
            metadata,
            dir: dir.into(),
            engine: RwLock::new(Some(engine)),
            redo_file: redo.handle(),
            writer: Mutex::new(Journal { redo, optimizing: false }),
            appended: AtomicU64::new(0),
            synced: Mutex::new(0),
            failed: AtomicBool::new(false),
            // A first look soon after opening: the last run may have ended before its tidying.
            untidied: AtomicUsize::new(POINTS_PER_TIDYING),
            tidying: AtomicBool::new(false),
        }
    }

    /// The collection's name.
    pub(crate) const fn name(&self) -> &Name {
        &self.name
    }

    /// The caller's notes given at creation.
    pub(crate) const fn metadata(&self) -> &Map<String, Value> {
        &self.metadata
    }

    /// Whether merging or indexing is due or under way.
    pub(crate) fn is_tidying(&self) -> bool {
        self.tidying.load(Ordering::Acquire)
    }

    /// Runs a read on the engine. Blocks; may run beside writes.
    pub(crate) fn read<T>(&self, f: impl FnOnce(&EdgeShard) -> OperationResult<T>) -> Result<T, Fault> {
        self.with_engine(|engine| engine.read(f))
    }

    /// Appends the write to the redo log, applies it, and waits as asked. Gives the write's number since
    /// opening. Blocks.
    pub(crate) fn write(&self, operation: UpdateOperation, wait: Wait) -> Result<u64, Fault> {
        require_space(&self.dir)?;
        let number = self.with_engine(|engine| self.append_and_apply(engine, operation))?;
        if wait == Wait::Synced {
            self.sync_through(number)?;
        }
        Ok(number)
    }

    fn append_and_apply(&self, engine: &Engine, operation: UpdateOperation) -> Result<u64, Fault> {
        let mut journal = lock(&self.writer);
        if self.failed.load(Ordering::Acquire) {
            return Err(Fault::Failed);
        }
        let operation = engine.read(|shard| resolve::by_ids(shard, operation))?;
        let points = operation.point_ids().map_or(1, |ids| ids.len());
        let mark = journal.redo.append(&operation).map_err(Fault::io("appending to the redo log"))?;
        let number = self.appended.fetch_add(1, Ordering::AcqRel) + 1;
        if let Err(error) = engine.apply(operation) {
            if !matches!(error, Fault::WrongInput(_) | Fault::NoPoint(_)) {
                self.failed.store(true, Ordering::Release);
            }
            journal.redo.cut(mark).map_err(|e| self.fail("cutting the redo log", e))?;
            return Err(error);
        }
        self.untidied.fetch_add(points, Ordering::Relaxed);
        if journal.redo.bytes() > REDO_LIMIT_BYTES {
            self.settle(engine, &mut journal)?;
        }
        Ok(number)
    }

    /// One sync serves all writers that appended before it began.
    fn sync_through(&self, number: u64) -> Result<(), Fault> {
        let mut synced = lock(&self.synced);
        if *synced >= number {
            return Ok(());
        }
        let appended = self.appended.load(Ordering::Acquire);
        self.redo_file.sync_data().map_err(|e| self.fail("syncing the redo log", e))?;
        *synced = appended;
        Ok(())
    }

    /// Brings the engine's state to disk and empties the redo log, unless the engine optimises.
    fn settle(&self, engine: &Engine, journal: &mut Journal) -> Result<(), Fault> {
        if journal.redo.bytes() == 0 || journal.optimizing {
            return Ok(());
        }
        if self.failed.load(Ordering::Acquire) {
            return Err(Fault::Failed);
        }
        engine.flush().inspect_err(|_| self.failed.store(true, Ordering::Release))?;
        journal.redo.clear().map_err(|e| self.fail("clearing the redo log", e))?;
        *lock(&self.synced) = self.appended.load(Ordering::Acquire);
        Ok(())
    }

    /// Flushes the engine and empties the redo log. Blocks.
    pub(crate) fn flush(&self) -> Result<(), Fault> {
        self.with_engine(|engine| self.settle(engine, &mut lock(&self.writer)))
    }

    /// Claims the tidying that is due, if any; the claimant must call [`tidy`](Self::tidy).
    pub(crate) fn claim_tidying(&self) -> bool {
        self.untidied.load(Ordering::Relaxed) >= POINTS_PER_TIDYING && !self.tidying.swap(true, Ordering::AcqRel)
    }

    /// Merges, vacuums and indexes what the engine finds worth while, and shortens its log. Blocks, perhaps for
    /// minutes; reads and writes go on meanwhile.
    pub(crate) fn tidy(&self) -> Result<(), Fault> {
        self.untidied.store(0, Ordering::Relaxed);
        let outcome = self.tidy_claimed();
        self.tidying.store(false, Ordering::Release);
        outcome
    }

    fn tidy_claimed(&self) -> Result<(), Fault> {
        let reopen = self.with_engine(|engine| {
            mark(&self.dir).map_err(Fault::io("marking an optimisation"))?;
            lock(&self.writer).optimizing = true;
            let optimized = engine.optimize();
            lock(&self.writer).optimizing = false;
            optimized?;
            self.settle(engine, &mut lock(&self.writer))?;
            unmark(&self.dir).map_err(Fault::io("removing the mark of an optimisation"))?;
            Ok(engine.wants_reopening())
        })?;
        if reopen && let Some(engine) = write(&self.engine).as_mut() {
            engine.reopen()?;
        }
        Ok(())
    }

    /// Flushes and closes the engine. Every later call answers that there is no such collection.
    pub(crate) fn close(&self) -> Result<(), Fault> {
        let settled = self.flush();
        let closed = write(&self.engine).take().map_or(Ok(()), |mut engine| engine.close());
        settled.and(closed)
    }

    /// Deletes the collection. From the removal of its manifest on, it is gone whatever happens.
    pub(crate) fn delete(&self) -> Result<(), Fault> {
        Manifest::remove(&self.dir).map_err(Fault::io("removing the manifest"))?;
        if let Some(mut engine) = write(&self.engine).take()
            && let Err(error) = engine.close()
        {
            tracing::warn!(%error, "the engine did not close cleanly; its files are removed all the same");
        }
        fs::remove_dir_all(&self.dir).map_err(Fault::io("removing the collection's files"))
    }

    fn with_engine<T>(&self, f: impl FnOnce(&Engine) -> Result<T, Fault>) -> Result<T, Fault> {
        match read(&self.engine).as_ref() {
            Some(engine) => f(engine),
            None => Err(Fault::NoCollection(self.name.as_str().into())),
        }
    }

    fn fail(&self, doing: &'static str, error: io::Error) -> Fault {
        self.failed.store(true, Ordering::Release);
        Fault::io(doing)(error)
    }
}

fn remove_duplicates(engine: &Engine, redo: &mut RedoLog) -> Result<(), Fault> {
    for group in engine.read(duplicates::find)?.chunks(1_000) {
        let (deletion, restoration) = engine.read(|shard| duplicates::rewrite(shard, group))?;
        redo.append(&restoration).map_err(Fault::io("appending to the redo log"))?;
        redo.handle().sync_data().map_err(Fault::io("syncing the redo log"))?;
        // Killed here, the next opening replays the restoration.
        engine.apply(deletion)?;
        engine.apply(restoration)?;
    }
    Ok(())
}

fn mark(dir: &Path) -> io::Result<()> {
    File::create(dir.join(OPTIMIZING))?;
    sync_dir(dir)
}

fn unmark(dir: &Path) -> io::Result<()> {
    match fs::remove_file(dir.join(OPTIMIZING)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn redo_path(dir: &Path) -> PathBuf {
    dir.join("redo.log")
}

fn require_space(dir: &Path) -> Result<(), Fault> {
    let stat = rustix::fs::statvfs(dir).map_err(|e| Fault::io("asking for the free disk space")(e.into()))?;
    if stat.f_bavail.saturating_mul(stat.f_frsize) < FREE_BYTES_NEEDED {
        return Err(Fault::DiskFull);
    }
    Ok(())
}
