//! What every provider of KEKs must hold to.

use kms_bridge::{Destruction, KekProvider, KekVersions, ProviderError, Severity};

use super::{context, dek_bytes, fresh_dek, fresh_kek, registered};

/// The contract of [`KekProvider`], on fresh KEKs. The service must be reachable and its rights in
/// order.
pub(crate) async fn holds(provider: &dyn KekProvider) {
    wrapping_is_bound_to_kek_and_context(provider).await;
    damage_is_told_apart_from_a_missing_kek(provider).await;
    a_missing_kek_stays_missing(provider).await;
    a_batch_keeps_its_order(provider).await;
    versions_go_up_and_old_ones_still_open(provider).await;
    what_is_destroyed_stays_so(provider).await;
    let findings = provider.examine().await;
    assert!(!findings.is_empty() && findings.iter().all(|f| f.severity < Severity::Broken), "{findings:?}");
}

/// Whether an error says that a wrapped key is not what it should be.
fn is_refused(error: &ProviderError) -> bool {
    matches!(error, ProviderError::Corrupt | ProviderError::ContextMismatch)
}

async fn wrapping_is_bound_to_kek_and_context(provider: &dyn KekProvider) {
    let (kek, other, dek) = (fresh_kek(), fresh_kek(), fresh_dek());
    provider.create_kek(&kek).await.unwrap();
    provider.create_kek(&other).await.unwrap();
    assert!(matches!(provider.create_kek(&kek).await, Err(ProviderError::KekExists)));

    let wrapped = provider.wrap(&kek, &dek_bytes(&dek), &context("acme")).await.unwrap();
    assert!(!wrapped.windows(32).any(|window| window == dek));
    let right = registered(&kek, "acme", wrapped.clone());
    let opened = provider.unwrap(std::slice::from_ref(&right)).await.unwrap();
    assert_eq!(opened[0].as_ref().unwrap().expose(), &dek);

    let foreign = [registered(&kek, "rival", wrapped.clone()), registered(&other, "acme", wrapped)];
    for answer in provider.unwrap(&foreign).await.unwrap() {
        assert!(is_refused(&answer.unwrap_err()));
    }
    let twice = provider.wrap(&kek, &dek_bytes(&dek), &context("acme")).await.unwrap();
    assert_ne!(twice, right.wrapped, "wrapping is not deterministic");
}

async fn damage_is_told_apart_from_a_missing_kek(provider: &dyn KekProvider) {
    let (kek, dek) = (fresh_kek(), fresh_dek());
    provider.create_kek(&kek).await.unwrap();
    let wrapped = provider.wrap(&kek, &dek_bytes(&dek), &context("acme")).await.unwrap();
    let mut flipped = wrapped.clone();
    let last = flipped.len() - 6;
    flipped[last] = if flipped[last] == b'A' { b'B' } else { b'A' };
    let cut = wrapped[..wrapped.len() / 2].to_vec();
    for damaged in [flipped, cut, Vec::new(), b"not wrapped".to_vec(), vec![0xff; 40]] {
        let answers = provider.unwrap(&[registered(&kek, "acme", damaged.clone())]).await.unwrap();
        assert!(is_refused(answers[0].as_ref().unwrap_err()), "{damaged:?}");
    }
}

async fn a_missing_kek_stays_missing(provider: &dyn KekProvider) {
    let (kek, made) = (fresh_kek(), fresh_kek());
    provider.create_kek(&made).await.unwrap();
    let wrapped = provider.wrap(&made, &dek_bytes(&fresh_dek()), &context("acme")).await.unwrap();
    let missing = |answer: &ProviderError| assert!(matches!(answer, ProviderError::UnknownKek), "{answer:?}");

    missing(&provider.wrap(&kek, &dek_bytes(&fresh_dek()), &context("acme")).await.unwrap_err());
    let lost = registered(&kek, "acme", wrapped);
    missing(provider.unwrap(std::slice::from_ref(&lost)).await.unwrap()[0].as_ref().unwrap_err());
    missing(&provider.destroy(&kek).await.unwrap_err());
    match provider.versions(&kek).await {
        Ok(versions) => assert_eq!(versions, KekVersions::ONLY),
        Err(error) => missing(&error),
    }
    match provider.rotate(&kek).await.unwrap_err() {
        ProviderError::Unsupported => {}
        error => missing(&error),
    }
    match provider.rewrap(&[lost]).await {
        Err(ProviderError::Unsupported) => {}
        answers => missing(answers.unwrap()[0].as_ref().unwrap_err()),
    }
    // Nothing of this has made it.
    provider.create_kek(&kek).await.unwrap();
}

