//! What every provider promises, whatever is behind it.

use kms_bridge::{
    DekBytes, DekScope, Destruction, Epoch, KekName, KekProvider, KekVersions, KeyId, ProviderError, ProviderName,
    Purpose, Severity, WrappedDek,
};
use ring::rand::{SecureRandom, SystemRandom};
use vocab::{CollectionName, TenantId};

/// A KEK name that was never used.
pub(crate) fn fresh_kek() -> KekName {
    KekName::random(&SystemRandom::new()).unwrap()
}

/// A random data key.
pub(crate) fn fresh_dek() -> DekBytes {
    DekBytes::filled(|key| SystemRandom::new().fill(key)).unwrap()
}

/// A data key of tenant `acme`, not wrapped yet.
pub(crate) fn unwrapped(kek: &KekName) -> WrappedDek {
    WrappedDek {
        key_id: KeyId::random(&SystemRandom::new()).unwrap(),
        scope: DekScope {
            tenant: TenantId::new("acme").unwrap(),
            purpose: Purpose::Payload,
            collection: Some(CollectionName::new("docs").unwrap()),
        },
        epoch: Epoch::FIRST,
        kek: kek.clone(),
        provider: ProviderName::local(),
        wrapped: Vec::new(),
    }
}

/// `dek`, wrapped by `kek`.
pub(crate) async fn wrapped(provider: &dyn KekProvider, kek: &KekName, dek: &DekBytes) -> WrappedDek {
    let mut key = unwrapped(kek);
    key.wrapped = provider.wrap(kek, dek, &key.context()).await.unwrap();
    key
}

