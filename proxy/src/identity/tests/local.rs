//! The embedded issuer.

use super::*;
use std::{fs, os::unix::fs::PermissionsExt, path::Path};
use vocab::{GroupName, PrincipalId, TenantId};

fn grant() -> Grant {
    Grant {
        tenant: TenantId::new("acme").unwrap(),
        principal: PrincipalId::new("alice").unwrap(),
        groups: vec![GroupName::new("legal").unwrap()],
        lifetime: Grant::DEFAULT_LIFETIME,
    }
}

fn authenticator(issuer: &LocalIssuer) -> Authenticator {
    Authenticator::new(vec![issuer.config()], None, TenantPin::Any, Settings::default()).unwrap()
}

#[tokio::test]
async fn its_tokens_are_good_for_a_day_across_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("issuer.pem");
    let token = LocalIssuer::open(&path).unwrap().mint(&grant(), now());
    let reopened = LocalIssuer::open(&path).unwrap();
    let authenticator = authenticator(&reopened);
    let at =
        async |after: u64| authenticator.authenticate(&bearer(token.expose()), UnixSeconds::new(NOW + after)).await;
    let caller = at(86_399).await.unwrap();
    assert_eq!((caller.tenant().as_str(), caller.principal().as_str()), ("acme", "alice"));
    assert_eq!(caller.groups()[0].as_str(), "legal");
    assert!(matches!(at(86_430).await, Err(AuthError::Expired)));

    let other = LocalIssuer::open(&dir.path().join("other.pem")).unwrap();
    let foreign = other.mint(&grant(), now());
    let refused = authenticator.authenticate(&bearer(foreign.expose()), now()).await;
    assert!(matches!(refused, Err(AuthError::UnknownKey)), "another data directory is another issuer");
}

#[tokio::test]
async fn its_published_keys_serve_another_sidecar() {
    let dir = tempfile::tempdir().unwrap();
    let local = LocalIssuer::open(&dir.path().join("issuer.pem")).unwrap();
    let path = dir.path().join("jwks.json");
    fs::write(&path, local.jwks()).unwrap();
    let config = issuer(&format!(
        "issuer = \"{LOCAL_ISSUER}\"\naudience = \"{LOCAL_AUDIENCE}\"\nalgorithms = [\"EdDSA\"]\njwks_file = {path:?}"
    ));
    let other = Authenticator::new(vec![config], None, TenantPin::Any, Settings::default()).unwrap();
    other.authenticate(&bearer(local.mint(&grant(), now()).expose()), now()).await.unwrap();
}

#[test]
fn the_key_is_for_its_owner_only_and_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("issuer.pem");
    let first = LocalIssuer::open(&path).unwrap().jwks();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left over");
    assert_eq!(LocalIssuer::open(&path).unwrap().jwks(), first);
    assert!(!first.contains("\"d\""));

    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(LocalIssuer::open(&path), Err(LocalIssuerError::Exposed { mode: 0o644, .. })));
    fs::write(&path, "garbage").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(LocalIssuer::open(&path), Err(LocalIssuerError::NotAKey { .. })));
    assert_eq!(fs::read(&path).unwrap(), b"garbage");
    assert!(matches!(LocalIssuer::open(Path::new("/nowhere/issuer.pem")), Err(LocalIssuerError::Io { .. })));
}

#[test]
fn many_that_start_at_once_share_one_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("issuer.pem");
    let sets: std::collections::BTreeSet<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| LocalIssuer::open(&path).unwrap().jwks())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(sets.len(), 1);
}

#[test]
fn nothing_shows_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("issuer.pem");
    let local = LocalIssuer::open(&path).unwrap();
    let pem = fs::read_to_string(&path).unwrap();
    let secret = pem.lines().nth(1).unwrap();
    assert!(!format!("{local:?} {}", local.jwks()).contains(secret));
    assert!(!format!("{:?}", local.mint(&grant(), now())).contains("eyJ"));
}
