//! Secrets by reference: both versions of KV, and leased credentials.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use kms_bridge::{KvError, KvTimes, VaultKv, VaultRef};
use serde_json::json;

use crate::support::{
    bao::{Bao, by_token},
    clock::Hand,
    stand_in,
};

fn of(text: &str) -> VaultRef {
    text.parse().unwrap()
}

async fn text(kv: &VaultKv, reference: &str) -> String {
    kv.read(&of(reference)).await.unwrap().expose().clone()
}

fn reader(bao: &Bao, token: &str, hand: &Hand) -> VaultKv {
    VaultKv::new(bao.access(by_token(token), hand.clock()), KvTimes::default())
}

#[tokio::test]
async fn a_rotated_secret_is_noticed_after_the_reread_time() {
    let Some(bao) = Bao::dev().await else { return };
    let (hand, path) = (Hand::default(), "secret/data/team/qdrant");
    bao.post(path, json!({"data": {"api_key": "first", "port": 6333}})).await;
    let kv = reader(&bao, &bao.root, &hand);
    let reference = "vault:secret/team/qdrant#api_key";
    assert_eq!(text(&kv, reference).await, "first");
    bao.post(path, json!({"data": {"api_key": "second"}})).await;
    assert_eq!(text(&kv, reference).await, "first", "read a moment ago");
    hand.advance(61);
    kv.tick().await;
    assert_eq!(text(&kv, reference).await, "second");

    let missing = kv.read(&of("vault:secret/team/qdrant#nothing")).await.unwrap_err();
    assert!(matches!(missing, KvError::NoField { .. }), "{missing:?}");
    let missing = kv.read(&of("vault:secret/team/nothing#a")).await.unwrap_err();
    assert!(matches!(missing, KvError::NoSecret { .. }), "{missing:?}");
    bao.call("DELETE", path, None).await;
    hand.advance(61);
    let deleted = kv.read(&of(reference)).await.unwrap_err();
    assert!(matches!(deleted, KvError::NoSecret { .. }), "{deleted:?}");
}

#[tokio::test]
async fn a_number_is_no_text_and_the_first_version_of_kv_is_read_too() {
    let Some(bao) = Bao::dev().await else { return };
    let hand = Hand::default();
    bao.post("secret/data/app", json!({"data": {"port": 6333, "name": "app"}})).await;
    bao.post("sys/mounts/team/old", json!({"type": "kv", "options": {"version": "1"}})).await;
    bao.post("team/old/app", json!({"name": "older"})).await;
    bao.post("sys/mounts/team/new", json!({"type": "kv", "options": {"version": "2"}})).await;
    bao.post("team/new/data/app", json!({"data": {"name": "newer"}})).await;
    let kv = reader(&bao, &bao.root, &hand);
    assert!(matches!(kv.read(&of("vault:secret/app#port")).await, Err(KvError::NoField { .. })));
    assert_eq!(text(&kv, "vault:secret/app#name").await, "app");
    assert_eq!(text(&kv, "vault:team/old/app#name").await, "older");
    assert_eq!(text(&kv, "vault:team/new/app#name").await, "newer");
}

#[tokio::test]
async fn what_a_token_may_not_read_is_denied() {
    let Some(bao) = Bao::dev().await else { return };
    bao.policy("one", r#"path "secret/data/mine" { capabilities = ["read"] }"#).await;
    bao.post("secret/data/mine", json!({"data": {"a": "1"}})).await;
    bao.post("secret/data/theirs", json!({"data": {"a": "2"}})).await;
    let token = bao.token(json!({"policies": ["one"]})).await;
    let kv = reader(&bao, &token, &Hand::default());
    assert_eq!(text(&kv, "vault:secret/mine#a").await, "1");
    for denied in ["vault:secret/theirs#a", "vault:nowhere/theirs#a"] {
        let denied = kv.read(&of(denied)).await.unwrap_err();
        assert!(matches!(denied, KvError::Denied { .. }), "{denied:?}");
    }
}

#[tokio::test]
async fn an_outage_is_survived_for_the_grace_and_no_longer() {
    let Some(mut bao) = Bao::dev().await else { return };
    let hand = Hand::default();
    bao.post("secret/data/app", json!({"data": {"a": "1"}})).await;
    let kv = reader(&bao, &bao.root, &hand);
    assert_eq!(text(&kv, "vault:secret/app#a").await, "1");
    bao.kill();
    hand.advance(3_600);
    assert_eq!(text(&kv, "vault:secret/app#a").await, "1");
    hand.advance(60);
    let lost = kv.read(&of("vault:secret/app#a")).await.unwrap_err();
    assert!(matches!(lost, KvError::Unavailable { .. }), "{lost:?}");
}

/// The message broker is a stand-in that takes every user; the engine and its leases are real.
#[tokio::test]
async fn a_lease_is_renewed_and_replaced_when_it_cannot_be() {
    let Some(bao) = Bao::dev().await else { return };
    let users = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&users);
    let broker = stand_in::start(move |call| {
        if call.method == "PUT" && call.path.starts_with("/api/users/") {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        (if call.method == "PUT" { 201 } else { 204 }, String::new())
    });
    bao.post("sys/mounts/rabbitmq", json!({"type": "rabbitmq"})).await;
    let connection = json!({
        "connection_uri": format!("http://{broker}"), "username": "admin", "password": "admin",
        "verify_connection": false,
    });
    bao.post("rabbitmq/config/connection", connection).await;
    bao.post("rabbitmq/config/lease", json!({"ttl": 3600, "max_ttl": 86400})).await;
    bao.post("rabbitmq/roles/app", json!({"vhosts": r#"{"/": {"write": ".*", "read": ".*"}}"#})).await;

    let hand = Hand::default();
    let kv = reader(&bao, &bao.root, &hand);
    let name = async || text(&kv, "vault:rabbitmq/creds/app#username").await;
    let first = name().await;
    assert!(!text(&kv, "vault:rabbitmq/creds/app#password").await.is_empty());
    assert_eq!(users.load(Ordering::SeqCst), 1, "both fields are of one lease");

    hand.advance(2_401);
    kv.tick().await;
    assert_eq!(name().await, first, "renewed");
    // The renewal is capped now: the lease is renewed once more and then replaced.
    bao.post("rabbitmq/config/lease", json!({"ttl": 1800, "max_ttl": 1800})).await;
    hand.advance(2_401);
    assert_eq!(name().await, first);
    hand.advance(1_201);
    let second = name().await;
    assert_ne!(second, first);
    // Revoked at the server: the renewal fails, and new ones are read.
    bao.call("PUT", "sys/leases/revoke-prefix/rabbitmq/creds/app", Some(json!({"sync": true}))).await;
    hand.advance(1_201);
    assert_ne!(name().await, second);
    assert_eq!(users.load(Ordering::SeqCst), 3);
}
