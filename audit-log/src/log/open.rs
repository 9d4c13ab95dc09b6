//! Opening a log: check what is there, recover what was acknowledged, refuse what cannot be true.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Disk, IoFailure};
use super::error::OpenError;
use super::integrate::{Tree, TreeError, clear_temporary};
use super::segment::{Segment, Spare};
use super::shared::LedgerConfig;
use crate::checkpoint::{MAX_SIZE, SignedCheckpoint, open_checkpoint};
use crate::keys::{SigningKey, VerifierKeys};
use crate::layout::{
    TILE_WIDTH, TileKind, checkpoint_path, entries_of, leaf_hash, levels_of, tile_path, tiles_of, wal_dir,
};
use crate::tree::Edge;
use crate::wal::{Chain, WalReadError, WalReader, segments_in};

/// The smallest segment: it must hold the largest frame in its first three quarters.
const MIN_SEGMENT: u64 = 256 * 1024;

/// What opening a ledger found and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// Entries that the log has.
    pub entries: u64,
    /// Entries that were in the write-ahead log only, and are in the tree now.
    pub replayed: u64,
    /// Bytes of a write that a crash cut short, dropped. Under `fsync` nothing of it had been
    /// acknowledged.
    pub torn_bytes: u64,
}

pub(crate) struct Opened {
    pub(crate) disk: Disk,
    pub(crate) dir: PathBuf,
    pub(crate) tree: Tree,
    pub(crate) segment: Segment,
    pub(crate) lock: File,
    pub(crate) recovery: Recovery,
}

pub(crate) fn open(disk: Disk, dir: &Path, key: SigningKey, config: &LedgerConfig) -> Result<Opened, OpenError> {
    check(config)?;
    for folder in [dir.to_owned(), wal_dir(dir), dir.join("tile"), dir.join("tmp")] {
        disk.make_dirs(&folder)?;
    }
    let lock = lock_directory(dir)?;
    clear_temporary(&disk, dir)?;

    let signed = read_checkpoint(dir, &key)?;
    if signed.is_none() && has_tiles(dir)? {
        return Err(OpenError::NoCheckpoint(dir.to_owned()));
    }
    let wal = scan_wal(dir, signed.as_ref().map_or(0, |head| head.size))?;
    let (edge, bundle) = match &signed {
        Some(head) => load_edge(dir, head)?,
        None if wal.end > 0 => return Err(OpenError::NoCheckpoint(dir.to_owned())),
        None => (Edge::default(), Vec::new()),
    };
    if signed.is_some() && wal.segments.is_empty() {
        return Err(OpenError::Wal { path: wal_dir(dir), offset: 0, what: "no segment is left" });
    }

    let before = edge.size();
    let signed = signed.map(|head| head.size);
    let durability = config.durability;
    let mut tree = Tree { disk: disk.clone(), dir: dir.to_owned(), key, durability, edge, bundle, signed };
    replay(&mut tree, &wal)?;
    let size = tree.size();
    // The old segments hold nothing beyond the checkpoint now. A crash from here on leaves them
    // beside the new one, which continues their running hash.
    let segment = Spare::make(&disk, dir, config.segment_bytes, 0)?.start(&disk, dir, size, wal.chain)?;
    if tree.signed.is_none() {
        // INVARIANT: a log without a checkpoint has no entries; it starts to take them after this.
        let mut empty = WalReader::open(&segment.path).map_err(wal_error)?;
        tree.integrate(&mut empty, 0, &mut |_| None)?;
    }
    for (_, path) in wal.segments.iter().filter(|(_, path)| *path != segment.path) {
        disk.remove(path)?;
    }
    let recovery = Recovery { entries: size, replayed: size - before, torn_bytes: wal.torn_bytes };
    Ok(Opened { disk, dir: dir.to_owned(), tree, segment, lock, recovery })
}

fn check(config: &LedgerConfig) -> Result<(), OpenError> {
    if config.segment_bytes < MIN_SEGMENT || !config.segment_bytes.is_multiple_of(4096) {
        return Err(OpenError::Config("segment_bytes must be a multiple of 4096 and at least 262144"));
    }
    if config.checkpoint_interval.is_zero() {
        return Err(OpenError::Config("checkpoint_interval must not be zero"));
    }
    if config.deadline.is_zero() {
        return Err(OpenError::Config("deadline must not be zero"));
    }
    Ok(())
}

