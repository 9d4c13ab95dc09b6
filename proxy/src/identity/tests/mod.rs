//! Attacks on authentication, each with keys that are made here.

mod config;
mod local;
mod remote;
mod signer;
mod times;
mod tokens;
mod virtual_keys;

use super::*;
use crate::config::ConfigDefect;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use signer::Signer;
use tempfile::TempDir;

const NOW: u64 = 1_800_000_000;

fn now() -> UnixSeconds {
    UnixSeconds::new(NOW)
}

fn bearer(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    headers
}

/// Claims that are accepted by [`Bench`].
fn claims() -> Value {
    json!({
        "iss": "https://id.example", "aud": "aios", "sub": "alice@acme.example", "tenant": "acme",
        "groups": ["legal", "readers"], "exp": NOW + 600, "nbf": NOW - 600,
    })
}

/// The claims with some replaced; `null` takes one away.
fn claims_with(changes: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

fn issuer(toml: &str) -> IssuerConfig {
    let mut defects: Vec<ConfigDefect> = Vec::new();
    let parsed = IssuerConfig::parse(toml::from_str(toml).unwrap(), "issuer[0]", &mut defects);
    assert!(defects.is_empty(), "{defects:?}");
    parsed.unwrap()
}

/// An authenticator for one issuer with a set of fixed keys.
struct Bench {
    authenticator: Authenticator,
    _dir: TempDir,
}

impl Bench {
    fn new(algorithms: &[&str], jwks: &[Value]) -> Self {
        Self::pinned(algorithms, jwks, TenantPin::Any)
    }

    fn pinned(algorithms: &[&str], jwks: &[Value], pin: TenantPin) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jwks.json");
        std::fs::write(&path, json!({ "keys": jwks }).to_string()).unwrap();
        let config = issuer(&format!(
            "issuer = \"https://id.example\"\naudience = \"aios\"\nalgorithms = {algorithms:?}\njwks_file = {path:?}"
        ));
        let authenticator = Authenticator::new(vec![config], None, pin, Settings::default()).unwrap();
        Self { authenticator, _dir: dir }
    }

    async fn check(&self, token: &str) -> Result<Caller, AuthError> {
        self.authenticator.authenticate(&bearer(token), now()).await
    }

    /// The error of a token, which must not show any part of it.
    async fn refuse(&self, token: &str) -> AuthError {
        let error = match self.check(token).await {
            Ok(caller) => panic!("accepted as {caller:?}"),
            Err(error) => error,
        };
        let shown = format!("{error} {error:?} {:?}", crate::failure::Failure::from(&error));
        for part in token.split('.').filter(|part| part.len() > 8) {
            assert!(!shown.contains(part), "{shown}");
        }
        error
    }
}
