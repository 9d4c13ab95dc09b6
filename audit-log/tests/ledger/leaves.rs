//! Leaves against an independent canonicaliser.

use audit_log::verify::SignedLog;
use audit_log::{
    Blame, CallError, CallStatus, Commitment, Compared, Correlation, Count, Coverage, EventRecord, Facts, Latency,
    MAX_INTEGER, OutcomeRecord, RefusalRecord, Salt, Side, Tokens, UnixMillis, Word, check_canonical,
};
use proptest::prelude::*;
use vocab::{CollectionName, RecordId, TenantId};

use crate::support::{Home, intent};

fn any_word() -> impl Strategy<Value = Word> {
    "[A-Za-z0-9._:/+*#-]{1,24}".prop_map(|text| Word::new(&text).unwrap())
}

fn any_count() -> impl Strategy<Value = Count> {
    (0..=MAX_INTEGER).prop_map(|n| Count::try_from(n).unwrap())
}

fn any_outcome() -> impl Strategy<Value = OutcomeRecord> {
    let sets = (
        prop::collection::btree_set(any_word(), 0..5),
        prop::collection::btree_map(
            any_word(),
            prop_oneof![Just(Coverage::Scanned), Just(Coverage::NotScannable), any_word().prop_map(Coverage::ExemptBy)],
            0..5,
        ),
        prop::collection::btree_map(any_word(), any_count(), 0..5),
    );
    let error = prop::option::of(any_word().prop_map(|code| CallError { code, blame: Blame::Upstream }));
    let latency = prop::collection::vec(prop::option::of(any_count()), 6);
    (any_count(), error, sets, latency, prop::option::of(any_count()), prop::option::of(any::<u16>())).prop_map(
        |(time, error, (obligations, coverage, labels), latency, count, http_status)| OutcomeRecord {
            time: UnixMillis::new(time),
            status: CallStatus::Failed,
            http_status,
            error,
            obligations,
            coverage,
            labels,
            response: count.map(|_| Commitment::to(&Salt::from_random([1; 32]), Side::Response, b"x")),
            response_bytes: time,
            tokens: count.map(|input| Tokens { input, output: time }),
            cost_microusd: count,
            latency: Latency {
                decide: latency[0],
                seal: latency[1],
                intent: latency[2],
                upstream: latency[3],
                open: latency[4],
                total: latency[5],
            },
        },
    )
}

#[test]
fn every_kind_of_leaf_is_what_an_independent_canonicaliser_writes() {
    let home = Home::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let ledger = runtime.block_on(async { home.open().unwrap() });
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(64));
    let strategy = (any_outcome(), any::<u32>(), prop::option::of(any_word()));
    runner
        .run(&strategy, |(outcome, n, word)| {
            runtime.block_on(async {
                let mut first = intent(n);
                first.subject.collection = word.as_ref().map(|_| CollectionName::new("docs").unwrap());
                first.correlation = Correlation { workflow: word.clone(), trace: word.clone() };
                first.coverage = outcome.coverage.clone();
                first.decision.facts = Facts {
                    groups: outcome.obligations.clone(),
                    roles: outcome.obligations.clone(),
                    trust: word.clone(),
                    purpose: word.clone(),
                    tokens: outcome.cost_microusd,
                    k: outcome.cost_microusd,
                };
                first.decision.shadow = outcome.obligations.clone();
                first.decision.compared = word.clone().map(|w| Compared {
                    change: w.clone(),
                    policy: w.clone(),
                    reason: outcome.error.as_ref().map(|error| error.code.clone()),
                });
                first.request = outcome.response;
                let (subject, decision) = (first.subject.clone(), first.decision.clone());
                let open = ledger.intent(first).await.unwrap();
                let labels = outcome.labels.clone();
                ledger.outcome(open, outcome).await.unwrap();
                let refusal = RefusalRecord {
                    record: RecordId::new("r").unwrap(),
                    time: UnixMillis::new(Count::from(n)),
                    tenant: word.as_ref().map(|_| TenantId::new("acme").unwrap()),
                    principal: None,
                    subject: word.as_ref().map(|_| subject),
                    decision: word.as_ref().map(|_| decision),
                    labels,
                    http_status: Some(403),
                    error: CallError { code: Word::literal("denied"), blame: Blame::Policy },
                    correlation: Correlation::default(),
                };
                ledger.refusal(refusal).await.unwrap();
                let event = EventRecord {
                    time: UnixMillis::new(Count::from(n)),
                    event: Word::literal("policy.loaded"),
                    tenant: None,
                    principal: None,
                    details: word.into_iter().map(|w| (w.clone(), w)).collect(),
                };
                ledger.event(event).await.unwrap();
            });
            Ok(())
        })
        .unwrap();
    runtime.block_on(ledger.close()).unwrap();
    let log = SignedLog::open(&home.host(), &home.keys).unwrap();
    log.leaves(0..log.checkpoint().size, |index, leaf| {
        let value: serde_json::Value = serde_json::from_slice(leaf).unwrap();
        assert_eq!(serde_json_canonicalizer::to_vec(&value).unwrap(), leaf, "leaf {index}");
        assert_eq!(check_canonical(leaf), Ok(()));
        Ok::<_, audit_log::verify::LogReadError>(())
    })
    .unwrap();
}
