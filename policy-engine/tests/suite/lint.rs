//! Each lint on the smallest policy that has it, and on one that nearly has it.

use crate::calls::compile;
use policy_engine::lint::{Lint, Severity, Surroundings};
use policy_engine::{Document, PolicySet};
use std::collections::{BTreeMap, BTreeSet};
use vocab::UpstreamName;

const HEAD: &str = "version = 1\ntenant = \"acme\"\n[roles]\na = { members = [\"u:alice\"] }\n\
                    b = { members = [\"u:bob\"], inherits = [\"a\"] }\nempty = {}\n";

/// 2027-01-15.
const NOW: u64 = 1_800_000_000;

fn surroundings() -> Surroundings {
    Surroundings { now: NOW, upstreams: None }
}

/// A rule with its own id, for role `a` if no other is named.
fn rule(id: &str, lines: &str) -> String {
    let roles = if lines.contains("roles =") { "" } else { "roles = [\"a\"]\n" };
    format!("[[rule]]\nid = \"{id}\"\n{roles}{lines}\n")
}

/// The findings besides notes that a rule has no test.
fn lint(rules: &[String]) -> Vec<(Lint, String, usize)> {
    let set = compile(&format!("{HEAD}{}", rules.concat()));
    let found = set.lint(&surroundings()).into_iter().filter(|f| f.lint != Lint::Untested);
    found.map(|f| (f.lint, f.subject, f.line)).collect()
}

fn ids(rules: &[String]) -> Vec<(Lint, String)> {
    lint(rules).into_iter().map(|(lint, subject, _)| (lint, subject)).collect()
}

const CHAT: &str = "allow = [\"model.chat\"]\non = \"model/u/m\"\nthen = { pseudonymise = [\"pii.email\"] }";
const CHAT_ALL: &str = "allow = [\"model.chat\"]\non = \"model/u/**\"\nthen = { pseudonymise = [\"pii.email\"] }";

fn only(lint: Lint, subject: &str) -> Vec<(Lint, String)> {
    vec![(lint, subject.to_owned())]
}

#[test]
fn a_sound_policy_has_no_finding() {
    assert_eq!(ids(&[rule("one", CHAT)]), []);
    let deny = "deny = [\"model.chat\"]\nroles = [\"everyone\"]\non = \"model/u/secret\"";
    assert_eq!(ids(&[rule("one", CHAT_ALL), rule("no", deny)]), []);
}

#[test]
fn shadowed_rules() {
    assert_eq!(lint(&[rule("narrow", CHAT), rule("wide", CHAT_ALL)]), [(Lint::Shadowed, "narrow".into(), 8)]);
    assert_eq!(ids(&[rule("one", CHAT), rule("two", CHAT)]), only(Lint::Shadowed, "two"), "of twins the later");
    let by_b = format!("{CHAT}\nroles = [\"b\"]").replace("roles", "roles");
    assert_eq!(ids(&[rule("inheriting", &by_b), rule("wide", CHAT_ALL)]), only(Lint::Shadowed, "inheriting"));
    // Not everybody who holds a holds b.
    assert_eq!(ids(&[rule("one", CHAT), rule("wide", &format!("{CHAT_ALL}\nroles = [\"b\"]"))]), []);
    let conditional = format!("{CHAT_ALL}\nwhen = 'call.tokens < 5'");
    assert_eq!(ids(&[rule("one", CHAT), rule("wide", &conditional)]), [], "the wide one may not hold");
    let more = CHAT.replace("model.chat\"]", "model.chat\", \"model.embed\"]");
    assert_eq!(ids(&[rule("two-actions", &more), rule("wide", CHAT_ALL)]), []);
}

/// However many different terms a tenant has, equal ones are known to be equal.
#[test]
fn shadowed_rules_among_many_terms() {
    let mut rules: Vec<String> = (0..200)
        .map(|n| CHAT.replace("model/u/m", &format!("model/x{n}/m")).replace("pii.email", &format!("pii.x{n}")))
        .enumerate()
        .map(|(n, text)| rule(&format!("r{n}"), &text))
        .collect();
    rules.push(rule("twin", &CHAT.replace("model/u/m", "model/x190/m").replace("pii.email", "pii.x190")));
    let labels: String = (0..200).map(|n| format!("\"pii.x{n}\" = {{ detectors = [\"pii.email\"] }}\n")).collect();
    let redact = "allow = [\"model.chat\"]\non = \"model/y/m\"\nthen = { limit = { tokens = 7, per = \"day\" } }";
    for n in 0..200 {
        let text = redact.replace("/y/", &format!("/y{n}/")).replace("= 7", &format!("= {}", n + 1));
        rules.push(rule(&format!("s{n}"), &text));
    }
    let again = redact.replace("/y/", "/y180/").replace("= 7", "= 181");
    rules.push(rule("again", &again));
    rules.push(format!("[labels]\n{labels}"));
    let found = ids(&rules).into_iter().filter(|(lint, _)| *lint == Lint::Shadowed).collect::<Vec<_>>();
    assert_eq!(found, [(Lint::Shadowed, "twin".to_owned()), (Lint::Shadowed, "again".to_owned())]);
}

