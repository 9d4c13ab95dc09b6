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
pub fn check_inclusion(
    proof: &InclusionProof,
    root: [u8; 32],
    leaf_hash: [u8; 32],
) -> Result<(), BadProof> {
    if proof.size > MAX_SIZE || proof.hashes.len() > 64 {
        return Err(BadProof);
    }
    let hashes = proof.hashes.iter().copied().map(Hash).collect();
    check_record(
        &hashes,
        proof.size,
        Hash(root),
        proof.index,
        Hash(leaf_hash),
    )
    .map_err(|_| BadProof)
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
