//! TLS towards a server: rustls with ring, our own roots.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::config::{BadVaultConfig, ClientIdentity, Trust};

/// The TLS settings of a client. The provider of cryptography is given here and not process-wide.
pub(super) fn client_config(trust: &Trust, identity: Option<&ClientIdentity>) -> Result<ClientConfig, BadVaultConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| BadVaultConfig::Ca)?
        .with_root_certificates(roots(trust)?);
    let Some(identity) = identity else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(&identity.chain).ok_or(BadVaultConfig::ClientIdentity)?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.expose()).map_err(|_| BadVaultConfig::ClientIdentity)?;
    builder.with_client_auth_cert(chain, key).map_err(|_| BadVaultConfig::ClientIdentity)
}

fn roots(trust: &Trust) -> Result<RootCertStore, BadVaultConfig> {
    match trust {
        Trust::Public => Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }),
        Trust::Private(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(pem).ok_or(BadVaultConfig::Ca)? {
                roots.add(certificate).map_err(|_| BadVaultConfig::Ca)?;
            }
            Ok(roots)
        }
    }
}

/// All certificates of a PEM text; `None` when one is broken or there is none.
fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    found.ok().filter(|found| !found.is_empty())
}
