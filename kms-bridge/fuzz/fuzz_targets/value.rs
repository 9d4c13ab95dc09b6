//! Any bytes are a sealed value or refused with a named error, and no changed value opens: the input is read as it
//! is, and as a list of changes to a value that was sealed here.
#![no_main]

use std::sync::{Arc, LazyLock};

use kms_bridge::{
    CacheConfig, Dek, DekScope, Header, KekPer, KeyBridge, LocalKeyring, MemoryRegistry, OpenError, ProviderName,
    Providers, Purpose, SealContext, Unlock, VaultRef, open, seal,
};
use libfuzzer_sys::fuzz_target;
use vocab::{TenantId, UpstreamName};

struct World {
    tenant: TenantId,
    upstream: UpstreamName,
    dek: Arc<Dek>,
    sealed: Vec<u8>,
}

impl World {
    fn context(&self) -> SealContext<'_> {
        SealContext {
            tenant: &self.tenant,
            upstream: &self.upstream,
            collection: None,
            record: "1",
            field: "f",
            purpose: Purpose::Payload,
        }
    }
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let home = std::env::temp_dir().join(format!("kms-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&home).unwrap();
    let keyring = LocalKeyring::open(&home.join("keyring"), &Unlock::KeyFile(home.join("root.key"))).unwrap();
    let providers = Providers::single(ProviderName::local(), Arc::new(keyring));
    let registry = Arc::new(MemoryRegistry::new());
    let bridge = KeyBridge::new(providers, registry, KekPer::Tenant, CacheConfig::default());
    let tenant = TenantId::new("acme").unwrap();
    let scope = DekScope { tenant: tenant.clone(), purpose: Purpose::Payload, collection: None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let dek = runtime.block_on(bridge.sealing(&scope)).unwrap();
    let mut world = World { tenant, upstream: UpstreamName::new("db").unwrap(), dek, sealed: Vec::new() };
    let sealed = seal(&world.dek, &world.context(), b"some content", &ring::rand::SystemRandom::new()).unwrap();
    world.sealed = sealed.into_bytes();
    world
});

fuzz_target!(|bytes: &[u8]| {
    let world = &*WORLD;
    let _ = Header::parse(bytes);
    assert!(open(&world.dek, &world.context(), bytes).is_err());
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = text.parse::<VaultRef>();
    }
    let mut changed = world.sealed.clone();
    for change in bytes.chunks_exact(2) {
        let at = usize::from(change[0]) % changed.len();
        changed[at] ^= change[1];
    }
    let cut = bytes.len() % 3;
    changed.truncate(changed.len() - cut);
    let opened = open(&world.dek, &world.context(), &changed);
    if changed == world.sealed {
        assert_eq!(opened.unwrap().expose(), b"some content");
    } else {
        assert!(!matches!(opened, Err(OpenError::OtherScope)), "the scope is not the value's");
        assert!(opened.is_err());
    }
});
