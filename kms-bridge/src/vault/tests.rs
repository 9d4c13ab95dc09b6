//! What needs no server.

use std::{error::Error as _, time::Duration};

use proptest::prelude::*;
use vocab::Plain;

use super::{
    BadPart, BadVaultConfig, BadVaultRef, Credential, Mount, Namespace, RoleName, Timeouts, Trust, VaultAccess,
    VaultAddress, VaultAuth, VaultConfig, VaultFault, VaultRef, batch,
};
use crate::{
    bridge::Clock,
    provider::{KekVersion, ProviderError},
};

fn config(auth: VaultAuth) -> VaultConfig {
    VaultConfig {
        address: VaultAddress::new("https://vault.internal:8200").unwrap(),
        namespace: None,
        trust: Trust::Public,
        identity: None,
        timeouts: Timeouts::default(),
        auth,
    }
}

fn by_token() -> VaultAuth {
    VaultAuth::Token(Credential::Value(Plain::new("hvs.canary".to_owned())))
}

#[test]
fn addresses_are_https_or_loopback() {
    for good in ["https://vault.internal:8200", "http://127.0.0.1:8200/", "http://[::1]:8200", "http://localhost"] {
        assert!(VaultAddress::new(good).is_ok(), "{good}");
    }
    for (bad, why) in [
        ("vault.internal:8200", BadPart::NotAUrl),
        ("ftp://vault.internal", BadPart::Scheme),
        ("http://vault.internal:8200", BadPart::PlainHttp),
        ("http://127.0.0.1.example.org", BadPart::PlainHttp),
        ("https://user:secret@vault.internal", BadPart::TooMuch),
        ("https://vault.internal/v1", BadPart::TooMuch),
        ("https://vault.internal?x=1", BadPart::TooMuch),
    ] {
        assert_eq!(VaultAddress::new(bad), Err(why), "{bad}");
    }
}

#[test]
fn mounts_and_namespaces_cannot_lead_elsewhere() {
    assert_eq!(Mount::new("/team-a/transit/").unwrap().as_str(), "team-a/transit");
    assert_eq!(Namespace::new("ns1/").unwrap().as_str(), "ns1");
    for bad in ["", "/", "a//b", "../sys", "a/./b", "a b", "a?b", "a#b", "a%2fb", "a\nb"] {
        assert_eq!(Mount::new(bad), Err(BadPart::Segments), "{bad:?}");
    }
    assert_eq!(RoleName::new("a\r\nb"), Err(BadPart::Role));
}

#[test]
fn references_are_read_with_every_error() {
    let of: VaultRef = "vault:kv/team/qdrant#api_key".parse().unwrap();
    assert_eq!((of.path(), of.field()), ("kv/team/qdrant", "api_key"));
    assert_eq!(of.to_string(), "vault:kv/team/qdrant#api_key");
    for (bad, why) in [
        ("env:NAME", BadVaultRef::Scheme),
        ("vault:kv/qdrant", BadVaultRef::NoField),
        ("vault:kv/qdrant#", BadVaultRef::NoField),
        ("vault:kv/qdrant#a#b", BadVaultRef::Field),
        ("vault:kv#a", BadVaultRef::NoPath),
        ("vault:#a", BadVaultRef::Path),
        ("vault:/kv/qdrant#a", BadVaultRef::Path),
        ("vault:kv/../sys#a", BadVaultRef::Path),
        ("vault:kv/qd?version=1#a", BadVaultRef::Path),
    ] {
        assert_eq!(bad.parse::<VaultRef>(), Err(why), "{bad}");
    }
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let refused = |config| VaultAccess::new(config, Clock::since_boot()).unwrap_err();
    let mut bad = config(by_token());
    bad.trust = Trust::Private(b"no certificate".to_vec());
    assert!(matches!(refused(bad), BadVaultConfig::Ca));
    let mut bad = config(by_token());
    bad.timeouts.operation = Duration::ZERO;
    assert!(matches!(refused(bad), BadVaultConfig::Timeouts));
    let by_certificate = VaultAuth::Certificate { mount: Mount::new("cert").unwrap(), role: None };
    assert!(matches!(refused(config(by_certificate)), BadVaultConfig::NoClientIdentity));
    let mut bad = config(by_token());
    bad.address = VaultAddress::new("http://127.0.0.1:1").unwrap();
    bad.trust = Trust::Private(Vec::new());
    assert!(matches!(refused(bad), BadVaultConfig::TlsWithoutTls));
}

#[tokio::test]
async fn a_credential_that_a_header_cannot_hold_is_refused() {
    for text in ["", "two words", "line\nbreak", "\u{e9}"] {
        let auth = VaultAuth::Token(Credential::Value(Plain::new(text.to_owned())));
        let access = VaultAccess::new(config(auth), Clock::since_boot()).unwrap();
        assert!(matches!(access.session().await, Err(VaultFault::BadCredential)), "{text:?}");
    }
}

#[test]
fn nothing_shows_a_token() {
    let access = VaultAccess::new(config(by_token()), Clock::since_boot()).unwrap();
    let life = super::life::Life::granted(Duration::ZERO, None, false);
    let session = access.transport().session(&Plain::new("hvs.canary".to_owned()), life, 1);
    for shown in [format!("{access:?}"), format!("{session:?}"), format!("{:?}", config(by_token()))] {
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[test]
fn statuses_are_told_apart() {
    let of = |status, says: &str| VaultFault::answered(status, says).into_provider();
    assert!(matches!(of(404, ""), ProviderError::UnknownKek));
    assert!(matches!(of(404, "no handler for route"), ProviderError::Denied(_)));
    assert!(matches!(of(400, "encryption key not found"), ProviderError::UnknownKek));
    assert!(matches!(of(400, "missing 'context'"), ProviderError::Denied(_)));
    assert!(matches!(of(403, "permission denied"), ProviderError::Denied(_)));
    assert!(matches!(of(429, ""), ProviderError::Throttled { after: None }));
    for status in [307, 472, 473, 500, 502, 503, 504] {
        let error = of(status, "Vault is sealed");
        assert!(matches!(error, ProviderError::Unavailable(_)) && error.is_outage(), "{status}");
    }
    let again = VaultFault::LoginFailed(Box::new(VaultFault::answered(403, "")));
    assert!(matches!(again.into_provider(), ProviderError::Denied(_)));
    let again = VaultFault::LoginFailed(Box::new(VaultFault::answered(503, ""))).into_provider();
    let ProviderError::Unavailable(source) = again else { panic!("{again:?}") };
    assert!(source.source().unwrap().to_string().contains("503"));
}

#[test]
fn what_a_server_says_is_cut() {
    let said = VaultFault::answered(500, &"\u{20ac}x\n".repeat(1_000)).to_string();
    assert!(said.len() < 400 && !said.contains('\n'), "{said}");
}

#[test]
fn versions_are_read_strictly() {
    assert_eq!(batch::version(b"vault:v12:abc"), Some(KekVersion(12)));
    for bad in ["", "vault:v:abc", "vault:v0:abc", "vault:v01:abc", "vault:v1:", "vault:v-1:a", "vault:v4294967296:a"] {
        assert_eq!(batch::version(bad.as_bytes()), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_version_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = batch::version(&bytes);
    }

    #[test]
    fn any_text_is_a_reference_that_writes_itself_or_is_refused(text in "vault:[a-z/.#?%]{0,20}") {
        if let Ok(of) = text.parse::<VaultRef>() {
            prop_assert_eq!(of.to_string(), text);
        }
    }
}
