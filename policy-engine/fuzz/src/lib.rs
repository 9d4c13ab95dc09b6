//! What the targets share: a set of one document, and calls to ask it about.

use policy_engine::{Action, Decision, Document, Facts, Label, PolicySet, Query, Region, Resource, state::Spend};
use vocab::{GroupName, PrincipalId, TenantId};

/// A set of one document; defects are fine, as long as each can be shown.
pub fn compile(text: &str) -> Option<PolicySet> {
    let document = Document { name: "fuzz.toml".into(), text: text.into() };
    match PolicySet::compile(&[document]) {
        Ok(set) => Some(set),
        Err(defects) => {
            assert!(!defects.is_empty(), "refused without a reason");
            for defect in &defects {
                assert!(!defect.to_string().is_empty());
            }
            None
        }
    }
}

/// Asks about one call of each tenant, twice: a decision is a function of its question.
pub fn ask(set: &PolicySet, resource: &Resource, facts: &Facts) {
    let principal = PrincipalId::new("alice").expect("a principal");
    let groups = [GroupName::new("staff").expect("a group")];
    for tenant in set.tenants() {
        for action in Action::ALL.into_iter().filter(|action| action.family() == resource.family()) {
            let query = Query { tenant, principal: &principal, groups: &groups, claims: &[], action, resource, facts };
            let (once, twice) = (set.decide_query(&query), set.decide_query(&query));
            assert_eq!(once, twice, "one question, two answers");
            let _: &Decision = &once;
        }
    }
    let unknown = TenantId::new("nobody-has-this-tenant").expect("a tenant");
    let action = Action::ALL.into_iter().find(|action| action.family() == resource.family()).expect("an action");
    let query =
        Query { tenant: &unknown, principal: &principal, groups: &groups, claims: &[], action, resource, facts };
    assert!(set.tenants().contains(&&unknown) || set.decide_query(&query).verdict().is_err());
}

/// Facts of which everything is there.
pub fn facts() -> Facts {
    Facts {
        labels: ["pii.email", "pii.card"].iter().filter_map(|label| Label::new(label).ok()).collect(),
        upstream_region: Region::new("eu").ok(),
        upstream_trust: "private".parse().ok(),
        workflow: "intake".parse().ok(),
        purpose: "summary".parse().ok(),
        now: 1_795_478_400,
        token_estimate: 1200,
        cost_estimate: Some(7),
        k: Some(10),
        spend: Spend::default(),
        approvals: Vec::new(),
    }
}

/// The text as a TOML value.
pub fn quoted(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}
