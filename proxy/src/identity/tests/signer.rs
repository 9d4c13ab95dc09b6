//! Keys of every kind, and tokens signed with them.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
        RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
        RsaEncoding, RsaKeyPair,
    },
};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::{Value, json};

/// A key made for these tests and used nowhere else; ring cannot make RSA keys.
const RSA_KEY: &[u8] = include_bytes!("test-only-rsa.pem");
pub(super) const RSA_PUBLIC_PEM: &str = include_str!("test-only-rsa.pub.pem");

pub(super) enum Signer {
    Ed(Ed25519KeyPair),
    Ec(EcdsaKeyPair, &'static str),
    Rsa(Box<RsaKeyPair>),
}

impl Signer {
    pub(super) fn ed() -> Self {
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed(Ed25519KeyPair::from_pkcs8(der.as_ref()).unwrap())
    }

    pub(super) fn p256() -> Self {
        let (rng, alg) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let der = EcdsaKeyPair::generate_pkcs8(alg, &rng).unwrap();
        Self::Ec(EcdsaKeyPair::from_pkcs8(alg, der.as_ref(), &rng).unwrap(), "P-256")
    }

    pub(super) fn p384() -> Self {
        let (rng, alg) = (SystemRandom::new(), &ECDSA_P384_SHA384_FIXED_SIGNING);
        let der = EcdsaKeyPair::generate_pkcs8(alg, &rng).unwrap();
        Self::Ec(EcdsaKeyPair::from_pkcs8(alg, der.as_ref(), &rng).unwrap(), "P-384")
    }

    pub(super) fn rsa() -> Self {
        let der = PrivatePkcs8KeyDer::from_pem_slice(RSA_KEY).unwrap();
        Self::Rsa(Box::new(RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap()))
    }

    /// The public key as a JWK with this id.
    pub(super) fn jwk(&self, id: &str) -> Value {
        let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Ed(key) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": b64(key.public_key().as_ref()) })
            }
            Self::Ec(key, curve) => {
                let point = &key.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({ "kty": "EC", "crv": curve, "kid": id, "x": b64(x), "y": b64(y) })
            }
            Self::Rsa(key) => {
                let parts: ring::rsa::PublicKeyComponents<Vec<u8>> = key.public().into();
                json!({ "kty": "RSA", "kid": id, "n": b64(&parts.n), "e": b64(&parts.e) })
            }
        }
    }

    /// The public key in PEM (SubjectPublicKeyInfo); not for RSA.
    pub(super) fn public_pem(&self) -> String {
        let (prefix, key): (&[u8], &[u8]) = match self {
            Self::Ed(key) => (b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", key.public_key().as_ref()),
            Self::Ec(key, "P-256") => (
                b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00",
                key.public_key().as_ref(),
            ),
            Self::Ec(key, _) => (
                b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00",
                key.public_key().as_ref(),
            ),
            Self::Rsa(_) => panic!("use RSA_PUBLIC_PEM"),
        };
        let body = STANDARD.encode([prefix, key].concat());
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    }

    /// A token with this `alg` and key id.
    pub(super) fn token(&self, algorithm: &str, id: &str, claims: &Value) -> String {
        self.token_of(&json!({ "alg": algorithm, "typ": "JWT", "kid": id }).to_string(), &claims.to_string())
    }

    /// A token of any header and claims, signed as the header's `alg` says if it says so, else
    /// as is usual for the key.
    pub(super) fn token_of(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let algorithm = serde_json::from_str::<Value>(header).unwrap()["alg"].as_str().unwrap_or("").to_owned();
        let signature = self.sign(&algorithm, message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let rng = SystemRandom::new();
        match self {
            Self::Ed(key) => key.sign(message).as_ref().to_vec(),
            Self::Ec(key, _) => key.sign(&rng, message).unwrap().as_ref().to_vec(),
            Self::Rsa(key) => {
                let encoding: &'static dyn RsaEncoding = match algorithm {
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    "PS512" => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(encoding, &rng, message, &mut signature).unwrap();
                signature
            }
        }
    }
}