#[test]
fn allows_under_a_deny_and_denies_of_nothing() {
    let deny = "deny = [\"model.*\"]\nroles = [\"everyone\"]\non = \"model/**\"";
    assert_eq!(ids(&[rule("one", CHAT), rule("no", deny)]), only(Lint::UnderDeny, "one"));
    let conditional = format!("{deny}\nwhen = 'call.tokens > 5'");
    assert_eq!(ids(&[rule("one", CHAT), rule("no", &conditional)]), []);
    let by_b = deny.replace("everyone", "b");
    assert_eq!(ids(&[rule("one", CHAT), rule("no", &by_b)]), [], "a holds it without b");
    let elsewhere = "deny = [\"model.chat\"]\non = \"model/other/**\"";
    assert_eq!(ids(&[rule("one", CHAT), rule("no", elsewhere)]), only(Lint::IdleDeny, "no"));
    let other_action = "deny = [\"model.list\"]\non = \"model/u/**\"";
    assert_eq!(ids(&[rule("one", CHAT), rule("no", other_action)]), only(Lint::IdleDeny, "no"));
}

#[test]
fn conditions_that_are_known() {
    let folded = [Lint::NeverTrue, Lint::AlwaysTrue, Lint::OtherTenant];
    let with = |when: &str| -> Vec<Lint> {
        let found = ids(&[rule("r", &format!("{CHAT}\nwhen = '{when}'"))]);
        found.into_iter().map(|(lint, _)| lint).filter(|lint| folded.contains(lint)).collect()
    };
    for never in [
        "false",
        "1 > 2",
        "call.tokens > 5 && call.tokens < 5",
        "call.tokens > 5 && 6 > call.tokens",
        "call.tokens == 3 && call.tokens >= 4",
        "upstream.region == \"eu\" && upstream.region == \"us\"",
        "upstream.region in [\"eu\"] && upstream.region in [\"us\", \"ap\"]",
        "upstream.region == \"eu\" && upstream.region != \"eu\"",
        "\"x\" in labels && !(\"x\" in labels) && call.tokens < 3",
        "call.action == \"model.embed\"",
        "upstream.name == \"other\"",
        "upstream.name in [\"a\", \"b\"]",
    ] {
        assert_eq!(with(never), [Lint::NeverTrue], "{never}");
    }
    for always in [
        "true",
        "1 < 2",
        "tenant == \"acme\"",
        "call.action == \"model.chat\"",
        "call.action in [\"model.chat\", \"model.embed\"]",
        "upstream.name == \"u\"",
        "call.tokens == call.tokens",
        "call.tokens < 5 || true",
        "upstream.region == \"eu\" || upstream.region != \"eu\"",
    ] {
        assert_eq!(with(always), [Lint::AlwaysTrue], "{always}");
    }
    for open in [
        "call.tokens < 5",
        "call.tokens > 5 && call.tokens < 7",
        "upstream.region in [\"eu\", \"us\"] && upstream.region in [\"us\", \"ap\"]",
        "upstream.region == \"eu\" || upstream.region == \"us\"",
        "has(upstream.region)",
        "\"pii.email\" in labels",
        "labels.exists(l, l == \"pii.email\")",
    ] {
        assert_eq!(with(open), [], "{open}");
    }
    assert_eq!(with("tenant == \"globex\""), [Lint::NeverTrue, Lint::OtherTenant]);
}

