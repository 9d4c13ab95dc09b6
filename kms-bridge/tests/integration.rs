//! The crate as its users see it: keys on disk, values that come back, and what does not compile.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

mod aws;
mod contract;
mod parts;
#[cfg(feature = "pkcs11")]
mod pkcs11;
mod support;
mod vault;

use std::sync::Arc;

use kms_bridge::{
    CacheConfig, DekScope, Header, KekPer, KeyBridge, KeyError, LocalKeyring, MemoryRegistry, OpenError, ProviderName,
    Providers, Purpose, SealContext, Unlock, open, seal,
};
use ring::rand::SystemRandom;
use tempfile::TempDir;
use vocab::{CollectionName, TenantId, UpstreamName};

struct Place {
    scope: DekScope,
    upstream: UpstreamName,
}

impl Place {
    fn of(tenant: &str) -> Self {
        Self {
            scope: DekScope {
                tenant: TenantId::new(tenant).unwrap(),
                purpose: Purpose::Payload,
                collection: Some(CollectionName::new("docs").unwrap()),
            },
            upstream: UpstreamName::new("contracts-db").unwrap(),
        }
    }

    fn context(&self) -> SealContext<'_> {
        SealContext {
            tenant: &self.scope.tenant,
            upstream: &self.upstream,
            collection: self.scope.collection.as_ref(),
            record: "42",
            field: "payload",
            purpose: self.scope.purpose,
        }
    }
}

fn bridge(home: &TempDir, registry: &Arc<MemoryRegistry>) -> KeyBridge {
    let unlock = Unlock::KeyFile(home.path().join("root.key"));
    let keyring = LocalKeyring::open(&home.path().join("keyring"), &unlock).unwrap();
    let providers = Providers::single(ProviderName::local(), Arc::new(keyring));
    KeyBridge::new(providers, Arc::clone(registry) as _, KekPer::Tenant, CacheConfig::default())
}

#[tokio::test]
async fn a_value_lives_through_a_restart_and_stays_in_its_tenant() {
    let (home, registry) = (TempDir::new().unwrap(), Arc::new(MemoryRegistry::new()));
    let (acme, rival) = (Place::of("acme"), Place::of("rival"));
    let first = bridge(&home, &registry);
    let dek = first.sealing(&acme.scope).await.unwrap();
    let sealed = seal(&dek, &acme.context(), b"rent: 1200", &SystemRandom::new()).unwrap();
    let stored = sealed.into_bytes();
    drop((dek, first));

    let second = bridge(&home, &registry);
    let header = Header::parse(&stored).unwrap();
    let dek = second.opening(&acme.scope, &header).await.unwrap();
    assert_eq!(open(&dek, &acme.context(), &stored).unwrap().expose(), b"rent: 1200");

    let refused = second.opening(&rival.scope, &header).await.unwrap_err();
    assert!(matches!(refused, KeyError::OtherScope));
    let theirs = second.sealing(&rival.scope).await.unwrap();
    let refused = open(&theirs, &rival.context(), &stored).unwrap_err();
    assert_eq!(refused, OpenError::OtherKey);
}

#[tokio::test]
async fn deleting_the_file_of_a_kek_destroys_what_it_wrapped() {
    let (home, registry) = (TempDir::new().unwrap(), Arc::new(MemoryRegistry::new()));
    let acme = Place::of("acme");
    bridge(&home, &registry).sealing(&acme.scope).await.unwrap();
    let kek = registry.wrapped_deks().remove(0).kek;
    std::fs::remove_file(home.path().join(format!("keyring/{kek}.kek"))).unwrap();

    let after = bridge(&home, &registry);
    assert!(matches!(after.sealing(&acme.scope).await, Err(KeyError::KekLost)));
    assert!(after.sealing(&Place::of("rival").scope).await.is_ok());
}

#[tokio::test]
async fn the_local_keyring_keeps_the_contract() {
    let home = TempDir::new().unwrap();
    let unlock = Unlock::KeyFile(home.path().join("root.key"));
    let keyring = LocalKeyring::open(&home.path().join("keyring"), &unlock).unwrap();
    contract::holds(&keyring).await;
}

#[test]
fn proofs_cannot_be_forged() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/forge/*.rs");
}
