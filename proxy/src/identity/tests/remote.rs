//! Key sets behind an address: a server on a loopback port whose answers the tests change.

use super::*;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::watch,
};

/// What the server says, and how often it was asked.
struct JwksServer {
    port: u16,
    answer: Arc<Mutex<String>>,
    asked: watch::Receiver<u32>,
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn jwks(keys: &[Value]) -> String {
    http("200 OK", &json!({ "keys": keys }).to_string())
}

impl JwksServer {
    async fn start(answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = Arc::new(Mutex::new(answer));
        let (count, asked) = watch::channel(0);
        let shared = Arc::clone(&answer);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else {
                        break;
                    };
                    head.push(byte);
                }
                let text = shared.lock().unwrap().clone();
                let _ = stream.write_all(text.as_bytes()).await;
                let _ = stream.shutdown().await;
                count.send_modify(|n| *n += 1);
            }
        });
        Self { port, answer, asked }
    }

    fn says(&self, answer: String) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> u32 {
        *self.asked.borrow()
    }

    /// Refreshed after 300 s, dead after 1000 s, at most one fetch in 10 s.
    fn authenticator(&self) -> Authenticator {
        let config = issuer(&format!(
            "issuer = \"https://id.example\"\naudience = \"aios\"\nalgorithms = [\"EdDSA\"]
             jwks_url = \"http://127.0.0.1:{}/jwks.json\"\njwks_refresh_s = 300\njwks_max_age_s = 1000\njwks_cooldown_s = 10",
            self.port
        ));
        Authenticator::new(vec![config], None, TenantPin::Any, Settings::default()).unwrap()
    }
}

/// A token that is good for all the times of these tests.
fn token(signer: &Signer, id: &str) -> String {
    signer.token("EdDSA", id, &claims_with(&json!({ "exp": NOW + 100_000 })))
}

async fn at(authenticator: &Authenticator, token: &str, after: u64) -> Result<Caller, AuthError> {
    authenticator.authenticate(&bearer(token), UnixSeconds::new(NOW + after)).await
}

#[tokio::test]
async fn keys_are_fetched_once_and_remembered() {
    let signer = Signer::ed();
    let server = JwksServer::start(jwks(&[signer.jwk("k1")])).await;
    let authenticator = Arc::new(server.authenticator());
    let calls: Vec<_> = (0..50)
        .map(|n| {
            let authenticator = Arc::clone(&authenticator);
            let token = signer.token("EdDSA", "k1", &claims_with(&json!({ "sub": format!("p{n}") })));
            tokio::spawn(async move { at(&authenticator, &token, 0).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    at(&authenticator, &token(&signer, "k1"), 299).await.unwrap();
    assert_eq!(server.asked(), 1, "50 cold calls made one fetch");
}

#[tokio::test]
async fn a_rotated_key_is_found_and_the_old_one_forgotten() {
    let (old, new) = (Signer::ed(), Signer::ed());
    let server = JwksServer::start(jwks(&[old.jwk("old")])).await;
    let authenticator = server.authenticator();
    at(&authenticator, &token(&old, "old"), 0).await.unwrap();

    server.says(jwks(&[new.jwk("new")]));
    assert!(matches!(at(&authenticator, &token(&new, "new"), 9).await, Err(AuthError::UnknownKey)), "cooldown");
    assert_eq!(server.asked(), 1);
    at(&authenticator, &token(&old, "old"), 9).await.unwrap();
    at(&authenticator, &token(&new, "new"), 10).await.unwrap();
    assert_eq!(server.asked(), 2);
    let forgotten = at(&authenticator, &token(&old, "old"), 10).await;
    assert!(matches!(forgotten, Err(AuthError::UnknownKey)), "remembered under the old keys: {forgotten:?}");
}

#[tokio::test]
async fn unknown_key_ids_cause_no_more_fetches_than_the_cooldown_allows() {
    let (ours, theirs) = (Signer::ed(), Signer::ed());
    let server = JwksServer::start(jwks(&[ours.jwk("k1")])).await;
    let authenticator = server.authenticator();
    for n in 0..100_u64 {
        let refused = at(&authenticator, &token(&theirs, &format!("made-up-{n}")), n / 10).await;
        assert!(matches!(refused, Err(AuthError::UnknownKey)));
    }
    assert_eq!(server.asked(), 1, "10 s, one fetch");
}

#[tokio::test]
async fn stale_keys_are_refreshed_behind_the_calls_even_when_all_calls_are_remembered() {
    let (old, new) = (Signer::ed(), Signer::ed());
    let server = JwksServer::start(jwks(&[old.jwk("k1")])).await;
    let authenticator = server.authenticator();
    at(&authenticator, &token(&old, "k1"), 295).await.unwrap();
    server.says(jwks(&[new.jwk("k1")]));
    let mut asked = server.asked.clone();
    asked.mark_unchanged();
    // Fetched at 295: stale from 595 on. The call is answered with the old keys.
    at(&authenticator, &token(&old, "k1"), 594).await.unwrap();
    assert_eq!(server.asked(), 1);
    at(&authenticator, &token(&old, "k1"), 596).await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), asked.changed()).await.unwrap().unwrap();
    let refused = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            match at(&authenticator, &token(&old, "k1"), 597).await {
                Ok(_) => tokio::task::yield_now().await,
                Err(error) => return error,
            }
        }
    });
    assert!(matches!(refused.await.unwrap(), AuthError::BadSignature));
    at(&authenticator, &token(&new, "k1"), 597).await.unwrap();
}

