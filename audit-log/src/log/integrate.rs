//! The thread that builds tiles from the write-ahead log, signs checkpoints and frees segments.
//!
//! Recovery runs the same code: [`Tree::integrate`] over whatever the last run left.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::disk::{Disk, IoFailure};
use super::segment::Spare;
use super::shared::{Durability, Shared, lock};
use crate::causes::describe;
use crate::checkpoint::{DURABILITY_OS_LINE, sign_checkpoint};
use crate::keys::SigningKey;
use crate::layout::{TILE_WIDTH, TileKind, checkpoint_path, leaf_hash, levels_of, push_entry, tile_path, tiles_of};
use crate::tree::Edge;
use crate::wal::{WalReadError, WalReader};

/// Entries between two checkpoints at most, so that memory and open files stay bounded.
const ROUND: u64 = 16_384;

/// Whether the last, partial tile is written too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Up to the last entry.
    Whole,
    /// Up to the last full tile where there is a new one: under load, partial tiles would be written only to
    /// be replaced at once. The entries behind it come under the next checkpoint.
    FullTiles,
}

impl Extent {
    /// Where a tree of `size` entries ends next, when there are `acknowledged`.
    const fn end(self, size: u64, acknowledged: u64) -> u64 {
        match self {
            Self::FullTiles if acknowledged / TILE_WIDTH > size / TILE_WIDTH => acknowledged / TILE_WIDTH * TILE_WIDTH,
            Self::Whole | Self::FullTiles => acknowledged,
        }
    }
}

