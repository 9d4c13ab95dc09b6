//! Every way to log in, on a server that really checks it.

use std::path::PathBuf;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use kms_bridge::{
    Clock, Credential, KekProvider, Mount, ProviderError, RoleName, VaultAccess, VaultAuth, VaultConfig, VaultTransit,
};
use rcgen::KeyPair;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use serde_json::{Value, json};
use vocab::Plain;

use crate::support::{
    bao::{Authority, Bao, by_token, transit},
    fresh_kek, stand_in,
};

fn mount(name: &str) -> Mount {
    Mount::new(name).unwrap()
}

fn role(name: &str) -> RoleName {
    RoleName::new(name).unwrap()
}

fn value(text: &str) -> Credential {
    Credential::Value(Plain::new(text.to_owned()))
}

fn provider(config: VaultConfig) -> VaultTransit {
    transit(VaultAccess::new(config, Clock::since_boot()).unwrap())
}

/// A policy that may make KEKs, and a check that the login has it.
async fn maker(bao: &Bao) {
    bao.policy("maker", r#"path "transit/keys/*" { capabilities = ["read", "update"] }"#).await;
}

async fn works(config: VaultConfig) {
    provider(config).create_kek(&fresh_kek()).await.unwrap();
}

async fn is_denied(config: VaultConfig) {
    let refused = provider(config).create_kek(&fresh_kek()).await.unwrap_err();
    assert!(matches!(refused, ProviderError::Denied(_)), "{refused:?}");
}

#[tokio::test]
async fn by_a_token_and_by_one_in_a_file() {
    let Some(bao) = Bao::dev().await else { return };
    maker(&bao).await;
    let token = bao.token(json!({"policies": ["maker"], "ttl": "1h"})).await;
    works(bao.config(by_token(&token))).await;
    is_denied(bao.config(by_token("hvs.wrong"))).await;
    let file = bao.home.path().join("token");
    let by_file = || bao.config(VaultAuth::Token(Credential::File(file.clone())));
    is_denied(by_file()).await;
    std::fs::write(&file, format!("{token}\n")).unwrap();
    works(by_file()).await;
}

#[tokio::test]
async fn by_app_role() {
    let Some(bao) = Bao::dev().await else { return };
    maker(&bao).await;
    let (id, secret) = app_role(&bao, json!({"token_policies": ["maker"]})).await;
    works(bao.config(by_app_role_of(&id, &secret))).await;
    is_denied(bao.config(by_app_role_of(&id, "wrong"))).await;
}

/// A role `proxy`: its id and a secret id.
pub(super) async fn app_role(bao: &Bao, settings: Value) -> (String, String) {
    bao.post("sys/auth/approle", json!({"type": "approle"})).await;
    bao.post("auth/approle/role/proxy", settings).await;
    let id = bao.get("auth/approle/role/proxy/role-id").await;
    let secret = bao.post("auth/approle/role/proxy/secret-id", json!({})).await;
    let text = |answer: &Value, key: &str| answer["data"][key].as_str().unwrap().to_owned();
    (text(&id, "role_id"), text(&secret, "secret_id"))
}

pub(super) fn by_app_role_of(id: &str, secret: &str) -> VaultAuth {
    VaultAuth::AppRole { mount: mount("approle"), role: value(id), secret: value(secret) }
}

#[tokio::test]
async fn by_certificate() {
    let Some(bao) = Bao::on_disk().await else { return };
    maker(&bao).await;
    let clients = Authority::new();
    bao.post("sys/auth/cert", json!({"type": "cert"})).await;
    for (name, policy) in [("proxy", "maker"), ("other", "default")] {
        let role = json!({"certificate": clients.pem, "allowed_common_names": name, "token_policies": [policy]});
        bao.post(&format!("auth/cert/certs/{name}"), role).await;
    }
    let login = |named: Option<&str>, shown: &str, by: &Authority| {
        let mut config = bao.config(VaultAuth::Certificate { mount: mount("cert"), role: named.map(role) });
        config.identity = Some(by.client(shown));
        config
    };
    works(login(None, "proxy", &clients)).await;
    works(login(Some("proxy"), "proxy", &clients)).await;
    is_denied(login(Some("other"), "proxy", &clients)).await;
    is_denied(login(Some("proxy"), "other", &clients)).await;
    is_denied(login(None, "proxy", &Authority::new())).await;
}

/// Signs tokens with ES256.
struct Issuer {
    key: EcdsaKeyPair,
    public: String,
}

impl Issuer {
    fn new() -> Self {
        let pair = KeyPair::generate().unwrap();
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pair.serialize_der(), &random).unwrap();
        Self { key, public: pair.public_key_pem() }
    }

    fn token(&self, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({"alg": "ES256", "typ": "JWT"})), part(claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

#[tokio::test]
async fn by_jwt() {
    let Some(bao) = Bao::dev().await else { return };
    maker(&bao).await;
    let issuer = Issuer::new();
    bao.post("sys/auth/jwt", json!({"type": "jwt"})).await;
    bao.post("auth/jwt/config", json!({"jwt_validation_pubkeys": [issuer.public], "default_role": "proxy"})).await;
    let settings = json!({
        "role_type": "jwt", "bound_audiences": ["vault"], "user_claim": "sub", "token_policies": ["maker"],
    });
    bao.post("auth/jwt/role/proxy", settings).await;
    let claims =
        |audience: &str| json!({"sub": "proxy", "aud": audience, "iat": 1_700_000_000, "exp": 4_000_000_000_u32});
    let login = |token: &str, named: Option<&str>| {
        bao.config(VaultAuth::Jwt { mount: mount("jwt"), role: named.map(role), token: value(token) })
    };
    works(login(&issuer.token(&claims("vault")), Some("proxy"))).await;
    works(login(&issuer.token(&claims("vault")), None)).await;
    is_denied(login(&issuer.token(&claims("other")), Some("proxy"))).await;
    is_denied(login(&Issuer::new().token(&claims("vault")), Some("proxy"))).await;
}

/// The cluster is a stand-in that answers the one call that the server makes to it.
#[tokio::test]
async fn by_kubernetes_with_a_token_that_is_read_again() {
    let Some(bao) = Bao::dev().await else { return };
    maker(&bao).await;
    let issuer = Issuer::new();
    let token = |tag: &str| {
        issuer.token(&json!({
            "iss": "https://kubernetes.default.svc", "aud": ["vault"], "jti": tag, "exp": 4_000_000_000_u32,
            "iat": 1_700_000_000, "nbf": 1_700_000_000,
            "sub": "system:serviceaccount:aios:proxy",
            "kubernetes.io": {"namespace": "aios", "serviceaccount": {"name": "proxy", "uid": "u-1"}},
        }))
    };
    let (old, new) = (token("old"), token("new"));
    let accepted = new.clone();
    let cluster = stand_in::start(move |call| {
        assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/apis/authentication.k8s.io/v1/tokenreviews"));
        let user = json!({"username": "system:serviceaccount:aios:proxy", "uid": "u-1", "groups": []});
        let status = json!({"authenticated": call.body.contains(&accepted), "user": user, "audiences": ["vault"]});
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status});
        (201, review.to_string())
    });
    bao.post("sys/auth/kubernetes", json!({"type": "kubernetes"})).await;
    let settings = json!({
        "kubernetes_host": format!("http://{cluster}"), "disable_local_ca_jwt": true, "token_reviewer_jwt": old,
        "kubernetes_ca_cert": Authority::new().pem,
    });
    bao.post("auth/kubernetes/config", settings).await;
    let settings = json!({
        "bound_service_account_names": ["proxy"], "bound_service_account_namespaces": ["aios"],
        "token_policies": ["maker"],
    });
    bao.post("auth/kubernetes/role/proxy", settings).await;

    let file: PathBuf = bao.home.path().join("service-account");
    let auth = VaultAuth::Kubernetes { mount: mount("kubernetes"), role: role("proxy"), token: file.clone() };
    let hand = crate::support::clock::Hand::default();
    let provider = transit(bao.access(auth, hand.clock()));
    std::fs::write(&file, old).unwrap();
    let refused = provider.create_kek(&fresh_kek()).await.unwrap_err();
    assert!(matches!(refused, ProviderError::Denied(_)), "{refused:?}");
    std::fs::write(&file, new).unwrap();
    hand.advance(2);
    provider.create_kek(&fresh_kek()).await.unwrap();
}
