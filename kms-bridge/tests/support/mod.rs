//! What the tests share.

pub(crate) mod bao;
pub(crate) mod clock;
pub(crate) mod contract;
pub(crate) mod stand_in;

use kms_bridge::{DekBytes, DekScope, Epoch, KekName, KeyId, ProviderName, Purpose, WrapContext, WrappedDek};
use ring::rand::{SecureRandom as _, SystemRandom};
use vocab::{CollectionName, TenantId};

/// A name that no KEK has had.
pub(crate) fn fresh_kek() -> KekName {
    KekName::random(&SystemRandom::new()).unwrap()
}

/// A random data key.
pub(crate) fn fresh_dek() -> [u8; 32] {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).unwrap();
    bytes
}

pub(crate) fn dek_bytes(bytes: &[u8; 32]) -> DekBytes {
    DekBytes::copied(bytes).unwrap()
}

/// A scope of a tenant.
pub(crate) fn scope(tenant: &str) -> DekScope {
    DekScope {
        tenant: TenantId::new(tenant).unwrap(),
        purpose: Purpose::Payload,
        collection: Some(CollectionName::new("docs").unwrap()),
    }
}

pub(crate) fn context(tenant: &str) -> WrapContext {
    WrapContext::new(&scope(tenant), Epoch::FIRST)
}

/// What a registry would hold.
pub(crate) fn registered(kek: &KekName, tenant: &str, wrapped: Vec<u8>) -> WrappedDek {
    let key_id = KeyId::random(&SystemRandom::new()).unwrap();
    WrappedDek {
        key_id,
        scope: scope(tenant),
        epoch: Epoch::FIRST,
        kek: kek.clone(),
        provider: ProviderName::local(),
        wrapped,
    }
}
