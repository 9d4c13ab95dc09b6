use super::super::{Condition, by_cel};
use super::*;
use crate::definitions::Definitions;
use crate::facts::{Claim, Facts, Query};
use crate::names::{ClaimName, ClaimValue, Label, Purpose, Region};
use crate::{Action, Document, PolicySet, Resource};
use proptest::prelude::*;
use proptest::sample::select;
use vocab::{GroupName, PrincipalId, TenantId};

/// What conditions are made of: what can be said plainly, what cannot, and what fails.
fn clause() -> impl Strategy<Value = String> {
    const NUMBERS: [&str; 14] = [
        "now",
        "call.tokens",
        "call.k",
        "call.cost",
        "time.hour",
        "time.weekday",
        "data.max_class",
        "class.confidential",
        "spend.research",
        "0",
        "7",
        "-1",
        "9223372036854775807",
        "call.tokens / call.k",
    ];
    const TEXTS: [&str; 14] = [
        "tenant",
        "principal.id",
        "call.action",
        "call.workflow",
        "call.purpose",
        "upstream.name",
        "upstream.region",
        "upstream.trust",
        "resource.model",
        "resource.collection",
        "model.region",
        "'eu'",
        "'acme'",
        "'support'",
    ];
    const LISTS: [&str; 8] = [
        "labels",
        "principal.groups",
        "[]",
        "['eu', 'acme', 'support']",
        "[tenant]",
        "claims.department",
        "claims.office",
        "labels + principal.groups",
    ];
    const OTHERS: [&str; 8] = [
        "true",
        "false",
        "labels.exists(l, l.startsWith('pii'))",
        "size(labels) > 1",
        "principal.id.contains('a')",
        "has(claims.office)",
        "has(spend.research)",
        "(has(call.k) ? call.k > 1 : upstream.region == 'eu')",
    ];
    const HAS: [&str; 10] = [
        "call.k",
        "call.cost",
        "call.purpose",
        "call.tokens",
        "upstream.region",
        "upstream.trust",
        "resource.model",
        "resource.collection",
        "time.hour",
        "data.max_class",
    ];
    const LABELS: [&str; 5] = ["'pii.email'", "'pii.card'", "'bank'", "'staff'", "'unheard.of'"];
    prop_oneof![
        (select(&NUMBERS[..]), select(&["<", "<=", ">", ">=", "==", "!="][..]), select(&NUMBERS[..]))
            .prop_map(|(a, by, b)| format!("{a} {by} {b}")),
        (select(&TEXTS[..]), select(&["==", "!=", "<"][..]), select(&TEXTS[..]))
            .prop_map(|(a, by, b)| format!("{a} {by} {b}")),
        (select(&LABELS[..]), select(&LISTS[..])).prop_map(|(a, all)| format!("{a} in {all}")),
        (select(&TEXTS[..]), select(&LISTS[..])).prop_map(|(a, all)| format!("{a} in {all}")),
        select(&HAS[..]).prop_map(|name| format!("has({name})")),
        select(&OTHERS[..]).prop_map(str::to_owned),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    clause().prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) && ({b})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("({a}) || ({b})")),
        ]
    })
}

fn facts() -> impl Strategy<Value = Facts> {
    let label = select(&["pii.email", "pii.card", "pii.iban", "odd"][..]).prop_map(|label| Label::new(label).unwrap());
    let number = || prop_oneof![0_u64..10, Just(u64::MAX), any::<u64>()];
    (
        prop::collection::btree_set(label, 0..3),
        prop::option::of(select(&["eu", "us"][..])),
        prop::option::of(select(&["support", "acme"][..])),
        (number(), number()),
        prop::option::of(number()),
        prop::option::of(0_u32..9),
    )
        .prop_map(|(labels, region, purpose, (now, token_estimate), cost_estimate, k)| Facts {
            labels,
            upstream_region: region.map(|region| Region::new(region).unwrap()),
            purpose: purpose.map(|purpose| Purpose::new(purpose).unwrap()),
            // A day beyond any calendar is no moment of a call.
            now: now % (1 << 40),
            token_estimate,
            cost_estimate,
            k,
            ..Facts::default()
        })
}

/// A tenant that defines labels, models and collections of its own.
fn definitions() -> PolicySet {
    let text = include_str!("../../definitions/tests.toml").into();
    PolicySet::compile(&[Document { name: "p.toml".into(), text }]).unwrap()
}

fn with_query(on: &str, facts: &Facts, run: impl FnOnce(&Query<'_>)) {
    let (tenant, principal) = (TenantId::new("acme").unwrap(), PrincipalId::new("alice").unwrap());
    let groups = [GroupName::new("staff").unwrap()];
    let claims = [Claim { name: ClaimName::new("department").unwrap(), value: ClaimValue::new("acme").unwrap() }];
    let (resource, action): (Resource, _) = (on.parse().unwrap(), Action::ModelChat);
    let (groups, claims) = (&groups[..], &claims[..]);
    run(&Query { tenant: &tenant, principal: &principal, groups, claims, action, resource: &resource, facts });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plain_answer_is_what_cel_says(
        source in condition(),
        facts in facts(),
        on in select(&["model/openai/gpt-4.1", "model/openai", "vector/db/deeds", "ledger"][..]),
        defined in any::<bool>(),
    ) {
        // What the checks at load refuse, such as a comparison of texts with numbers, is no condition.
        if let Ok(condition) = Condition::compile(&source) {
            let set = DEFINED.with(std::sync::Arc::clone);
            let none = Definitions::default();
            let definitions = if defined { &set.tenants.values().next().unwrap().definitions } else { &none };
            let mut checked = Ok(());
            with_query(on, &facts, |query| {
                let scope = Scope { query, definitions };
                let cel = by_cel(condition.program.as_ref().unwrap(), &scope);
                let plain = condition.plain.as_ref().and_then(|plain| plain.answer(&scope));
                checked = match (plain, condition.evaluate(query, definitions)) {
                    (Some(plain), whole) if Ok(plain) == cel && whole == cel => Ok(()),
                    (None, whole) if whole == cel => Ok(()),
                    other => Err(format!("{source}: {other:?}, but CEL says {cel:?}")),
                };
            });
            prop_assert_eq!(checked, Ok(()));
        }
    }
}

thread_local! {
    static DEFINED: std::sync::Arc<PolicySet> = std::sync::Arc::new(definitions());
}

/// Were nothing said plainly, the property above would hold too.
#[test]
fn most_conditions_need_no_cel() {
    for (source, expected) in [
        ("\"pii.card\" in labels", Some(true)),
        ("!(\"pii.iban\" in labels) && call.tokens < 4000", Some(true)),
        ("call.tokens < 8000 && !(\"pii.card\" in labels)", Some(false)),
        ("upstream.region in [\"eu\", \"ch\"]", Some(true)),
        ("has(call.purpose) && call.purpose == \"support\"", Some(false)),
        ("now > 5 || labels.exists(l, l == tenant)", Some(true)),
        ("now < 5 || labels.exists(l, l == tenant)", None),
        ("upstream.trust == \"private\"", None),
    ] {
        let condition = Condition::compile(source).unwrap();
        let facts = Facts {
            labels: [Label::new("pii.card").unwrap()].into(),
            upstream_region: Some(Region::new("eu").unwrap()),
            now: 10,
            ..Facts::default()
        };
        with_query("model/openai/gpt-4.1", &facts, |query| {
            let scope = Scope { query, definitions: &Definitions::default() };
            assert_eq!(condition.plain.as_ref().and_then(|plain| plain.answer(&scope)), expected, "{source}");
        });
    }
}
