//! A server that is sealed, dead, hanging, busy or false; and what must not leak.

use std::{
    error::Error,
    io::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kms_bridge::{
    Clock, KekName, KekProvider, KvTimes, Namespace, ProviderError, Timeouts, Trust, VaultAccess, VaultAddress,
    VaultConfig, VaultKv, VaultTransit, WrappedDek,
};
use serde_json::json;

use super::auth::{app_role, by_app_role_of};
use crate::support::{
    bao::{Authority, Bao, by_token, transit},
    clock::Hand,
    context, contract, dek_bytes, fresh_dek, fresh_kek, registered, stand_in,
};

async fn with_a_key(provider: &VaultTransit) -> (KekName, [WrappedDek; 1]) {
    let (kek, dek) = (fresh_kek(), fresh_dek());
    provider.create_kek(&kek).await.unwrap();
    let wrapped = provider.wrap(&kek, &dek_bytes(&dek), &context("acme")).await.unwrap();
    let registered = [registered(&kek, "acme", wrapped)];
    (kek, registered)
}

/// An error with its causes, as a log has it.
fn chain(error: &ProviderError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// That an error is an outage, for every operation.
async fn is_out(provider: &VaultTransit, kek: &KekName, deks: &[WrappedDek], cause: &str) {
    let errors = [
        provider.wrap(kek, &dek_bytes(&fresh_dek()), &context("acme")).await.unwrap_err(),
        provider.unwrap(deks).await.unwrap_err(),
        provider.rewrap(deks).await.unwrap_err(),
        provider.versions(kek).await.unwrap_err(),
        provider.rotate(kek).await.unwrap_err(),
        provider.create_kek(&fresh_kek()).await.unwrap_err(),
        provider.destroy(kek).await.unwrap_err(),
    ];
    for error in errors {
        assert!(error.is_outage() && matches!(error, ProviderError::Unavailable(_)), "{error:?}");
        assert!(chain(&error).contains(cause), "{}", chain(&error));
    }
}

#[tokio::test]
async fn sealed_then_unsealed_then_killed() {
    let Some(mut bao) = Bao::on_disk().await else { return };
    let provider = bao.transit(&bao.root);
    let (kek, deks) = with_a_key(&provider).await;
    bao.call("POST", "sys/seal", None).await;
    is_out(&provider, &kek, &deks, "503").await;
    let found = provider.examine().await;
    assert!(found.len() == 1 && found[0].text.contains("sealed"), "{found:?}");
    bao.unseal().await;
    assert!(provider.unwrap(&deks).await.unwrap()[0].is_ok());

    bao.kill();
    is_out(&provider, &kek, &deks, "could not be reached").await;
    let found = provider.examine().await;
    assert!(found.len() == 1 && found[0].text.contains("refused"), "{found:?}");
}

#[tokio::test]
async fn a_server_that_hangs_is_an_outage_within_the_time_of_an_operation() {
    let Some(bao) = Bao::dev().await else { return };
    let mut config = bao.config(by_token(&bao.root));
    let operation = Duration::from_millis(600);
    config.timeouts = Timeouts { connect: Duration::from_millis(300), operation };
    let provider = transit(VaultAccess::new(config, Clock::since_boot()).unwrap());
    let (_, deks) = with_a_key(&provider).await;
    bao.signal("STOP");
    let start = Instant::now();
    let error = provider.unwrap(&deks).await.unwrap_err();
    let took = start.elapsed();
    bao.signal("CONT");
    assert!(error.is_outage(), "{error:?}");
    assert!(took >= Duration::from_millis(250) && took < Duration::from_secs(5), "{took:?}");
    assert!(provider.unwrap(&deks).await.unwrap()[0].is_ok());
}

#[tokio::test]
async fn a_quota_is_throttling() {
    let Some(bao) = Bao::dev().await else { return };
    let provider = bao.transit(&bao.root);
    let (kek, deks) = with_a_key(&provider).await;
    bao.post("sys/quotas/rate-limit/few", json!({"path": "transit/", "rate": 1, "interval": "60s"})).await;
    let mut last = None;
    for _ in 0..3 {
        last = Some(provider.unwrap(&deks).await);
    }
    let error = last.unwrap().unwrap_err();
    assert!(matches!(error, ProviderError::Throttled { after: None }) && error.is_outage(), "{error:?}");
    let error = provider.versions(&kek).await.unwrap_err();
    assert!(matches!(error, ProviderError::Throttled { after: None }), "{error:?}");
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_not_trusted() {
    let Some(bao) = Bao::on_disk().await else { return };
    for trust in [Trust::Private(Authority::new().pem.into_bytes()), Trust::Public] {
        let mut config = bao.config(by_token(&bao.root));
        config.trust = trust;
        let provider = transit(VaultAccess::new(config, Clock::since_boot()).unwrap());
        let error = provider.create_kek(&fresh_kek()).await.unwrap_err();
        assert!(error.is_outage() && chain(&error).contains("certificate"), "{}", chain(&error));
    }
}

fn config_for(address: std::net::SocketAddr) -> VaultConfig {
    VaultConfig {
        address: VaultAddress::new(&format!("http://{address}")).unwrap(),
        namespace: Some(Namespace::new("ns1").unwrap()),
        trust: Trust::Public,
        identity: None,
        timeouts: Timeouts::default(),
        auth: by_token("hvs.canary-of-the-test"),
    }
}

/// What a token's look-up answers.
fn looked_up() -> String {
    json!({
        "request_id": "", "lease_id": "", "renewable": false, "lease_duration": 0,
        "data": {
            "accessor": "", "creation_time": 0, "creation_ttl": 0, "display_name": "", "entity_id": "",
            "expire_time": null, "explicit_max_ttl": 0, "id": "", "num_uses": 0, "orphan": true, "path": "",
            "policies": [], "ttl": 0,
        },
    })
    .to_string()
}

#[tokio::test]
async fn a_redirect_takes_no_token_along() {
    let elsewhere = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&elsewhere);
    let thief = stand_in::start(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        (200, "{}".to_owned())
    });
    let standby = stand_in::redirecting(&format!("http://{thief}/v1/auth/token/lookup-self"));
    let provider = transit(VaultAccess::new(config_for(standby), Clock::since_boot()).unwrap());
    let error = provider.create_kek(&fresh_kek()).await.unwrap_err();
    assert!(error.is_outage() && chain(&error).contains("307"), "{}", chain(&error));
    assert_eq!(elsewhere.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn answers_of_the_wrong_shape_are_told_from_damage() {
    let kek = fresh_kek();
    let dek = [registered(&kek, "acme", b"vault:v1:AAAA".to_vec())];
    let short = STANDARD.encode([7; 16]);
    let cases = [
        (200, "not json".to_owned(), "BadAnswer"),
        (200, json!({"data": {"batch_results": []}}).to_string(), "BadAnswer"),
        (200, json!({"data": {"batch_results": [{}]}}).to_string(), "BadAnswer"),
        (200, json!({"data": {"batch_results": [{"plaintext": short}]}}).to_string(), "Corrupt"),
        (200, json!({"data": {"batch_results": [{"error": "words of tomorrow"}]}}).to_string(), "BadAnswer"),
        (502, "<html>a load balancer</html>".to_owned(), "Unavailable"),
        (200, "x".repeat(5 << 20), "BadAnswer"),
    ];
    for (status, body, expected) in cases {
        let told = format!("{status} {}", &body[..body.len().min(60)]);
        let server = stand_in::start(move |call| {
            if call.path.contains("lookup-self") { (200, looked_up()) } else { (status, body.clone()) }
        });
        let provider = transit(VaultAccess::new(config_for(server), Clock::since_boot()).unwrap());
        let error = match provider.unwrap(&dek).await {
            Ok(mut answers) => answers.remove(0).unwrap_err(),
            Err(error) => error,
        };
        assert!(format!("{error:?}").starts_with(expected), "{told}: {error:?}");
    }
}

/// Where all logs of a test go.
#[derive(Clone, Default)]
struct Logs(Arc<Mutex<Vec<u8>>>);

impl Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_is_in_the_finest_logs() {
    let Some(bao) = Bao::dev().await else { return };
    let logs = Logs::default();
    let writer = logs.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // The test's runtime has one thread, so that all of it logs here; set for the whole process, as the
    // tests of a process are one.
    let _ = tracing_subscriber::util::SubscriberInitExt::try_init(subscriber);

    bao.policy("all", r#"path "*" { capabilities = ["create", "read", "update", "delete", "list"] }"#).await;
    let (id, secret) = app_role(&bao, json!({"token_policies": ["all"], "token_ttl": 3600})).await;
    bao.post("secret/data/app", json!({"data": {"password": "canary-password"}})).await;
    let hand = Hand::default();
    let access = bao.access(by_app_role_of(&id, &secret), hand.clock());
    let provider = transit(Arc::clone(&access));
    contract::holds(&provider).await;
    let dek = fresh_dek();
    let kek = fresh_kek();
    provider.create_kek(&kek).await.unwrap();
    let wrapped = provider.wrap(&kek, &dek_bytes(&dek), &context("acme")).await.unwrap();
    provider.unwrap(&[registered(&kek, "acme", wrapped)]).await.unwrap();
    let kv = VaultKv::new(Arc::clone(&access), KvTimes::default());
    let read = kv.read(&"vault:secret/app#password".parse().unwrap()).await.unwrap();
    assert_eq!(read.expose(), "canary-password");
    hand.advance(2_500);
    access.tick().await;

    let logs = String::from_utf8_lossy(&logs.0.lock().unwrap()).into_owned();
    assert!(logs.contains("transit/keys"), "the logs of the libraries are caught");
    for (what, canary) in [
        ("the secret id", secret.as_str()),
        ("the password", "canary-password"),
        ("the data key", &STANDARD.encode(dek)),
    ] {
        let at = logs.find(canary).map(|at| logs[at.saturating_sub(200)..at].to_owned());
        assert!(at.is_none(), "{what} is in the logs behind: {at:?}");
    }
    // Tokens of OpenBao are `s.` and at least 24 letters and digits.
    let is_token = |rest: &str| rest.len() >= 24 && rest.bytes().take(24).all(|c| c.is_ascii_alphanumeric());
    let token = logs.match_indices("s.").find(|(at, _)| is_token(&logs[at + 2..]));
    assert!(token.is_none(), "a token is in the logs");
}
