//! The life of a token, counted in the server's own audit file.

use std::sync::Arc;

use kms_bridge::{KekProvider, ProviderError, VaultTransit};
use serde_json::json;

use super::auth::{app_role, by_app_role_of};
use crate::support::{
    bao::{Bao, by_token, transit},
    clock::Hand,
    context, dek_bytes, fresh_dek, fresh_kek,
};

/// How often a path was called.
fn calls(bao: &Bao, path: &str) -> usize {
    bao.audited().iter().filter(|(_, called)| called == path).count()
}

const LOGIN: &str = "auth/approle/login";
const RENEWAL: &str = "auth/token/renew-self";

async fn logged_in(settings: serde_json::Value) -> Option<(Bao, Hand, Arc<kms_bridge::VaultAccess>, VaultTransit)> {
    let bao = Bao::on_disk().await?;
    bao.policy("all", r#"path "transit/*" { capabilities = ["create", "read", "update", "delete"] }"#).await;
    let (id, secret) = app_role(&bao, settings).await;
    let hand = Hand::default();
    let access = bao.access(by_app_role_of(&id, &secret), hand.clock());
    let provider = transit(Arc::clone(&access));
    Some((bao, hand, access, provider))
}

#[tokio::test]
async fn a_token_is_renewed_and_replaced_when_its_renewal_is_capped() {
    let settings = json!({"token_policies": ["all"], "token_ttl": 3600, "token_max_ttl": 86400});
    let Some((bao, hand, access, provider)) = logged_in(settings).await else { return };
    provider.create_kek(&fresh_kek()).await.unwrap();
    assert_eq!((calls(&bao, LOGIN), calls(&bao, RENEWAL)), (1, 0));
    hand.advance(2_399);
    access.tick().await;
    assert_eq!(calls(&bao, RENEWAL), 0, "two thirds are not over");
    hand.advance(2);
    access.tick().await;
    assert_eq!((calls(&bao, LOGIN), calls(&bao, RENEWAL)), (1, 1));

    // The server now caps the renewal at half an hour, and says so with 200 and a warning.
    bao.post("auth/approle/role/proxy", json!({"token_max_ttl": 1800, "token_ttl": 1800})).await;
    hand.advance(2_401);
    access.tick().await;
    assert_eq!((calls(&bao, LOGIN), calls(&bao, RENEWAL)), (1, 2));
    hand.advance(1_201);
    access.tick().await;
    assert_eq!((calls(&bao, LOGIN), calls(&bao, RENEWAL)), (2, 2));
    provider.create_kek(&fresh_kek()).await.unwrap();
}

#[tokio::test]
async fn a_token_that_ended_is_replaced_before_it_is_sent() {
    let settings = json!({"token_policies": ["all"], "token_ttl": 3600});
    let Some((bao, hand, _, provider)) = logged_in(settings).await else { return };
    provider.create_kek(&fresh_kek()).await.unwrap();
    hand.advance(3_600);
    provider.create_kek(&fresh_kek()).await.unwrap();
    assert_eq!((calls(&bao, LOGIN), calls(&bao, RENEWAL)), (2, 0));
}

#[tokio::test]
async fn many_calls_share_one_login() {
    let settings = json!({"token_policies": ["all"], "token_ttl": 3600});
    let Some((bao, hand, _, provider)) = logged_in(settings).await else { return };
    let provider = Arc::new(provider);
    let together = |count: usize| {
        let mut under_way = tokio::task::JoinSet::new();
        for _ in 0..count {
            let provider = Arc::clone(&provider);
            under_way.spawn(async move { provider.create_kek(&fresh_kek()).await });
        }
        under_way.join_all()
    };
    assert!(together(16).await.iter().all(Result::is_ok));
    assert_eq!(calls(&bao, LOGIN), 1);

    // Revoked under their hands: all are refused, and one of them logs in for all.
    bao.post("sys/leases/revoke-prefix/auth/approle", json!({"sync": true})).await;
    hand.advance(2);
    assert!(together(16).await.iter().all(Result::is_ok));
    assert_eq!(calls(&bao, LOGIN), 2);
}

#[tokio::test]
async fn a_forbidden_call_causes_at_most_one_login() {
    let settings = json!({"token_policies": ["default"], "token_ttl": 3600});
    let Some((bao, hand, _, provider)) = logged_in(settings).await else { return };
    let refused = || async { provider.versions(&fresh_kek()).await.unwrap_err() };
    for _ in 0..5 {
        assert!(matches!(refused().await, ProviderError::Denied(_)));
    }
    assert_eq!(calls(&bao, LOGIN), 1, "the token is fresh: another would be refused as well");
    hand.advance(2);
    assert!(matches!(refused().await, ProviderError::Denied(_)));
    assert_eq!(calls(&bao, LOGIN), 2);
    // The login brings what was granted since.
    bao.post("auth/approle/role/proxy", json!({"token_policies": ["all"]})).await;
    hand.advance(2);
    assert!(matches!(refused().await, ProviderError::UnknownKek));
    assert_eq!(calls(&bao, LOGIN), 3);
}

#[tokio::test]
async fn a_failed_login_is_not_repeated_at_once() {
    let Some(bao) = Bao::on_disk().await else { return };
    let (id, _) = app_role(&bao, json!({"token_policies": ["default"]})).await;
    let hand = Hand::default();
    let provider = transit(bao.access(by_app_role_of(&id, "wrong"), hand.clock()));
    for _ in 0..5 {
        let refused = provider.versions(&fresh_kek()).await.unwrap_err();
        assert!(matches!(refused, ProviderError::Denied(_)), "{refused:?}");
    }
    assert_eq!(calls(&bao, LOGIN), 1);
    hand.advance(2);
    provider.versions(&fresh_kek()).await.unwrap_err();
    assert_eq!(calls(&bao, LOGIN), 2);
}

#[tokio::test]
async fn a_revoked_token_of_another_is_denied_and_its_maximum_is_its_end() {
    let Some(bao) = Bao::dev().await else { return };
    bao.policy("all", r#"path "transit/*" { capabilities = ["create", "read", "update", "delete"] }"#).await;
    let settings = json!({"policies": ["all"], "ttl": "1h", "explicit_max_ttl": "1h"});
    let (token, hand) = (bao.token(settings).await, Hand::default());
    let provider = transit(bao.access(by_token(&token), hand.clock()));
    let kek = fresh_kek();
    provider.create_kek(&kek).await.unwrap();
    // At the server an hour has not passed: what it says about the time left counts.
    hand.advance(7_200);
    provider.wrap(&kek, &dek_bytes(&fresh_dek()), &context("acme")).await.unwrap();
    bao.post("auth/token/revoke", json!({ "token": token })).await;
    for _ in 0..2 {
        let refused = provider.wrap(&kek, &dek_bytes(&fresh_dek()), &context("acme")).await.unwrap_err();
        assert!(matches!(refused, ProviderError::Denied(_)) && !format!("{refused:?}").contains(&token));
        hand.advance(7_200);
    }
}
