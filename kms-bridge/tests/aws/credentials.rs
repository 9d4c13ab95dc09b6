//! Keys that end, and where new ones come from. No moto: the key service answers nonsense.

use std::{sync::Arc, time::Duration};

use kms_bridge::{AwsConfig, AwsCredentials, AwsKms, ContainerUrl, KekName, ProviderError, RoleArn, SessionName};

use super::{
    SECRET, TOKEN, config,
    gate::{Fault, Gate},
    whole,
};
use crate::contract::{fresh_dek, fresh_kek, unwrapped};

/// One call of the key service; with keys it comes to a bad answer.
async fn use_keys(kms: &AwsKms, kek: &KekName) -> ProviderError {
    use kms_bridge::KekProvider;
    kms.wrap(kek, &fresh_dek(), &unwrapped(kek).context()).await.unwrap_err()
}

fn ids(gate: &Gate) -> Vec<String> {
    let of = |s: super::gate::Seen| {
        let authorization = s.headers["authorization"].to_str().unwrap().to_owned();
        authorization.split(['=', '/']).nth(1).unwrap().to_owned()
    };
    gate.seen("Encrypt").into_iter().map(of).collect()
}

const ROLE: &str = "/latest/meta-data/iam/security-credentials/aios-role";

#[tokio::test]
async fn many_first_calls_fetch_keys_once() {
    let gate = Gate::open(None).await;
    let kms = Arc::new(AwsKms::new(config(&gate, AwsCredentials::Instance)).unwrap());
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let kms = Arc::clone(&kms);
            tokio::spawn(async move { use_keys(&kms, &fresh_kek()).await })
        })
        .collect();
    for call in calls {
        assert!(matches!(call.await.unwrap(), ProviderError::BadAnswer));
    }
    assert_eq!(gate.seen(ROLE).len(), 1);
    assert!(ids(&gate).iter().all(|id| id == "ASIAISSUED1"));
    assert_eq!(ids(&gate).len(), 20);
}

#[tokio::test]
async fn aging_keys_are_renewed_behind_the_calls_and_ended_ones_before() {
    let gate = Gate::open(None).await;
    let (kms, kek) = (AwsKms::new(config(&gate, AwsCredentials::Instance)).unwrap(), fresh_kek());
    gate.life(120);
    use_keys(&kms, &kek).await;
    // Now they age. A metadata service that hangs holds nobody up.
    gate.fault(ROLE, Fault::Hang, 1);
    while gate.seen(ROLE).len() < 2 {
        use_keys(&kms, &kek).await;
    }
    use_keys(&kms, &kek).await;
    assert!(ids(&gate).iter().all(|id| id == "ASIAISSUED1"));
    let before = ids(&gate).len();
    gate.mend();

    // Keys that end at once are fetched for each call.
    let kms = AwsKms::new(config(&gate, AwsCredentials::Instance)).unwrap();
    gate.life(10);
    use_keys(&kms, &kek).await;
    gate.life(3600);
    use_keys(&kms, &kek).await;
    use_keys(&kms, &kek).await;
    assert_eq!(ids(&gate)[before..], ["ASIAISSUED2", "ASIAISSUED3", "ASIAISSUED3"]);
}

#[tokio::test]
async fn aging_keys_are_replaced() {
    let gate = Gate::open(None).await;
    let (kms, kek) = (AwsKms::new(config(&gate, AwsCredentials::Instance)).unwrap(), fresh_kek());
    gate.life(120);
    use_keys(&kms, &kek).await;
    gate.life(3600);
    // The renewal runs beside the calls: they go on until one has the new keys.
    while ids(&gate).last().is_some_and(|id| id == "ASIAISSUED1") {
        use_keys(&kms, &kek).await;
    }
    assert_eq!(gate.seen(ROLE).len(), 2);
}

