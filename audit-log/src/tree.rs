//! The right edge of a growing Merkle tree (RFC 6962), tile by tile. Pure.

use tlog_tiles::{Error, Hash, HashReader, Tile, split_stored_hash_index, tree_hash};

use crate::layout::{TILE_HEIGHT, TILE_WIDTH};

/// A tile that just became full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FullTile {
    pub(crate) level: u8,
    pub(crate) number: u64,
    pub(crate) hashes: Vec<u8>,
}

/// Everything of the tree that a further leaf can still change: the partial tile of each level.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edge {
    size: u64,
    /// For each level, the hashes (32 bytes each) of its partial tile: fewer than 256.
    levels: Vec<Vec<u8>>,
}

impl Edge {
    /// The edge of a tree of `size` entries whose partial tiles are `levels`, level 0 first.
    /// `None` when a tile has another width than that size demands.
    pub(crate) fn new(size: u64, levels: Vec<Vec<u8>>) -> Option<Self> {
        let fits = levels.iter().zip(0_u32..).all(|(tile, level)| {
            let width = size.checked_shr(level * 8).unwrap_or(0) % TILE_WIDTH;
            u64::try_from(tile.len()).is_ok_and(|bytes| bytes == width * 32)
        });
        let covered = u32::try_from(levels.len()).is_ok_and(|n| size.checked_shr(n * 8).unwrap_or(0) == 0);
        (fits && covered).then_some(Self { size, levels })
    }

    /// How many leaves the tree has.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// The partial tile of each level, level 0 first; empty where the level ends with a full tile.
    pub(crate) fn partial_tiles(&self) -> impl Iterator<Item = (u8, &[u8])> {
        (0_u8..).zip(self.levels.iter().map(Vec::as_slice))
    }

    /// Adds a leaf by its hash and gives the tiles that it filled, level 0 first.
    pub(crate) fn push(&mut self, leaf: Hash) -> Vec<FullTile> {
        self.size += 1;
        let mut full = Vec::new();
        let mut hash = leaf;
        let mut hashes_below = self.size;
        for level in 0_u8.. {
            let at = usize::from(level);
            if self.levels.len() == at {
                self.levels.push(Vec::with_capacity(256 * 32));
            }
            let Some(tile) = self.levels.get_mut(at) else {
                break;
            };
            tile.extend_from_slice(&hash.0);
            if tile.len() < 256 * 32 {
                break;
            }
            hash = Tile::subtree_hash(tile);
            hashes_below /= TILE_WIDTH;
            full.push(FullTile { level, number: hashes_below - 1, hashes: core::mem::take(tile) });
        }
        full
    }

    /// The root hash of the tree; that of an empty tree is the hash of nothing.
    pub(crate) fn root(&self) -> Result<Hash, Error> {
        tree_hash(self.size, self)
    }
}

impl HashReader for Edge {
    /// Gives the hashes of the complete subtrees that make up the tree: each lies in a partial tile.
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        indexes.iter().map(|index| self.subtree(*index)).collect()
    }
}

impl Edge {
    fn subtree(&self, index: u64) -> Result<Hash, Error> {
        let (height, number) = split_stored_hash_index(index);
        let (level, height) = (height / TILE_HEIGHT, u32::from(height % TILE_HEIGHT));
        let first = (number << height) % TILE_WIDTH;
        let range = usize::try_from(first * 32)
            .ok()
            .and_then(|start| Some(start..start.checked_add(32 << height)?))
            .ok_or(Error::BadMath)?;
        let hashes = self.levels.get(usize::from(level)).and_then(|tile| tile.get(range));
        hashes.map(Tile::subtree_hash).ok_or(Error::BadMath)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::leaf_hash;
    use proptest::prelude::*;
    use tlog_tiles::node_hash;

    /// RFC 6962 section 2.1, word for word.
    fn naive_root(leaves: &[Hash]) -> Hash {
        match leaves.len() {
            0 => tlog_tiles::EMPTY_HASH,
            1 => leaves[0],
            n => {
                let k = n.next_power_of_two() / 2;
                node_hash(naive_root(&leaves[..k]), naive_root(&leaves[k..]))
            }
        }
    }

    fn leaves(n: u64) -> Vec<Hash> {
        (0..n).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    #[test]
    fn the_root_is_that_of_the_rfc_at_every_size_up_to_600() {
        let leaves = leaves(600);
        let mut edge = Edge::default();
        assert_eq!(edge.root().unwrap(), naive_root(&[]));
        for (n, leaf) in leaves.iter().enumerate() {
            edge.push(*leaf);
            assert_eq!(edge.root().unwrap(), naive_root(&leaves[..=n]), "size {}", n + 1);
        }
    }

    #[test]
    fn full_tiles_come_once_each_with_their_numbers_also_around_65536() {
        let mut edge = Edge::default();
        let mut seen = Vec::new();
        for leaf in leaves(65_536 + 256) {
            seen.extend(edge.push(leaf).into_iter().map(|t| (t.level, t.number, t.hashes.len())));
        }
        let mut wanted: Vec<_> = (0..256).map(|n| (0, n, 8192)).collect();
        wanted.push((1, 0, 8192));
        wanted.push((0, 256, 8192));
        assert_eq!(seen, wanted);
        assert_eq!(edge.root().unwrap(), naive_root(&leaves(65_536 + 256)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn an_edge_that_is_saved_and_loaded_goes_on_alike(before in 0_u64..700, after in 0_u64..300) {
            let mut edge = Edge::default();
            for leaf in leaves(before) {
                edge.push(leaf);
            }
            let saved = edge.partial_tiles().map(|(_, tile)| tile.to_vec()).collect();
            let mut loaded = Edge::new(before, saved).unwrap();
            for n in 0..after {
                let leaf = leaf_hash(&n.to_le_bytes());
                prop_assert_eq!(edge.push(leaf), loaded.push(leaf));
            }
            prop_assert_eq!(edge.root().unwrap(), loaded.root().unwrap());
        }
    }

    #[test]
    fn an_edge_of_another_size_is_refused() {
        assert!(Edge::new(3, vec![vec![0; 96]]).is_some());
        assert!(Edge::new(3, vec![vec![0; 64]]).is_none());
        assert!(Edge::new(300, vec![vec![0; 44 * 32]]).is_none(), "level 1 is missing");
        assert!(Edge::new(300, vec![vec![0; 44 * 32], vec![0; 32]]).is_some());
    }
}
