use crate::Bench;
use control_plane::OperatorEvent;
use std::collections::BTreeMap;
use vocab::TenantId;

#[tokio::test]
async fn an_event_is_taken_by_one_process_and_stays_until_it_is_recorded() {
    let bench = Bench::new();
    let (cli, one, two) = (bench.store().await, bench.store().await, bench.store().await);
    let event = |name: &str| OperatorEvent {
        event: name.to_owned(),
        tenant: Some(TenantId::new("acme").unwrap()),
        principal: "uid 0".to_owned(),
        details: BTreeMap::from([("fence".to_owned(), "7".to_owned())]),
    };
    let first = cli.note_event(&event("keys.shred_begins")).await.unwrap();
    let second = cli.note_event(&event("keys.shredded")).await.unwrap();
    let (mine, theirs) = (one.claim_event().await.unwrap().unwrap(), two.claim_event().await.unwrap().unwrap());
    assert_eq!((mine.id, theirs.id), (first, second), "in order, and each to one");
    assert_eq!(mine.event, event("keys.shred_begins"));
    assert_eq!(one.claim_event().await.unwrap(), None);
    assert!(!cli.is_event_recorded(first).await.unwrap());
    one.event_recorded(first).await.unwrap();
    assert!(cli.is_event_recorded(first).await.unwrap() && !cli.is_event_recorded(second).await.unwrap());
}
