//! Proofs that a third party checks with the checkpoint alone (RFC 6962 section 2.1). Pure.

use tlog_tiles::{Hash, check_record, check_tree};

use crate::checkpoint::MAX_SIZE;
use crate::layout::leaf_hash;

/// A proof that does not hold, or is about no such tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("proof does not hold")]
pub struct BadProof;

/// That a tree has a certain leaf at a certain index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// The index of the leaf, from 0.
    pub index: u64,
    /// The size of the tree.
    pub size: u64,
    /// The hashes from the leaf's sibling up to the root.
    pub hashes: Vec<[u8; 32]>,
}

impl InclusionProof {
    /// Checks that the tree with this `root` has `leaf` at the proof's index.
    ///
    /// # Errors
    /// [`BadProof`].
    pub fn check(&self, root: [u8; 32], leaf: &[u8]) -> Result<(), BadProof> {
        check_inclusion(self, root, leaf_hash(leaf).0)
    }
}

/// Checks that the tree with this `root` has a leaf with this RFC 6962 `leaf_hash` at the proof's
/// index.
///
/// # Errors
/// [`BadProof`].
pub fn check_inclusion(proof: &InclusionProof, root: [u8; 32], leaf_hash: [u8; 32]) -> Result<(), BadProof> {
    if proof.size > MAX_SIZE || proof.hashes.len() > 64 {
        return Err(BadProof);
    }
    let hashes = proof.hashes.iter().copied().map(Hash).collect();
    check_record(&hashes, proof.size, Hash(root), proof.index, Hash(leaf_hash)).map_err(|_| BadProof)
}

/// Checks that the tree of `size` entries with `root` begins with the whole tree of `old_size`
/// entries with `old_root`: nothing was removed, changed or reordered.
///
/// # Errors
/// [`BadProof`], also for an `old_size` of 0, about which there is nothing to prove.
pub fn check_consistency(
    hashes: &[[u8; 32]],
    (old_size, old_root): (u64, [u8; 32]),
    (size, root): (u64, [u8; 32]),
) -> Result<(), BadProof> {
    if size > MAX_SIZE || hashes.len() > 128 {
        return Err(BadProof);
    }
    let hashes = hashes.iter().copied().map(Hash).collect();
    check_tree(&hashes, size, Hash(root), old_size, Hash(old_root)).map_err(|_| BadProof)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tlog_tiles::{Error, HashReader, node_hash, prove_record, prove_tree, stored_hashes};

    struct Stored(Vec<Hash>);

    impl HashReader for Stored {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
            Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).unwrap()]).collect())
        }
    }

    fn stored(size: u64) -> Stored {
        let mut stored = Stored(Vec::new());
        for n in 0..size {
            let more = stored_hashes(n, &n.to_be_bytes(), &stored).unwrap();
            stored.0.extend(more);
        }
        stored
    }

    /// RFC 6962 section 2.1, word for word.
    fn naive_root(from: u64, to: u64) -> Hash {
        if to - from == 1 {
            return leaf_hash(&from.to_be_bytes());
        }
        let k = (to - from).next_power_of_two() / 2;
        node_hash(naive_root(from, from + k), naive_root(from + k, to))
    }

    fn consistency(stored: &Stored, old: u64, size: u64) -> Vec<[u8; 32]> {
        prove_tree(size, old, stored).unwrap().into_iter().map(|hash| hash.0).collect()
    }

    #[test]
    fn consistency_holds_between_all_sizes_up_to_300() {
        let stored = stored(300);
        let roots: Vec<[u8; 32]> = (1..=300).map(|size| naive_root(0, size).0).collect();
        for (size, root) in (1..).zip(&roots) {
            for (old, old_root) in (1..=size).zip(&roots) {
                let proof = consistency(&stored, old, size);
                check_consistency(&proof, (old, *old_root), (size, *root)).unwrap();
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn proofs_hold_for_what_they_say_and_nothing_else(
            size in 1_u64..=300, at: prop::sample::Index, flip: prop::sample::Index, bit in 0_u8..8,
        ) {
            let stored = stored(size);
            let (root, n) = (naive_root(0, size).0, at.index(usize::try_from(size).unwrap()) as u64);
            let hashes = prove_record(size, n, &stored).unwrap().into_iter().map(|h| h.0).collect();
            let proof = InclusionProof { index: n, size, hashes };
            prop_assert_eq!(proof.check(root, &n.to_be_bytes()), Ok(()));
            prop_assert!(proof.check(root, &(n + 1).to_be_bytes()).is_err());
            let beyond = InclusionProof { index: size, ..proof.clone() };
            prop_assert!(beyond.check(root, b"").is_err());
            let huge = InclusionProof { size: u64::MAX, ..proof.clone() };
            prop_assert!(huge.check(root, b"").is_err());
            let mut longer = proof.clone();
            longer.hashes.push([0; 32]);
            prop_assert!(longer.check(root, &n.to_be_bytes()).is_err());

            let old = n + 1;
            let good = consistency(&stored, old, size);
            let old_root = naive_root(0, old).0;
            prop_assert_eq!(check_consistency(&good, (old, old_root), (size, root)), Ok(()));
            if !good.is_empty() {
                let mut bad = good.clone();
                let place = flip.index(bad.len());
                bad[place][3] ^= 1 << bit;
                prop_assert!(check_consistency(&bad, (old, old_root), (size, root)).is_err());
                prop_assert!(check_consistency(&good[1..], (old, old_root), (size, root)).is_err());
            }
            prop_assert!(check_consistency(&good, (0, old_root), (size, root)).is_err());
        }

        #[test]
        fn no_proof_makes_the_checkers_panic(
            hashes in proptest::collection::vec(any::<[u8; 32]>(), 0..140), index: u64, size: u64, root: [u8; 32],
        ) {
            prop_assert!(check_consistency(&hashes, (index, [1; 32]), (size, root)).is_err());
            let proof = InclusionProof { index, size, hashes };
            prop_assert!(proof.check(root, b"leaf").is_err());
        }
    }
}
