//! Records in, a log that verifies out.

use std::time::Duration;

use audit_log::verify::{SignedLog, Verdict, check_consistency};
use audit_log::{
    Blame, CallError, Correlation, Durability, EventRecord, Ledger, LedgerConfig, LedgerError, RefusalRecord, Word,
    Writable,
};
use vocab::RecordId;

use crate::support::{Home, calls, intent, now, outcome, word};

fn refusal(n: u32) -> RefusalRecord {
    RefusalRecord {
        record: RecordId::new(&format!("x{n}")).unwrap(),
        time: now(n),
        tenant: None,
        principal: None,
        subject: None,
        decision: None,
        labels: std::collections::BTreeMap::default(),
        http_status: Some(401),
        error: CallError { code: word("token_expired"), blame: Blame::Client },
        correlation: Correlation::default(),
    }
}

fn event(n: u32) -> EventRecord {
    EventRecord {
        time: now(n),
        event: word("ledger.start"),
        tenant: None,
        principal: None,
        details: [(word("version"), word("0.1.0"))].into(),
    }
}

#[tokio::test]
async fn what_is_recorded_verifies_and_reads_back_as_it_was() {
    let home = Home::new();
    let ledger = home.open().unwrap();
    assert_eq!(ledger.event(event(0)).await.unwrap().index(), 0);
    let first = ledger.intent(intent(1)).await.unwrap();
    assert_eq!((first.index(), first.record_id().as_str(), first.tenant().as_str()), (1, "r1", "acme"));
    assert_eq!(ledger.health().open_intents, 1);
    assert_eq!(ledger.outcome(first, outcome(2)).await.unwrap().index(), 2);
    ledger.refusal(refusal(3)).await.unwrap();
    let health = ledger.health();
    assert_eq!((health.entries, health.open_intents, health.writable), (4, 0, Writable::Yes));
    ledger.close().await.unwrap();
    assert_eq!(ledger.health().signed_entries, 4);

    let report = home.verify();
    assert_eq!(report.verdict, Verdict::Sound, "{:?}", report.problems);
    let records = report.records;
    assert_eq!((records.events, records.intents, records.outcomes, records.refusals), (1, 1, 1, 1));
    let log = SignedLog::open(&home.host(), &home.keys).unwrap();
    assert_eq!(
        String::from_utf8(log.leaf(1).unwrap()).unwrap(),
        "{\"action\":\"model.chat\",\"coverage\":{\"messages.0.content\":\"scanned\",\
         \"messages.1.image\":\"exempt_by:images-ok\"},\"facts\":{\"roles\":[\"app\"],\"tokens\":7},\"kind\":\"intent\",\"labels\":{\"email\":2},\
         \"model\":\"gpt-4o\",\"obligations\":[\"pseudonymise\"],\"policy\":\"sha256:ab12\",\
         \"principal\":\"0123456789abcdef0123456789abcdef\",\"record\":\"r1\",\"region\":\"eu\",\
         \"request_bytes\":1234,\"resource\":\"model:openai/gpt-4o\",\"rules\":[\"allow-chat\",\"mask-pii\"],\
         \"tenant\":\"acme\",\"time\":1,\"upstream\":\"openai\",\"v\":2}"
    );
}

#[tokio::test]
async fn after_closing_nothing_is_taken() {
    let home = Home::new();
    let ledger = home.open().unwrap();
    ledger.close().await.unwrap();
    ledger.close().await.unwrap();
    assert!(matches!(ledger.event(event(0)).await, Err(LedgerError::Closed)));
    assert_eq!(ledger.health().writable, Writable::Closed);
}

