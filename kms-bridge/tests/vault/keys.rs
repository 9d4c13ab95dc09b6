//! KEKs: the contract, and what is the engine's own way.

use kms_bridge::{Clock, KekProvider, KekVersion, LocalKeyring, ProviderError, Severity, Unlock};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{
    bao::{Bao, by_token, transit},
    context, contract, dek_bytes, fresh_dek, fresh_kek, registered,
};

/// The policies of docs/keys.md: the data path, onboarding, shredding.
fn documented() -> [&'static str; 3] {
    let blocks = include_str!("../../../docs/keys.md").split("```hcl\n").skip(1);
    let policies: Vec<&str> = blocks.map(|block| block.split("```").next().unwrap()).collect();
    policies.try_into().unwrap()
}

#[tokio::test]
async fn the_local_keyring_holds_to_the_contract() {
    let home = TempDir::new().unwrap();
    let unlock = Unlock::KeyFile(home.path().join("root.key"));
    contract::holds(&LocalKeyring::open(&home.path().join("keyring"), &unlock).unwrap()).await;
}

#[tokio::test]
async fn transit_holds_to_the_contract() {
    let Some(bao) = Bao::dev().await else { return };
    contract::holds(&bao.transit(&bao.root)).await;
}

#[tokio::test]
async fn transit_holds_to_the_contract_over_tls_with_upsert_disabled() {
    let Some(bao) = Bao::on_disk().await else { return };
    bao.post("transit/config/keys", json!({"disable_upsert": true})).await;
    contract::holds(&bao.transit(&bao.root)).await;
}

#[tokio::test]
async fn wrapping_never_makes_a_kek_whatever_the_token_may() {
    let Some(bao) = Bao::dev().await else { return };
    bao.policy("data", documented()[0]).await;
    let data = bao.token(json!({"policies": ["data"]})).await;
    for token in [&bao.root, &data] {
        let (provider, kek) = (bao.transit(token), fresh_kek());
        let refused = provider.wrap(&kek, &dek_bytes(&fresh_dek()), &context("acme")).await.unwrap_err();
        assert!(matches!(refused, ProviderError::UnknownKek), "{refused:?}");
        let (status, _) = bao.call_as(&bao.root, "GET", &format!("transit/keys/{kek}"), None).await;
        assert_eq!(status, 404);
    }
    // A plain call of the API does make it: the guard is ours.
    let kek = fresh_kek();
    bao.post(&format!("transit/encrypt/{kek}"), json!({"plaintext": "AAAA", "context": "AAAA"})).await;
    bao.get(&format!("transit/keys/{kek}")).await;
}

#[tokio::test]
async fn a_kek_is_derived_and_cannot_leave() {
    let Some(bao) = Bao::dev().await else { return };
    let kek = fresh_kek();
    bao.transit(&bao.root).create_kek(&kek).await.unwrap();
    let key = &bao.get(&format!("transit/keys/{kek}")).await["data"];
    assert_eq!((&key["type"], &key["derived"]), (&json!("aes256-gcm96"), &json!(true)));
    for off in ["exportable", "allow_plaintext_backup", "deletion_allowed", "convergent_encryption"] {
        assert_eq!(key[off], json!(false), "{off}");
    }
}

#[tokio::test]
async fn a_name_that_was_made_again_opens_nothing_of_before() {
    let Some(bao) = Bao::dev().await else { return };
    let (provider, kek, dek) = (bao.transit(&bao.root), fresh_kek(), fresh_dek());
    provider.create_kek(&kek).await.unwrap();
    let wrapped = provider.wrap(&kek, &dek_bytes(&dek), &context("acme")).await.unwrap();
    provider.destroy(&kek).await.unwrap();
    provider.create_kek(&kek).await.unwrap();
    let answers = provider.unwrap(&[registered(&kek, "acme", wrapped)]).await.unwrap();
    assert!(matches!(answers[0], Err(ProviderError::Corrupt)), "{answers:?}");
}

