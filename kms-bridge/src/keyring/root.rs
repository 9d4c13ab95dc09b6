//! The root key of a keyring and the root file that tells how to get it.

use std::{io, path::Path};

use argon2::{Algorithm, Argon2, Params, Version};
use ring::rand::SecureRandom;
use subtle::ConstantTimeEq;
use vocab::Plain;

use super::{KEK_EXTENSION, KeyringError, Unlock, files};
use crate::{kdf, names::KekName};

/// The file of the keyring's parameters, in its directory.
const ROOT_FILE: &str = "root";
/// Start of the root file: what it is, and format version 1.
const MAGIC: &[u8; 8] = b"AIOSRNG\x01";
const CHECK_INFO: &[u8] = b"AIOS keyring check v1";
const KEK_INFO: &[u8] = b"AIOS keyring kek v1";

/// How hard a passphrase is to guess: the parameters of Argon2id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    /// Memory in KiB.
    pub(super) memory: u32,
    /// Passes over it.
    pub(super) passes: u32,
    /// Lanes.
    pub(super) lanes: u32,
}

impl Cost {
    /// The second recommended option of RFC 9106: 64 MiB, 3 passes, 4 lanes.
    pub(super) const STANDARD: Self = Self { memory: 64 * 1024, passes: 3, lanes: 4 };

    /// Whether a root file may ask for it. The bounds keep a damaged file from taking all memory.
    const fn is_sane(self) -> bool {
        matches!(self.memory, 8..=0x10_0000) && matches!(self.passes, 1..=64) && matches!(self.lanes, 1..=64)
    }
}

/// The key that all KEK files are sealed under.
pub(super) struct RootKey(Plain<[u8; 32]>);

impl RootKey {
    /// The key of one KEK file.
    pub(super) fn for_kek(&self, kek: &KekName, salt: &[u8; 32]) -> Plain<[u8; 32]> {
        let info = [KEK_INFO, salt, kek.as_str().as_bytes()].concat();
        kdf::expand(self.0.expose(), &info)
    }

    fn check(&self) -> Plain<[u8; 32]> {
        kdf::expand(self.0.expose(), CHECK_INFO)
    }
}

/// What the root file says: magic 8, kind 4, memory 4, passes 4, lanes 4, salt 32, check 32.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RootFile {
    kind: Kind,
    salt: [u8; 32],
    check: [u8; 32],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    KeyFile,
    Passphrase(Cost),
}

/// Opens the root of the keyring in `dir`, or makes one with this cost.
pub(super) fn open(dir: &Path, unlock: &Unlock, cost: Cost, rng: &dyn SecureRandom) -> Result<RootKey, KeyringError> {
    let path = dir.join(ROOT_FILE);
    if let Some(bytes) = read_if_there(&path)? {
        return unlock_with(&bytes, unlock);
    }
    if files::count(dir, KEK_EXTENSION)? > 0 {
        return Err(KeyringError::RootFileMissing);
    }
    let mut salt = [0; 32];
    rng.fill(&mut salt).map_err(|_| KeyringError::NoResources)?;
    let kind = match unlock {
        Unlock::KeyFile(key_file) => {
            make_key_file(key_file, rng)?;
            Kind::KeyFile
        }
        Unlock::Passphrase(_) => Kind::Passphrase(cost),
    };
    let root = derive(kind, &salt, unlock)?;
    let file = RootFile { kind, salt, check: *root.check().expose() };
    match files::create_private(&path, &file.to_bytes()) {
        Ok(()) => Ok(root),
        // Another process was faster: its root is the one that counts.
        Err(KeyringError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
            unlock_with(&files::read_private(&path)?, unlock)
        }
        Err(error) => Err(error),
    }
}

fn unlock_with(bytes: &[u8], unlock: &Unlock) -> Result<RootKey, KeyringError> {
    let file = RootFile::parse(bytes).ok_or(KeyringError::BadRootFile)?;
    let root = derive(file.kind, &file.salt, unlock)?;
    if bool::from(root.check().expose().ct_eq(&file.check)) { Ok(root) } else { Err(KeyringError::WrongKey) }
}