#[tokio::test]
async fn a_record_too_large_for_a_leaf_is_refused_and_its_call_abandoned() {
    let home = Home::new();
    let ledger = home.open().unwrap();
    let mut big = intent(1);
    big.decision.rules = (0..1000).map(|n| Word::lossy(&format!("{n}-{}", "x".repeat(100)))).collect();
    assert!(matches!(ledger.intent(big.clone()).await, Err(LedgerError::Leaf(_))));
    let open = ledger.intent(intent(2)).await.unwrap();
    let mut big_outcome = outcome(2);
    big_outcome.obligations = big.decision.rules;
    assert!(matches!(ledger.outcome(open, big_outcome).await, Err(LedgerError::Leaf(_))));
    drop(ledger.intent(intent(3)).await.unwrap());
    ledger.close().await.unwrap();
    assert_eq!(ledger.health().abandoned_intents, 2);
    let report = home.verify();
    assert_eq!(report.verdict, Verdict::Sound, "{:?}", report.problems);
    assert_eq!((report.records.intents, report.records.outcomes), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_tasks_at_once_get_distinct_indexes_in_their_own_order() {
    let home = Home::new();
    let ledger = Ledger::open(
        &home.host(),
        home.key(),
        LedgerConfig { checkpoint_interval: Duration::from_millis(5), ..Home::config() },
    )
    .unwrap();
    let tasks: Vec<_> = (0..64_u32)
        .map(|task| {
            let ledger = ledger.clone();
            tokio::spawn(async move {
                let mut indexes = Vec::new();
                for n in 0..10 {
                    let open = ledger.intent(intent(task * 100 + n)).await.unwrap();
                    indexes.push(open.index());
                    indexes.push(ledger.outcome(open, outcome(n)).await.unwrap().index());
                }
                indexes
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        let indexes = task.await.unwrap();
        assert!(indexes.is_sorted());
        all.extend(indexes);
    }
    all.sort_unstable();
    assert_eq!(all, (0..64 * 20).collect::<Vec<u64>>());
    ledger.close().await.unwrap();
    let report = home.verify();
    assert_eq!(report.verdict, Verdict::Sound, "{:?}", report.problems);
    assert_eq!((report.records.intents, report.open_intents.len()), (640, 0));
}

#[tokio::test]
async fn proofs_hold_at_every_index_and_against_every_earlier_size() {
    let home = Home::new();
    let mut heads = Vec::new();
    for round in 0..6 {
        let ledger = home.open().unwrap();
        calls(&ledger, round * 50..(round + 1) * 50).await;
        ledger.close().await.unwrap();
        heads.push(SignedLog::open(&home.host(), &home.keys).unwrap());
    }
    let log = heads.last().unwrap();
    let (size, root) = (log.checkpoint().size, log.checkpoint().root);
    assert_eq!(size, 600);
    for index in 0..size {
        let proof = log.inclusion_proof(index).unwrap();
        let leaf = log.leaf(index).unwrap();
        proof.check(root, &leaf).unwrap();
        assert!(proof.check(root, b"another leaf").is_err());
        let mut other = proof.clone();
        other.index = (index + 1) % size;
        assert!(other.check(root, &leaf).is_err());
    }
    for old in &heads {
        let old = (old.checkpoint().size, old.checkpoint().root);
        let mut proof = log.consistency_proof(old.0).unwrap();
        check_consistency(&proof, old, (size, root)).unwrap();
        if let Some(hash) = proof.first_mut() {
            hash[0] ^= 1;
            assert!(check_consistency(&proof, old, (size, root)).is_err());
        }
    }
    assert!(log.inclusion_proof(size).is_err() && log.consistency_proof(0).is_err());
}

#[tokio::test]
async fn an_export_has_every_leaf_with_its_hash_and_constant_steps() {
    let home = Home::new();
    let ledger = home.open().unwrap();
    calls(&ledger, 0..300).await;
    ledger.close().await.unwrap();
    let log = SignedLog::open(&home.host(), &home.keys).unwrap();
    let (mut out, mut steps) = (Vec::new(), Vec::new());
    assert_eq!(log.export_jsonl(0..600, &mut out, &mut |p| steps.push(p.done)).unwrap(), 600);
    assert_eq!(steps, [256, 512, 600]);
    for (index, line) in String::from_utf8(out).unwrap().lines().enumerate() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["index"], index);
        let (_, rest) = line.split_once("\"leaf\":").unwrap();
        let (leaf, hash) = rest.split_once(",\"leaf_hash\":").unwrap();
        assert_eq!(leaf.as_bytes(), log.leaf(index as u64).unwrap());
        let wanted = ring::digest::digest(&ring::digest::SHA256, &[b"\0", leaf.as_bytes()].concat());
        assert_eq!(hash.trim_end_matches('}'), format!("\"{}\"", hex(wanted.as_ref())));
    }
    let mut part = Vec::new();
    assert_eq!(log.export_jsonl(250..260, &mut part, &mut |_| {}).unwrap(), 10);
    assert!(part.starts_with(b"{\"index\":250,"));
    assert!(log.export_jsonl(0..601, &mut Vec::new(), &mut |_| {}).is_err());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn durability_os_is_written_in_every_checkpoint() {
    let home = Home::new();
    let config = LedgerConfig { durability: Durability::Os, ..Home::config() };
    let ledger = Ledger::open(&home.host(), home.key(), config).unwrap();
    calls(&ledger, 0..5).await;
    ledger.close().await.unwrap();
    drop(ledger);
    let report = home.verify();
    assert_eq!((report.verdict, report.extension.as_str()), (Verdict::Sound, "aios durability=os\n"));
    let ledger = home.open().unwrap();
    calls(&ledger, 5..6).await;
    ledger.close().await.unwrap();
    assert_eq!((home.verify().size, home.verify().extension.as_str()), (12, ""));
}

#[tokio::test]
async fn checkpoints_come_by_themselves() {
    let home = Home::new();
    let config = LedgerConfig { checkpoint_interval: Duration::from_millis(20), ..Home::config() };
    let ledger = Ledger::open(&home.host(), home.key(), config).unwrap();
    calls(&ledger, 0..3).await;
    let patience = std::time::Instant::now() + Duration::from_secs(20);
    while ledger.health().signed_entries < 6 {
        assert!(std::time::Instant::now() < patience, "no checkpoint");
        tokio::task::yield_now().await;
    }
    // A live log verifies too.
    assert_eq!(home.verify().verdict, Verdict::Sound, "{:?}", home.verify().problems);
}
