//! Where a sealed value belongs.

use vocab::{CollectionName, TenantId, UpstreamName};

use crate::{dek::Dek, names::Purpose, value::header::HEADER_LEN};

/// The place of a value. A sealed value opens only in the place that it was sealed for: moved to
/// another tenant, upstream, collection, record, field or purpose it does not.
#[derive(Debug, Clone, Copy)]
pub struct SealContext<'a> {
    /// The tenant that owns the value.
    pub tenant: &'a TenantId,
    /// The upstream that holds it.
    pub upstream: &'a UpstreamName,
    /// The collection that holds it, by the app's name; `None` outside a vector store.
    pub collection: Option<&'a CollectionName>,
    /// The record's id in one canonical form: the same record must always give the same text.
    pub record: &'a str,
    /// The field of the record.
    pub field: &'a str,
    /// What the value is.
    pub purpose: Purpose,
}

impl SealContext<'_> {
    /// Whether the scope of the key covers this place. A key without a collection covers all.
    pub(crate) fn is_within(&self, dek: &Dek) -> bool {
        let scope = dek.scope();
        scope.tenant == *self.tenant
            && scope.purpose == self.purpose
            && scope.collection.as_ref().is_none_or(|c| Some(c) == self.collection)
    }

    /// The additional data of the cipher: the header, then the six parts, each as a big-endian `u32`
    /// length and its bytes. `None` when a part is longer than a `u32` can say.
    pub(crate) fn additional_data(&self, header: &[u8; HEADER_LEN]) -> Option<Vec<u8>> {
        let parts = [
            self.tenant.as_str(),
            self.upstream.as_str(),
            self.collection.map_or("", CollectionName::as_str),
            self.record,
            self.field,
            self.purpose.as_str(),
        ];
        let lengths: usize = parts.iter().map(|part| part.len().saturating_add(4)).sum();
        let mut bytes = Vec::with_capacity(HEADER_LEN.saturating_add(lengths));
        bytes.extend_from_slice(header);
        for part in parts {
            bytes.extend_from_slice(&u32::try_from(part.len()).ok()?.to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        Some(bytes)
    }
}