#[tokio::test]
async fn a_dead_issuer_is_survived_until_the_keys_are_too_old() {
    let signer = Signer::ed();
    let server = JwksServer::start(jwks(&[signer.jwk("k1")])).await;
    let authenticator = server.authenticator();
    at(&authenticator, &token(&signer, "k1"), 0).await.unwrap();
    server.says(http("500 Internal Server Error", ""));
    for after in (20..1000).step_by(20) {
        at(&authenticator, &token(&signer, "k1"), after).await.unwrap();
        tokio::task::yield_now().await;
    }
    let closed = at(&authenticator, &token(&signer, "k1"), 1_020).await.err().unwrap();
    assert!(matches!(closed, AuthError::KeysUnavailable(Some(_))), "{closed:?}");
    assert_eq!(closed.status(), http::StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(closed.blame(), crate::failure::Blame::Internal);

    server.says(jwks(&[signer.jwk("k1")]));
    at(&authenticator, &token(&signer, "k1"), 1_040).await.unwrap();
}

#[tokio::test]
async fn what_is_not_a_key_set_is_a_clear_failure() {
    let signer = Signer::ed();
    let good = json!({ "keys": [signer.jwk("k1")] }).to_string();
    let elsewhere = JwksServer::start(jwks(&[signer.jwk("k1")])).await;
    let redirect =
        format!("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{}/\r\ncontent-length: 0\r\n\r\n", elsewhere.port);
    let large = http("200 OK", &format!("{{\"keys\":[],\"pad\":\"{}\"}}", "x".repeat(300 << 10)));
    let broken_off = http("200 OK", &good).replace(&good, &good[..20]);
    let server = JwksServer::start(String::new()).await;
    for (answer, what) in [
        (http("404 Not Found", &good), "status"),
        (redirect, "redirect"),
        (large, "size"),
        (broken_off, "length"),
        (http("200 OK", "<html>sign in</html>"), "html"),
        (http("200 OK", "{\"keys\": 1}"), "shape"),
        (String::new(), "silence"),
    ] {
        server.says(answer);
        let authenticator = server.authenticator();
        let failed = at(&authenticator, &token(&signer, "k1"), 0).await;
        assert!(matches!(failed, Err(AuthError::KeysUnavailable(Some(_)))), "{what}: {failed:?}");
        assert_eq!(authenticator.warm(now()).await.len(), 1, "{what}");
    }
    assert_eq!(elsewhere.asked(), 0, "redirects are not followed");
    server.says(http("200 OK", &good));
    assert!(server.authenticator().warm(now()).await.is_empty());
}

#[tokio::test]
async fn withdrawn_keys_are_withdrawn() {
    let signer = Signer::ed();
    let server = JwksServer::start(jwks(&[signer.jwk("k1")])).await;
    let authenticator = server.authenticator();
    at(&authenticator, &token(&signer, "k1"), 0).await.unwrap();
    server.says(jwks(&[]));
    let closed = at(&authenticator, &token(&signer, "k2"), 20).await;
    assert!(matches!(closed, Err(AuthError::UnknownKey)));
    assert!(matches!(at(&authenticator, &token(&signer, "k1"), 20).await, Err(AuthError::UnknownKey)));
}

#[tokio::test]
async fn a_clock_that_runs_backwards_makes_keys_older_and_not_younger() {
    let signer = Signer::ed();
    let server = JwksServer::start(jwks(&[signer.jwk("k1")])).await;
    let authenticator = server.authenticator();
    at(&authenticator, &token(&signer, "k1"), 500).await.unwrap();
    at(&authenticator, &token(&signer, "k1"), 400).await.unwrap();
    assert_eq!(server.asked(), 2, "the set from the future was not used");
}

#[tokio::test]
async fn a_private_authority_vouches_for_the_key_server() {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let dir = tempfile::tempdir().unwrap();
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_file = dir.path().join("ca.pem");
    std::fs::write(&ca_file, ca.self_signed(&ca_key).unwrap().pem()).unwrap();
    let leaf_key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&leaf_key, &Issuer::new(ca, ca_key))
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = rustls_pki_types::PrivatePkcs8KeyDer::from(leaf_key.serialize_der());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key.into())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let signer = Signer::ed();
    let answer = jwks(&[signer.jwk("k1")]);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    let base = format!(
        "issuer = \"https://id.example\"\naudience = \"aios\"\nalgorithms = [\"EdDSA\"]\njwks_url = \"https://localhost:{port}/\""
    );
    let make = |toml: &str| Authenticator::new(vec![issuer(toml)], None, TenantPin::Any, Settings::default());
    let private = make(&format!("{base}\njwks_ca_file = {ca_file:?}")).unwrap();
    at(&private, &token(&signer, "k1"), 0).await.unwrap();
    let public = make(&base).unwrap();
    assert!(matches!(at(&public, &token(&signer, "k1"), 0).await, Err(AuthError::KeysUnavailable(_))));
    let missing = make(&format!("{base}\njwks_ca_file = \"/nowhere/ca.pem\""));
    assert!(matches!(missing, Err(SetupError::Roots(_))));
}