#[tokio::test]
async fn refused_keys_are_replaced_once() {
    let gate = Gate::open(None).await;
    let (kms, kek) = (AwsKms::new(config(&gate, AwsCredentials::Instance)).unwrap(), fresh_kek());
    use_keys(&kms, &kek).await;
    gate.refuse("ASIAISSUED1");
    assert!(matches!(use_keys(&kms, &kek).await, ProviderError::BadAnswer), "the call was not repeated");
    gate.refuse("ASIAISSUED2");
    gate.refuse("ASIAISSUED3");
    assert!(matches!(use_keys(&kms, &kek).await, ProviderError::Denied(_)));
    assert_eq!(gate.seen(ROLE).len(), 3);
}

#[tokio::test]
async fn failures_of_the_sources_are_outages_or_refusals() {
    let gate = Gate::open(None).await;
    let kek = fresh_kek();
    let with = |credentials| AwsKms::new(config(&gate, credentials)).unwrap();
    gate.fault(ROLE, Fault::Status(500), 1);
    assert!(matches!(use_keys(&with(AwsCredentials::Instance), &kek).await, ProviderError::Unavailable(_)));
    gate.fault(ROLE, Fault::Status(404), 1);
    assert!(matches!(use_keys(&with(AwsCredentials::Instance), &kek).await, ProviderError::Denied(_)));
    gate.fault(ROLE, Fault::Nonsense, 1);
    assert!(matches!(use_keys(&with(AwsCredentials::Instance), &kek).await, ProviderError::BadAnswer));
    let hanging = AwsConfig { deadline: Duration::from_millis(200), ..config(&gate, AwsCredentials::Instance) };
    gate.fault(ROLE, Fault::Hang, 1);
    assert!(matches!(use_keys(&AwsKms::new(hanging).unwrap(), &kek).await, ProviderError::Unavailable(_)));

    let home = tempfile::tempdir().unwrap();
    let web = |file: &str| AwsCredentials::WebIdentity {
        role: RoleArn::new("arn:aws:iam::123456789012:role/aios").unwrap(),
        token_file: home.path().join(file),
        session: SessionName::default(),
    };
    assert!(matches!(use_keys(&with(web("missing")), &kek).await, ProviderError::Denied(_)));
    std::fs::write(home.path().join("token"), "canary.web.token").unwrap();
    for (fault, outage) in [
        (Fault::Refuse("ExpiredTokenException"), false),
        (Fault::Refuse("IDPCommunicationError"), false),
        (Fault::Status(503), true),
        (Fault::Nonsense, true),
    ] {
        gate.fault("AssumeRoleWithWebIdentity", fault, 1);
        let error = use_keys(&with(web("token")), &kek).await;
        assert_eq!(error.is_outage(), outage, "{fault:?}: {error:?}");
        assert!(!whole(&error).contains("canary"), "{}", whole(&error));
    }
}

#[tokio::test]
async fn a_container_shows_its_token_to_its_agent() {
    let gate = Gate::open(None).await;
    let home = tempfile::tempdir().unwrap();
    let token_file = home.path().join("token");
    std::fs::write(&token_file, "canary-agent-token\n").unwrap();
    let url = ContainerUrl::new(&format!("{}/container", gate.url())).unwrap();
    let credentials = AwsCredentials::Container { url: url.clone(), token_file: Some(token_file) };
    let kms = AwsKms::new(config(&gate, credentials)).unwrap();
    assert!(matches!(use_keys(&kms, &fresh_kek()).await, ProviderError::BadAnswer));
    assert_eq!(ids(&gate), ["ASIAISSUED1"]);
    let sent = gate.seen("Encrypt").remove(0);
    assert_eq!(sent.headers["x-amz-security-token"], TOKEN);
    assert!(!sent.headers["authorization"].to_str().unwrap().contains(SECRET));

    let without = AwsCredentials::Container { url, token_file: None };
    let kms = AwsKms::new(config(&gate, without)).unwrap();
    assert!(matches!(use_keys(&kms, &fresh_kek()).await, ProviderError::Denied(_)));
}
