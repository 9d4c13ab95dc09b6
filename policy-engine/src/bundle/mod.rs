//! Signed bundles: one file that holds documents, their version, and who vouches for them.
//!
//! `docs/formats-policy-bundle.md` specifies the bytes. A bundle is opened whole or refused: an unknown key, a
//! changed byte, a byte too many, another format or a version that is too old open nothing.

mod key;
mod manifest;

pub use key::{BadKey, BundleKey, BundleKeys};

use crate::document::Document;
use crate::set::PolicyDigest;
use manifest::{Manifest, is_name, sha256};
use signed_note::{Note, NoteError};
use std::fmt;
use std::str::FromStr;

/// The largest bundle that is opened.
const MAX_BYTES: usize = 256 << 20;

/// The largest signed note that is read: room for some 8,000 documents.
const MAX_NOTE_BYTES: usize = 1_000_000;

/// The largest whole number that every JSON reader holds exactly: 2^53 - 1.
const MAX_NUMBER: u64 = (1 << 53) - 1;

/// The number of a policy. It grows with each bundle that an organisation releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyVersion(u64);

/// The number is no version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a version is a whole number from 1 to 9007199254740991")]
pub struct BadVersion;

impl PolicyVersion {
    /// Checks the number and wraps it. JSON readers hold whole numbers up to 2^53 - 1 exactly.
    ///
    /// # Errors
    /// [`BadVersion`].
    pub const fn new(number: u64) -> Result<Self, BadVersion> {
        if number >= 1 && number <= MAX_NUMBER { Ok(Self(number)) } else { Err(BadVersion) }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for PolicyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for PolicyVersion {
    type Err = BadVersion;
    fn from_str(text: &str) -> Result<Self, BadVersion> {
        text.parse().map_err(|_| BadVersion).and_then(Self::new)
    }
}

/// An opened bundle: its signature, its digests and its version were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The version.
    pub version: PolicyVersion,
    /// When it was made, in seconds since the Unix epoch, as its signer says.
    pub created: u64,
    /// The digest that the compiled set will have.
    pub policy: PolicyDigest,
    /// The documents, sorted by name.
    pub documents: Vec<Document>,
    /// The known keys that signed it, each as `<name>+<id>`.
    pub signed_by: Vec<String>,
}

/// Which version a bundle must have to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Any: nothing runs yet.
    First,
    /// No older than what runs; of the same version only if it is the same policy.
    Onward {
        /// The version that runs.
        version: PolicyVersion,
        /// The digest that runs.
        policy: PolicyDigest,
    },
    /// Exactly this one: a rollback that an operator named.
    Exactly(PolicyVersion),
}

/// Why documents were not sealed into a bundle. Its maker is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// There is no document.
    #[error("a bundle holds at least one document")]
    Empty,
    /// Two documents have one name, or one has a name that can be no file's in one directory.
    #[error("names of documents are unique, and names of files without a directory")]
    Names,
    /// All documents together are larger than any bundle that is opened.
    #[error("the documents are too large")]
    TooLarge,
    /// The time is later than JSON readers can hold exactly.
    #[error("the time of making is out of range")]
    Time,
    /// The key could not sign.
    #[error("the key could not sign")]
    Signature,
}

/// Why a bundle was not opened. What runs stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// It is larger than any bundle that is opened.
    #[error("the bundle is too large")]
    TooLarge,
    /// The bytes are no bundle.
    #[error("the bytes are no policy bundle")]
    Malformed,
    /// The format is another one than this program reads.
    #[error("format {format} of the bundle is not supported")]
    Format {
        /// What the manifest says.
        format: u64,
    },
    /// No known key has signed it.
    #[error("no known key has signed the bundle")]
    NotSigned,
    /// The signature of a known key is wrong.
    #[error("a signature of the bundle is wrong")]
    WrongSignature,
    /// A document is not the one that was signed.
    #[error("document {name} is not the one that was signed")]
    Changed {
        /// The document.
        name: String,
    },
    /// Bytes are missing at the end.
    #[error("the bundle is cut off")]
    CutOff,
    /// There is more than was signed.
    #[error("the bundle holds more than was signed")]
    Extra,
    /// The documents do not have the digest that the manifest names.
    #[error("the documents do not have the digest that was signed")]
    OtherPolicy,
    /// It is older than what runs.
    #[error("version {found} is older than {running}, which runs; a rollback names its version")]
    Older {
        /// What runs.
        running: PolicyVersion,
        /// The version of the bundle.
        found: PolicyVersion,
    },
    /// It has the version that runs, and is another policy.
    #[error("version {version} runs already, with another policy")]
    SameVersion {
        /// The version.
        version: PolicyVersion,
    },
    /// It has another version than the rollback names.
    #[error("the bundle has version {found} instead of {wanted}")]
    OtherVersion {
        /// What was named.
        wanted: PolicyVersion,
        /// The version of the bundle.
        found: PolicyVersion,
    },
}

