//! The public keys of an issuer: parsed from a JWK set (RFC 7517) or a PEM file, chosen by key id
//! and algorithm.

use super::config::Algorithm;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

/// Keys beyond this number in one set are a sign of the wrong document.
const MOST_KEYS: usize = 256;

/// Why a document gives no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Not a JSON object with a list `keys`.
    #[error("it is not a JSON Web Key set")]
    NotASet,
    /// More keys than any issuer has.
    #[error("it has more than 256 keys")]
    TooMany,
    /// No key that can verify one of the issuer's algorithms.
    #[error("it has no key for any of the issuer's algorithms")]
    NoneFits,
    /// Not one public key in PEM.
    #[error("it is not one PEM public key (RSA, P-256, P-384 or Ed25519)")]
    NotAPublicKey,
    /// A private key, where a public one belongs.
    #[error("it holds a private key: only the public key belongs here")]
    PrivateKey,
}

/// The keys of one issuer, all at once.
#[derive(Debug)]
pub(super) struct KeySet {
    keys: Vec<VerifyingKey>,
}

#[derive(Debug)]
struct VerifyingKey {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// What choosing a key came to.
pub(super) enum Choice<'a> {
    /// The one key that fits.
    Key(&'a DecodingKey),
    /// No key fits; one of a newer set may.
    Unknown,
    /// Several fit, and the token does not say which.
    NoSingleKey,
}

impl KeySet {
    /// Parses a JWK set. Keys that are not for verifying, or of a kind that is not supported, are left
    /// out; a set of none is a set (its issuer has withdrawn them all).
    pub(super) fn from_jwks(document: &[u8]) -> Result<Self, KeySetError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(document).map_err(|_| KeySetError::NotASet)?;
        if set.keys.len() > MOST_KEYS {
            return Err(KeySetError::TooMany);
        }
        Ok(Self { keys: set.keys.into_iter().filter_map(verifying_key).collect() })
    }

    /// Parses a file with one PEM public key, which has no id.
    pub(super) fn from_pem(document: &[u8]) -> Result<Self, KeySetError> {
        let text = core::str::from_utf8(document).map_err(|_| KeySetError::NotAPublicKey)?;
        if text.contains("PRIVATE KEY-----") {
            return Err(KeySetError::PrivateKey);
        }
        let markers: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("-----BEGIN ")).collect();
        if !matches!(markers.as_slice(), ["PUBLIC KEY-----" | "RSA PUBLIC KEY-----"]) {
            return Err(KeySetError::NotAPublicKey);
        }
        let (key, algorithms) = pem_key(document).ok_or(KeySetError::NotAPublicKey)?;
        Ok(Self { keys: vec![VerifyingKey { id: None, algorithms, key }] })
    }

    /// Whether some key verifies one of these algorithms.
    pub(super) fn fits(&self, algorithms: &[Algorithm]) -> bool {
        self.keys.iter().any(|key| key.algorithms.iter().any(|a| algorithms.contains(a)))
    }

    /// The key for a token with this `kid` and `alg`. A key without an id serves any `kid`, but only
    /// when it is the only key that fits: the algorithm alone never chooses among several.
    pub(super) fn choose(&self, id: Option<&str>, algorithm: Algorithm) -> Choice<'_> {
        let fitting = || self.keys.iter().filter(|key| key.algorithms.contains(&algorithm));
        let named: Vec<_> = match id {
            Some(id) => fitting().filter(|key| key.id.as_deref() == Some(id)).collect(),
            None => Vec::new(),
        };
        if let [only] = named.as_slice() {
            return Choice::Key(&only.key);
        }
        if !named.is_empty() {
            return Choice::NoSingleKey;
        }
        let mut all = fitting();
        match (all.next(), all.next(), id) {
            (Some(only), None, None) => Choice::Key(&only.key),
            (Some(only), None, Some(_)) if only.id.is_none() => Choice::Key(&only.key),
            (_, _, Some(_)) | (None, _, None) => Choice::Unknown,
            (Some(_), _, None) => Choice::NoSingleKey,
        }
    }
}

fn verifying_key(value: Value) -> Option<VerifyingKey> {
    // A published private key is no longer anyone's own.
    if value.get("d").is_some() {
        tracing::warn!("a key set holds a private key; the key is not used");
        return None;
    }
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let common = &jwk.common;
    if common.public_key_use.as_ref().is_some_and(|of| *of != PublicKeyUse::Signature) {
        return None;
    }
    if common.key_operations.as_ref().is_some_and(|of| !of.contains(&KeyOperations::Verify)) {
        return None;
    }
    let mut algorithms = match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) if modulus_fits(&rsa.n) => Algorithm::RSA.to_vec(),
        AlgorithmParameters::EllipticCurve(ec) => match ec.curve {
            EllipticCurve::P256 => vec![Algorithm::Es256],
            EllipticCurve::P384 => vec![Algorithm::Es384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            vec![Algorithm::EdDsa]
        }
        _ => return None,
    };
    if let Some(only) = common.key_algorithm {
        algorithms.retain(|a| KeyAlgorithm::from(a.jsonwebtoken()) == only);
    }
    if algorithms.is_empty() {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some(VerifyingKey { id: jwk.common.key_id, algorithms, key })
}

/// 2048 to 8192 bits, the sizes that are verified.
fn modulus_fits(modulus: &str) -> bool {
    URL_SAFE_NO_PAD.decode(modulus).is_ok_and(|n| {
        let bytes = n.iter().skip_while(|&&b| b == 0).count();
        (256..=1024).contains(&bytes)
    })
}

fn pem_key(document: &[u8]) -> Option<(DecodingKey, Vec<Algorithm>)> {
    if let Ok(key) = DecodingKey::from_ed_pem(document) {
        return Some((key, vec![Algorithm::EdDsa]));
    }
    if let Ok(key) = DecodingKey::from_ec_pem(document) {
        // Uncompressed points: 1 + 2 * 32 bytes, 1 + 2 * 48 bytes.
        let algorithm = match key.try_get_as_bytes().ok()?.len() {
            65 => Algorithm::Es256,
            97 => Algorithm::Es384,
            _ => return None,
        };
        return Some((key, vec![algorithm]));
    }
    DecodingKey::from_rsa_pem(document).ok().map(|key| (key, Algorithm::RSA.to_vec()))
}
