//! A data key, ready for use.

use core::fmt;

use vocab::Plain;

use crate::{
    kdf,
    locked::{LockedKeys, SHALLOW, scrub_stack},
    names::{Epoch, KeyId},
    provider::DekBytes,
    scope::{DekScope, WrappedDek},
};

/// A data key in memory, with its scope and epoch.
///
/// It keeps two keys extracted from the DEK, one for sealing and one for [`Dek::derive`], and not
/// the DEK itself. Both are in locked memory where the system allows it and are overwritten when it is dropped. There is no `Clone`, and `Debug` shows no
/// key bytes. Only [`crate::KeyBridge`] makes one, from a registered [`WrappedDek`].
pub struct Dek {
    key_id: KeyId,
    scope: DekScope,
    epoch: Epoch,
    keys: LockedKeys,
}

/// HKDF salt of the key that seals values in suite 1.
const SALT_SEAL: &[u8] = b"AIOS value v1 suite 1";
/// HKDF salt of the key that [`Dek::derive`] expands.
const SALT_DERIVE: &[u8] = b"AIOS derive v1";

impl Dek {
    pub(crate) fn new(record: &WrappedDek, bytes: &DekBytes) -> Self {
        Self {
            key_id: record.key_id,
            scope: record.scope.clone(),
            epoch: record.epoch,
            keys: LockedKeys::new(|sealing, deriving| {
                kdf::extract_into(sealing, SALT_SEAL, bytes.expose());
                kdf::extract_into(deriving, SALT_DERIVE, bytes.expose());
            }),
        }
    }

    /// A subkey of 256 bits for another crate's cipher: HKDF-SHA256, with `info` as the name of what
    /// it is for. Equal `info` gives equal subkeys; subkeys of different `info` are independent, of
    /// each other and of every sealed value.
    #[must_use]
    pub fn derive(&self, info: &[u8]) -> Plain<[u8; 32]> {
        let key = kdf::expand(self.keys.deriving(), info);
        scrub_stack::<SHALLOW>();
        key
    }

    /// Whether its bytes are in memory that is not swapped out. False where the system refused to lock
    /// more (see `RLIMIT_MEMLOCK`).
    #[must_use]
    pub const fn is_locked(&self) -> bool {
        self.keys.is_locked()
    }

    /// The id that sealed values carry.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// Its generation within the scope.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// What it may be used for.
    #[must_use]
    pub const fn scope(&self) -> &DekScope {
        &self.scope
    }

    /// Both keys, each byte changed by `mask`: for the test that looks for the keys themselves.
    #[cfg(test)]
    pub(crate) fn hidden_keys(&self, mask: u8) -> ([u8; 32], [u8; 32]) {
        // Byte by byte, so that no copy of a whole key is made.
        let hide = |key: &[u8; 32]| std::array::from_fn(|n| std::hint::black_box(key.get(n)).map_or(0, |b| b ^ mask));
        (hide(self.keys.sealing()), hide(self.keys.deriving()))
    }

    /// The AES-256-GCM key and the commitment of one value.
    pub(crate) fn message_key(&self, header: &[u8]) -> (Plain<[u8; 32]>, Plain<[u8; 32]>) {
        let keys = kdf::expand_pair(self.keys.sealing(), header);
        scrub_stack::<SHALLOW>();
        keys
    }
}

impl fmt::Debug for Dek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dek")
            .field("key_id", &self.key_id)
            .field("scope", &self.scope)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}
