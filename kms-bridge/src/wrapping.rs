//! The head that cloud and token providers put before what their service gives. Pure.
//!
//! One version byte, then the first half of the wrap context's SHA-256. The half digest tells a
//! mix-up from damage without asking the service; what refuses a foreign context is the service's
//! own authentication of it. Specified in `docs/formats-wrapped.md`.

use ring::digest;

use crate::{provider::ProviderError, scope::WrapContext};

/// Version of the head and of what follows it.
const VERSION: u8 = 1;
/// Bytes of the head.
pub(crate) const HEAD_LEN: usize = 17;

/// The head of a key that is wrapped in this context.
pub(crate) fn head(context: &WrapContext) -> [u8; HEAD_LEN] {
    let mut head = [0; HEAD_LEN];
    let digest = digest::digest(&digest::SHA256, context.as_bytes());
    for (to, from) in head.iter_mut().zip([VERSION].iter().chain(digest.as_ref())) {
        *to = *from;
    }
    head
}

/// What follows the head.
///
/// # Errors
/// [`ProviderError::Corrupt`] when the bytes are too few or of another version,
/// [`ProviderError::ContextMismatch`] when the head is that of another context.
pub(crate) fn body<'a>(wrapped: &'a [u8], context: &WrapContext) -> Result<&'a [u8], ProviderError> {
    let (found, body) = wrapped.split_first_chunk::<HEAD_LEN>().ok_or(ProviderError::Corrupt)?;
    if found.first() != Some(&VERSION) {
        return Err(ProviderError::Corrupt);
    }
    if *found != head(context) {
        return Err(ProviderError::ContextMismatch);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DekScope, Epoch, Purpose};
    use vocab::TenantId;

    fn context(tenant: &str) -> WrapContext {
        let scope = DekScope { tenant: TenantId::new(tenant).unwrap(), purpose: Purpose::Content, collection: None };
        WrapContext::new(&scope, Epoch::FIRST)
    }

    #[test]
    fn a_head_opens_in_its_own_context_only() {
        let wrapped = [head(&context("acme")).as_slice(), b"rest"].concat();
        assert_eq!(body(&wrapped, &context("acme")).unwrap(), b"rest");
        assert!(matches!(body(&wrapped, &context("rival")), Err(ProviderError::ContextMismatch)));
    }

    #[test]
    fn too_few_bytes_and_other_versions_are_damage() {
        let wrapped = head(&context("acme"));
        for len in 0..HEAD_LEN {
            assert!(matches!(body(&wrapped[..len], &context("acme")), Err(ProviderError::Corrupt)));
        }
        for version in (0..=u8::MAX).filter(|v| *v != VERSION) {
            let mut other = wrapped;
            other[0] = version;
            assert!(matches!(body(&other, &context("acme")), Err(ProviderError::Corrupt)));
        }
    }
}