#[test]
fn facts_that_calls_may_lack() {
    let with = |when: &str| ids(&[rule("r", &format!("{CHAT}\nwhen = '{when}'"))]);
    for open in
        ["upstream.region == \"eu\"", "call.tokens < 3 && call.purpose == \"x\"", "\"law\" in claims.department"]
    {
        assert_eq!(with(open), only(Lint::Unguarded, "r"), "{open}");
    }
    for guarded in [
        "has(upstream.region) && upstream.region == \"eu\"",
        "!has(call.purpose) || call.purpose == \"x\"",
        "resource.model == \"m\"",
        "call.tokens < 3",
    ] {
        assert_eq!(with(guarded), [], "{guarded}");
    }
}

#[test]
fn names_that_are_written_as_in_members_and_patterns() {
    let with = |when: &str| {
        let set = compile(&format!("{HEAD}{}", rule("r", &format!("{CHAT_ALL}\nwhen = '{when}'"))));
        let found = set.lint(&surroundings()).into_iter().filter(|f| f.lint == Lint::PrefixedName);
        found.map(|f| f.hint).collect::<Vec<_>>()
    };
    for (when, hint) in [
        ("principal.id == \"u:alice\"", "write \"alice\""),
        ("\"u:alice\" != principal.id", "write \"alice\""),
        ("call.tokens < 3 || !(principal.id in [\"bob\", \"u:alice\"])", "write \"alice\""),
        ("principal.id.startsWith(\"u:svc-\")", "write \"svc-\""),
        ("\"group:interns\" in principal.groups", "write \"interns\""),
        ("resource.model == \"model/u/org/m\"", "write \"org/m\""),
        ("has(resource.collection) && resource.collection == \"vector/db/x\"", "write \"x\""),
    ] {
        assert_eq!(with(when), [hint], "{when}");
    }
    for bare in [
        "principal.id == \"alice\"",
        "\"interns\" in principal.groups",
        "resource.model == \"org/m\"",
        "\"u:alice\" in labels",
        "principal.id == \"svc:u:x\"",
    ] {
        assert!(with(bare).is_empty(), "{bare}");
    }
}

#[test]
fn modes_weaker_than_their_class() {
    let rule_text = |then: &str| rule("r", &format!("allow = [\"vector.search\"]\non = \"vector/db/x\"\n{then}"));
    let collection =
        |lines: &str| format!("[collections]\nx = {{ on = \"vector/db/*\", class = \"confidential\"{lines} }}\n");
    assert_eq!(ids(&[rule_text(""), collection("")]), [], "the class decides the mode");
    let plain = collection(", encrypt = \"preserving\"");
    assert_eq!(ids(&[rule_text(""), plain.clone()]), only(Lint::WeakMode, "r"));
    assert_eq!(ids(&[rule_text("then = { encrypt = \"sealed\" }"), plain]), [], "the rule is stricter");
}

#[test]
fn rules_for_nobody_and_for_everybody() {
    let nobody = format!("{CHAT}\nroles = [\"empty\"]");
    assert_eq!(ids(&[rule("r", &nobody)]), only(Lint::NoMember, "r"));
    let all =
        "allow = [\"model.chat\"]\nroles = [\"everyone\"]\non = \"model/**\"\nthen = { redact = [\"pii.email\"] }";
    assert_eq!(ids(&[rule("r", all)]), only(Lint::OpenToAll, "r"));
    assert_eq!(ids(&[rule("r", &format!("{all}\nwhen = 'call.tokens < 9'"))]), []);
}

#[test]
fn terms_that_differ_conflict_or_do_not_fit() {
    let digest = format!("{}, record = \"content\" }}", CHAT_ALL.trim_end_matches(" }"));
    let set = compile(&format!("{HEAD}{}{}", rule("one", CHAT), rule("two", &digest)));
    let found: Vec<_> = set.lint(&surroundings()).into_iter().filter(|f| f.lint == Lint::TermsDiffer).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        found[0].to_string(),
        "policy.toml:8: note[terms-differ]: one: the terms of rule two (policy.toml:14) differ from this rule's, and are \
         merged (as for a a that does model.chat on model/u/m)"
    );
    let fields = |field: &str| {
        format!(
            "allow = [\"vector.search\"]\non = \"vector/db/x\"\nthen = {{ encrypt = \"sealed\", filterable = [\"{field}\"] }}"
        )
    };
    assert_eq!(ids(&[rule("x", &fields("x")), rule("y", &fields("y"))]), only(Lint::TermsConflict, "x"));
    let wrong =
        "allow = [\"model.chat\"]\non = \"model/u/m\"\nthen = { encrypt = \"sealed\", redact = [\"pii.email\"] }";
    assert_eq!(ids(&[rule("r", wrong)]), only(Lint::WrongSurface, "r"));
}