/// Makes a signed bundle. The same arguments give the same bytes.
///
/// # Errors
/// [`SealError`].
pub fn seal(
    documents: &[Document],
    version: PolicyVersion,
    created: u64,
    key: &BundleKey,
) -> Result<Vec<u8>, SealError> {
    let mut documents = documents.to_vec();
    documents.sort_by(|a, b| a.name.cmp(&b.name));
    let twins = documents.iter().zip(documents.iter().skip(1)).any(|(a, b)| a.name == b.name);
    if twins || !documents.iter().all(|document| is_name(&document.name)) {
        return Err(SealError::Names);
    }
    if documents.is_empty() {
        return Err(SealError::Empty);
    }
    if created > MAX_NUMBER {
        return Err(SealError::Time);
    }
    let manifest = Manifest::of(&documents, version, created).text().ok_or(SealError::Signature)?;
    let mut note = Note::new(manifest.as_bytes(), &[]).map_err(|_| SealError::TooLarge)?;
    note.add_sigs(&[&key.signer]).map_err(|_| SealError::Signature)?;
    let mut bytes = note.to_bytes();
    if bytes.len() > MAX_NOTE_BYTES {
        return Err(SealError::TooLarge);
    }
    bytes.push(b'\n');
    for document in &documents {
        bytes.extend_from_slice(document.text.as_bytes());
    }
    if bytes.len() > MAX_BYTES { Err(SealError::TooLarge) } else { Ok(bytes) }
}

/// Opens a bundle: checks the signature before anything that it covers is believed, then every document.
///
/// # Errors
/// [`BundleError`].
pub fn open(bytes: &[u8], keys: &BundleKeys, wanted: &Wanted) -> Result<Bundle, BundleError> {
    if bytes.len() > MAX_BYTES {
        return Err(BundleError::TooLarge);
    }
    let (head, rest) = split_note(bytes).ok_or(BundleError::Malformed)?;
    let note = Note::from_bytes(head).map_err(|_| BundleError::Malformed)?;
    let (verified, _) = note.verify(&keys.list()).map_err(|error| match error {
        NoteError::UnverifiedNote => BundleError::NotSigned,
        NoteError::MalformedNote => BundleError::Malformed,
        _ => BundleError::WrongSignature,
    })?;
    let signed_by = verified.iter().map(|s| format!("{}+{:08x}", s.name(), s.id())).collect();
    let manifest = Manifest::read(std::str::from_utf8(note.text()).map_err(|_| BundleError::Malformed)?)?;
    let documents = documents(&manifest, rest)?;
    let version = PolicyVersion::new(manifest.version).map_err(|BadVersion| BundleError::Malformed)?;
    let policy = crate::compile::digest_of(&documents);
    if policy.as_str() != manifest.policy {
        return Err(BundleError::OtherPolicy);
    }
    check_version(wanted, version, &policy)?;
    Ok(Bundle { version, created: manifest.created, policy, documents, signed_by })
}

/// The note and what follows it. Its text and its signatures have no empty line, so that the second ends it.
fn split_note(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let empty_line = |from: usize| bytes.get(from..)?.windows(2).position(|pair| pair == b"\n\n").map(|at| from + at);
    let text = empty_line(0)?;
    let signatures = empty_line(text + 2)?;
    Some((bytes.get(..=signatures)?, bytes.get(signatures + 2..)?))
}

fn documents(manifest: &Manifest, mut rest: &[u8]) -> Result<Vec<Document>, BundleError> {
    let mut documents = Vec::new();
    for entry in &manifest.documents {
        let size = usize::try_from(entry.size).map_err(|_| BundleError::CutOff)?;
        let (text, after) = rest.split_at_checked(size).ok_or(BundleError::CutOff)?;
        let changed = || BundleError::Changed { name: entry.name.clone() };
        if sha256(text) != entry.sha256 {
            return Err(changed());
        }
        let text = std::str::from_utf8(text).map_err(|_| changed())?.to_owned();
        documents.push(Document { name: entry.name.clone(), text });
        rest = after;
    }
    if rest.is_empty() { Ok(documents) } else { Err(BundleError::Extra) }
}

fn check_version(wanted: &Wanted, found: PolicyVersion, policy: &PolicyDigest) -> Result<(), BundleError> {
    match wanted {
        Wanted::Onward { version: running, .. } if found < *running => {
            Err(BundleError::Older { running: *running, found })
        }
        Wanted::Onward { version, policy: running } if found == *version && policy != running => {
            Err(BundleError::SameVersion { version: found })
        }
        Wanted::Exactly(wanted) if *wanted != found => Err(BundleError::OtherVersion { wanted: *wanted, found }),
        Wanted::First | Wanted::Onward { .. } | Wanted::Exactly(_) => Ok(()),
    }
}
