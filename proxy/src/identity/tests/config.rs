//! The `[[issuer]]` table: every fault at once, each with its key path.

use super::*;

fn defects(toml: &str) -> Vec<(String, String)> {
    let mut defects = Vec::new();
    let raw: RawIssuer = toml::from_str(toml).unwrap();
    let parsed = IssuerConfig::parse(raw, "issuer[2]", &mut defects);
    assert_eq!(parsed.is_none(), !defects.is_empty());
    defects.into_iter().map(|d| (d.key, d.message)).collect()
}

#[test]
fn all_faults_are_told_with_their_keys() {
    let found = defects(
        "audience = \"\"\nalgorithms = [\"RS256\", \"HS256\", \"none\", \"rs256\", \"RS256\"]
         jwks_url = \"http://id.example/jwks\"\nleeway_s = 3000\njwks_refresh_s = 1\ntenant_claim = \"a\\nb\"",
    );
    let keys: Vec<&str> = found.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "issuer[2].issuer",
            "issuer[2].audience",
            "issuer[2].tenant_claim",
            "issuer[2].algorithms[1]",
            "issuer[2].algorithms[2]",
            "issuer[2].algorithms[3]",
            "issuer[2].algorithms[4]",
            "issuer[2].leeway_s",
            "issuer[2].jwks_refresh_s",
            "issuer[2].jwks_url",
        ]
    );
    let empty: Vec<String> = defects("").into_iter().map(|(key, _)| key).collect();
    assert_eq!(empty, ["issuer[2].issuer", "issuer[2].audience", "issuer[2].algorithms", "issuer[2]"]);
}

#[test]
fn one_place_for_keys_is_needed() {
    let base = "issuer = \"i\"\naudience = \"a\"\nalgorithms = [\"ES256\"]\n";
    for (rest, key) in [
        ("jwks_file = \"f\"", None),
        ("pem_file = \"f\"", None),
        ("jwks_url = \"https://id.example/k\"", None),
        ("jwks_file = \"f\"\npem_file = \"g\"", Some("issuer[2]")),
        ("", Some("issuer[2]")),
        ("pem_file = \"f\"\njwks_ca_file = \"c\"", Some("issuer[2].jwks_ca_file")),
        ("pem_file = \"f\"\njwks_max_age_s = 600", Some("issuer[2].jwks_max_age_s")),
        (
            "jwks_url = \"https://id.example/k\"\njwks_refresh_s = 600\njwks_max_age_s = 60",
            Some("issuer[2].jwks_max_age_s"),
        ),
    ] {
        let found: Vec<String> = defects(&format!("{base}{rest}")).into_iter().map(|(key, _)| key).collect();
        assert_eq!(found, key.map(str::to_owned).into_iter().collect::<Vec<_>>(), "{rest}");
    }
}

#[test]
fn key_addresses_are_https_or_loopback() {
    let base = "issuer = \"i\"\naudience = \"a\"\nalgorithms = [\"ES256\"]\njwks_url = ";
    for good in [
        "https://id.example/k?x=1",
        "http://127.0.0.1:8080/k",
        "http://[::1]/k",
        "http://localhost/k",
        "http://127.9.9.9/",
    ] {
        assert!(defects(&format!("{base}{good:?}")).is_empty(), "{good}");
    }
    for bad in [
        "http://id.example/k",
        "http://127.0.0.1.evil.example/k",
        "http://localhost.evil.example/",
        "ftp://id.example/k",
        "/k",
        "id.example",
        "https://user:pw@id.example/k",
        "https://id.example/k#f",
        "",
        "http://169.254.169.254/",
        "file:///etc/passwd",
    ] {
        let found = defects(&format!("{base}{bad:?}"));
        assert_eq!(found.len(), 1, "{bad}: {found:?}");
        assert!(!found[0].1.contains("pw"), "the value is not repeated");
    }
}

#[test]
fn unknown_keys_are_refused() {
    assert!(toml::from_str::<RawIssuer>("jwks_uri = \"https://id.example/k\"").is_err());
}

#[test]
fn files_that_hold_no_keys_are_refused_at_start() {
    let dir = tempfile::tempdir().unwrap();
    let make = |name: &str, content: &str, key: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        let config = issuer(&format!("issuer = \"i\"\naudience = \"a\"\nalgorithms = [\"ES256\"]\n{key} = {path:?}"));
        Authenticator::new(vec![config], None, TenantPin::Any, Settings::default()).err()
    };
    let ed = Signer::ed();
    let es = Signer::p256();
    assert!(make("ok.pem", &es.public_pem(), "pem_file").is_none());
    assert!(make("ok.json", &json!({ "keys": [ed.jwk("e"), es.jwk("p")] }).to_string(), "jwks_file").is_none());
    let private = include_str!("test-only-rsa.pem");
    for (name, content, key, wanted) in [
        ("wrong.pem", ed.public_pem(), "pem_file", KeySetError::NoneFits),
        ("two.pem", format!("{0}{0}", es.public_pem()), "pem_file", KeySetError::NotAPublicKey),
        ("private.pem", private.to_owned(), "pem_file", KeySetError::PrivateKey),
        ("empty.pem", String::new(), "pem_file", KeySetError::NotAPublicKey),
        ("wrong.json", json!({ "keys": [ed.jwk("e")] }).to_string(), "jwks_file", KeySetError::NoneFits),
        ("none.json", "{\"keys\":[]}".to_owned(), "jwks_file", KeySetError::NoneFits),
        ("pem.json", es.public_pem(), "jwks_file", KeySetError::NotASet),
        ("many.json", json!({ "keys": vec![es.jwk("p"); 257] }).to_string(), "jwks_file", KeySetError::TooMany),
    ] {
        match make(name, &content, key) {
            Some(SetupError::Keys { source, .. }) => assert_eq!(source, wanted, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    let missing = issuer("issuer = \"i\"\naudience = \"a\"\nalgorithms = [\"ES256\"]\npem_file = \"/nowhere/k.pem\"");
    let refused = Authenticator::new(vec![missing], None, TenantPin::Any, Settings::default());
    assert!(matches!(refused, Err(SetupError::Unreadable { .. })));
}
