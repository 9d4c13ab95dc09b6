//! AWS that throttles, fails, hangs or talks nonsense. No moto: each answer is a fault.

use std::{num::NonZeroUsize, time::Duration};

use kms_bridge::{AwsEndpoint, AwsKms, KekProvider, ProviderError, WrappedDek};

use super::{
    SECRET, TOKEN, config,
    gate::{Fault, Gate},
    lasting_keys, provider, whole,
};
use crate::contract::{fresh_dek, fresh_kek, unwrap_one, unwrapped};

/// A wrapped key whose head is right and whose rest the faults make irrelevant.
fn some_key() -> WrappedDek {
    let mut key = unwrapped(&fresh_kek());
    let digest = ring::digest::digest(&ring::digest::SHA256, key.context().as_bytes());
    key.wrapped = [&[1], &digest.as_ref()[..16], b"ciphertext"].concat();
    key
}

#[tokio::test]
async fn each_failure_has_its_meaning_and_tells_no_secret() {
    let gate = Gate::open(None).await;
    let (kms, key, dek) = (provider(&gate), some_key(), fresh_dek());
    type Told = fn(&ProviderError) -> bool;
    let cases: [(Fault, Told); 12] = [
        (Fault::Refuse("AccessDeniedException"), |e| matches!(e, ProviderError::Denied(_))),
        (Fault::Refuse("UnrecognizedClientException"), |e| matches!(e, ProviderError::Denied(_))),
        (Fault::Refuse("InvalidSignatureException"), |e| matches!(e, ProviderError::Denied(_))),
        (Fault::Refuse("NotFoundException"), |e| matches!(e, ProviderError::UnknownKek)),
        (Fault::Refuse("DisabledException"), |e| matches!(e, ProviderError::Disabled)),
        (Fault::Refuse("InvalidCiphertextException"), |e| matches!(e, ProviderError::Corrupt)),
        (Fault::Refuse("IncorrectKeyException"), |e| matches!(e, ProviderError::Corrupt)),
        (
            Fault::Refuse("ThrottlingException"),
            |e| matches!(e, ProviderError::Throttled { after: Some(after) } if after.as_secs() == 7),
        ),
        (Fault::Status(429), |e| matches!(e, ProviderError::Throttled { .. })),
        (Fault::Status(503), |e| matches!(e, ProviderError::Unavailable(_))),
        (Fault::Status(302), |e| matches!(e, ProviderError::BadAnswer)),
        (Fault::Nonsense, |e| matches!(e, ProviderError::BadAnswer)),
    ];
    for (fault, told) in cases {
        gate.fault("Decrypt", fault, 1);
        gate.fault("Encrypt", fault, 1);
        let opened = unwrap_one(&kms, &key).await.unwrap_err();
        let sealed = kms.wrap(&key.kek, &dek, &key.context()).await.unwrap_err();
        for error in [opened, sealed] {
            assert!(told(&error), "{fault:?}: {error:?}");
            let text = whole(&error);
            assert!(!text.contains(SECRET) && !text.contains(TOKEN) && !text.contains("Signature="), "{text}");
        }
    }
    let shown = format!("{kms:?} {:?}", config(&gate, lasting_keys()));
    assert!(!shown.contains(SECRET) && !shown.contains(TOKEN), "{shown}");
}

#[tokio::test]
async fn a_hang_ends_at_the_deadline() {
    let gate = Gate::open(None).await;
    let mut config = config(&gate, lasting_keys());
    (config.deadline, config.parallel) = (Duration::from_millis(300), NonZeroUsize::MIN.saturating_add(1));
    let (kms, key) = (AwsKms::new(config).unwrap(), some_key());
    gate.fault("Decrypt", Fault::Hang, usize::MAX);
    gate.fault("DescribeKey", Fault::Hang, usize::MAX);
    let start = tokio::time::Instant::now();
    // Many more than go at a time: the deadline is that of the whole batch.
    let batch = vec![key.clone(); 20];
    assert!(matches!(kms.unwrap(&batch).await, Err(ProviderError::Unavailable(_))));
    assert!(matches!(kms.create_kek(&key.kek).await, Err(ProviderError::Unavailable(_))));
    assert!(matches!(kms.destroy(&key.kek).await, Err(ProviderError::Unavailable(_))));
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(gate.seen("Decrypt").len() <= 2, "calls were started after an outage");
    gate.mend();
    assert!(matches!(unwrap_one(&kms, &key).await, Err(ProviderError::BadAnswer)), "a hang wedged the pool");
}

#[tokio::test]
async fn one_outage_in_a_batch_ends_it_and_keeps_what_is_known() {
    let gate = Gate::open(None).await;
    let mut config = config(&gate, lasting_keys());
    config.parallel = NonZeroUsize::MIN;
    let (kms, key) = (AwsKms::new(config).unwrap(), some_key());
    let damaged = WrappedDek { wrapped: Vec::new(), ..key.clone() };
    gate.fault("Decrypt", Fault::Status(500), usize::MAX);
    let answers = kms.unwrap(&[damaged, key.clone(), key.clone()]).await.unwrap();
    assert!(matches!(answers[0], Err(ProviderError::Corrupt)));
    assert!(answers[1..].iter().all(|a| matches!(a, Err(ProviderError::Unavailable(_)))));
    assert_eq!(gate.seen("Decrypt").len(), 1);
}

#[tokio::test]
async fn nobody_at_the_address_is_an_outage() {
    let gate = Gate::open(None).await;
    let mut config = config(&gate, lasting_keys());
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    config.kms_endpoint = Some(AwsEndpoint::new(&format!("http://{free}")).unwrap());
    let kms = AwsKms::new(config).unwrap();
    let error = unwrap_one(&kms, &some_key()).await.unwrap_err();
    assert!(error.is_outage() && whole(&error).contains("refused"), "{}", whole(&error));
}
