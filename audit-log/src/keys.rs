//! The keys that sign checkpoints and the keys that check them (C2SP signed-note, Ed25519).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};
use signed_note::{StandardSigner, StandardVerifier, Verifier, VerifierList};
use vocab::Plain;

/// Signs the checkpoints of one log. Its name is the log's origin.
pub struct SigningKey {
    encoded: Plain<String>,
    pub(crate) signer: StandardSigner,
    vkey: String,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The origin is empty or has a space, a plus sign or a control character.
    #[error("origin is not a valid key name")]
    BadOrigin,
    /// The system gives no randomness.
    #[error("no randomness from the system")]
    NoRandomness,
    /// The text is no key, or its parts disagree.
    #[error("malformed key in {}", .0.display())]
    Malformed(PathBuf),
    /// Others than the owner may read the signing key.
    #[error("signing key {} is readable by others, mode must be 0600", .0.display())]
    TooOpen(PathBuf),
    /// The file cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

const ALGORITHM_ED25519: u8 = 1;

impl SigningKey {
    /// Makes a new key whose name is the log's `origin`, such as `aios.example/host`.
    ///
    /// # Errors
    /// [`KeyError::BadOrigin`], [`KeyError::NoRandomness`].
    pub fn generate(origin: &str) -> Result<Self, KeyError> {
        if !signed_note::is_key_name_valid(origin) || origin.chars().any(char::is_control) {
            return Err(KeyError::BadOrigin);
        }
        let mut seed = Plain::new([0_u8; 32]);
        SystemRandom::new().fill(seed.expose_mut()).map_err(|_| KeyError::NoRandomness)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_| KeyError::BadOrigin)?;
        let id = signed_note::key_id(origin, &tagged(pair.public_key().as_ref()));
        let private = Plain::new(tagged(seed.expose()));
        let encoded = Plain::new(format!("PRIVATE+KEY+{origin}+{id:08x}+{}", STANDARD.encode(private.expose())));
        Self::parse(encoded).ok_or(KeyError::BadOrigin)
    }

    /// Reads a key from a file that only its owner may read: one line, the signed-note form
    /// `PRIVATE+KEY+<origin>+<id>+<base64>`.
    ///
    /// # Errors
    /// [`KeyError::Io`], [`KeyError::TooOpen`], [`KeyError::Malformed`].
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::Io { action: "read", path: path.to_owned(), source };
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(KeyError::TooOpen(path.to_owned()));
        }
        let text = Plain::new(fs::read_to_string(path).map_err(failed)?);
        let line = Plain::new(text.expose().trim_end_matches('\n').to_owned());
        Self::parse(line).ok_or_else(|| KeyError::Malformed(path.to_owned()))
    }

    /// Writes the key to a new file of mode 0600, durably. An existing file is never overwritten.
    ///
    /// # Errors
    /// [`KeyError::Io`], also when the file is there already.
    pub fn save_new(&self, path: &Path) -> Result<(), KeyError> {
        write_new(path, 0o600, &[self.encoded.expose().as_bytes(), b"\n"]).map_err(|source| KeyError::Io {
            action: "create",
            path: path.to_owned(),
            source,
        })
    }

    /// Loads the key at `path`, or makes and saves one when no file is there.
    ///
    /// # Errors
    /// As [`Self::generate`], [`Self::save_new`] and [`Self::load`].
    pub fn load_or_generate(path: &Path, origin: &str) -> Result<Self, KeyError> {
        match Self::load(path) {
            Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let key = Self::generate(origin)?;
                key.save_new(path)?;
                Ok(key)
            }
            loaded => loaded,
        }
    }

    /// The name of the key, which is the first line of every checkpoint that it signs.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.vkey.split('+').next().unwrap_or_default()
    }

    /// The line that lets others check the signatures: `<origin>+<id>+<base64>`.
    #[must_use]
    pub fn verifier_key(&self) -> &str {
        &self.vkey
    }

    fn parse(encoded: Plain<String>) -> Option<Self> {
        let signer = StandardSigner::new(encoded.expose()).ok()?;
        let (origin, rest) = encoded.expose().strip_prefix("PRIVATE+KEY+")?.split_once('+')?;
        let (id, private) = rest.split_once('+')?;
        let private = Plain::new(STANDARD.decode(private).ok()?);
        let pair = Ed25519KeyPair::from_seed_unchecked(private.expose().get(1..)?).ok()?;
        let public = STANDARD.encode(tagged(pair.public_key().as_ref()));
        let vkey = format!("{origin}+{id}+{public}");
        Some(Self { encoded, signer, vkey })
    }
}

impl core::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SigningKey({})", self.vkey)
    }
}

