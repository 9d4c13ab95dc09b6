//! Leaves of the ledger as decisions that can be made again.

use audit_log::Word;
use policy_engine::{
    Label, RoleName,
    replay::{Recorded, RecordedDecision, RecordedFacts, RecordedVerdict},
};
use serde::Deserialize;
use std::{collections::BTreeMap, str::FromStr};
use vocab::{GroupName, TenantId};

/// What a replay reads of an intent or a refusal. Version 1 of the schema had no facts.
#[derive(Deserialize)]
struct Leaf {
    kind: String,
    v: u64,
    record: Option<String>,
    tenant: Option<String>,
    time: u64,
    action: Option<String>,
    resource: Option<String>,
    region: Option<String>,
    policy: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, u64>,
    #[serde(default)]
    obligations: Vec<String>,
    #[serde(default)]
    facts: Facts,
    error: Option<Fault>,
    workflow: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Facts {
    groups: Vec<String>,
    roles: Vec<String>,
    trust: Option<String>,
    purpose: Option<String>,
    tokens: Option<u64>,
    k: Option<u32>,
}

#[derive(Deserialize)]
struct Fault {
    code: String,
}

/// The decision that a leaf holds; `None` for a leaf without one: an outcome, an event, a call that was refused
/// before the policy was asked.
pub(super) fn decision(leaf: &[u8]) -> Option<RecordedDecision> {
    let leaf: Leaf = serde_json::from_slice(leaf).ok()?;
    let verdict = match (leaf.kind.as_str(), leaf.error) {
        ("intent", _) => RecordedVerdict::Allowed { obligations: leaf.obligations.into_iter().collect() },
        // The proxy marks the codes of the policy; another code means that the policy did not refuse.
        ("refusal", Some(Fault { code })) => {
            RecordedVerdict::Refused { code: code.strip_prefix("policy_").unwrap_or(&code).to_owned() }
        }
        _ => return None,
    };
    let has_facts = leaf.v >= 2;
    let Facts { groups, roles, trust, purpose, tokens, k } = leaf.facts;
    Some(RecordedDecision {
        record: leaf.record?,
        tenant: TenantId::new(&leaf.tenant?).ok()?,
        // The ledger holds a pseudonym, and no claims.
        principal: Recorded::Unknown,
        claims: Recorded::Unknown,
        groups: when(has_facts, || names::<GroupName>(&groups)),
        roles: when(has_facts, || names::<RoleName>(&roles)),
        action: leaf.action?,
        resource: leaf.resource?,
        facts: RecordedFacts {
            now: leaf.time / 1000,
            labels: when(true, || leaf.labels.keys().map(|label| Label::new(label).ok()).collect()),
            upstream_region: when(true, || optional(leaf.region.as_deref())),
            upstream_trust: when(has_facts, || optional(trust.as_deref())),
            workflow: when(has_facts, || optional(leaf.workflow.as_deref())),
            purpose: when(has_facts, || optional(purpose.as_deref())),
            tokens: when(has_facts, || Some(tokens.unwrap_or_default())),
            cost: Recorded::Unknown,
            k: when(has_facts, || Some(k)),
        },
        policy: leaf.policy?,
        verdict,
    })
}

/// How the ledger writes one term of a decision.
pub(super) fn as_recorded(term: &str) -> String {
    Word::lossy(term).as_str().to_owned()
}

/// A value that is known where the record can hold it and holds one that can be read.
fn when<T>(held: bool, value: impl FnOnce() -> Option<T>) -> Recorded<T> {
    held.then(value).flatten().map_or(Recorded::Unknown, Recorded::Known)
}

fn names<T: FromStr>(texts: &[String]) -> Option<Vec<T>> {
    texts.iter().map(|text| text.parse().ok()).collect()
}

/// `Some(None)` where there is none; `None` where there is one that cannot be read.
fn optional<T: FromStr>(text: Option<&str>) -> Option<Option<T>> {
    text.map_or(Some(None), |text| text.parse().ok().map(Some))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_of_either_version_is_read_and_says_what_it_does_not_hold() {
        let leaf = |v: u32, facts: &str| {
            format!(
                r#"{{"action":"model.chat",{facts}"kind":"intent","labels":{{"pii.email":2}},"obligations":["record:digest"],"policy":"ab","principal":"00","record":"r1","region":"eu","request_bytes":5,"resource":"model/models/m","tenant":"acme","time":5000,"v":{v}}}"#
            )
        };
        let now = decision(leaf(2, r#""facts":{"groups":["apps"],"roles":["app","everyone"],"tokens":7},"#).as_bytes())
            .unwrap();
        assert_eq!(now.facts.now, 5);
        assert_eq!(now.facts.tokens, Recorded::Known(7));
        assert_eq!(now.facts.upstream_trust, Recorded::Known(None));
        assert_eq!(now.groups, Recorded::Known(vec![GroupName::new("apps").unwrap()]));
        assert_eq!(now.principal, Recorded::Unknown);
        assert_eq!(now.verdict, RecordedVerdict::Allowed { obligations: ["record:digest".to_owned()].into() });
        let before = decision(leaf(1, "").as_bytes()).unwrap();
        assert_eq!((before.groups, before.facts.tokens), (Recorded::Unknown, Recorded::Unknown));
    }

    #[test]
    fn a_refusal_is_read_by_the_code_of_the_policy() {
        let leaf = br#"{"action":"model.chat","error":{"blame":"policy","code":"policy_forbidden"},"kind":"refusal","policy":"ab","record":"r1","resource":"model/models/m","tenant":"acme","time":5000,"v":2}"#;
        let refused = RecordedVerdict::Refused { code: "forbidden".to_owned() };
        assert_eq!(decision(leaf).unwrap().verdict, refused);
    }

    #[test]
    fn leaves_without_a_decision_and_bytes_of_no_leaf_are_none() {
        for leaf in [
            r#"{"kind":"event","event":"sidecar.started","time":1,"v":2}"#,
            r#"{"kind":"refusal","error":{"blame":"client","code":"bad_target"},"record":"r","tenant":"acme","time":1,"v":2}"#,
            "{}",
            "no json",
        ] {
            assert_eq!(decision(leaf.as_bytes()), None, "{leaf}");
        }
    }
}