#[test]
fn content_that_leaves_without_a_word() {
    assert_eq!(ids(&[rule("r", "allow = [\"model.chat\"]\non = \"model/u/m\"")]), only(Lint::Unprotected, "r"));
    assert_eq!(ids(&[rule("r", "allow = [\"model.list\"]\non = \"model/u\"")]), []);
    let search = "allow = [\"vector.search\"]\non = \"vector/db/x\"";
    assert_eq!(ids(&[rule("r", search)]), only(Lint::Unprotected, "r"));
    let defined =
        format!("{}\n[collections]\nx = {{ on = \"vector/db/*\", class = \"internal\" }}\n", rule("r", search));
    assert_eq!(ids(&[defined]), [], "its collection says how");
    let chat = rule("r", "allow = [\"model.chat\"]\non = \"model/u/*\"");
    let private =
        "[defaults]\nundefined_models = \"deny\"\n[models]\nm = { on = \"model/u/m\", trust = \"private\" }\n"
            .to_owned();
    assert_eq!(ids(&[chat.clone(), private.clone()]), [], "a private upstream, and no other");
    let hosted = private.replace("private", "hosted");
    assert_eq!(ids(&[chat.clone(), hosted.clone()]), only(Lint::Unprotected, "r"));
    let by_model = hosted.replace(" }\n", ", redact = [\"pii.email\"] }\n");
    assert_eq!(ids(&[chat.clone(), by_model]), [], "its definition says how");
    let any = private.replace("deny", "allow");
    assert_eq!(ids(&[chat, any]), only(Lint::Unprotected, "r"), "another model may be meant");
}

#[test]
fn names_that_nothing_defines() {
    let label = "allow = [\"model.chat\"]\non = \"model/u/m\"\nthen = { pseudonymise = [\"pii.emial\"] }";
    let set = PolicySet::compile(&[Document { name: "p".into(), text: format!("{HEAD}{}", rule("r", label)) }]);
    // Labels of terms may be defects already; those of conditions are lints.
    if let Ok(set) = set {
        assert!(set.lint(&surroundings()).iter().any(|f| f.lint == Lint::UndefinedLabel));
    }
    let when = format!("{CHAT}\nwhen = '\"pii.emial\" in labels'");
    assert_eq!(ids(&[rule("r", &when)]), only(Lint::UndefinedLabel, "r"));
    let models = "[models]\nm = { on = \"model/u/m\" }\n".to_owned();
    assert_eq!(ids(&[rule("r", CHAT), models.clone()]), []);
    let other = CHAT.replace("model/u/m", "model/u/n");
    assert_eq!(ids(&[rule("r", &other), models]), only(Lint::UndefinedModel, "r"));
    let search = "allow = [\"vector.search\"]\non = \"vector/db/y\"\nthen = { encrypt = \"sealed\" }";
    let collections = "[collections]\nx = { on = \"vector/db/x\", class = \"internal\" }\n".to_owned();
    assert_eq!(ids(&[rule("r", search), collections]), only(Lint::UndefinedCollection, "r"));
    let known = Surroundings { now: NOW, upstreams: Some(BTreeSet::from([UpstreamName::new("v").unwrap()])) };
    let found = compile(&format!("{HEAD}{}", rule("r", CHAT))).lint(&known);
    assert!(found.iter().any(|f| f.lint == Lint::UnknownUpstream && f.hint == "known: v"), "{found:?}");
}

const DAYS: &str = "owner = \"sec\"\nticket = \"SEC-1\"\nreason = \"known\"\n";

#[test]
fn what_is_over() {
    let model = |day: &str| format!("[models]\nm = {{ on = \"model/u/m\", expires = {day} }}\n");
    assert_eq!(ids(&[rule("r", CHAT), model("2027-01-14")]), only(Lint::ExpiredModel, "m"));
    assert_eq!(ids(&[rule("r", CHAT), model("2027-01-15")]), [], "its last day");
    let bare = rule("r", "allow = [\"model.chat\"]\non = \"model/u/m\"");
    let exception =
        |lint: &str, day: &str| format!("[[exception]]\nrule = \"r\"\nlint = [\"{lint}\"]\nexpires = {day}\n{DAYS}");
    let found = |lint: &str, day: &str| {
        let set = compile(&format!("{HEAD}{bare}{}", exception(lint, day)));
        let found = set.lint(&surroundings()).into_iter().filter(|f| f.lint != Lint::Untested);
        found.map(|f| (f.lint, f.severity)).collect::<Vec<_>>()
    };
    assert_eq!(found("unprotected", "2027-01-15"), [(Lint::Unprotected, Severity::Accepted)]);
    let over = [(Lint::Unprotected, Severity::Warning), (Lint::ExpiredException, Severity::Error)];
    assert_eq!(found("unprotected", "2027-01-14"), over);
    let other = [(Lint::Unprotected, Severity::Warning), (Lint::UnknownLint, Severity::Error)];
    assert_eq!(found("unprotectd", "2027-01-15"), other);
}

