//! The embedded issuer of `aios up` and `aios tokens mint`: for a laptop and for tests. A fleet uses
//! its own identity provider.

use super::{
    caller::UnixSeconds,
    config::{Algorithm, IssuerConfig, KeyLocation},
    file,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::json;
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use vocab::{GroupName, Plain, PrincipalId, TenantId};

/// The `iss` of tokens that the local issuer mints.
pub const LOCAL_ISSUER: &str = "aios-local";

/// Their `aud`.
pub const LOCAL_AUDIENCE: &str = "aios";

/// Signs tokens with an Ed25519 key in a file of mode 0600 (PKCS#8 in PEM).
pub struct LocalIssuer {
    key: Ed25519KeyPair,
}

/// Whom a token is for.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The tenant.
    pub tenant: TenantId,
    /// Who calls.
    pub principal: PrincipalId,
    /// The groups to vouch for.
    pub groups: Vec<GroupName>,
    /// How long the token is good for, in whole seconds; [`Grant::DEFAULT_LIFETIME`] is a day.
    pub lifetime: Duration,
}

impl Grant {
    /// 24 hours.
    pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(86_400);
}

/// Why there is no local issuer.
#[derive(Debug, thiserror::Error)]
pub enum LocalIssuerError {
    /// The operator's: the key file cannot be made or read.
    #[error("the issuer's key file {} cannot be made or read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The operator's: group or others may read the key. `chmod 600` mends the mode; the key may be
    /// known to others already.
    #[error("the issuer's key file {} has mode {mode:03o}, and must be readable by its owner only (600)", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The operator's: not an Ed25519 private key.
    #[error("the issuer's key file {} holds no Ed25519 private key in PKCS#8 PEM", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// The operating system gave no random bytes.
    #[error("no random bytes could be had")]
    NoRandomness,
}

impl LocalIssuer {
    /// Reads the key, or makes one when there is no file.
    ///
    /// # Errors
    /// [`LocalIssuerError`]. A key that is there is never replaced.
    pub fn open(path: &Path) -> Result<Self, LocalIssuerError> {
        let io_fault = |source| LocalIssuerError::Io { path: path.to_owned(), source };
        if !path.try_exists().map_err(io_fault)? {
            let key =
                Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| LocalIssuerError::NoRandomness)?;
            file::create_private(path, pem(key.as_ref()).expose().as_bytes()).map_err(io_fault)?;
        }
        if let Some(mode) = file::exposed(path).map_err(io_fault)? {
            return Err(LocalIssuerError::Exposed { path: path.to_owned(), mode });
        }
        let text = Plain::new(file::read(path).map_err(io_fault)?);
        let not_a_key = || LocalIssuerError::NotAKey { path: path.to_owned() };
        let der = PrivatePkcs8KeyDer::from_pem_slice(text.expose()).map_err(|_| not_a_key())?;
        // OpenSSL writes keys without the public half; ring computes it.
        let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der()).map_err(|_| not_a_key())?;
        Ok(Self { key })
    }

    /// Signs a token: `iss`, `aud`, `sub`, `tenant`, `groups`, `iat`, `exp`.
    #[must_use]
    pub fn mint(&self, grant: &Grant, now: UnixSeconds) -> Plain<String> {
        let groups: Vec<&str> = grant.groups.iter().map(GroupName::as_str).collect();
        let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": self.key_id() });
        let claims = json!({
            "iss": LOCAL_ISSUER, "aud": LOCAL_AUDIENCE,
            "sub": grant.principal.as_str(), "tenant": grant.tenant.as_str(), "groups": groups,
            "iat": now.get(), "exp": now.after(grant.lifetime.as_secs()).get(),
        });
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut token);
        let signature = self.key.sign(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut token);
        Plain::new(token)
    }

    /// The public key as a JWK set, for other sidecars.
    #[must_use]
    pub fn jwks(&self) -> String {
        json!({ "keys": [{
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
            "kid": self.key_id(), "x": URL_SAFE_NO_PAD.encode(self.key.public_key()),
        }] })
        .to_string()
    }

    /// What makes an [`Authenticator`](super::Authenticator) accept the tokens.
    #[must_use]
    pub fn config(&self) -> IssuerConfig {
        IssuerConfig {
            issuer: LOCAL_ISSUER.into(),
            audience: LOCAL_AUDIENCE.to_owned(),
            algorithms: vec![Algorithm::EdDsa],
            keys: KeyLocation::Inline(self.jwks()),
            tenant_claim: "tenant".to_owned(),
            groups_claim: "groups".to_owned(),
            policy_claims: Vec::new(),
            leeway_s: 30,
        }
    }

    /// The key's thumbprint (RFC 7638, members in the order of RFC 8037).
    fn key_id(&self) -> String {
        let x = URL_SAFE_NO_PAD.encode(self.key.public_key());
        let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()))
    }
}

impl core::fmt::Debug for LocalIssuer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "LocalIssuer({})", self.key_id())
    }
}

fn pem(der: &[u8]) -> Plain<String> {
    let body = Plain::new(STANDARD.encode(der));
    // Room for all of it: growing would leave copies behind.
    let mut text = String::with_capacity(body.expose().len().saturating_mul(2).saturating_add(128));
    text.push_str("-----BEGIN PRIVATE KEY-----\n");
    let mut rest = body.expose().as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(64).unwrap_or((rest, ""));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str("-----END PRIVATE KEY-----\n");
    Plain::new(text)
}
