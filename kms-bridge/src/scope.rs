//! Which data key is meant, and its wrapped form.

use core::fmt;

use vocab::{CollectionName, TenantId};

use crate::names::{Epoch, KekName, KeyId, ProviderName, Purpose};

/// What a data key may be used for: one tenant, one purpose and, for what lives in a vector store,
/// one collection. Each scope has data keys of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DekScope {
    /// The tenant whose data the key protects.
    pub tenant: TenantId,
    /// What the key is for.
    pub purpose: Purpose,
    /// The collection, or `None` for a key of the whole tenant (pseudonyms, content).
    pub collection: Option<CollectionName>,
}

/// Whose KEK: a tenant's, or that of one collection which is to be shredded alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KekOwner {
    /// The tenant.
    pub tenant: TenantId,
    /// The collection, or `None` for the tenant's own KEK.
    pub collection: Option<CollectionName>,
}

impl KekOwner {
    /// The owner of a tenant's own KEK.
    #[must_use]
    pub const fn tenant(tenant: TenantId) -> Self {
        Self { tenant, collection: None }
    }

    /// Whether shredding this owner takes the other's keys: its own, and a tenant's those of all its
    /// collections.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.tenant == other.tenant && (self.collection.is_none() || self.collection == other.collection)
    }
}

impl fmt::Display for KekOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.collection {
            None => write!(f, "tenant {}", self.tenant.as_str()),
            Some(collection) => write!(f, "collection {} of tenant {}", collection.as_str(), self.tenant.as_str()),
        }
    }
}

/// A KEK by its name, and the key service that holds it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Kek {
    /// Its name there.
    pub name: KekName,
    /// The key service.
    pub provider: ProviderName,
}

/// The canonical bytes that bind a wrapped data key to its scope and epoch.
///
/// `"AIOS dek wrap v1"`, then tenant, purpose and collection (empty when there is none), each as a
/// big-endian `u32` length and its bytes, then the epoch as a big-endian `u32`. Two different
/// tuples never have equal bytes. A provider authenticates them: as additional data, as an
/// encryption context, or as the derivation context of the key service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrapContext(Vec<u8>);

impl WrapContext {
    /// The context of a scope and epoch.
    #[must_use]
    pub fn new(scope: &DekScope, epoch: Epoch) -> Self {
        let mut bytes = b"AIOS dek wrap v1".to_vec();
        let collection = scope.collection.as_ref().map_or("", CollectionName::as_str);
        for part in [scope.tenant.as_str(), scope.purpose.as_str(), collection] {
            // INVARIANT: ids are at most 256 bytes, so that their lengths fit.
            bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes.extend_from_slice(&epoch.get().to_be_bytes());
        Self(bytes)
    }

    /// The canonical bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A data key at rest: wrapped by a KEK, never in the clear. A registry stores it as it is.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedDek {
    /// The random id that sealed values name.
    pub key_id: KeyId,
    /// What the key is for.
    pub scope: DekScope,
    /// Its generation within the scope.
    pub epoch: Epoch,
    /// The KEK that wrapped it.
    pub kek: KekName,
    /// The key service that holds that KEK.
    pub provider: ProviderName,
    /// The wrapped key in the form of the provider, opaque to all others.
    pub wrapped: Vec<u8>,
}

impl WrappedDek {
    /// The context that the wrapping is bound to.
    #[must_use]
    pub fn context(&self) -> WrapContext {
        WrapContext::new(&self.scope, self.epoch)
    }
}

impl fmt::Debug for WrappedDek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrappedDek")
            .field("key_id", &self.key_id)
            .field("scope", &self.scope)
            .field("epoch", &self.epoch)
            .field("kek", &self.kek)
            .field("provider", &self.provider)
            .field("wrapped", &format_args!("{} bytes", self.wrapped.len()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scopes() -> impl Strategy<Value = (DekScope, Epoch)> {
        ("[a-z0-9]{1,6}", 0..5_usize, proptest::option::of("[a-z0-9]{1,6}"), 1..4_u32).prop_map(
            |(tenant, purpose, collection, epoch)| {
                let scope = DekScope {
                    tenant: TenantId::new(&tenant).unwrap(),
                    purpose: Purpose::ALL[purpose],
                    collection: collection.map(|c| CollectionName::new(&c).unwrap()),
                };
                (scope, Epoch::new(epoch).unwrap())
            },
        )
    }

    proptest! {
        #[test]
        fn contexts_are_equal_exactly_when_scope_and_epoch_are(a in scopes(), b in scopes()) {
            let (x, y) = (WrapContext::new(&a.0, a.1), WrapContext::new(&b.0, b.1));
            prop_assert_eq!(x == y, a == b);
        }
    }

    #[test]
    fn the_bytes_of_a_context_never_change() {
        let scope = DekScope {
            tenant: TenantId::new("acme").unwrap(),
            purpose: Purpose::Payload,
            collection: Some(CollectionName::new("docs").unwrap()),
        };
        let expected = b"AIOS dek wrap v1\0\0\0\x04acme\0\0\0\x07payload\0\0\0\x04docs\0\0\0\x01";
        assert_eq!(WrapContext::new(&scope, Epoch::FIRST).as_bytes(), expected);
    }
}
