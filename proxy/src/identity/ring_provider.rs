//! Signature verification for `jsonwebtoken` by `ring`, so that the product has one cryptographic
//! library on the data path and no RSA code of its own.

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind,
    crypto::{CryptoProvider, JwtVerifier, KeyUtils},
    errors::{ErrorKind, Result, new_error},
    signature::{Error, Verifier},
};
use ring::signature::{self as sig, RsaPublicKeyComponents, UnparsedPublicKey};

/// HMAC is absent on purpose: a public key must never be taken for a shared secret. Signing is
/// absent too: the local issuer signs by itself.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(new_error(ErrorKind::UnsupportedAlgorithm)),
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes `ring` the provider of this process. Later calls change nothing.
pub(super) fn install() {
    // Refused only when a provider is there already.
    let _ = PROVIDER.install_default();
}

struct RingVerifier {
    algorithm: Algorithm,
    key: DecodingKey,
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    if algorithm.family() == AlgorithmFamily::Hmac {
        return Err(new_error(ErrorKind::UnsupportedAlgorithm));
    }
    if algorithm.family() != key.family() {
        return Err(new_error(ErrorKind::InvalidKeyFormat));
    }
    Ok(Box::new(RingVerifier { algorithm: *algorithm, key: key.clone() }))
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> core::result::Result<(), Error> {
        let parameters: &'static dyn sig::VerificationAlgorithm = match self.algorithm {
            Algorithm::ES256 => &sig::ECDSA_P256_SHA256_FIXED,
            Algorithm::ES384 => &sig::ECDSA_P384_SHA384_FIXED,
            Algorithm::EdDSA => &sig::ED25519,
            rsa => return self.verify_rsa(rsa, message, signature),
        };
        let DecodingKeyKind::SecretOrDer(point) = self.key.kind() else {
            return Err(Error::new());
        };
        UnparsedPublicKey::new(parameters, point).verify(message, signature).map_err(|_| Error::new())
    }
}

impl RingVerifier {
    fn verify_rsa(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> core::result::Result<(), Error> {
        let parameters = match algorithm {
            Algorithm::RS256 => &sig::RSA_PKCS1_2048_8192_SHA256,
            Algorithm::RS384 => &sig::RSA_PKCS1_2048_8192_SHA384,
            Algorithm::RS512 => &sig::RSA_PKCS1_2048_8192_SHA512,
            Algorithm::PS256 => &sig::RSA_PSS_2048_8192_SHA256,
            Algorithm::PS384 => &sig::RSA_PSS_2048_8192_SHA384,
            Algorithm::PS512 => &sig::RSA_PSS_2048_8192_SHA512,
            _ => return Err(Error::new()),
        };
        match self.key.kind() {
            DecodingKeyKind::SecretOrDer(der) => UnparsedPublicKey::new(parameters, der).verify(message, signature),
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
        }
        .map_err(|_| Error::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_verifies_algorithms_of_its_own_kind_only() {
        let ed = DecodingKey::from_ed_der(&[1; 32]);
        let secret = DecodingKey::from_secret(b"secret");
        assert!(verifier(&Algorithm::EdDSA, &ed).is_ok());
        for (algorithm, key) in [
            (Algorithm::ES256, &ed),
            (Algorithm::RS256, &ed),
            (Algorithm::HS256, &ed),
            (Algorithm::HS256, &secret),
            (Algorithm::EdDSA, &secret),
        ] {
            assert!(verifier(&algorithm, key).is_err(), "{algorithm:?}");
        }
    }
}
