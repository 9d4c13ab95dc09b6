//! When a token begins and ends, with the clock as an argument.

use super::*;

#[tokio::test]
async fn a_token_begins_and_ends_with_leeway() {
    let signer = Signer::ed();
    let bench = Bench::new(&["EdDSA"], &[signer.jwk("k1")]);
    let token = signer.token("EdDSA", "k1", &claims_with(&json!({ "nbf": NOW, "exp": NOW + 100 })));
    let at = async |seconds: u64| bench.authenticator.authenticate(&bearer(&token), UnixSeconds::new(seconds)).await;
    assert!(matches!(at(NOW - 31).await, Err(AuthError::NotYetValid)));
    at(NOW - 30).await.unwrap();
    at(NOW + 99).await.unwrap();
    at(NOW + 129).await.unwrap();
    assert!(matches!(at(NOW + 130).await, Err(AuthError::Expired)), "remembered or not");
    assert!(matches!(at(u64::MAX).await, Err(AuthError::Expired)));
}

#[tokio::test]
async fn an_end_is_needed_and_must_be_a_time() {
    let signer = Signer::ed();
    let bench = Bench::new(&["EdDSA"], &[signer.jwk("k1")]);
    for exp in [json!(null), json!("1900000000"), json!(-1), json!(1e300), json!(true)] {
        let error = bench.refuse(&signer.token("EdDSA", "k1", &claims_with(&json!({ "exp": exp })))).await;
        assert!(matches!(error, AuthError::BadClaim("expiry")), "{exp}: {error:?}");
    }
    let list = bench.refuse(&signer.token("EdDSA", "k1", &claims_with(&json!({ "exp": [NOW + 600] })))).await;
    assert!(matches!(list, AuthError::Malformed(_)), "{list:?}");
    for nbf in [json!("soon"), json!(-1)] {
        let error = bench.refuse(&signer.token("EdDSA", "k1", &claims_with(&json!({ "nbf": nbf })))).await;
        assert!(matches!(error, AuthError::BadClaim("not-before time")), "{nbf}: {error:?}");
    }
    let fraction = claims_with(&json!({ "exp": 1_800_000_600.75, "nbf": 1_799_999_999.5 }));
    bench.check(&signer.token("EdDSA", "k1", &fraction)).await.unwrap();
    let largest = claims_with(&json!({ "exp": u64::MAX, "nbf": null }));
    bench.check(&signer.token("EdDSA", "k1", &largest)).await.unwrap();
}

#[tokio::test]
async fn expiry_is_told_only_of_tokens_with_a_right_signature() {
    let (ours, theirs) = (Signer::ed(), Signer::ed());
    let bench = Bench::new(&["EdDSA"], &[ours.jwk("k1")]);
    let old = claims_with(&json!({ "exp": NOW - 600 }));
    assert!(matches!(bench.refuse(&ours.token("EdDSA", "k1", &old)).await, AuthError::Expired));
    assert!(matches!(bench.refuse(&theirs.token("EdDSA", "k1", &old)).await, AuthError::BadSignature));
}
