//! Where things lie in a log's directory (C2SP tlog-tiles paths), and the codec of entry bundles.

use std::path::{Path, PathBuf};

use tlog_tiles::{Tile, record_hash};

/// How many hashes or entries a full tile has.
pub(crate) const TILE_WIDTH: u64 = 256;
pub(crate) const TILE_HEIGHT: u8 = 8;

/// What a tile file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum TileKind {
    /// Hashes of a level of the tree: 0 for leaf hashes.
    Hashes(u8),
    /// The entries themselves.
    Entries,
}

/// The signed tree head.
pub(crate) fn checkpoint_path(dir: &Path) -> PathBuf {
    dir.join("checkpoint")
}

/// The write-ahead log.
pub(crate) fn wal_dir(dir: &Path) -> PathBuf {
    dir.join("wal")
}

/// A segment of the write-ahead log, named by the index of its first entry.
pub(crate) fn segment_path(dir: &Path, first: u64) -> PathBuf {
    wal_dir(dir).join(format!("{first:020}.wal"))
}

/// The index in a segment's name; `None` for other files.
pub(crate) fn segment_first(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?.strip_suffix(".wal")?;
    (name.len() == 20).then(|| name.parse().ok()).flatten()
}

/// The path of a tile. `width` is 1 to 256; anything else stands for a full tile.
pub(crate) fn tile_path(dir: &Path, kind: TileKind, number: u64, width: u64) -> PathBuf {
    let (level, entries) = match kind {
        TileKind::Hashes(level) => (level.min(63), false),
        TileKind::Entries => (0, true),
    };
    let width = u32::try_from(width).ok().filter(|w| (1..=256).contains(w)).unwrap_or(256);
    // The Go layout puts the height first and calls entries "data"; tlog-tiles leaves the height out.
    let path = Tile::new(TILE_HEIGHT, level, number, width, entries).path();
    let path = path.strip_prefix("tile/8/").unwrap_or(&path);
    let path = path.strip_prefix("data/").map_or_else(|| path.to_owned(), |rest| format!("entries/{rest}"));
    dir.join("tile").join(path)
}

/// How many tiles of a level a tree of `size` entries has: full ones, and the width of the partial
/// one behind them (0 for none).
pub(crate) fn tiles_of(kind: TileKind, size: u64) -> (u64, u64) {
    let level = match kind {
        TileKind::Hashes(level) => u32::from(level),
        TileKind::Entries => 0,
    };
    let hashes = size.checked_shr(level * u32::from(TILE_HEIGHT)).unwrap_or(0);
    (hashes / TILE_WIDTH, hashes % TILE_WIDTH)
}

/// The levels of tiles that a tree of `size` entries has.
pub(crate) fn levels_of(size: u64) -> impl Iterator<Item = u8> {
    (0..8_u8).take_while(move |level| size >> (u32::from(*level) * 8) > 0)
}

/// Appends an entry to a bundle: a big-endian 16-bit length and the bytes.
///
/// False, and nothing appended, for an entry of more than 65,535 bytes.
#[must_use]
pub(crate) fn push_entry(bundle: &mut Vec<u8>, leaf: &[u8]) -> bool {
    let Ok(length) = u16::try_from(leaf.len()) else {
        return false;
    };
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(leaf);
    true
}

/// Splits the first entry off a bundle. `None` at its end and where it is cut short.
pub(crate) fn split_entry(bundle: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bundle.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// The first `width` entries of a bundle with their RFC 6962 leaf hashes, and how many bytes they
/// take. `None` when there are fewer.
pub(crate) fn entries_of(bundle: &[u8], width: u64) -> Option<(Vec<&[u8]>, usize)> {
    let mut entries = Vec::new();
    let mut rest = bundle;
    for _ in 0..width {
        let (entry, after) = split_entry(rest)?;
        entries.push(entry);
        rest = after;
    }
    Some((entries, bundle.len() - rest.len()))
}

/// SHA-256 of a zero byte and the leaf.
pub(crate) fn leaf_hash(leaf: &[u8]) -> tlog_tiles::Hash {
    record_hash(leaf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        let dir = Path::new("/d");
        for (kind, number, width, path) in [
            (TileKind::Hashes(0), 0, 256, "/d/tile/0/000"),
            (TileKind::Hashes(1), 1_234_067, 256, "/d/tile/1/x001/x234/067"),
            (TileKind::Hashes(0), 273, 112, "/d/tile/0/273.p/112"),
            (TileKind::Entries, 1000, 256, "/d/tile/entries/x001/000"),
            (TileKind::Entries, 3, 7, "/d/tile/entries/003.p/7"),
        ] {
            assert_eq!(tile_path(dir, kind, number, width), Path::new(path));
        }
    }

    #[test]
    fn the_specifications_example_tree() {
        // c2sp.org/tlog-tiles: a tree of 70,000 entries.
        assert_eq!(tiles_of(TileKind::Hashes(0), 70_000), (273, 112));
        assert_eq!(tiles_of(TileKind::Hashes(1), 70_000), (1, 17));
        assert_eq!(tiles_of(TileKind::Hashes(2), 70_000), (0, 1));
        assert_eq!(levels_of(70_000).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(levels_of(0).count(), 0);
    }

    #[test]
    fn segment_names_go_both_ways() {
        let path = segment_path(Path::new("/d"), 42);
        assert_eq!(segment_first(&path), Some(42));
        assert_eq!(segment_first(Path::new("/d/wal/next.tmp")), None);
    }

    proptest! {
        #[test]
        fn bundles_give_back_their_entries(entries: Vec<Vec<u8>>, junk in 0_u8..2) {
            let mut bundle = Vec::new();
            for entry in &entries {
                prop_assert!(push_entry(&mut bundle, entry));
            }
            let length = bundle.len();
            bundle.extend(std::iter::repeat_n(0xff, usize::from(junk)));
            let width = u64::try_from(entries.len()).unwrap();
            let (found, used) = entries_of(&bundle, width).unwrap();
            prop_assert_eq!(found, entries);
            prop_assert_eq!(used, length);
            prop_assert!(entries_of(&bundle, width + 1).is_none());
        }
    }

    #[test]
    fn an_entry_that_has_no_length_is_refused() {
        let mut bundle = Vec::new();
        assert!(push_entry(&mut bundle, &vec![0; 65_535]));
        assert!(!push_entry(&mut bundle, &vec![0; 65_536]));
        assert_eq!(bundle.len(), 65_537);
    }
}