fn derive(kind: Kind, salt: &[u8; 32], unlock: &Unlock) -> Result<RootKey, KeyringError> {
    let secret = match (kind, unlock) {
        (Kind::KeyFile, Unlock::KeyFile(path)) => read_key_file(path)?,
        (Kind::Passphrase(cost), Unlock::Passphrase(phrase)) => stretch(phrase, salt, cost)?,
        (Kind::KeyFile, Unlock::Passphrase(_)) => {
            return Err(KeyringError::OtherUnlock { wanted: "a key file" });
        }
        (Kind::Passphrase(_), Unlock::KeyFile(_)) => {
            return Err(KeyringError::OtherUnlock { wanted: "a passphrase" });
        }
    };
    Ok(RootKey(kdf::extract(salt, secret.expose())))
}

fn stretch(phrase: &Plain<String>, salt: &[u8; 32], cost: Cost) -> Result<Plain<[u8; 32]>, KeyringError> {
    if phrase.expose().is_empty() {
        return Err(KeyringError::EmptyPassphrase);
    }
    let params = Params::new(cost.memory, cost.passes, cost.lanes, Some(32)).map_err(|_| KeyringError::BadRootFile)?;
    let mut out = Plain::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(phrase.expose().as_bytes(), salt, out.expose_mut())
        .map_err(|_| KeyringError::NoResources)?;
    Ok(out)
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, KeyringError> {
    match files::read_private(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(KeyringError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes the key file of a new keyring unless there is one.
fn make_key_file(path: &Path, rng: &dyn SecureRandom) -> Result<(), KeyringError> {
    let mut secret = Plain::new([0_u8; 32]);
    rng.fill(secret.expose_mut()).map_err(|_| KeyringError::NoResources)?;
    let mut line = Plain::new(String::with_capacity(65));
    for byte in secret.expose() {
        for nibble in [byte >> 4, byte & 15] {
            line.expose_mut().extend(char::from_digit(u32::from(nibble), 16));
        }
    }
    line.expose_mut().push('\n');
    match files::create_private(path, line.expose().as_bytes()) {
        Err(KeyringError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn read_key_file(path: &Path) -> Result<Plain<[u8; 32]>, KeyringError> {
    let text = match files::read_private(path) {
        Ok(bytes) => Plain::new(bytes),
        Err(KeyringError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Err(KeyringError::KeyFileMissing(path.to_owned()));
        }
        Err(error) => return Err(error),
    };
    let digits = text.expose().strip_suffix(b"\n").unwrap_or(text.expose());
    let mut secret = Plain::new([0_u8; 32]);
    let bad = || KeyringError::BadKeyFile(path.to_owned());
    if digits.len() != 64 {
        return Err(bad());
    }
    for (byte, pair) in secret.expose_mut().iter_mut().zip(digits.chunks_exact(2)) {
        for digit in pair {
            let nibble = char::from(*digit).to_digit(16).and_then(|n| u8::try_from(n).ok());
            *byte = (*byte << 4) | nibble.ok_or_else(bad)?;
        }
    }
    Ok(secret)
}

impl RootFile {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<8>()?;
        let (numbers, rest) = rest.split_first_chunk::<16>()?;
        let (salt, rest) = rest.split_first_chunk::<32>()?;
        let check = <[u8; 32]>::try_from(rest).ok()?;
        let mut numbers = numbers.chunks_exact(4).filter_map(|n| n.try_into().ok().map(u32::from_be_bytes));
        let (kind, memory, passes, lanes) = (numbers.next()?, numbers.next()?, numbers.next()?, numbers.next()?);
        let cost = Cost { memory, passes, lanes };
        let kind = match kind {
            1 if (memory, passes, lanes) == (0, 0, 0) => Kind::KeyFile,
            2 if cost.is_sane() => Kind::Passphrase(cost),
            _ => return None,
        };
        (magic == MAGIC).then_some(Self { kind, salt: *salt, check })
    }

    fn to_bytes(&self) -> Vec<u8> {
        let numbers = match self.kind {
            Kind::KeyFile => [1, 0, 0, 0],
            Kind::Passphrase(cost) => [2, cost.memory, cost.passes, cost.lanes],
        };
        let mut bytes = MAGIC.to_vec();
        numbers.iter().for_each(|n| bytes.extend_from_slice(&n.to_be_bytes()));
        bytes.extend_from_slice(&self.salt);
        bytes.extend_from_slice(&self.check);
        bytes
    }
}