/// Why tiles or a checkpoint could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TreeError {
    #[error(transparent)]
    Io(#[from] IoFailure),
    #[error(transparent)]
    Wal(#[from] WalReadError),
    #[error("tree and write-ahead log disagree: {0}")]
    Broken(&'static str),
}

impl TreeError {
    fn is_full(&self) -> bool {
        matches!(self, Self::Io(failure) if failure.is_full())
    }
}

/// The tree as it is on disk, and what is needed to extend it.
pub(crate) struct Tree {
    pub(crate) disk: Disk,
    pub(crate) dir: PathBuf,
    pub(crate) key: SigningKey,
    pub(crate) durability: Durability,
    pub(crate) edge: Edge,
    /// The entry bundle that the next entry goes into, with the entries that it has.
    pub(crate) bundle: Vec<u8>,
    /// How many entries the checkpoint on disk covers; `None` before there is one.
    pub(crate) signed: Option<u64>,
}

/// Files that are written but not named yet: each with its temporary and its final path.
type Staged = Vec<(File, PathBuf, PathBuf)>;

impl Tree {
    pub(crate) const fn size(&self) -> u64 {
        self.edge.size()
    }

    /// Reads entries from the write-ahead log up to index `until`, writes the tiles and bundles that
    /// they change and signs a checkpoint over them. `next_segment` gives the segment that starts
    /// with an index, once there is one. Gives how many entries were added: fewer than asked for
    /// when the log ends before.
    ///
    /// Life of a leaf here: staged files (a crash leaves files in `tmp`) -> flushed -> renamed (a
    /// crash leaves tiles beyond the checkpoint, which the next run writes again, byte for byte) ->
    /// checkpoint flushed and renamed -> segments may be freed.
    pub(crate) fn integrate(
        &mut self,
        wal: &mut WalReader,
        until: u64,
        next_segment: &mut dyn FnMut(u64) -> Option<PathBuf>,
    ) -> Result<u64, TreeError> {
        let (edge, bundle, place) = (self.edge.clone(), self.bundle.clone(), wal.place());
        wal.forget_buffer();
        let done = self.extend_and_sign(wal, until, next_segment);
        if done.is_err() {
            // Nothing that counts was changed: the same entries are taken again the next time.
            (self.edge, self.bundle) = (edge, bundle);
            wal.return_to(&place)?;
        }
        done
    }

    fn extend_and_sign(
        &mut self,
        wal: &mut WalReader,
        until: u64,
        next_segment: &mut dyn FnMut(u64) -> Option<PathBuf>,
    ) -> Result<u64, TreeError> {
        let start = self.size();
        let until = until.min(start + ROUND);
        let mut staged = Staged::new();
        while wal.next_index() < until {
            if let Some(frame) = wal.next_frame()? {
                if frame.index >= self.size() {
                    self.push(&frame.leaf, &mut staged)?;
                }
            } else {
                let follower = next_segment(wal.next_index()).filter(|path| path != wal.path());
                let Some(path) = follower else { break };
                wal.switch_to(&path)?;
            }
        }
        if self.size() == start && self.signed == Some(start) {
            return Ok(0);
        }
        self.stage_partial_tiles(&mut staged, start)?;
        self.name(&staged)?;
        self.sign()?;
        for partial in self.superseded(start) {
            // Leftovers are harmless: a reader finds the full tile first.
            let _ = fs::remove_dir_all(partial);
        }
        Ok(self.size() - start)
    }

    fn push(&mut self, leaf: &[u8], staged: &mut Staged) -> Result<(), TreeError> {
        if !push_entry(&mut self.bundle, leaf) {
            return Err(TreeError::Broken("entry of more than 65535 bytes"));
        }
        for tile in self.edge.push(leaf_hash(leaf)) {
            self.stage(staged, TileKind::Hashes(tile.level), tile.number, TILE_WIDTH, &tile.hashes)?;
        }
        let size = self.size();
        if size.is_multiple_of(TILE_WIDTH) {
            let bundle = core::mem::take(&mut self.bundle);
            self.stage(staged, TileKind::Entries, size / TILE_WIDTH - 1, TILE_WIDTH, &bundle)?;
        }
        Ok(())
    }

    fn stage_partial_tiles(&self, staged: &mut Staged, start: u64) -> Result<(), TreeError> {
        for (level, hashes) in self.edge.partial_tiles() {
            let width = hashes.len() as u64 / 32;
            let below = u32::from(level) * 8;
            let unchanged = self.signed == Some(start) && start >> below == self.size() >> below;
            if width > 0 && !unchanged {
                let number = self.size() >> (below + 8);
                self.stage(staged, TileKind::Hashes(level), number, width, hashes)?;
            }
        }
        let width = self.size() % TILE_WIDTH;
        if width > 0 {
            self.stage(staged, TileKind::Entries, self.size() / TILE_WIDTH, width, &self.bundle)?;
        }
        Ok(())
    }

    /// The directories of partial tiles of the tree of `start` entries that are full now.
    fn superseded(&self, start: u64) -> impl Iterator<Item = PathBuf> {
        let kinds = levels_of(start).map(TileKind::Hashes).chain([TileKind::Entries]);
        kinds.filter_map(move |kind| {
            let (full, width) = tiles_of(kind, start);
            let grown = width > 0 && tiles_of(kind, self.size()).0 > full;
            grown.then(|| tile_path(&self.dir, kind, full, TILE_WIDTH).with_extension("p"))
        })
    }

    fn stage(
        &self,
        staged: &mut Staged,
        kind: TileKind,
        number: u64,
        width: u64,
        bytes: &[u8],
    ) -> Result<(), TreeError> {
        let path = tile_path(&self.dir, kind, number, width);
        let temporary = self.dir.join("tmp").join(staged.len().to_string());
        let file = self.disk.create(&temporary)?;
        self.disk.write_at(&file, &temporary, bytes, 0)?;
        staged.push((file, temporary, path));
        Ok(())
    }

    /// Flushes staged files, gives them their names and makes those durable.
    fn name(&self, staged: &Staged) -> Result<(), TreeError> {
        for (file, temporary, _) in staged {
            self.disk.flush(file, temporary)?;
        }
        let mut parents = BTreeSet::new();
        for (_, temporary, path) in staged {
            let parent = path.parent().ok_or(TreeError::Broken("tile path"))?;
            if parents.insert(parent) {
                self.disk.make_dirs(parent)?;
            }
            self.disk.rename(temporary, path)?;
        }
        for parent in parents {
            self.disk.flush_dir(parent)?;
        }
        Ok(())
    }

    /// Signs the tree as it is and makes the checkpoint durable before anyone can see it.
    fn sign(&mut self) -> Result<(), TreeError> {
        let root = self.edge.root().map_err(|_| TreeError::Broken("root hash"))?;
        let extension = match self.durability {
            Durability::Fsync => "",
            Durability::Os => DURABILITY_OS_LINE,
        };
        let note = sign_checkpoint(&self.key, self.size(), root, extension)
            .ok_or(TreeError::Broken("checkpoint cannot be signed"))?;
        let temporary = self.dir.join("tmp").join("checkpoint");
        let file = self.disk.create(&temporary)?;
        self.disk.write_at(&file, &temporary, &note, 0)?;
        self.disk.flush(&file, &temporary)?;
        self.disk.rename(&temporary, &checkpoint_path(&self.dir))?;
        self.disk.flush_dir(&self.dir)?;
        self.signed = Some(self.size());
        Ok(())
    }
}

/// The thread around a [`Tree`].
pub(crate) struct Worker {
    shared: Arc<Shared>,
    tree: Tree,
    wal: Option<WalReader>,
    /// Held as long as the log is open.
    _lock: File,
}

impl Worker {
    pub(crate) const fn new(shared: Arc<Shared>, tree: Tree, lock: File) -> Self {
        Self { shared, tree, wal: None, _lock: lock }
    }

    /// Extends the tree once an interval, makes spare segments when one is wanted, and signs a last
    /// checkpoint when the writer is done.
    pub(crate) fn run(mut self) {
        let mut due = Instant::now() + self.shared.config.checkpoint_interval;
        loop {
            let (last, spare_wanted) = self.wait(due);
            if spare_wanted && !last {
                self.make_spare();
            }
            if last || Instant::now() >= due {
                if self.shared.failure().is_some() {
                    return;
                }
                self.catch_up(if last { Extent::Whole } else { Extent::FullTiles });
                due = Instant::now() + self.shared.config.checkpoint_interval;
            }
            if last {
                return;
            }
        }
    }

    fn wait(&self, due: Instant) -> (bool, bool) {
        let mut signals = lock(&self.shared.signals);
        loop {
            let patience = due.saturating_duration_since(Instant::now());
            if signals.writer_done || signals.spare_wanted || patience.is_zero() {
                return (signals.writer_done, core::mem::take(&mut signals.spare_wanted));
            }
            signals = match self.shared.signalled.wait_timeout(signals, patience) {
                Ok((signals, _)) => signals,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    fn make_spare(&self) {
        if lock(&self.shared.spare).is_some() {
            return;
        }
        let length = self.shared.config.segment_bytes;
        match Spare::make(&self.tree.disk, &self.shared.dir, length, self.shared.spare_serial()) {
            Ok(spare) => *lock(&self.shared.spare) = Some(spare),
            // The writer makes its own when it comes to it, and refuses entries if it cannot.
            Err(failure) if failure.is_full() => {}
            Err(failure) => {
                self.shared.fail_with(&format!("{failure}: {}", failure.source));
            }
        }
    }

    fn catch_up(&mut self, extent: Extent) {
        loop {
            match self.round(extent) {
                Ok(0) => return,
                Ok(_) if extent == Extent::FullTiles && self.behind() < TILE_WIDTH => return,
                Ok(_) => {}
                Err(error) if error.is_full() => {
                    self.shared.tree_delays.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                Err(error) => {
                    self.shared.fail_with(&describe(&error));
                    return;
                }
            }
        }
    }

    /// Entries that are acknowledged and not in the tree.
    fn behind(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::Acquire).saturating_sub(self.tree.size())
    }

    fn round(&mut self, extent: Extent) -> Result<u64, TreeError> {
        let until = extent.end(self.tree.size(), self.shared.acknowledged.load(Ordering::Acquire));
        let mut wal = match self.wal.take() {
            Some(wal) => wal,
            None => WalReader::open(&self.first_segment()?)?,
        };
        if self.shared.config.durability == Durability::Os && until > self.tree.size() {
            self.flush_segments(until)?;
        }
        let segments = &self.shared.segments;
        let mut next_segment =
            |index| lock(segments).iter().find(|(first, _)| *first == index).map(|(_, path)| path.clone());
        let added = self.tree.integrate(&mut wal, until, &mut next_segment);
        let behind = wal.next_index() < until;
        self.wal = Some(wal);
        let added = added?;
        if added == 0 && behind {
            return Err(TreeError::Broken("an acknowledged entry is missing"));
        }
        self.shared.synced.fetch_max(self.tree.size(), Ordering::AcqRel);
        self.shared.set_signed(self.tree.size());
        self.free_segments()?;
        Ok(added)
    }

    /// INVARIANT: a checkpoint covers no entry that the write-ahead log could still lose.
    fn flush_segments(&self, until: u64) -> Result<(), TreeError> {
        let newest = lock(&self.shared.segments).back().map(|(_, path)| path.clone());
        let path = newest.ok_or(TreeError::Broken("no segment"))?;
        let failed = |source| IoFailure { action: "open", path: path.clone(), source };
        let file = File::open(&path).map_err(failed)?;
        self.tree.disk.flush(&file, &path)?;
        self.shared.synced.fetch_max(until, Ordering::AcqRel);
        Ok(())
    }

    fn first_segment(&self) -> Result<PathBuf, TreeError> {
        let first = lock(&self.shared.segments).front().map(|(_, path)| path.clone());
        first.ok_or(TreeError::Broken("no segment"))
    }

    /// Removes segments that hold no entry beyond the checkpoint. The last one always stays.
    fn free_segments(&self) -> Result<(), TreeError> {
        loop {
            let free = {
                let segments = lock(&self.shared.segments);
                let ended = segments.get(1).is_some_and(|(first, _)| *first <= self.tree.size());
                segments.front().filter(|_| ended).map(|(_, path)| path.clone())
            };
            let Some(path) = free else { return Ok(()) };
            self.tree.disk.remove(&path)?;
            lock(&self.shared.segments).pop_front();
        }
    }
}

/// Removes what an earlier run left in the directory of temporary files.
pub(crate) fn clear_temporary(disk: &Disk, dir: &Path) -> Result<(), IoFailure> {
    for folder in [dir.join("tmp"), crate::layout::wal_dir(dir)] {
        let failed = |source| IoFailure { action: "list", path: folder.clone(), source };
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if folder.ends_with("tmp") || path.extension().is_some_and(|e| e == "tmp") {
                disk.remove(&path)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Extent::{FullTiles, Whole};

    #[test]
    fn a_checkpoint_under_load_ends_with_a_full_tile_and_none_is_put_off_twice() {
        for (extent, size, acknowledged, end) in [
            (Whole, 0, 1_000, 1_000),
            (FullTiles, 0, 255, 255),
            (FullTiles, 0, 256, 256),
            (FullTiles, 0, 1_000, 768),
            (FullTiles, 768, 1_000, 1_000),
            (FullTiles, 1_000, 1_023, 1_023),
            (FullTiles, 1_000, 1_025, 1_024),
            (FullTiles, 1_024, 1_024, 1_024),
        ] {
            assert_eq!(extent.end(size, acknowledged), end, "{size} {acknowledged}");
        }
    }
}
