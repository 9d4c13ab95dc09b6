//! Pairs that nobody means well with: they load or are refused, requests are answered or not, nothing panics.

use policy_engine::import::{Answer, Casbin, CasbinText, KeyMatch, Matching, Reason, Vocabulary};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use vocab::TenantId;

fn load(matcher: &str, policy: &str) -> Result<Casbin, Vec<(usize, Reason)>> {
    let model = format!(
        "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, obj, act\n[role_definition]\ng = _, _\n\
         g2 = _, _\n[policy_effect]\ne = some(where (p.eft == allow))\n[matchers]\nm = {matcher}\n"
    );
    Casbin::load(CasbinText { model: &model, policy }, Matching::default())
        .map_err(|refused| refused.0.iter().map(|r| (r.line, r.reason)).collect())
}

#[test]
fn each_trap_of_casbin_has_its_name() {
    let line = "p, a, b, c\n";
    for (matcher, policy, expected) in [
        ("regexMatch(r.obj, p.obj)", "p, a, (, c\n", (1, Reason::BadPattern)),
        ("keyMatch2(r.obj, p.obj)", "p, a, /[, c\n", (1, Reason::BadPattern)),
        ("globMatch(r.obj, p.obj)", "p, a, [a, c\n", (1, Reason::BadPattern)),
        ("ipMatch(r.obj, p.obj)", "p, a, 10.0.0.0/40, c\n", (1, Reason::BadPattern)),
        ("regexMatch(r.obj, \"(\")", "", (11, Reason::BadPattern)),
        ("eval(r.sub)", line, (11, Reason::Eval)),
        ("eval(\"true\")", line, (11, Reason::Eval)),
        ("eval(p.sub)", "p, eval(p.obj), b, c\n", (1, Reason::Eval)),
        ("eval(p.sub)", "p, loop { }, b, c\n", (1, Reason::MatcherSyntax)),
        ("eval(p.sub)", "p, r.sub.Age / 0 == 1, b, c\n", (1, Reason::Arithmetic)),
        ("r.sub == p.nobody", line, (11, Reason::UnknownName)),
        ("r.sub == q.sub", line, (11, Reason::UnknownName)),
        ("g(r.sub)", line, (11, Reason::Arity)),
        ("g3(r.sub, p.sub)", line, (11, Reason::UnknownFunction)),
        ("print(r.sub)", line, (11, Reason::UnknownFunction)),
        ("r.sub == p.sub", "p, a, b\n", (1, Reason::Columns)),
        ("r.sub == p.sub", "p2, a, b, c\n", (1, Reason::UnknownLine)),
        ("g(r.sub, p.sub)", "g, a\n", (1, Reason::Columns)),
    ] {
        assert_eq!(load(matcher, policy).err(), Some(vec![expected]), "{matcher} {policy}");
    }
    let chain = |length: usize| (0..length).map(|n| format!("g, r{n}, r{}\n", n + 1)).collect::<String>();
    assert!(load("g(r.sub, p.sub)", &chain(9)).is_ok());
    assert_eq!(load("g(r.sub, p.sub)", &chain(10)).err(), Some(vec![(1, Reason::RoleDepth)]));
    assert!(load("g(r.sub, p.sub)", "g, a, b\ng, b, a\n").is_ok(), "a cycle ends");
}

#[test]
fn requests_that_fit_nothing_have_no_answer() {
    let casbin = load("r.sub.Age > 18 && r.obj == p.obj", "p, a, b, c\n").unwrap();
    for request in [
        json!(["x"]),
        json!([{"Age": 20.5}, "b", "c"]),
        json!([{"Age": 99_999_999_999_u64}, "b", "c"]),
        json!([null, "b", "c"]),
        json!(["x", "b", "c"]),
    ] {
        assert!(casbin.decide(request.as_array().unwrap()).is_err(), "{request}");
    }
    let answer = |sub: Value| casbin.decide(&[sub, json!("b"), json!("c")]);
    assert_eq!(answer(json!({"Age": 20})), Ok(Answer::Allow));
    // To casbin, values of different types are just not comparable: the matcher is false.
    assert_eq!((answer(json!({"Age": "old"})), answer(json!({}))), (Ok(Answer::Deny), Ok(Answer::Deny)));
    let by_request = load("regexMatch(r.obj, r.sub)", "p, a, b, c\n").unwrap();
    assert!(by_request.decide(&[json!("("), json!("b"), json!("c")]).is_err(), "a pattern that the request brings");
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "r.sub",
            "r.obj",
            "p.sub",
            "p.obj",
            "p.act",
            "r.obj.Owner",
            "p.eft",
            "r.act",
            "\"x\"",
            "\"a.p.r.b\"",
            "7",
            "-3",
            "true"
        ])
        .prop_map(str::to_owned),
        "[rp]\\.[a-z]{1,3}",
        "\"[a-z(*\\[{:/é]{0,4}\"",
    ]
}

fn matcher() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "keyMatch",
        "keyMatch2",
        "keyMatch3",
        "keyMatch4",
        "keyMatch5",
        "regexMatch",
        "globMatch",
        "ipMatch",
        "g",
        "g2",
        "eval",
        "x",
    ]);
    let leaf = prop_oneof![
        (word(), prop::sample::select(vec!["==", "!=", "<", ">=", "in", "=", "+"]), word())
            .prop_map(|(a, how, b)| format!("{a} {how} {b}")),
        (name, prop::collection::vec(word(), 1..4)).prop_map(|(name, words)| format!("{name}({})", words.join(", "))),
        word(),
    ];
    leaf.prop_recursive(3, 10, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} || {b}")),
            inner.prop_map(|a| format!("!{a}")),
        ]
    })
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[a-c(*é/:]{0,4}".prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(json!({"Owner": "a", "Age": 3})),
        Just(json!(["a", "b"])),
        Just(json!({})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_panics(
        matcher in matcher(),
        lines in prop::collection::vec(("(p|g|g2|p2)", prop::collection::vec("[a-c(*\\[{}:/. é]{0,5}", 1..5)), 0..6),
        requests in prop::collection::vec(prop::collection::vec(value(), 3), 1..4),
        roles in prop::option::of(prop::sample::select(vec![KeyMatch::KeyMatch, KeyMatch::KeyMatch2, KeyMatch::KeyMatch3])),
    ) {
        let policy: String = lines.iter().map(|(kind, values)| format!("{kind}, {}\n", values.join(", "))).collect();
        let model = format!(
            "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, obj, act\n[role_definition]\ng = _, _\n\
             g2 = _, _\n[policy_effect]\ne = some(where (p.eft == allow))\n[matchers]\nm = {matcher}\n"
        );
        let matching = Matching { roles, domains: None };
        if let Ok(casbin) = Casbin::load(CasbinText { model: &model, policy: &policy }, matching) {
            for request in &requests {
                let _ = casbin.decide(request);
            }
            let vocabulary = Vocabulary {
                tenant: TenantId::new("acme").unwrap(),
                actions: BTreeMap::new(),
                objects: BTreeMap::new(),
            };
            let _ = casbin.convert(&vocabulary);
        }
    }

    #[test]
    fn any_text_is_a_model_or_refused(model in "[a-z\\[\\]_=,. \\\\\n#;\"(&|)]{0,200}", policy in "[pg, a\n\"#]{0,60}") {
        let _ = Casbin::load(CasbinText { model: &model, policy: &policy }, Matching::default());
    }
}