#[test]
fn rules_that_no_test_decides() {
    let test =
        "[[test]]\nname = \"t\"\nas = \"u:alice\"\ndo = \"model.chat\"\non = \"model/u/m\"\nexpect = \"allow\"\n";
    let untested = |text: &str| {
        let set = compile(&format!("{HEAD}{}{}{text}", rule("one", CHAT), rule("two", &CHAT.replace("u/m", "u/n"))));
        let found = set.lint(&surroundings()).into_iter().filter(|f| f.lint == Lint::Untested);
        found.map(|f| f.subject).collect::<Vec<_>>()
    };
    assert_eq!(untested(""), ["one", "two"]);
    assert_eq!(untested(test), ["two"]);
}

#[test]
fn ids_are_stable_and_read_back() {
    let ids: Vec<&str> = Lint::ALL.iter().map(|lint| lint.id()).collect();
    let expected = [
        "shadowed",
        "under-deny",
        "no-member",
        "never-true",
        "always-true",
        "unguarded",
        "other-tenant",
        "prefixed-name",
        "idle-deny",
        "terms-conflict",
        "terms-differ",
        "undefined-label",
        "undefined-model",
        "undefined-collection",
        "unknown-upstream",
        "expired-model",
        "expired-exception",
        "unknown-lint",
        "wrong-surface",
        "weak-mode",
        "unprotected",
        "open-to-all",
        "untested",
    ];
    assert_eq!(ids, expected);
    assert!(Lint::ALL.iter().all(|lint| Lint::named(lint.id()) == Some(*lint)));
}

#[test]
fn the_page_of_lints_lists_each_with_its_severity() {
    let page = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/policy-lints.md");
    let page = std::fs::read_to_string(page).unwrap();
    for lint in Lint::ALL {
        let severity = format!("{:?}", lint.severity()).to_lowercase();
        assert!(page.contains(&format!("| `{lint}` | {severity} |")), "{lint} {severity}");
    }
}

/// What the shipped packs leave open, on the day that they were written.
#[test]
fn the_packs_have_no_error() {
    let packs = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let mut seen = 0;
    for entry in std::fs::read_dir(packs).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            seen += 1;
            let set = PolicySet::load_dir(&path).unwrap();
            // 2026-11-24.
            let findings = set.lint(&Surroundings { now: 1_795_500_000, upstreams: None });
            let open: Vec<String> =
                findings.iter().filter(|f| f.severity < Severity::Note).map(ToString::to_string).collect();
            assert_eq!(open, Vec::<String>::new(), "{}", path.display());
        }
    }
    assert!(seen >= 4, "{seen}");
}

mod what_lints_say_is_true {
    use super::*;
    use crate::calls::call;
    use policy_engine::{Governed, Region};
    use proptest::prelude::*;

