//! Signed tree heads (C2SP tlog-checkpoint in a C2SP signed-note).

use tlog_tiles::{Checkpoint, Hash};

use crate::keys::SigningKey;
use crate::keys::VerifierKeys;

/// The most entries of a log that this crate reads or writes: every index is an exact double.
pub(crate) const MAX_SIZE: u64 = 1 << 53;

/// The extension line of a checkpoint whose period had records acknowledged before they were on
/// stable storage.
pub const DURABILITY_OS_LINE: &str = "aios durability=os\n";

/// A tree head whose signature was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// The name of the log.
    pub origin: String,
    /// How many entries the tree has.
    pub size: u64,
    /// The root hash of the tree (RFC 6962).
    pub root: [u8; 32],
    /// The extension lines, each with its newline.
    pub extension: String,
    /// The keys whose signatures were checked, as `name+id`.
    pub signed_by: Vec<String>,
}

/// Why a checkpoint is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It is no signed note, or its text is no checkpoint.
    #[error("malformed checkpoint")]
    Malformed,
    /// None of the given keys signed it.
    #[error("no signature by a given key")]
    NotSigned,
    /// A signature by a given key does not match the text.
    #[error("wrong signature")]
    WrongSignature,
    /// The key that signed it is another log's: its name is not the origin.
    #[error("signed by a key of another log")]
    OtherLog,
}

/// Checks the signature and reads the tree head. A known key's bad signature is an error even when
/// another key's is good.
///
/// # Errors
/// [`CheckpointError`].
pub fn open_checkpoint(note: &[u8], keys: &VerifierKeys) -> Result<SignedCheckpoint, CheckpointError> {
    let note = signed_note::Note::from_bytes(note).map_err(|_| CheckpointError::Malformed)?;
    let (verified, _) = note.verify(&keys.list()).map_err(|error| match error {
        signed_note::NoteError::UnverifiedNote => CheckpointError::NotSigned,
        signed_note::NoteError::MalformedNote => CheckpointError::Malformed,
        _ => CheckpointError::WrongSignature,
    })?;
    let head = Checkpoint::from_bytes(note.text()).map_err(|_| CheckpointError::Malformed)?;
    if head.size() > MAX_SIZE || head.to_bytes() != note.text() {
        return Err(CheckpointError::Malformed);
    }
    if !verified.iter().any(|signature| signature.name() == head.origin()) {
        return Err(CheckpointError::OtherLog);
    }
    Ok(SignedCheckpoint {
        origin: head.origin().to_owned(),
        size: head.size(),
        root: head.hash().0,
        extension: head.extension().to_owned(),
        signed_by: verified.iter().map(|s| format!("{}+{:08x}", s.name(), s.id())).collect(),
    })
}

/// Signs a tree head. `None` only for an origin or extension that no checkpoint can have.
pub(crate) fn sign_checkpoint(key: &SigningKey, size: u64, root: Hash, extension: &str) -> Option<Vec<u8>> {
    let head = Checkpoint::new(key.origin(), size, root, extension).ok()?;
    let mut note = signed_note::Note::new(&head.to_bytes(), &[]).ok()?;
    note.add_sigs(&[&key.signer]).ok()?;
    Some(note.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(origin: &str) -> (SigningKey, VerifierKeys) {
        let key = SigningKey::generate(origin).unwrap();
        let keys = VerifierKeys::parse(key.verifier_key()).unwrap();
        (key, keys)
    }

    #[test]
    fn what_is_signed_opens_as_it_was() {
        let (signer, keys) = key("aios.test/host");
        let note = sign_checkpoint(&signer, 7, Hash([9; 32]), DURABILITY_OS_LINE).unwrap();
        let open = open_checkpoint(&note, &keys).unwrap();
        assert_eq!((open.size, open.root, open.origin.as_str()), (7, [9; 32], "aios.test/host"));
        assert_eq!(open.extension, DURABILITY_OS_LINE);
        assert!(sign_checkpoint(&signer, 7, Hash([9; 32]), "no newline").is_none());
    }

    #[test]
    fn every_flipped_byte_is_caught() {
        let (signer, keys) = key("aios.test/host");
        let note = sign_checkpoint(&signer, 123, Hash([9; 32]), "").unwrap();
        for at in 0..note.len() {
            let mut bad = note.clone();
            bad[at] ^= 1 << (at % 8);
            assert!(open_checkpoint(&bad, &keys).is_err(), "byte {at}");
        }
        for cut in 0..note.len() {
            assert!(open_checkpoint(&note[..cut], &keys).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn another_logs_key_is_not_enough() {
        let (host, host_keys) = key("aios.test/host");
        let (other, other_keys) = key("aios.test/other");
        let head = Checkpoint::new("aios.test/host", 1, Hash([0; 32]), "").unwrap();
        let mut note = signed_note::Note::new(&head.to_bytes(), &[]).unwrap();
        note.add_sigs(&[&other.signer]).unwrap();
        assert_eq!(open_checkpoint(&note.to_bytes(), &other_keys), Err(CheckpointError::OtherLog));
        assert_eq!(open_checkpoint(&note.to_bytes(), &host_keys), Err(CheckpointError::NotSigned));
        let both = VerifierKeys::parse(&format!("{}\n{}", host.verifier_key(), other.verifier_key())).unwrap();
        note.add_sigs(&[&host.signer]).unwrap();
        assert_eq!(open_checkpoint(&note.to_bytes(), &both).unwrap().signed_by.len(), 2);
    }
}