/// What unwrapping one key comes to.
pub(crate) async fn unwrap_one(provider: &dyn KekProvider, key: &WrappedDek) -> Result<DekBytes, ProviderError> {
    let mut answers = provider.unwrap(std::slice::from_ref(key)).await?;
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

/// All promises, each on KEKs of its own.
pub(crate) async fn holds(provider: &dyn KekProvider) {
    keys_come_back(provider).await;
    missing_keks_stay_missing(provider).await;
    damage_is_told(provider).await;
    contexts_bind(provider).await;
    versions_are_kept_or_unsupported(provider).await;
    destroyed_keks_open_nothing(provider).await;
    let findings = provider.examine().await;
    assert!(!findings.is_empty() && findings.iter().all(|f| f.severity != Severity::Broken), "{findings:?}");
}

async fn keys_come_back(provider: &dyn KekProvider) {
    let (a, b, lost) = (fresh_kek(), fresh_kek(), fresh_kek());
    provider.create_kek(&a).await.unwrap();
    provider.create_kek(&b).await.unwrap();
    assert!(matches!(provider.create_kek(&a).await, Err(ProviderError::KekExists)));

    let (one, two) = (fresh_dek(), fresh_dek());
    let (first, second, again) =
        (wrapped(provider, &a, &one).await, wrapped(provider, &b, &two).await, wrapped(provider, &a, &one).await);
    assert_ne!(first.wrapped, again.wrapped, "two wraps of one key are equal");
    assert!(!first.wrapped.windows(32).any(|w| w == one.expose()), "the data key is there in the clear");

    // One of another KEK, one damaged and one of a KEK that is not there do not hurt the others.
    let swapped = WrappedDek { kek: b.clone(), ..first.clone() };
    let damaged = WrappedDek { wrapped: b"damaged".to_vec(), ..first.clone() };
    let missing = WrappedDek { kek: lost, ..first.clone() };
    let answers = provider.unwrap(&[first, swapped, second, damaged, missing, again]).await.unwrap();
    let read = |at: usize| *answers[at].as_ref().unwrap().expose();
    assert_eq!((read(0), read(2), read(5)), (*one.expose(), *two.expose(), *one.expose()));
    assert!(matches!(answers[1], Err(ProviderError::Corrupt)), "{:?}", answers[1]);
    assert!(matches!(answers[3], Err(ProviderError::Corrupt)), "{:?}", answers[3]);
    assert!(matches!(answers[4], Err(ProviderError::UnknownKek)), "{:?}", answers[4]);
    assert!(provider.unwrap(&[]).await.unwrap().is_empty());
}

async fn missing_keks_stay_missing(provider: &dyn KekProvider) {
    let (kek, present) = (fresh_kek(), fresh_kek());
    provider.create_kek(&present).await.unwrap();
    let (dek, key) = (fresh_dek(), unwrapped(&kek));
    let elsewhere = wrapped(provider, &present, &dek).await;
    let orphan = WrappedDek { wrapped: elsewhere.wrapped, ..unwrapped(&kek) };
    // The second time tells whether the first has made it.
    for _ in 0..2 {
        assert!(matches!(provider.wrap(&kek, &dek, &key.context()).await, Err(ProviderError::UnknownKek)));
        assert!(matches!(unwrap_one(provider, &orphan).await, Err(ProviderError::UnknownKek)));
        assert!(matches!(provider.destroy(&kek).await, Err(ProviderError::UnknownKek)));
    }
}

async fn damage_is_told(provider: &dyn KekProvider) {
    let kek = fresh_kek();
    provider.create_kek(&kek).await.unwrap();
    let key = wrapped(provider, &kek, &fresh_dek()).await;
    let mut damaged: Vec<WrappedDek> = Vec::new();
    for at in 0..key.wrapped.len() {
        let mut bytes = key.wrapped.clone();
        bytes[at] ^= 1;
        damaged.push(WrappedDek { wrapped: bytes, ..key.clone() });
    }
    for length in [0, 1, key.wrapped.len() / 2, key.wrapped.len() - 1] {
        damaged.push(WrappedDek { wrapped: key.wrapped[..length].to_vec(), ..key.clone() });
    }
    damaged.push(WrappedDek { wrapped: [key.wrapped.as_slice(), b"x"].concat(), ..key.clone() });
    let answers = provider.unwrap(&damaged).await.unwrap();
    for (at, answer) in answers.iter().enumerate() {
        let told = matches!(answer, Err(ProviderError::Corrupt | ProviderError::ContextMismatch));
        assert!(told, "damage {at} of {}: {answer:?}", key.wrapped.len());
    }
    assert!(unwrap_one(provider, &key).await.is_ok(), "damage was caught by breaking the KEK");
}

async fn contexts_bind(provider: &dyn KekProvider) {
    let kek = fresh_kek();
    provider.create_kek(&kek).await.unwrap();
    let key = wrapped(provider, &kek, &fresh_dek()).await;
    let mut others = vec![key.clone(); 5];
    others[0].scope.tenant = TenantId::new("rival").unwrap();
    others[1].scope.purpose = Purpose::Content;
    others[2].scope.collection = None;
    others[3].scope.collection = Some(CollectionName::new("doc").unwrap());
    others[4].epoch = Epoch::new(2).unwrap();
    for (at, answer) in provider.unwrap(&others).await.unwrap().into_iter().enumerate() {
        let told = matches!(answer, Err(ProviderError::ContextMismatch | ProviderError::Corrupt));
        assert!(told, "context {at}: {answer:?}");
    }
}

async fn versions_are_kept_or_unsupported(provider: &dyn KekProvider) {
    let kek = fresh_kek();
    provider.create_kek(&kek).await.unwrap();
    let dek = fresh_dek();
    let key = wrapped(provider, &kek, &dek).await;
    let before = provider.versions(&kek).await.unwrap();
    match provider.rotate(&kek).await {
        Err(ProviderError::Unsupported) => {
            assert_eq!(before, KekVersions::ONLY);
            assert!(matches!(provider.rewrap(&[key]).await, Err(ProviderError::Unsupported)));
        }
        rotated => {
            rotated.unwrap();
            let after = provider.versions(&kek).await.unwrap();
            assert_eq!((before.newest.0 + 1, before.oldest_usable), (after.newest.0, after.oldest_usable));
            assert_eq!(provider.version_of(&key.wrapped), Some(before.newest));
            let renewed = provider.rewrap(std::slice::from_ref(&key)).await.unwrap().remove(0).unwrap();
            assert_eq!(provider.version_of(&renewed), Some(after.newest));
            let renewed = WrappedDek { wrapped: renewed, ..key.clone() };
            for key in [&key, &renewed] {
                assert_eq!(unwrap_one(provider, key).await.unwrap().expose(), dek.expose());
            }
        }
    }
}

async fn destroyed_keks_open_nothing(provider: &dyn KekProvider) {
    let (kek, other) = (fresh_kek(), fresh_kek());
    provider.create_kek(&kek).await.unwrap();
    provider.create_kek(&other).await.unwrap();
    let dek = fresh_dek();
    let (key, spared) = (wrapped(provider, &kek, &dek).await, wrapped(provider, &other, &dek).await);
    let destruction = provider.destroy(&kek).await.unwrap();
    let (opened, sealed) = (unwrap_one(provider, &key).await, provider.wrap(&kek, &dek, &key.context()).await);
    match destruction {
        Destruction::Done => {
            assert!(matches!(opened, Err(ProviderError::UnknownKek)), "{opened:?}");
            assert!(matches!(sealed, Err(ProviderError::UnknownKek)), "{sealed:?}");
            assert!(matches!(provider.destroy(&kek).await, Err(ProviderError::UnknownKek)));
        }
        Destruction::Scheduled { after } => {
            assert!(!after.is_zero());
            assert!(matches!(opened, Err(ProviderError::Disabled)), "{opened:?}");
            assert!(matches!(sealed, Err(ProviderError::Disabled)), "{sealed:?}");
            // Again, as after a crash: the same wait goes on. Services round.
            let after = after + std::time::Duration::from_secs(60);
            let again = provider.destroy(&kek).await.unwrap();
            assert!(matches!(again, Destruction::Scheduled { after: rest } if rest <= after), "{again:?}");
        }
    }
    assert_eq!(unwrap_one(provider, &spared).await.unwrap().expose(), dek.expose());
}
