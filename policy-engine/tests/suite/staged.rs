//! A candidate beside the policy in force.

use crate::calls::{call, compile};
use policy_engine::{Candidate, Change, InForce, Policies, Rollout};
use std::collections::BTreeSet;
use std::sync::Arc;
use vocab::TenantId;

const CURRENT: &str = r#"
version = 1
tenant = "acme"
[[rule]]
id = "chat"
allow = ["model.chat"]
roles = ["everyone"]
on = "model/openai/**"
then = { pseudonymise = ["pii.email"] }
"#;

/// Denies one model, allows another upstream, and pseudonymises more.
const CANDIDATE: &str = r#"
version = 1
tenant = "acme"
[[rule]]
id = "chat"
allow = ["model.chat"]
roles = ["everyone"]
on = ["model/openai/**", "model/local/**"]
then = { pseudonymise = ["pii.email", "pii.iban"] }
[[rule]]
id = "no-old"
deny = ["model.chat"]
roles = ["everyone"]
on = "model/openai/old"
"#;

fn policies(rollout: Rollout) -> Policies {
    let candidate = Candidate { set: Arc::new(compile(CANDIDATE)), rollout };
    Policies::new(Arc::new(compile(CURRENT))).with_candidate(Some(candidate))
}

#[test]
fn a_shadow_decides_nothing_and_every_difference_is_told() {
    let policies = policies(Rollout::Shadow);
    for (model, allowed, change, reason) in [
        ("model/openai/old", true, Some(Change::NewlyDenied), Some("forbidden")),
        ("model/local/llama", false, Some(Change::NewlyAllowed), None),
        ("model/openai/new", true, Some(Change::OtherTerms), None),
        ("model/other/x", false, None, None),
    ] {
        let staged = policies.decide(call("acme", "ann", "model.chat", model));
        assert_eq!(staged.decided.is_ok(), allowed, "{model}");
        let difference = staged.difference;
        assert_eq!(difference.as_ref().map(|d| d.change), change, "{model}");
        if let Some(difference) = difference {
            assert_eq!(difference.in_force, InForce::Current);
            assert_eq!(difference.other, *policies.candidate().unwrap().set.digest());
            assert_eq!(difference.other_reason.as_ref().map(|r| r.code()), reason, "{model}");
        }
    }
}

#[test]
fn a_covered_tenant_gets_the_candidate_and_the_old_decision_is_the_one_compared() {
    let policies = policies(Rollout::Tenants(BTreeSet::from([TenantId::new("acme").unwrap()])));
    let staged = policies.decide(call("acme", "ann", "model.chat", "model/openai/old"));
    assert!(staged.decided.is_err());
    let difference = staged.difference.unwrap();
    assert_eq!((difference.change, difference.in_force), (Change::NewlyDenied, InForce::Candidate));
    assert_eq!(difference.other, *policies.current().digest());
    let permit = policies.decide(call("acme", "ann", "model.chat", "model/local/llama")).decided.unwrap();
    assert_eq!(permit.digest(), policies.candidate().unwrap().set.digest());
}

#[test]
fn without_a_candidate_nothing_is_compared() {
    let policies = policies(Rollout::Shadow).with_candidate(None);
    let staged = policies.decide(call("acme", "ann", "model.chat", "model/openai/old"));
    assert!(staged.decided.is_ok() && staged.difference.is_none());
}
