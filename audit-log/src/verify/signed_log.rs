//! A log in a directory, under a checkpoint whose signature holds.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use tlog_tiles::{Error, Hash, Tile, TileHashReader, TileReader, prove_record, prove_tree};

use super::proof::InclusionProof;
use crate::checkpoint::{CheckpointError, SignedCheckpoint, open_checkpoint};
use crate::keys::VerifierKeys;
use crate::layout::{TILE_HEIGHT, TILE_WIDTH, TileKind, checkpoint_path, entries_of, leaf_hash, tile_path, tiles_of};

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogReadError {
    /// A file that the checkpoint covers, or the checkpoint itself, is not there.
    #[error("{} is missing", .0.display())]
    Missing(PathBuf),
    /// The system refuses.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The checkpoint is not accepted.
    #[error("checkpoint is not accepted")]
    Checkpoint(#[from] CheckpointError),
    /// A file does not have the content that the tree gives it.
    #[error("{} does not match the tree", .0.display())]
    Mismatch(PathBuf),
    /// The checkpoint covers no such entry or size.
    #[error("the signed tree has {size} entries")]
    OutOfRange {
        /// The size of the signed tree.
        size: u64,
    },
}

/// A log under a signed checkpoint. What it gives was in the log when that was signed; entries
/// behind it are not seen. The log may grow meanwhile.
#[derive(Debug, Clone)]
pub struct SignedLog {
    dir: PathBuf,
    checkpoint: SignedCheckpoint,
}

impl SignedLog {
    /// Reads the checkpoint in `dir` and checks its signature.
    ///
    /// # Errors
    /// [`LogReadError::Missing`], [`LogReadError::Io`], [`LogReadError::Checkpoint`].
    pub fn open(dir: &Path, keys: &VerifierKeys) -> Result<Self, LogReadError> {
        let note = read(&checkpoint_path(dir))?;
        Ok(Self { dir: dir.to_owned(), checkpoint: open_checkpoint(&note, keys)? })
    }

    /// The checkpoint.
    #[must_use]
    pub const fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// Calls `each` with the index and the leaf of the entries in `range`, in order, reading one
    /// bundle of 256 entries at a time. Every leaf is checked against the tree's leaf hashes, and
    /// these are not checked against the root: [`super::verify_dir`] does that.
    ///
    /// # Errors
    /// [`LogReadError`], turned into the error type of `each`, or what `each` gives.
    pub fn leaves<E: From<LogReadError>>(
        &self,
        range: Range<u64>,
        mut each: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let size = self.checkpoint.size;
        if range.start > range.end || range.end > size {
            return Err(LogReadError::OutOfRange { size }.into());
        }
        let mut index = range.start;
        while index < range.end {
            let (number, first) = (index / TILE_WIDTH, index - index % TILE_WIDTH);
            let bundle = read_tile(&self.dir, TileKind::Entries, number, size)?;
            let hashes = read_tile(&self.dir, TileKind::Hashes(0), number, size)?;
            let path = || tile_path(&self.dir, TileKind::Entries, number, bundle.width);
            let Some((entries, _)) = entries_of(&bundle.bytes, bundle.width) else {
                return Err(LogReadError::Mismatch(path()).into());
            };
            for ((at, leaf), hash) in (first..).zip(entries).zip(hashes.bytes.as_chunks::<32>().0) {
                if leaf_hash(leaf).0 != *hash {
                    return Err(LogReadError::Mismatch(path()).into());
                }
                if range.contains(&at) {
                    each(at, leaf)?;
                }
            }
            index = first + bundle.width;
        }
        Ok(())
    }

    /// One leaf.
    ///
    /// # Errors
    /// [`LogReadError`].
    pub fn leaf(&self, index: u64) -> Result<Vec<u8>, LogReadError> {
        let mut found = None;
        self.leaves(index..index.saturating_add(1), |_, leaf| {
            found = Some(leaf.to_vec());
            Ok::<(), LogReadError>(())
        })?;
        found.ok_or(LogReadError::OutOfRange { size: self.checkpoint.size })
    }

    /// The proof that the signed tree has the entry at `index`. All tiles that it is made of are
    /// checked against the signed root.
    ///
    /// # Errors
    /// [`LogReadError`].
    pub fn inclusion_proof(&self, index: u64) -> Result<InclusionProof, LogReadError> {
        let size = self.checkpoint.size;
        if index >= size {
            return Err(LogReadError::OutOfRange { size });
        }
        let hashes = self.with_hashes(|hashes| prove_record(size, index, hashes))?;
        Ok(InclusionProof { index, size, hashes: hashes.into_iter().map(|h| h.0).collect() })
    }

    /// The proof that the signed tree begins with the tree of `old_size` entries, for
    /// [`super::check_consistency`].
    ///
    /// # Errors
    /// [`LogReadError`]; an `old_size` of 0 is out of range.
    pub fn consistency_proof(&self, old_size: u64) -> Result<Vec<[u8; 32]>, LogReadError> {
        let size = self.checkpoint.size;
        if !(1..=size).contains(&old_size) {
            return Err(LogReadError::OutOfRange { size });
        }
        let hashes = self.with_hashes(|hashes| prove_tree(size, old_size, hashes))?;
        Ok(hashes.into_iter().map(|h| h.0).collect())
    }

    fn with_hashes<T>(&self, read: impl FnOnce(&TileHashReader<'_>) -> Result<T, Error>) -> Result<T, LogReadError> {
        let tiles = Tiles { log: self, failure: RefCell::new(None) };
        let hashes = TileHashReader::new(self.checkpoint.size, Hash(self.checkpoint.root), &tiles);
        let done = read(&hashes);
        let failure = tiles.failure.borrow_mut().take();
        done.map_err(|_| failure.unwrap_or_else(|| LogReadError::Mismatch(checkpoint_path(&self.dir))))
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }
}

/// Gives tiles to the proof builder, which checks them against the root.
struct Tiles<'a> {
    log: &'a SignedLog,
    failure: RefCell<Option<LogReadError>>,
}

impl TileReader for Tiles<'_> {
    fn height(&self) -> u8 {
        TILE_HEIGHT
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let read = |tile: &Tile| {
            let (kind, size) = (TileKind::Hashes(tile.level()), self.log.checkpoint.size);
            let mut found = read_tile(&self.log.dir, kind, tile.level_index(), size)?;
            found.bytes.truncate(usize::try_from(tile.width()).unwrap_or(usize::MAX).saturating_mul(32));
            Ok(found.bytes)
        };
        tiles.iter().map(read).collect::<Result<_, LogReadError>>().map_err(|failure| {
            *self.failure.borrow_mut() = Some(failure);
            Error::InvalidTile
        })
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// A tile or bundle as a tree of a certain size has it.
pub(super) struct TileBytes {
    /// How many hashes or entries it has in that tree.
    pub(super) width: u64,
    /// Hashes: exactly `width` of them. Entries: at least those, when the bundle is sound.
    pub(super) bytes: Vec<u8>,
    /// Whether the file was written for a larger tree, so that more may follow.
    pub(super) superseded: bool,
}

/// Reads the tile that a tree of `size` has at a place: the partial one of its width, or the full
/// one that superseded it.
pub(super) fn read_tile(dir: &Path, kind: TileKind, number: u64, size: u64) -> Result<TileBytes, LogReadError> {
    let (full, partial) = tiles_of(kind, size);
    let width = if number < full { TILE_WIDTH } else { partial };
    let path = tile_path(dir, kind, number, width);
    let (mut bytes, superseded) = match read(&path) {
        Err(LogReadError::Missing(path)) if width < TILE_WIDTH => {
            let larger = read(&tile_path(dir, kind, number, TILE_WIDTH));
            (larger.map_err(|_| LogReadError::Missing(path))?, true)
        }
        bytes => (bytes?, false),
    };
    if let TileKind::Hashes(_) = kind {
        let wanted = usize::try_from(width * 32).unwrap_or(usize::MAX);
        if bytes.len() < wanted || (!superseded && bytes.len() > wanted) {
            return Err(LogReadError::Mismatch(path));
        }
        bytes.truncate(wanted);
    }
    Ok(TileBytes { width, bytes, superseded })
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, LogReadError> {
    fs::read(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => LogReadError::Missing(path.to_owned()),
        _ => LogReadError::Io { path: path.to_owned(), source },
    })
}