async fn a_batch_keeps_its_order(provider: &dyn KekProvider) {
    let (keks, missing) = ([fresh_kek(), fresh_kek(), fresh_kek()], fresh_kek());
    for kek in &keks {
        provider.create_kek(kek).await.unwrap();
    }
    let (mut batch, mut expected) = (Vec::new(), Vec::new());
    for at in 0..12_usize {
        let (kek, dek) = (&keks[at % 3], fresh_dek());
        let wrapped = provider.wrap(kek, &dek_bytes(&dek), &context("acme")).await.unwrap();
        let (kek, tenant) = match at % 4 {
            3 => (&missing, "acme"),
            2 => (kek, "rival"),
            _ => (kek, "acme"),
        };
        batch.push(registered(kek, tenant, wrapped));
        expected.push((at % 4, dek));
    }
    let answers = provider.unwrap(&batch).await.unwrap();
    assert_eq!(answers.len(), batch.len());
    for (answer, (kind, dek)) in answers.iter().zip(expected) {
        match (answer, kind) {
            (Ok(opened), 0 | 1) => assert_eq!(opened.expose(), &dek),
            (Err(error), 2) => assert!(is_refused(error)),
            (Err(ProviderError::UnknownKek), 3) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(provider.unwrap(&[]).await.unwrap().is_empty());
}

async fn versions_go_up_and_old_ones_still_open(provider: &dyn KekProvider) {
    let (kek, dek) = (fresh_kek(), fresh_dek());
    provider.create_kek(&kek).await.unwrap();
    let wrapped = provider.wrap(&kek, &dek_bytes(&dek), &context("acme")).await.unwrap();
    let before = provider.versions(&kek).await.unwrap();
    assert!(before.oldest_usable <= before.newest);
    match provider.rotate(&kek).await {
        Err(ProviderError::Unsupported) => assert_eq!(before, KekVersions::ONLY),
        rotated => {
            rotated.unwrap();
            let after = provider.versions(&kek).await.unwrap();
            assert!(after.newest > before.newest && after.oldest_usable == before.oldest_usable);
            let old = registered(&kek, "acme", wrapped.clone());
            let rewrapped = provider.rewrap(std::slice::from_ref(&old)).await.unwrap().remove(0).unwrap();
            assert_eq!(provider.version_of(&wrapped), Some(before.newest));
            assert_eq!(provider.version_of(&rewrapped), Some(after.newest));
            let both = [old, registered(&kek, "acme", rewrapped)];
            for answer in provider.unwrap(&both).await.unwrap() {
                assert_eq!(answer.unwrap().expose(), &dek);
            }
            let newly = provider.wrap(&kek, &dek_bytes(&dek), &context("acme")).await.unwrap();
            assert_eq!(provider.version_of(&newly), Some(after.newest));
        }
    }
}

async fn what_is_destroyed_stays_so(provider: &dyn KekProvider) {
    let (kek, dek) = (fresh_kek(), fresh_dek());
    provider.create_kek(&kek).await.unwrap();
    let wrapped = provider.wrap(&kek, &dek_bytes(&dek), &context("acme")).await.unwrap();
    let scheduled = provider.destroy(&kek).await.unwrap() != Destruction::Done;
    let gone = |error: &ProviderError| match error {
        ProviderError::Disabled => assert!(scheduled),
        error => assert!(matches!(error, ProviderError::UnknownKek), "{error:?}"),
    };
    gone(&provider.wrap(&kek, &dek_bytes(&dek), &context("acme")).await.unwrap_err());
    gone(provider.unwrap(&[registered(&kek, "acme", wrapped)]).await.unwrap()[0].as_ref().unwrap_err());
    if !scheduled {
        gone(&provider.destroy(&kek).await.unwrap_err());
    }
}