#[tokio::test]
async fn a_version_below_the_minimum_is_disabled_and_comes_back() {
    let Some(bao) = Bao::dev().await else { return };
    let (provider, kek, dek) = (bao.transit(&bao.root), fresh_kek(), fresh_dek());
    provider.create_kek(&kek).await.unwrap();
    let wrapped = provider.wrap(&kek, &dek_bytes(&dek), &context("acme")).await.unwrap();
    let old = [registered(&kek, "acme", wrapped)];
    provider.rotate(&kek).await.unwrap();
    let config = format!("transit/keys/{kek}/config");
    bao.post(&config, json!({"min_decryption_version": 2})).await;

    assert!(matches!(provider.unwrap(&old).await.unwrap()[0], Err(ProviderError::Disabled)));
    assert!(matches!(provider.rewrap(&old).await.unwrap()[0], Err(ProviderError::Disabled)));
    let versions = provider.versions(&kek).await.unwrap();
    assert_eq!((versions.newest, versions.oldest_usable), (KekVersion(2), KekVersion(2)));
    bao.post(&config, json!({"min_decryption_version": 1})).await;
    assert_eq!(provider.unwrap(&old).await.unwrap()[0].as_ref().unwrap().expose(), &dek);
}

#[tokio::test]
async fn a_kek_that_was_set_aside_is_disabled() {
    let Some(bao) = Bao::dev().await else { return };
    let (provider, kek, dek) = (bao.transit(&bao.root), fresh_kek(), fresh_dek());
    provider.create_kek(&kek).await.unwrap();
    let wrapped = provider.wrap(&kek, &dek_bytes(&dek), &context("acme")).await.unwrap();
    let registered = [registered(&kek, "acme", wrapped)];
    bao.call("DELETE", &format!("transit/keys/{kek}/soft-delete"), None).await;
    let disabled = |error: ProviderError| assert!(matches!(error, ProviderError::Disabled), "{error:?}");
    disabled(provider.wrap(&kek, &dek_bytes(&dek), &context("acme")).await.unwrap_err());
    disabled(provider.unwrap(&registered).await.unwrap().remove(0).unwrap_err());
    disabled(provider.rewrap(&registered).await.unwrap().remove(0).unwrap_err());
    disabled(provider.rotate(&kek).await.unwrap_err());
    assert!(matches!(provider.create_kek(&kek).await, Err(ProviderError::KekExists)));
}