    fn condition() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            (prop::sample::select(vec!["<", "<=", ">", ">=", "=="]), 0..4_i64)
                .prop_map(|(how, n)| format!("call.tokens {how} {n}")),
            prop::sample::select(vec!["eu", "us"]).prop_map(|r| format!("upstream.region == \"{r}\"")),
            prop::sample::select(vec!["eu", "us"]).prop_map(|r| format!("upstream.region != \"{r}\"")),
            Just("upstream.region in [\"us\", \"eu\"]".to_owned()),
            Just("has(upstream.region)".to_owned()),
            Just("\"pii.email\" in labels".to_owned()),
            Just("tenant == \"acme\"".to_owned()),
            Just("call.action in [\"model.chat\", \"model.embed\"]".to_owned()),
        ];
        leaf.prop_recursive(3, 8, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
                inner.prop_map(|a| format!("!({a})")),
            ]
        })
    }

    /// One rule: effect, roles, actions, pattern, condition, terms.
    fn rules() -> impl Strategy<Value = Vec<String>> {
        let pattern =
            prop::sample::select(vec!["model/u/m", "model/u/*", "model/*/m", "model/u/**", "model/**", "model/v/n"]);
        let roles = prop::sample::select(vec!["\"a\"", "\"b\"", "\"everyone\"", "\"a\", \"c\"", "\"c\""]);
        let actions =
            prop::sample::select(vec!["\"model.chat\"", "\"model.embed\"", "\"model.chat\", \"model.embed\""]);
        let when = prop::option::weighted(0.3, 0..4_u8);
        let rule = (any::<bool>(), roles, actions, pattern, when, any::<bool>());
        let rule = rule.prop_map(|(allow, roles, actions, on, when, full)| {
            let (effect, record) = (if allow { "allow" } else { "deny" }, if full { "content" } else { "digest" });
            let when = when.map(|n| format!("when = 'call.tokens == {n}'\n")).unwrap_or_default();
            let then = if allow { format!("then = {{ record = \"{record}\" }}\n") } else { String::new() };
            format!("{effect} = [{actions}]\nroles = [{roles}]\non = \"{on}\"\n{when}{then}")
        });
        let numbered = |rules: Vec<String>| {
            let text = |(at, rule): (usize, &String)| format!("[[rule]]\nid = \"r{at}\"\n{rule}");
            rules.iter().enumerate().map(text).collect()
        };
        prop::collection::vec(rule, 1..7).prop_map(numbered)
    }

    const ROLES: &str = "version = 1\ntenant = \"acme\"\n[roles]\na = { members = [\"u:alice\"] }\n\
                         b = { members = [\"u:bob\"], inherits = [\"a\"] }\nc = { members = [\"u:cy\", \"u:alice\"] }\n";

    /// The verdict of every call of a small world: whether it is allowed, and on which terms.
    fn world(set: &PolicySet) -> BTreeMap<String, Option<Vec<String>>> {
        let mut all = BTreeMap::new();
        for who in ["alice", "bob", "cy", "zoe"] {
            for action in ["model.chat", "model.embed"] {
                for on in ["model/u/m", "model/u/x", "model/v/m", "model/v/n", "model/w/x", "model/u/x/y"] {
                    for tokens in 0..4 {
                        let mut call = call("acme", who, action, on);
                        call.facts.token_estimate = tokens;
                        let decision = set.decide_query(&call.query());
                        let terms =
                            decision.verdict().ok().map(|o| o.lines().iter().map(ToString::to_string).collect());
                        all.insert(format!("{who} {action} {on} {tokens}"), terms);
                    }
                }
            }
        }
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn of_conditions(when in condition()) {
            let rule = rule("r", &format!("{CHAT}\nwhen = '{when}'"));
            let set = compile(&format!("{HEAD}{rule}"));
            let found: Vec<Lint> = set.lint(&surroundings()).into_iter().map(|f| f.lint).collect();
            for region in [None, Some("eu"), Some("us"), Some("ap")] {
                for tokens in 0..5 {
                    for labels in [&[][..], &["pii.email"]] {
                        let mut call = call("acme", "alice", "model.chat", "model/u/m").with_labels(labels);
                        call.facts.token_estimate = tokens;
                        call.facts.upstream_region = region.map(|r| Region::new(r).unwrap());
                        let decision = set.decide_query(&call.query());
                        prop_assert!(!found.contains(&Lint::NeverTrue) || decision.matched().is_empty(), "{}", when);
                        prop_assert!(!found.contains(&Lint::AlwaysTrue) || decision.unmet().is_empty(), "{}", when);
                    }
                }
            }
        }

        /// A rule that is shadowed, can never allow or has nothing to deny can be left out: nothing changes.
        #[test]
        fn of_pairs(rules in rules()) {
            let set = compile(&format!("{ROLES}{}", rules.concat()));
            let before = world(&set);
            let idle = [Lint::Shadowed, Lint::UnderDeny, Lint::IdleDeny];
            for finding in set.lint(&surroundings()).into_iter().filter(|f| idle.contains(&f.lint)) {
                let kept: String = rules.iter().filter(|r| !r.contains(&format!("\"{}\"", finding.subject))).cloned().collect();
                let after = world(&compile(&format!("{ROLES}{kept}")));
                for (a, b) in before.iter().zip(&after) {
                    prop_assert_eq!(a, b, "{}\n{}", finding, rules.concat());
                }
            }
        }
    }
}
