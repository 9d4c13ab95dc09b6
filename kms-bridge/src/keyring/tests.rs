//! The keyring on a real directory.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
};

use tempfile::TempDir;
use vocab::{CollectionName, TenantId};

use super::*;
use crate::{
    golden,
    names::{Epoch, KeyId, Purpose},
    scope::DekScope,
};

/// Far below the standard, so that tests spend their time elsewhere.
const CHEAP: Cost = Cost { memory: 64, passes: 1, lanes: 1 };

struct Ring {
    home: TempDir,
    ring: LocalKeyring,
}

impl Ring {
    fn new() -> Self {
        let home = TempDir::new().unwrap();
        let ring = LocalKeyring::open(&home.path().join("keyring"), &key_file(&home)).unwrap();
        Self { home, ring }
    }

    fn again(&self) -> Result<LocalKeyring, KeyringError> {
        LocalKeyring::open(&self.dir(), &key_file(&self.home))
    }

    fn dir(&self) -> PathBuf {
        self.home.path().join("keyring")
    }

    fn kek_file(&self, kek: &KekName) -> PathBuf {
        self.dir().join(format!("{kek}.kek"))
    }

    async fn kek(&self) -> KekName {
        let kek = KekName::random(&SystemRandom::new()).unwrap();
        self.ring.create_kek(&kek).await.unwrap();
        kek
    }

    async fn wrapped(&self, kek: &KekName) -> WrappedDek {
        let mut record = record(kek);
        record.wrapped = self.ring.wrap(kek, &secret(), &record.context()).await.unwrap();
        record
    }

    async fn unwrap(&self, record: &WrappedDek) -> Result<[u8; 32], ProviderError> {
        let mut answers = self.ring.unwrap(std::slice::from_ref(record)).await.unwrap();
        assert_eq!(answers.len(), 1);
        answers.remove(0).map(|dek| *dek.expose())
    }
}

fn key_file(home: &TempDir) -> Unlock {
    Unlock::KeyFile(home.path().join("root.key"))
}

fn phrase(text: &str) -> Unlock {
    Unlock::Passphrase(Plain::new(text.into()))
}

fn secret() -> DekBytes {
    DekBytes::copied(&[0xd7; 32]).unwrap()
}