#[tokio::test]
async fn destroying_keeps_the_settings_of_other_keks() {
    let Some(bao) = Bao::dev().await else { return };
    let (provider, kek) = (bao.transit(&bao.root), fresh_kek());
    provider.create_kek(&kek).await.unwrap();
    provider.rotate(&kek).await.unwrap();
    bao.policy("no-delete", r#"path "transit/keys/*" { capabilities = ["read", "update"] }"#).await;
    let token = bao.token(json!({"policies": ["no-delete"]})).await;
    bao.post(&format!("transit/keys/{kek}/config"), json!({"min_decryption_version": 2})).await;
    let refused = bao.transit(&token).destroy(&kek).await.unwrap_err();
    assert!(matches!(refused, ProviderError::Denied(_)), "{refused:?}");
    // What was allowed of it has not touched the versions.
    assert_eq!(provider.versions(&kek).await.unwrap().oldest_usable, KekVersion(2));
}

#[tokio::test]
async fn a_thousand_unwraps_are_five_calls() {
    let Some(bao) = Bao::on_disk().await else { return };
    let (provider, kek, dek) = (bao.transit(&bao.root), fresh_kek(), fresh_dek());
    provider.create_kek(&kek).await.unwrap();
    let wrapped = provider.wrap(&kek, &dek_bytes(&dek), &context("acme")).await.unwrap();
    let batch: Vec<_> = (0..1_000).map(|_| registered(&kek, "acme", wrapped.clone())).collect();
    let before = bao.audited().len();
    let opened = provider.unwrap(&batch).await.unwrap();
    assert!(opened.len() == 1_000 && opened.iter().all(|key| key.as_ref().unwrap().expose() == &dek));
    let calls = bao.audited().split_off(before);
    assert_eq!(calls, vec![("update".to_owned(), format!("transit/decrypt/{kek}")); 5]);
}

#[tokio::test]
async fn a_missing_engine_is_not_a_missing_kek() {
    let Some(bao) = Bao::dev().await else { return };
    let provider = bao.transit(&bao.root);
    let kek = fresh_kek();
    provider.create_kek(&kek).await.unwrap();
    let wrapped = provider.wrap(&kek, &dek_bytes(&fresh_dek()), &context("acme")).await.unwrap();
    bao.call("DELETE", "sys/mounts/transit", None).await;
    let denied = |error: ProviderError| assert!(matches!(error, ProviderError::Denied(_)), "{error:?}");
    denied(provider.unwrap(&[registered(&kek, "acme", wrapped)]).await.unwrap_err());
    denied(provider.versions(&kek).await.unwrap_err());
    denied(provider.create_kek(&kek).await.unwrap_err());
    denied(provider.wrap(&kek, &dek_bytes(&fresh_dek()), &context("acme")).await.unwrap_err());
}

#[tokio::test]
async fn findings_name_what_weakens_a_promise() {
    let Some(bao) = Bao::dev().await else { return };
    bao.policy("data", documented()[0]).await;
    let provider = bao.transit(&bao.root);
    let kek = fresh_kek();
    provider.create_kek(&kek).await.unwrap();
    bao.post(&format!("transit/keys/{kek}/config"), json!({"deletion_allowed": true})).await;
    let flat = fresh_kek();
    bao.post(&format!("transit/keys/{flat}"), json!({"derived": false})).await;
    let found = provider.examine().await;
    let says = |severity: Severity, words: &str| {
        assert!(found.iter().any(|f| f.severity == severity && f.text.contains(words)), "{words}: {found:#?}");
    };
    says(Severity::Fine, "unsealed (version 2.7.2)");
    says(Severity::Warning, "root token");
    says(Severity::Warning, "could make keys by encrypting");
    says(Severity::Warning, "may destroy KEKs");
    says(Severity::Warning, "set disable_upsert");
    says(Severity::Warning, &format!("{kek} may be deleted"));
    says(Severity::Broken, &format!("{flat} is not derived"));

    let data = bao.token(json!({"policies": ["data"], "ttl": "1h"})).await;
    let found = bao.transit(&data).examine().await;
    assert!(found.iter().all(|f| f.severity == Severity::Fine), "{found:#?}");

    let nobody = transit(bao.access(by_token("hvs.wrong"), Clock::since_boot()));
    let found = nobody.examine().await;
    assert!(found.iter().any(|f| f.severity == Severity::Broken && f.text.contains("no login")), "{found:#?}");
}

#[tokio::test]
async fn the_documented_policies_are_enough_for_their_part_and_for_no_other() {
    let Some(bao) = Bao::dev().await else { return };
    let mut providers = Vec::new();
    for (name, rules) in ["data", "onboarding", "shredding"].iter().zip(documented()) {
        bao.policy(name, rules).await;
        providers.push(bao.transit(&bao.token(json!({"policies": [name]})).await));
    }
    let [data, onboarding, shredding]: [_; 3] = providers.try_into().unwrap();
    let denied = |error: ProviderError| assert!(matches!(error, ProviderError::Denied(_)), "{error:?}");
    let (kek, dek) = (fresh_kek(), fresh_dek());
    denied(data.create_kek(&kek).await.unwrap_err());
    denied(shredding.create_kek(&kek).await.unwrap_err());
    onboarding.create_kek(&kek).await.unwrap();

    let wrapped = data.wrap(&kek, &dek_bytes(&dek), &context("acme")).await.unwrap();
    let deks = [registered(&kek, "acme", wrapped)];
    denied(data.rotate(&kek).await.unwrap_err());
    onboarding.rotate(&kek).await.unwrap();
    assert!(data.rewrap(&deks).await.unwrap()[0].is_ok());
    assert_eq!(data.versions(&kek).await.unwrap().newest, KekVersion(2));
    for other in [&onboarding, &shredding] {
        denied(other.wrap(&kek, &dek_bytes(&dek), &context("acme")).await.unwrap_err());
        denied(other.unwrap(&deks).await.unwrap_err());
    }
    denied(data.destroy(&kek).await.unwrap_err());
    denied(onboarding.destroy(&kek).await.unwrap_err());
    assert!(data.unwrap(&deks).await.unwrap()[0].is_ok());
    shredding.destroy(&kek).await.unwrap();
    assert!(matches!(data.unwrap(&deks).await.unwrap()[0], Err(ProviderError::UnknownKek)));
}
