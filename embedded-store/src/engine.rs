//! The engine's shard behind a wall: panics become errors and its log is kept short.

use std::any::Any;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use qdrant_edge::{EdgeConfig, EdgeShard, OperationResult, UpdateOperation};

use crate::fault::Fault;
use crate::manifest::sync_dir;

/// The shard is reopened with a shortened log when the engine's log has grown by this much.
const LOG_LIMIT_BYTES: u64 = 256 << 20;

/// One open shard. Closing is dropping; it flushes.
pub(crate) struct Engine {
    shard: Option<EdgeShard>,
    dir: PathBuf,
}

impl Engine {
    /// Makes a new shard in an existing empty directory.
    pub(crate) fn create(dir: &Path, config: EdgeConfig) -> Result<Self, Fault> {
        let shard = guard(|| EdgeShard::new(dir, config))?;
        Ok(Self { shard: Some(shard), dir: dir.into() })
    }

    /// Opens a shard, after shortening its log and removing what an interrupted optimisation left.
    pub(crate) fn load(dir: &Path) -> Result<Self, Fault> {
        let unfinished = dir.join("temp_segments");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(Fault::io("removing unfinished segments"))?;
        }
        shorten_log(dir).map_err(Fault::io("shortening the engine's log"))?;
        let shard = guard(|| EdgeShard::load(dir, None))?;
        Ok(Self { shard: Some(shard), dir: dir.into() })
    }

    /// Runs a read.
    pub(crate) fn read<T>(&self, f: impl FnOnce(&EdgeShard) -> OperationResult<T>) -> Result<T, Fault> {
        let shard = self.shard.as_ref().ok_or(Fault::Failed)?;
        guard(|| f(shard))
    }

    /// Applies a write in memory. The caller must not run two at once, nor one beside [`flush`](Self::flush).
    pub(crate) fn apply(&self, operation: UpdateOperation) -> Result<(), Fault> {
        self.read(|shard| shard.update(operation))
    }

    /// Brings everything applied so far to disk. Not beside a write or [`optimize`](Self::optimize): the engine
    /// only tries its locks here, and panics.
    pub(crate) fn flush(&self) -> Result<(), Fault> {
        self.read(|shard| {
            shard.flush();
            Ok(())
        })
    }

    /// Merges, vacuums and indexes segments where the engine finds it worth while. Reads and writes go on.
    pub(crate) fn optimize(&self) -> Result<bool, Fault> {
        self.read(EdgeShard::optimize)
    }

    /// Whether the engine's log, which it never shortens itself, should be shortened by a reopening.
    pub(crate) fn wants_reopening(&self) -> bool {
        let sizes = fs::read_dir(self.dir.join("wal")).into_iter().flatten().flatten();
        sizes.filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum::<u64>() > LOG_LIMIT_BYTES
    }

    /// Closes the shard and opens it again, shortening its log. The caller holds it exclusively. After
    /// an error every call answers [`Fault::Failed`].
    pub(crate) fn reopen(&mut self) -> Result<(), Fault> {
        self.close()?;
        let mut fresh = Self::load(&self.dir)?;
        self.shard = fresh.shard.take();
        Ok(())
    }

    /// Flushes and closes the shard, and says whether that worked.
    pub(crate) fn close(&mut self) -> Result<(), Fault> {
        let Some(shard) = self.shard.take() else {
            return Ok(());
        };
        guard(move || {
            drop(shard);
            Ok(())
        })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "the engine could not flush while closing; the redo log has what is missing");
        }
    }
}

/// Runs engine code. The engine panics on failed flushes and on states it holds impossible; callers
/// need an error. Its locks do not poison, and after a panic in a write the collection takes no more.
fn guard<T>(f: impl FnOnce() -> OperationResult<T>) -> Result<T, Fault> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => Ok(result?),
        Err(panic) => Err(Fault::EnginePanic(text_of(panic.as_ref()))),
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let fixed = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    fixed.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no reason given".into())
}

/// Removes all closed log files but the newest. The engine never reads them: it takes from its log only the
/// number of the next operation, for which the newest closed file and the open one are enough.
fn shorten_log(dir: &Path) -> std::io::Result<()> {
    let wal = dir.join("wal");
    let mut closed = Vec::new();
    for entry in fs::read_dir(&wal)? {
        let entry = entry?;
        let name = entry.file_name();
        let start = name.to_str().and_then(|name| name.strip_prefix("closed-")).and_then(|n| n.parse::<u64>().ok());
        if let Some(start) = start {
            closed.push((start, entry.path()));
        }
    }
    closed.sort();
    closed.pop();
    // Oldest first, so that a crash between two removals leaves no gap.
    for (_, path) in &closed {
        fs::remove_file(path)?;
    }
    sync_dir(&wal)
}