/// The keys whose signatures a reader accepts.
#[derive(Clone)]
pub struct VerifierKeys {
    keys: Vec<StandardVerifier>,
}

/// A line of a `keys` file that is no verifier key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is not a verifier key")]
pub struct BadVerifierKey {
    /// The line, counted from 1.
    pub line: usize,
}

impl VerifierKeys {
    /// Reads the text of a `keys` file: a verifier key (`vkey`) a line. Empty lines and lines that
    /// start with `#` are skipped; a key that is listed twice counts once.
    ///
    /// # Errors
    /// [`BadVerifierKey`] for the first line that is neither.
    pub fn parse(text: &str) -> Result<Self, BadVerifierKey> {
        let mut keys: Vec<StandardVerifier> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = StandardVerifier::new(line).map_err(|_| BadVerifierKey { line: number + 1 })?;
            if !keys.iter().any(|k| k.name() == key.name() && k.key_id() == key.key_id()) {
                keys.push(key);
            }
        }
        Ok(Self { keys })
    }

    /// How many keys there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none, so that nothing can be verified.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(crate) fn list(&self) -> VerifierList {
        VerifierList::new(self.keys.iter().map(|key| Box::new(key.clone()) as Box<dyn Verifier>).collect())
    }
}

impl core::fmt::Debug for VerifierKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|k| format!("{}+{:08x}", k.name(), k.key_id()))).finish()
    }
}

/// Makes sure that the `keys` file at `path` lists a verifier key; keys of earlier times stay.
///
/// # Errors
/// [`KeyError::Io`].
pub fn publish_verifier_key(path: &Path, key: &SigningKey) -> Result<(), KeyError> {
    let failed = |source| KeyError::Io { action: "publish the verifier key in", path: path.to_owned(), source };
    let mut text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(error)),
    };
    if text.lines().any(|line| line.trim() == key.verifier_key()) {
        return Ok(());
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let staged = path.with_extension("new");
    match fs::remove_file(&staged) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let bytes: [&[u8]; 3] = [text.as_bytes(), key.verifier_key().as_bytes(), b"\n"];
    write_new(&staged, 0o644, &bytes).and_then(|()| fs::rename(&staged, path)).map_err(failed)?;
    sync_parent(path).map_err(failed)
}

fn write_new(path: &Path, mode: u32, pieces: &[&[u8]]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    for piece in pieces {
        file.write_all(piece)?;
    }
    file.sync_all()?;
    sync_parent(path)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(parent)?.sync_all()
}

fn tagged(key: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(key.len() + 1);
    bytes.push(ALGORITHM_ED25519);
    bytes.extend_from_slice(key);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_key_is_private_and_loads_as_the_same_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("signing.key");
        let key = SigningKey::load_or_generate(&path, "aios.test/host").unwrap();
        assert_eq!(key.origin(), "aios.test/host");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = SigningKey::load_or_generate(&path, "aios.test/other").unwrap();
        assert_eq!(key.verifier_key(), again.verifier_key());
        assert!(matches!(key.save_new(&path), Err(KeyError::Io { .. })), "never overwritten");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(SigningKey::load(&path), Err(KeyError::TooOpen(_))));
    }

    #[test]
    fn debug_and_errors_hold_no_private_key() {
        let key = SigningKey::generate("aios.test/host").unwrap();
        let secret = key.encoded.expose().rsplit('+').next().unwrap().to_owned();
        assert!(!format!("{key:?}").contains(&secret));
    }

    #[test]
    fn malformed_keys_and_origins_are_refused() {
        for origin in ["", "a b", "a+b", "a\nb"] {
            assert!(matches!(SigningKey::generate(origin), Err(KeyError::BadOrigin)), "{origin:?}");
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("signing.key");
        let key = SigningKey::generate("aios.test/host").unwrap();
        let good = key.encoded.expose().clone();
        for bad in ["", "PRIVATE+KEY", &good.replace("host", "hosT"), &good[..good.len() - 4]] {
            fs::write(&path, bad).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(SigningKey::load(&path), Err(KeyError::Malformed(_))), "{bad}");
        }
    }

    #[test]
    fn published_keys_accumulate() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let (one, two) = (SigningKey::generate("a/one").unwrap(), SigningKey::generate("a/two").unwrap());
        for key in [&one, &two, &one] {
            publish_verifier_key(&path, key).unwrap();
        }
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{}\n{}\n", one.verifier_key(), two.verifier_key()));
        assert_eq!(VerifierKeys::parse(&text).unwrap().len(), 2);
        assert_eq!(VerifierKeys::parse("# c\n\nnonsense").unwrap_err(), BadVerifierKey { line: 3 });
    }
}