fn record(kek: &KekName) -> WrappedDek {
    WrappedDek {
        key_id: KeyId::from_bytes([1; 16]),
        scope: DekScope { tenant: TenantId::new("acme").unwrap(), purpose: Purpose::Payload, collection: None },
        epoch: Epoch::FIRST,
        kek: kek.clone(),
        provider: crate::names::ProviderName::local(),
        wrapped: Vec::new(),
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn keys_survive_a_restart() {
    let mut ring = Ring::new();
    let kek = ring.kek().await;
    let record = ring.wrapped(&kek).await;
    ring.ring = ring.again().unwrap();
    assert_eq!(ring.unwrap(&record).await.unwrap(), [0xd7; 32]);
}

#[tokio::test]
async fn files_are_for_their_owner_only_and_hold_no_key() {
    let ring = Ring::new();
    let kek = ring.kek().await;
    ring.wrapped(&kek).await;
    assert_eq!(mode(&ring.dir()), 0o700);
    assert_eq!(mode(&ring.home.path().join("root.key")), 0o600);
    let mut names: Vec<_> = fs::read_dir(ring.dir()).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    assert_eq!(names, [ring.kek_file(&kek), ring.dir().join("root")], "no drafts are left");
    for name in names {
        assert_eq!(mode(&name), 0o600);
    }
}

#[tokio::test]
async fn what_others_can_read_is_refused() {
    let ring = Ring::new();
    let kek = ring.kek().await;
    let record = ring.wrapped(&kek).await;
    for (path, open, closed) in [
        (ring.dir(), 0o750, 0o700),
        (ring.dir().join("root"), 0o640, 0o600),
        (ring.home.path().join("root.key"), 0o604, 0o600),
    ] {
        set_mode(&path, open);
        let refused = ring.again().unwrap_err();
        assert!(
            matches!(&refused, KeyringError::TooOpen { path: p, mode, .. } if *p == path && *mode == open),
            "{refused:?}"
        );
        set_mode(&path, closed);
        assert!(ring.again().is_ok());
    }
    set_mode(&ring.kek_file(&kek), 0o644);
    assert!(matches!(ring.unwrap(&record).await, Err(ProviderError::Denied(_))));
    set_mode(&ring.kek_file(&kek), 0o400);
    assert!(ring.unwrap(&record).await.is_ok());
}

#[tokio::test]
async fn a_destroyed_kek_stays_destroyed() {
    let ring = Ring::new();
    let kek = ring.kek().await;
    let record = ring.wrapped(&kek).await;
    ring.ring.destroy(&kek).await.unwrap();
    assert!(matches!(ring.unwrap(&record).await, Err(ProviderError::UnknownKek)));
    let wrap = ring.ring.wrap(&kek, &secret(), &record.context()).await;
    assert!(matches!(wrap, Err(ProviderError::UnknownKek)));
    assert!(matches!(ring.ring.destroy(&kek).await, Err(ProviderError::UnknownKek)));
    assert!(!ring.kek_file(&kek).exists());
}

#[tokio::test]
async fn a_name_is_taken_once() {
    let ring = Ring::new();
    let kek = ring.kek().await;
    let before = fs::read(ring.kek_file(&kek)).unwrap();
    assert!(matches!(ring.ring.create_kek(&kek).await, Err(ProviderError::KekExists)));
    assert_eq!(fs::read(ring.kek_file(&kek)).unwrap(), before);
}

#[tokio::test]
async fn a_wrapped_key_is_bound_to_scope_and_epoch() {
    let ring = Ring::new();
    let kek = ring.kek().await;
    let record = ring.wrapped(&kek).await;
    let changes: [fn(&mut WrappedDek); 3] = [
        |r| r.scope.tenant = TenantId::new("rival").unwrap(),
        |r| r.scope.purpose = Purpose::Vector,
        |r| r.epoch = Epoch::new(2).unwrap(),
    ];
    for change in changes {
        let mut moved = record.clone();
        change(&mut moved);
        assert!(matches!(ring.unwrap(&moved).await, Err(ProviderError::ContextMismatch)));
        // Nor does it help to give it the digest of the new context.
        let theirs = ring.ring.wrap(&kek, &secret(), &moved.context()).await.unwrap();
        moved.wrapped[1..17].copy_from_slice(&theirs[1..17]);
        assert!(matches!(ring.unwrap(&moved).await, Err(ProviderError::Corrupt)));
    }
}

#[tokio::test]
async fn a_batch_fails_key_by_key() {
    let ring = Ring::new();
    let (kek, gone) = (ring.kek().await, ring.kek().await);
    let good = ring.wrapped(&kek).await;
    let lost = ring.wrapped(&gone).await;
    ring.ring.destroy(&gone).await.unwrap();
    let mut cut = good.clone();
    cut.wrapped.truncate(20);
    let answers = ring.ring.unwrap(&[lost, good, cut]).await.unwrap();
    assert!(matches!(&answers[..], [Err(ProviderError::UnknownKek), Ok(_), Err(ProviderError::Corrupt)]));
}

#[tokio::test]
async fn any_damage_is_noticed() {
    let ring = Ring::new();
    let (kek, other) = (ring.kek().await, ring.kek().await);
    let record = ring.wrapped(&kek).await;
    for at in 0..record.wrapped.len() {
        let mut damaged = record.clone();
        damaged.wrapped[at] ^= 1;
        assert!(ring.unwrap(&damaged).await.is_err(), "wrapped byte {at}");
    }
    let file = fs::read(ring.kek_file(&kek)).unwrap();
    for at in 0..file.len() {
        let mut damaged = file.clone();
        damaged[at] ^= 1;
        fs::write(ring.kek_file(&kek), damaged).unwrap();
        assert!(matches!(ring.unwrap(&record).await, Err(ProviderError::Corrupt)), "file byte {at}");
    }
    fs::write(ring.kek_file(&other), &file).unwrap();
    let mut swapped = record.clone();
    swapped.kek = other;
    assert!(matches!(ring.unwrap(&swapped).await, Err(ProviderError::Corrupt)), "file of another KEK");
    fs::write(ring.kek_file(&kek), &file).unwrap();
    assert!(ring.unwrap(&record).await.is_ok());
}

#[test]
fn a_wrong_passphrase_is_told_apart_from_damage() {
    let home = TempDir::new().unwrap();
    let dir = home.path().join("keyring");
    let open = |unlock: &Unlock| LocalKeyring::open_with_cost(&dir, unlock, CHEAP);
    assert!(matches!(open(&phrase("")), Err(KeyringError::EmptyPassphrase)));
    open(&phrase("correct horse")).unwrap();
    assert!(open(&phrase("correct horse")).is_ok());
    assert!(matches!(open(&phrase("correct house")), Err(KeyringError::WrongKey)));
    assert!(matches!(open(&key_file(&home)), Err(KeyringError::OtherUnlock { .. })));
    assert!(!home.path().join("root.key").exists(), "the refused opening made no key file");

    let root = dir.join("root");
    let good = fs::read(&root).unwrap();
    for (at, byte) in [(0, b'X'), (7, 2), (11, 3), (12, 0xff)] {
        let mut damaged = good.clone();
        damaged[at] = byte;
        fs::write(&root, damaged).unwrap();
        assert!(matches!(open(&phrase("correct horse")), Err(KeyringError::BadRootFile)), "{at}");
    }
    fs::write(&root, &good[..good.len() - 1]).unwrap();
    assert!(matches!(open(&phrase("correct horse")), Err(KeyringError::BadRootFile)));
}

#[test]
fn the_standard_cost_is_written_down_and_works() {
    let home = TempDir::new().unwrap();
    let dir = home.path().join("keyring");
    LocalKeyring::open(&dir, &phrase("correct horse")).unwrap();
    let root = fs::read(dir.join("root")).unwrap();
    assert_eq!(root[8..24], [0, 0, 0, 2, 0, 1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 4]);
}

#[test]
fn key_files_are_checked() {
    let ring = Ring::new();
    let path = ring.home.path().join("root.key");
    let good = fs::read(&path).unwrap();
    fs::write(&path, "ab".repeat(32)).unwrap();
    assert!(matches!(ring.again(), Err(KeyringError::WrongKey)));
    for bad in ["", "abc", &"zz".repeat(32), &"ab".repeat(33)] {
        fs::write(&path, bad).unwrap();
        assert!(matches!(ring.again(), Err(KeyringError::BadKeyFile(_))), "{bad}");
    }
    fs::remove_file(&path).unwrap();
    assert!(matches!(ring.again(), Err(KeyringError::KeyFileMissing(_))));
    assert!(!path.exists(), "a lost key file is not made again");
    fs::write(&path, good).unwrap();
    set_mode(&path, 0o600);
    assert!(ring.again().is_ok());
}

#[tokio::test]
async fn a_lost_root_file_is_not_made_again() {
    let ring = Ring::new();
    ring.kek().await;
    fs::remove_file(ring.dir().join("root")).unwrap();
    assert!(matches!(ring.again(), Err(KeyringError::RootFileMissing)));
}

#[test]
fn racing_first_openings_agree() {
    let home = TempDir::new().unwrap();
    let dir = home.path().join("keyring");
    let rings: Vec<_> = std::thread::scope(|threads| {
        let all: Vec<_> =
            (0..8).map(|_| threads.spawn(|| LocalKeyring::open(&dir, &key_file(&home)).unwrap())).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let kek = KekName::random(&SystemRandom::new()).unwrap();
    let keys: Vec<_> = rings.iter().map(|r| *r.root.for_kek(&kek, &[0; 32]).expose()).collect();
    assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn debug_shows_no_secret() {
    let ring = Ring::new();
    let key = fs::read_to_string(ring.home.path().join("root.key")).unwrap();
    let shown = format!("{:?} {:?}", ring.ring, phrase("correct horse"));
    assert!(!shown.contains(key.trim()) && !shown.contains("horse"), "{shown}");
}

#[tokio::test]
async fn golden_keyrings_open() {
    let vectors = golden::vectors("keyring-v1.txt");
    assert_eq!(vectors.len(), 2);
    for vector in vectors {
        let home = TempDir::new().unwrap();
        let dir = home.path().join("keyring");
        fs::create_dir(&dir).unwrap();
        set_mode(&dir, 0o700);
        let private = |path: &Path, bytes: &[u8]| {
            fs::write(path, bytes).unwrap();
            set_mode(path, 0o600);
        };
        let kek = KekName::new(vector.text("kek")).unwrap();
        private(&dir.join("root"), &vector.bytes("root"));
        private(&dir.join(format!("{kek}.kek")), &vector.bytes("kek-file"));
        let unlock = match vector.find("key-file") {
            Some(digits) => {
                private(&home.path().join("root.key"), digits.as_bytes());
                key_file(&home)
            }
            None => phrase(vector.text("passphrase")),
        };

        let ring = LocalKeyring::open(&dir, &unlock).unwrap();
        let mut dek = record(&kek);
        dek.scope.collection = Some(CollectionName::new(vector.text("collection")).unwrap());
        dek.epoch = Epoch::new(vector.text("epoch").parse().unwrap()).unwrap();
        dek.wrapped = vector.bytes("wrapped");
        let answers = ring.unwrap(&[dek]).await.unwrap();
        assert_eq!(answers[0].as_ref().unwrap().expose(), &vector.array("dek"));
    }
}
