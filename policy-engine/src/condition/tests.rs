use super::*;
use crate::facts::Claim;
use crate::names::{ClaimName, ClaimValue};
use crate::names::{Label, Region, Trust};
use crate::state::Spend;
use crate::{Action, Facts, Resource};
use proptest::prelude::*;
use vocab::{GroupName, PrincipalId, TenantId};

fn with_facts<T>(facts: &Facts, run: impl FnOnce(&Query<'_>) -> T) -> T {
    let tenant = TenantId::new("acme").unwrap();
    let principal = PrincipalId::new("alice").unwrap();
    let groups = [GroupName::new("staff").unwrap()];
    let claim =
        |value: &str| Claim { name: ClaimName::new("department").unwrap(), value: ClaimValue::new(value).unwrap() };
    let claims = [claim("legal"), claim("tax")];
    let resource: Resource = "model/openai/gpt-4.1".parse().unwrap();
    run(&Query {
        tenant: &tenant,
        principal: &principal,
        groups: &groups,
        claims: &claims,
        action: Action::ModelChat,
        resource: &resource,
        facts,
    })
}

fn rich() -> Facts {
    Facts {
        labels: [Label::new("pii.email").unwrap(), Label::new("pii.card").unwrap()].into(),
        upstream_region: Some(Region::new("eu").unwrap()),
        upstream_trust: Some(Trust::new("private").unwrap()),
        now: 1_700_000_000,
        token_estimate: 1200,
        k: Some(10),
        cost_estimate: Some(5),
        spend: Spend { budgets: [(BudgetName::new("research").unwrap(), 7)].into(), ..Spend::default() },
        ..Facts::default()
    }
}

fn answer(source: &str, facts: &Facts) -> Result<bool, ConditionFault> {
    let condition = Condition::compile(source).unwrap_or_else(|e| panic!("{source}: {e:?}"));
    with_facts(facts, |query| condition.evaluate(query, &Definitions::default()))
}

#[test]
fn conditions_read_every_variable() {
    for source in [
        "'pii.email' in labels",
        "labels.exists(l, l.startsWith('pii.'))",
        "labels.all(l, l in ['pii.email', 'pii.card'])",
        "labels.filter(l, l.endsWith('card')) == ['pii.card']",
        "labels.exists_one(l, l == 'pii.card')",
        "size(labels) == 2 && labels.size() == 2",
        "upstream.region in ['eu', 'ch'] && upstream.trust == 'private' && upstream.name == 'openai'",
        "call.tokens <= 2000 && call.tokens / 2 == 600 && -call.tokens < 0",
        "has(call.k) && call.k == 10",
        "!has(call.purpose) && !has(call.workflow) && !has(resource.collection)",
        "call.action == 'model.chat' && resource.model.contains('gpt')",
        "principal.id == 'alice' && 'staff' in principal.groups && tenant == 'acme'",
        "now > 1600000000 ? true : false",
        "!('x' in [])",
        "data.max_class == class.confidential && class.public < class.internal && class.restricted > data.max_class",
        "'legal' in claims.department && claims.department.all(d, d in ['legal', 'tax']) && !has(claims.office)",
        "spend.research < 100 && has(spend.research) && !has(spend.other)",
        "time.hour == 22 && time.weekday == 2",
        "call.cost == 5 && !has(model.name) && !has(model.region) && !has(resource.class)",
    ] {
        assert_eq!(answer(source, &rich()), Ok(true), "{source}");
    }
}

#[test]
fn a_missing_fact_is_an_error_and_not_false() {
    let facts = Facts::default();
    for source in [
        "upstream.region == 'eu'",
        "upstream.region != 'eu'",
        "!(call.k > 5)",
        "call.purpose in []",
        "spend.research > 1",
        "call.cost > 1",
        "'a' in claims.office",
        "model.trust == 'a'",
    ] {
        assert_eq!(answer(source, &facts), Err(ConditionFault::MissingFact), "{source}");
    }
    assert_eq!(answer("has(upstream.region) && upstream.region == 'eu'", &facts), Ok(false));
}

#[test]
fn arithmetic_that_fails_is_an_error() {
    for source in ["1 / (call.tokens - 1200) == 1", "call.tokens * 9223372036854775807 > 0"] {
        assert_eq!(answer(source, &rich()), Err(ConditionFault::Arithmetic), "{source}");
    }
    let far = Facts { token_estimate: u64::MAX, ..rich() };
    assert_eq!(answer("call.tokens > 5", &far), Err(ConditionFault::MissingFact));
}

#[test]
fn what_is_not_a_condition_does_not_load() {
    for (source, part) in [
        ("", "not valid CEL"),
        ("upstream.region ==", "not valid CEL"),
        ("labels", "true or false"),
        ("call.tokens", "true or false"),
        ("data.class == 'x'", "no variable data.class"),
        ("claims == []", "no variable claims"),
        ("claims.department == 'legal'", "types"),
        ("claims.department.name == 'x'", "fields"),
        ("spend.research == 'much'", "types"),
        ("spend.Research > 1", "not a valid budget name"),
        ("class.secret > 1", "no variable class.secret"),
        ("data.max_class == 'public'", "types"),
        ("time.hour", "true or false"),
        ("upstream.regoin == 'eu'", "no variable upstream.regoin"),
        ("upstream == 'eu'", "no variable upstream"),
        ("has(upstream.nothing)", "no variable upstream.nothing"),
        ("upstream.region == 3", "types"),
        ("call.tokens > '5'", "types"),
        ("call.tokens > 5.0", "whole numbers"),
        ("call.tokens > 5u", "whole numbers"),
        ("call.k == null", "null"),
        ("'a' in 'abc'", "types"),
        ("labels.exists(l, l == 3)", "types"),
        ("labels.exists(l, labels.exists(m, m == l))", "nested"),
        ("upstream.region.matches('e.*')", "no function matches"),
        ("eval('true')", "no function eval"),
        ("upstream['region'] == 'eu'", "no variable upstream"),
        ("['a', 1] == []", "one type"),
        ("{'a': 1} == {'a': 1}", "map"),
        ("labels.map(l, size(l))", "true or false"),
        ("labels.exists(upstream, upstream.name == 'x')", "fields"),
    ] {
        let error = Condition::compile(source).map(|_| ()).unwrap_err();
        assert!(error.message.contains(part), "{source}: {error:?}");
    }
}

#[test]
fn monsters_are_refused_and_crash_nothing() {
    let deep = |open: &str, close: &str, n: usize| open.repeat(n) + "true" + close.repeat(n).as_str();
    let monsters = [
        deep("(", ")", 32),
        deep("(", ")", 1000),
        deep("!(", ")", 32),
        deep("[", "]", 32),
        "(".repeat(2000),
        "!".repeat(1500) + "true",
        "-".repeat(1501) + "1 == 1",
        "true && ".repeat(250) + "true",
        "1 + ".repeat(500) + "1 == 1",
        "true ? true : ".repeat(140) + "true",
        "true ? true : ".repeat(32) + "true",
        "labels".to_owned() + ".size()".repeat(32).as_str(),
        "a".to_owned() + ".b".repeat(1000).as_str(),
        "x".repeat(MAX_SOURCE + 1),
    ];
    for source in monsters {
        let document = crate::Document {
            name: "p.toml".into(),
            text: format!(
                "version = 1\ntenant = \"t\"\n[[rule]]\nid = \"r\"\nallow = \"model.chat\"\n\
                 roles = \"everyone\"\non = \"**\"\nwhen = '{source}'\n"
            ),
        };
        // Loaded or refused: what counts is that this line is reached, and that what loads can be evaluated.
        if let Ok(set) = crate::PolicySet::compile(&[document]) {
            let tenant = TenantId::new("t").unwrap();
            let _ = with_facts(&rich(), |query| set.decide_query(&Query { tenant: &tenant, ..*query }));
        }
    }
    assert!(Condition::compile(&"x".repeat(MAX_SOURCE + 1)).is_err());
    assert!(Condition::compile(&deep("(", ")", MAX_OPENED + 1)).is_err());
    let sum = "1 + ".repeat(100) + "1 == 1";
    assert!(Condition::compile(&sum).is_err_and(|e| e.message.contains("nested too deeply")));
    assert!(Condition::compile(&("'a' in labels || ".repeat(60) + "true")).is_ok(), "wide is not deep");
}

#[test]
fn the_guide_names_every_variable_and_whether_it_may_be_absent() {
    let guide = include_str!("../../../docs/policy-guide.md");
    for variable in &variables::VARIABLES {
        let name = variable.name;
        let mark = if variable.presence == variables::Presence::Sometimes { "*" } else { "" };
        let written = [format!("`{name}`{mark}"), format!("`{name}.<name>`{mark}"), format!("`{name}.<budget>`{mark}")];
        assert!(written.iter().any(|w| guide.contains(w)), "{name}{mark}");
    }
}

/// What the table says of a variable is what a call shows: those that are always there are there in the barest call.
#[test]
fn variables_that_are_always_there_are_always_there() {
    for variable in &variables::VARIABLES {
        let read = |facts: &Facts| {
            let probe = match variable.kind {
                variables::Kind::Int => format!("{} >= 0", variable.name),
                variables::Kind::Text => format!("{} != ''", variable.name),
                variables::Kind::Texts => format!("size({}) >= 0", variable.name),
                variables::Kind::Claims => "size(claims.office) >= 0".into(),
                variables::Kind::Spend => "spend.research >= 0".into(),
            };
            answer(&probe, facts)
        };
        let bare = read(&Facts::default());
        match variable.presence {
            variables::Presence::Always => assert_eq!(bare, Ok(true), "{}", variable.name),
            variables::Presence::Sometimes if ["upstream.name", "resource.model"].contains(&variable.name) => {
                assert_eq!(bare, Ok(true), "{}: a call on a model has it", variable.name);
            }
            variables::Presence::Sometimes => assert_eq!(bare, Err(ConditionFault::MissingFact), "{}", variable.name),
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_a_condition_or_refused_without_a_panic(source in "[a-z.!()'0-9 <=>&|,+*/-]{0,60}") {
        if let Ok(condition) = Condition::compile(&source) {
            let _ = with_facts(&rich(), |query| condition.evaluate(query, &Definitions::default()));
            let _ = with_facts(&Facts::default(), |query| condition.evaluate(query, &Definitions::default()));
        }
    }

    #[test]
    fn numbers_compare_as_numbers(tokens in 0_u64..1 << 40, limit in 0_u64..1 << 40) {
        let facts = Facts { token_estimate: tokens, ..Facts::default() };
        prop_assert_eq!(answer(&format!("call.tokens <= {limit}"), &facts), Ok(tokens <= limit));
        prop_assert_eq!(answer(&format!("call.tokens == {limit}"), &facts), Ok(tokens == limit));
    }
}
