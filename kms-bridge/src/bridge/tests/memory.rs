//! What an eviction leaves in the memory of the process.

use std::{fs, os::unix::fs::FileExt as _};

use super::*;
use crate::keyring::{LocalKeyring, Unlock};

/// Remembers the data keys that pass, hidden, so that it does not itself leave what the test looks for.
struct Tap {
    inner: LocalKeyring,
    seen: Mutex<Vec<[u8; 32]>>,
}

/// What hides bytes in memory; a scan compares against the hidden form.
const MASK: u8 = 0x5a;

fn hidden(bytes: &[u8; 32]) -> [u8; 32] {
    std::array::from_fn(|n| bytes[n] ^ MASK)
}

#[async_trait]
impl KekProvider for Tap {
    async fn create_kek(&self, kek: &KekName) -> Result<(), ProviderError> {
        self.inner.create_kek(kek).await
    }

    async fn wrap(&self, kek: &KekName, dek: &DekBytes, context: &WrapContext) -> Result<Vec<u8>, ProviderError> {
        self.seen.lock().unwrap().push(hidden(dek.expose()));
        self.inner.wrap(kek, dek, context).await
    }

    async fn unwrap(&self, deks: &[WrappedDek]) -> Result<Vec<Result<DekBytes, ProviderError>>, ProviderError> {
        self.inner.unwrap(deks).await
    }

    async fn destroy(&self, kek: &KekName) -> Result<Destruction, ProviderError> {
        self.inner.destroy(kek).await
    }

    async fn examine(&self) -> Vec<Finding> {
        Vec::new()
    }
}

/// Where each hidden key is in the writable memory of this process, whole.
fn find(keys: &[[u8; 32]]) -> Vec<Vec<String>> {
    const WINDOW: usize = 1 << 20;
    let memory = fs::File::open("/proc/self/mem").unwrap();
    // Read with 31 bytes of overlap. The buffer holds copies of what it reads, and is left out itself.
    let mut buffer = vec![0_u8; WINDOW + 31];
    let own = buffer.as_ptr().addr()..buffer.as_ptr().addr() + buffer.len();
    let mut places = vec![Vec::new(); keys.len()];
    for line in fs::read_to_string("/proc/self/maps").unwrap().lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        if !rest.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let (mut at, end) = (usize::from_str_radix(start, 16).unwrap(), usize::from_str_radix(end, 16).unwrap());
        while at < end {
            let length = buffer.len().min(end - at);
            if memory.read_exact_at(&mut buffer[..length], at as u64).is_err() {
                break; // A guard page.
            }
            for offset in 0..length.saturating_sub(31) {
                if own.contains(&(at + offset)) {
                    continue;
                }
                for (key, places) in keys.iter().zip(&mut places) {
                    let window = &buffer[offset..offset + 32];
                    if window[0] ^ MASK == key[0]
                        && window.iter().zip(key).all(|(byte, hidden)| *byte ^ MASK == *hidden)
                    {
                        places.push(format!("{:x} in {line}", at + offset));
                    }
                }
            }
            at += WINDOW;
        }
    }
    places
}

#[tokio::test]
async fn nothing_of_a_key_is_in_memory_after_its_eviction() {
    let home = tempfile::TempDir::new().unwrap();
    let unlock = Unlock::KeyFile(home.path().join("root.key"));
    let inner = LocalKeyring::open(&home.path().join("keyring"), &unlock).unwrap();
    let tap = Arc::new(Tap { inner, seen: Mutex::default() });
    let registry = Arc::new(MemoryRegistry::new());
    let bridge = || {
        let providers = Providers::single(ProviderName::local(), Arc::clone(&tap) as _);
        KeyBridge::new(providers, Arc::clone(&registry) as _, KekPer::Tenant, CacheConfig::default())
    };
    let docs = scope("acme", "docs");
    let (first, second) = (bridge(), bridge());
    let dek = first.sealing(&docs).await.unwrap();
    let sealed = sealed_with(&dek);
    let again = second.opening(&docs, &Header::parse(&sealed).unwrap()).await.unwrap();
    assert!(dek.is_locked() && again.is_locked(), "this machine locks memory");

    let mut keys = tap.seen.lock().unwrap().clone();
    assert_eq!(keys.len(), 1);
    let (sealing, deriving) = dek.hidden_keys(MASK);
    keys.extend([sealing, deriving]);
    let before = find(&keys);
    assert!(before[1].len() >= 2 && before[2].len() >= 2, "the scan finds the keys of both caches: {before:?}");

    drop((dek, again));
    first.evict(&tenant("acme"));
    second.evict(&tenant("acme"));
    assert_eq!(find(&keys), vec![Vec::<String>::new(); 3]);
}
