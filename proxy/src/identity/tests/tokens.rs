//! What a token must be, and what is tried instead.

use super::{signer::RSA_PUBLIC_PEM, *};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;
use ring::hmac;
use vocab::TenantId;

#[tokio::test]
async fn every_algorithm_verifies_by_key_set_and_by_pem() {
    let cases = [
        (Signer::ed(), vec!["EdDSA"]),
        (Signer::p256(), vec!["ES256"]),
        (Signer::p384(), vec!["ES384"]),
        (Signer::rsa(), vec!["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
    ];
    for (signer, algorithms) in cases {
        for algorithm in algorithms {
            let bench = Bench::new(&[algorithm], &[signer.jwk("k1")]);
            let caller = bench.check(&signer.token(algorithm, "k1", &claims())).await.unwrap();
            assert_eq!(caller.tenant().as_str(), "acme", "{algorithm}");
            assert_eq!(caller.principal().as_str(), "alice@acme.example");
            assert_eq!(caller.groups().iter().map(|g| g.as_str()).collect::<Vec<_>>(), ["legal", "readers"]);
            assert_eq!(caller.credential(), &CredentialKind::Token { issuer: "https://id.example".into() });

            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("key.pem");
            let pem = if matches!(signer, Signer::Rsa(_)) { RSA_PUBLIC_PEM.to_owned() } else { signer.public_pem() };
            std::fs::write(&path, pem).unwrap();
            let config = issuer(&format!(
                "issuer = \"https://id.example\"\naudience = \"aios\"\nalgorithms = [\"{algorithm}\"]\npem_file = {path:?}"
            ));
            let by_pem = Authenticator::new(vec![config], None, TenantPin::Any, Settings::default()).unwrap();
            let token = signer.token(algorithm, "any id", &claims());
            by_pem.authenticate(&bearer(&token), now()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_changed_byte_anywhere_is_refused() {
    let signer = Signer::ed();
    let bench = Bench::new(&["EdDSA"], &[signer.jwk("k1")]);
    let token = signer.token("EdDSA", "k1", &claims());
    bench.check(&token).await.unwrap();
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        bench.refuse(&String::from_utf8(changed).unwrap()).await;
    }
}

#[tokio::test]
async fn a_token_is_not_taken_for_another_with_the_same_beginning() {
    let signer = Signer::ed();
    let bench = Bench::new(&["EdDSA"], &[signer.jwk("k1")]);
    let token = signer.token("EdDSA", "k1", &claims());
    for _ in 0..2 {
        bench.check(&token).await.unwrap();
    }
    bench.refuse(&format!("{token}A")).await;
    bench.refuse(&token[..token.len() - 1]).await;
    let unsigned = &token[..token.rfind('.').unwrap()];
    bench.refuse(unsigned).await;
    bench.refuse(&format!("{unsigned}.")).await;
}

#[tokio::test]
async fn none_and_shared_secrets_are_no_algorithms() {
    let signer = Signer::rsa();
    let jwk = signer.jwk("k1");
    let bench = Bench::new(&["RS256"], core::slice::from_ref(&jwk));
    let body = URL_SAFE_NO_PAD.encode(claims().to_string());
    for name in ["none", "None", "nOnE", "NONE", ""] {
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": name, "kid": "k1" }).to_string());
        for signature in ["", "AAAA"] {
            let error = bench.refuse(&format!("{header}.{body}.{signature}")).await;
            assert!(matches!(error, AuthError::AlgorithmNotAllowed), "{name}: {error:?}");
        }
    }
    // The public key, in each form in which a confused library could take it for a secret.
    let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    for secret in [RSA_PUBLIC_PEM.as_bytes(), RSA_PUBLIC_PEM.trim_end().as_bytes(), &modulus, b""] {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","kid":"k1"}"#);
        let message = format!("{header}.{body}");
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        let error = bench.refuse(&format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))).await;
        assert!(matches!(error, AuthError::AlgorithmNotAllowed), "{error:?}");
    }
    let header = URL_SAFE_NO_PAD.encode(r#"{"kid":"k1"}"#);
    assert!(matches!(bench.refuse(&format!("{header}.{body}.AAAA")).await, AuthError::AlgorithmNotAllowed));
}

#[tokio::test]
async fn only_the_algorithms_of_the_configuration_are_accepted() {
    let (rsa, ed) = (Signer::rsa(), Signer::ed());
    let bench = Bench::new(&["RS256"], &[rsa.jwk("r"), ed.jwk("e")]);
    bench.check(&rsa.token("RS256", "r", &claims())).await.unwrap();
    for token in
        [rsa.token("RS512", "r", &claims()), rsa.token("PS256", "r", &claims()), ed.token("EdDSA", "e", &claims())]
    {
        assert!(matches!(bench.refuse(&token).await, AuthError::AlgorithmNotAllowed));
    }
    let mut one_algorithm = rsa.jwk("r");
    one_algorithm["alg"] = json!("RS256");
    let bench = Bench::new(&["RS256", "PS256"], &[one_algorithm]);
    bench.check(&rsa.token("RS256", "r", &claims())).await.unwrap();
    assert!(matches!(bench.refuse(&rsa.token("PS256", "r", &claims())).await, AuthError::UnknownKey));
}

#[tokio::test]
async fn a_key_of_the_wrong_kind_or_unnamed_among_many_is_refused() {
    let (a, b, ed) = (Signer::p256(), Signer::p256(), Signer::ed());
    let all = ["ES256", "EdDSA"];
    let bench = Bench::new(&all, &[a.jwk("a"), b.jwk("b"), ed.jwk("e")]);
    bench.check(&b.token("ES256", "b", &claims())).await.unwrap();
    assert!(matches!(bench.refuse(&b.token("ES256", "a", &claims())).await, AuthError::BadSignature));
    assert!(matches!(bench.refuse(&a.token("ES256", "e", &claims())).await, AuthError::UnknownKey));
    assert!(matches!(bench.refuse(&a.token("ES256", "zzz", &claims())).await, AuthError::UnknownKey));
    let unnamed =
        |signer: &Signer, alg: &str| signer.token_of(&json!({ "alg": alg }).to_string(), &claims().to_string());
    assert!(matches!(bench.refuse(&unnamed(&a, "ES256")).await, AuthError::UnknownKey));
    bench.check(&unnamed(&ed, "EdDSA")).await.unwrap();
    let twice = Bench::new(&all, &[a.jwk("same"), b.jwk("same")]);
    assert!(matches!(twice.refuse(&a.token("ES256", "same", &claims())).await, AuthError::UnknownKey));
}

#[tokio::test]
async fn keys_that_are_not_for_verifying_are_not_used() {
    let signer = Signer::ed();
    let token = signer.token("EdDSA", "k1", &claims());
    let other = Signer::ed().jwk("other");
    for (member, value) in
        [("use", json!("enc")), ("key_ops", json!(["encrypt"])), ("alg", json!("RSA-OAEP")), ("d", json!("AAAA"))]
    {
        let mut jwk = signer.jwk("k1");
        jwk[member] = value;
        let bench = Bench::new(&["EdDSA"], &[jwk, other.clone()]);
        assert!(matches!(bench.refuse(&token).await, AuthError::UnknownKey), "{member}");
    }
    for (member, value) in [("use", json!("sig")), ("key_ops", json!(["verify"])), ("alg", json!("EdDSA"))] {
        let mut jwk = signer.jwk("k1");
        jwk[member] = value;
        Bench::new(&["EdDSA"], &[jwk, json!({"kty": "oct", "k": "AAAA"}), json!({}), other.clone()])
            .check(&token)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_token_does_not_bring_its_own_key() {
    let (ours, theirs) = (Signer::ed(), Signer::ed());
    let bench = Bench::new(&["EdDSA"], &[ours.jwk("k1")]);
    let evil = json!({
        "jwk": theirs.jwk("k1"), "jku": "https://evil.example/jwks.json", "x5u": "https://evil.example/c.pem",
        "x5c": ["MIIB"], "crit": ["exp"], "b64": false, "enc": "A128GCM", "zip": "DEF",
    });
    for (name, value) in evil.as_object().unwrap() {
        for signer in [&ours, &theirs] {
            let header = json!({ "alg": "EdDSA", "kid": "k1", name: value }).to_string();
            let error = bench.refuse(&signer.token_of(&header, &claims().to_string())).await;
            assert!(matches!(error, AuthError::Malformed(_)), "{name}: {error:?}");
        }
    }
    let harmless = json!({ "alg": "EdDSA", "kid": "k1", "x5t": "abc", "cty": "JWT" }).to_string();
    bench.check(&ours.token_of(&harmless, &claims().to_string())).await.unwrap();
}

#[tokio::test]
async fn repeated_members_and_oversize_are_refused() {
    let signer = Signer::ed();
    let bench = Bench::new(&["EdDSA"], &[signer.jwk("k1")]);
    let text = claims().to_string();
    let twice = format!("{},\"tenant\":\"globex\"}}", text.trim_end_matches('}'));
    let header = r#"{"alg":"EdDSA","kid":"k1"}"#;
    assert!(matches!(bench.refuse(&signer.token_of(header, &twice)).await, AuthError::Malformed(_)));
    let header_twice = r#"{"alg":"EdDSA","kid":"k1","kid":"k1"}"#;
    assert!(matches!(bench.refuse(&signer.token_of(header_twice, &text)).await, AuthError::Malformed(_)));
    let large = claims_with(&json!({ "note": "x".repeat(8 << 10) }));
    assert!(matches!(bench.refuse(&signer.token("EdDSA", "k1", &large)).await, AuthError::Malformed(_)));
    let fits = claims_with(&json!({ "note": "x".repeat(4 << 10) }));
    bench.check(&signer.token("EdDSA", "k1", &fits)).await.unwrap();
}

#[tokio::test]
async fn issuer_and_audience_must_be_ours() {
    let signer = Signer::ed();
    let bench = Bench::new(&["EdDSA"], &[signer.jwk("k1")]);
    let refuse = async |changes: Value| bench.refuse(&signer.token("EdDSA", "k1", &claims_with(&changes))).await;
    assert!(matches!(refuse(json!({"iss": "https://id.example/"})).await, AuthError::UnknownIssuer));
    assert!(matches!(refuse(json!({"iss": ["https://id.example"]})).await, AuthError::BadClaim("issuer")));
    assert!(matches!(refuse(json!({"iss": null})).await, AuthError::BadClaim("issuer")));
    assert!(matches!(refuse(json!({"aud": "other"})).await, AuthError::WrongAudience));
    assert!(matches!(refuse(json!({"aud": ["other"]})).await, AuthError::WrongAudience));
    assert!(matches!(refuse(json!({"aud": []})).await, AuthError::WrongAudience));
    assert!(matches!(refuse(json!({"aud": null})).await, AuthError::BadClaim("audience")));
    bench.check(&signer.token("EdDSA", "k1", &claims_with(&json!({"aud": ["other", "aios"]})))).await.unwrap();
}

#[tokio::test]
async fn one_issuer_cannot_speak_for_another() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Signer::ed(), Signer::ed());
    let configs = [("https://a.example", &ours), ("https://b.example", &theirs)].map(|(name, signer)| {
        let path = dir.path().join(format!("{}.json", name.len() + usize::from(name.contains("b."))));
        std::fs::write(&path, json!({ "keys": [signer.jwk("k1")] }).to_string()).unwrap();
        issuer(&format!("issuer = {name:?}\naudience = \"aios\"\nalgorithms = [\"EdDSA\"]\njwks_file = {path:?}"))
    });
    let both = Authenticator::new(configs.to_vec(), None, TenantPin::Any, Settings::default()).unwrap();
    let as_a = claims_with(&json!({"iss": "https://a.example"}));
    both.authenticate(&bearer(&ours.token("EdDSA", "k1", &as_a)), now()).await.unwrap();
    let forged = both.authenticate(&bearer(&theirs.token("EdDSA", "k1", &as_a)), now()).await;
    assert!(matches!(forged, Err(AuthError::BadSignature)), "{forged:?}");
    let doubled =
        Authenticator::new(vec![configs[0].clone(), configs[0].clone()], None, TenantPin::Any, Settings::default());
    assert!(matches!(doubled, Err(SetupError::TwoOfOneName(_))));
}

#[tokio::test]
async fn the_tenant_is_the_claim_and_nothing_else() {
    let signer = Signer::ed();
    let bench = Bench::new(&["EdDSA"], &[signer.jwk("k1")]);
    let token = signer.token("EdDSA", "k1", &claims());
    let mut headers = bearer(&token);
    for name in ["x-tenant", "tenant", "x-aios-tenant", "openai-organization"] {
        headers.insert(name, HeaderValue::from_static("globex"));
    }
    let caller = bench.authenticator.authenticate(&headers, now()).await.unwrap();
    assert_eq!(caller.tenant().as_str(), "acme");
    for tenant in [json!(null), json!("Acme"), json!("../acme"), json!(""), json!(7), json!(["acme"]), json!("a cme")] {
        let error = bench.refuse(&signer.token("EdDSA", "k1", &claims_with(&json!({ "tenant": tenant })))).await;
        assert!(matches!(error, AuthError::BadClaim("tenant claim")), "{tenant}: {error:?}");
    }
    for subject in [json!(null), json!(""), json!("a b"), json!(1)] {
        let error = bench.refuse(&signer.token("EdDSA", "k1", &claims_with(&json!({ "sub": subject })))).await;
        assert!(matches!(error, AuthError::BadClaim("subject")), "{subject}: {error:?}");
    }
    for groups in [json!("legal"), json!([1]), json!(["ok", "not ok"]), json!({})] {
        let error = bench.refuse(&signer.token("EdDSA", "k1", &claims_with(&json!({ "groups": groups })))).await;
        assert!(matches!(error, AuthError::BadClaim("groups claim")), "{groups}: {error:?}");
    }
    let none = bench.check(&signer.token("EdDSA", "k1", &claims_with(&json!({ "groups": null })))).await.unwrap();
    assert!(none.groups().is_empty());
}

#[tokio::test]
async fn a_pinned_sidecar_serves_its_tenant_only() {
    let signer = Signer::ed();
    let pin = TenantPin::Only(TenantId::new("acme").unwrap());
    let bench = Bench::pinned(&["EdDSA"], &[signer.jwk("k1")], pin);
    bench.check(&signer.token("EdDSA", "k1", &claims())).await.unwrap();
    let foreign = signer.token("EdDSA", "k1", &claims_with(&json!({ "tenant": "globex" })));
    for _ in 0..2 {
        let error = bench.refuse(&foreign).await;
        assert!(matches!(error, AuthError::ForeignTenant), "{error:?}");
        assert_eq!(error.status(), http::StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn claims_go_by_the_names_of_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let (path, signer) = (dir.path().join("jwks.json"), Signer::ed());
    std::fs::write(&path, json!({ "keys": [signer.jwk("k1")] }).to_string()).unwrap();
    let config = issuer(&format!(
        "issuer = \"https://id.example\"\naudience = \"aios\"\nalgorithms = [\"EdDSA\"]\njwks_file = {path:?}
         tenant_claim = \"https://acme.example/tenant\"\ngroups_claim = \"roles\""
    ));
    let authenticator = Authenticator::new(vec![config], None, TenantPin::Any, Settings::default()).unwrap();
    let claims = claims_with(&json!({ "https://acme.example/tenant": "globex", "roles": ["admins"] }));
    let caller = authenticator.authenticate(&bearer(&signer.token("EdDSA", "k1", &claims)), now()).await.unwrap();
    assert_eq!((caller.tenant().as_str(), caller.groups()[0].as_str()), ("globex", "admins"));
}

#[tokio::test]
async fn policies_get_the_claims_that_the_configuration_names_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let (path, signer) = (dir.path().join("jwks.json"), Signer::ed());
    std::fs::write(&path, json!({ "keys": [signer.jwk("k1")] }).to_string()).unwrap();
    let config = issuer(&format!(
        "issuer = \"https://id.example\"\naudience = \"aios\"\nalgorithms = [\"EdDSA\"]\njwks_file = {path:?}
         policy_claims = [\"department\", \"site\"]"
    ));
    let authenticator = Authenticator::new(vec![config], None, TenantPin::Any, Settings::default()).unwrap();
    let token = |changes| bearer(&signer.token("EdDSA", "k1", &claims_with(&changes)));
    let told = json!({ "department": "legal", "site": ["berlin", "paris"], "salary": "high" });
    let caller = authenticator.authenticate(&token(told), now()).await.unwrap();
    let claims: Vec<_> = caller.claims().iter().map(|c| (c.name.as_str(), c.value.as_str())).collect();
    assert_eq!(claims, [("department", "legal"), ("site", "berlin"), ("site", "paris")]);
    for value in [json!(7), json!({}), json!([1]), json!([["legal"]])] {
        let error = authenticator.authenticate(&token(json!({ "department": value })), now()).await.unwrap_err();
        assert!(matches!(error, AuthError::BadClaim("claim for policies")), "{error:?}");
    }
}

proptest! {
    #[test]
    fn any_credential_is_refused_without_a_panic(text in "[!-~&&[^,]]{1,300}", parts in "[A-Za-z0-9_.-]{0,200}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let bench = Bench::new(&["EdDSA"], &[Signer::ed().jwk("k1")]);
            bench.refuse(&text).await;
            bench.refuse(&format!("eyJhbGciOiJFZERTQSJ9.{parts}")).await;
        });
    }
}