fn lock_directory(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let failed = |source| OpenError::Io(IoFailure { action: "lock", path: path.clone(), source });
    let file = File::options().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, OpenError> {
    fs::read(path).map_err(|source| {
        if source.kind() == io::ErrorKind::NotFound {
            OpenError::Missing(path.to_owned())
        } else {
            OpenError::Read { path: path.to_owned(), source }
        }
    })
}

fn read_checkpoint(dir: &Path, key: &SigningKey) -> Result<Option<SignedCheckpoint>, OpenError> {
    let refused = |source| OpenError::Checkpoint { dir: dir.to_owned(), source };
    let note = match read(&checkpoint_path(dir)) {
        Err(OpenError::Missing(_)) => return Ok(None),
        note => note?,
    };
    let keys =
        VerifierKeys::parse(key.verifier_key()).map_err(|_| OpenError::Config("signing key has no verifier key"))?;
    open_checkpoint(&note, &keys).map(Some).map_err(refused)
}

fn has_tiles(dir: &Path) -> Result<bool, OpenError> {
    let tiles = dir.join("tile");
    let listing = fs::read_dir(&tiles).map_err(|source| OpenError::Read { path: tiles.clone(), source })?;
    Ok(listing.count() > 0)
}

/// What the write-ahead log holds.
struct Wal {
    segments: Vec<(u64, PathBuf)>,
    /// The index after the last sound entry, and the running hash there.
    end: u64,
    chain: Chain,
    torn_bytes: u64,
}

/// Reads the whole write-ahead log before anything is changed.
fn scan_wal(dir: &Path, size: u64) -> Result<Wal, OpenError> {
    let segments = segments_in(dir).map_err(wal_error)?;
    let Some((first, path)) = segments.first() else {
        return Ok(Wal { segments, end: 0, chain: Chain([0; 32]), torn_bytes: 0 });
    };
    if *first > size {
        return Err(OpenError::Wal { path: path.clone(), offset: 0, what: "the segment before is missing" });
    }
    let mut reader = WalReader::open(path).map_err(wal_error)?;
    for (_, follower) in segments.iter().skip(1) {
        while reader.next_frame().map_err(wal_error)?.is_some() {}
        // A segment was started only once all before it was on stable storage.
        reader.switch_to(follower).map_err(wal_error)?;
    }
    while reader.next_frame().map_err(wal_error)?.is_some() {}
    let torn_bytes = reader.check_tail().map_err(wal_error)?;
    let (end, chain) = (reader.next_index(), reader.chain());
    if end < size {
        return Err(wal_error(reader.damaged("entries that the checkpoint covers are missing")));
    }
    if end > MAX_SIZE {
        return Err(wal_error(reader.damaged("more entries than a log can have")));
    }
    Ok(Wal { segments, end, chain, torn_bytes })
}

fn replay(tree: &mut Tree, wal: &Wal) -> Result<(), OpenError> {
    let Some((_, path)) = wal.segments.first() else {
        return Ok(());
    };
    let mut reader = WalReader::open(path).map_err(wal_error)?;
    let segments = &wal.segments;
    let mut next_segment = |index| segments.iter().find(|(first, _)| *first == index).map(|(_, path)| path.clone());
    while tree.size() < wal.end {
        if tree.integrate(&mut reader, wal.end, &mut next_segment)? == 0 {
            return Err(wal_error(reader.damaged("it changed while it was read")));
        }
    }
    Ok(())
}

/// Loads the partial tiles that a checkpoint covers, checks them against its root, and checks that
/// every full tile and bundle is there in its length.
fn load_edge(dir: &Path, head: &SignedCheckpoint) -> Result<(Edge, Vec<u8>), OpenError> {
    let mut levels = Vec::new();
    for level in levels_of(head.size) {
        let kind = TileKind::Hashes(level);
        let (full, width) = tiles_of(kind, head.size);
        for number in 0..full {
            let path = tile_path(dir, kind, number, TILE_WIDTH);
            if length(&path)? != TILE_WIDTH * 32 {
                return Err(OpenError::Missing(path));
            }
        }
        let bytes = usize::try_from(width * 32).unwrap_or(0);
        let mut tile = if width == 0 { Vec::new() } else { read_partial(dir, kind, full, width)? };
        if tile.len() < bytes {
            return Err(OpenError::Missing(tile_path(dir, kind, full, width)));
        }
        tile.truncate(bytes);
        levels.push(tile);
    }
    let (full, width) = tiles_of(TileKind::Entries, head.size);
    for number in 0..full {
        let path = tile_path(dir, TileKind::Entries, number, TILE_WIDTH);
        if length(&path)? < TILE_WIDTH * 2 {
            return Err(OpenError::Missing(path));
        }
    }
    let mut bundle = Vec::new();
    if width > 0 {
        let path = tile_path(dir, TileKind::Entries, full, width);
        bundle = read_partial(dir, TileKind::Entries, full, width)?;
        let Some((entries, used)) = entries_of(&bundle, width) else {
            return Err(OpenError::Missing(path));
        };
        let hashes: Vec<u8> = entries.iter().flat_map(|entry| leaf_hash(entry).0).collect();
        if levels.first() != Some(&hashes) {
            return Err(OpenError::Mismatch(path));
        }
        bundle.truncate(used);
    }
    let edge = Edge::new(head.size, levels).filter(|edge| edge.root().is_ok_and(|root| root.0 == head.root));
    let edge = edge.ok_or_else(|| OpenError::Mismatch(checkpoint_path(dir)))?;
    Ok((edge, bundle))
}

/// A partial tile, or the full one that has superseded it.
fn read_partial(dir: &Path, kind: TileKind, number: u64, width: u64) -> Result<Vec<u8>, OpenError> {
    match read(&tile_path(dir, kind, number, width)) {
        Err(OpenError::Missing(path)) => {
            read(&tile_path(dir, kind, number, TILE_WIDTH)).map_err(|_| OpenError::Missing(path))
        }
        tile => tile,
    }
}

fn length(path: &Path) -> Result<u64, OpenError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(OpenError::Missing(path.to_owned())),
        Err(source) => Err(OpenError::Read { path: path.to_owned(), source }),
    }
}

fn wal_error(error: WalReadError) -> OpenError {
    match error {
        WalReadError::Io { path, source } => OpenError::Read { path, source },
        WalReadError::Damaged { path, offset, what } => OpenError::Wal { path, offset, what },
    }
}

impl From<TreeError> for OpenError {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Io(failure) => Self::Io(failure),
            TreeError::Wal(error) => wal_error(error),
            TreeError::Broken(what) => Self::Wal { path: PathBuf::new(), offset: 0, what },
        }
    }
}
