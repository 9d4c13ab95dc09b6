use crate::{Document, PolicySet};

fn defects(texts: &[(&str, &str)]) -> Vec<String> {
    let documents: Vec<Document> =
        texts.iter().map(|(n, t)| Document { name: (*n).into(), text: (*t).into() }).collect();
    match PolicySet::compile(&documents) {
        Ok(_) => Vec::new(),
        Err(defects) => defects.iter().map(ToString::to_string).collect(),
    }
}

fn one(text: &str) -> Vec<String> {
    defects(&[("p.toml", text)])
}

const HEAD: &str = "version = 1\ntenant = \"acme\"\n[roles]\na = { members = [\"u:alice\"] }\n";

fn rule(lines: &str) -> Vec<String> {
    one(&format!("{HEAD}[[rule]]\nid = \"r\"\n{lines}"))
}

const GOOD: &str = "allow = [\"model.chat\"]\nroles = [\"a\"]\non = \"model/**\"\n";

#[test]
fn a_good_document_loads() {
    assert_eq!(rule(GOOD), Vec::<String>::new());
}

#[test]
fn every_defect_is_reported_at_once_with_its_place() {
    let text = r#"version = 2
tenant = "Acme"
colour = "red"
[roles]
Admin = { members = ["alice"] }
everyone = {}
a = { members = ["u:alice", "u:a b", 3], inherits = "b", owner = "x" }
[[rule]]
id = "One"
allow = ["model.chat", "model.fly"]
deny = ["model.chat"]
roles = []
on = ["model/openai/gpt-*", "vector/db/x"]
when = "upstream.regoin == 'eu'"
then = { pseudonymise = ["PII"], encrypt = "rot13", record = true, filterable = [""], redcat = ["pii.email"] }
mode = "shade"
[[test]]
name = "t"
as = "group:x"
do = "model.chat"
on = "vector/db/x"
expect = "maybe"
ctx = { call = { k = -1, colour = 1 } }
"#;
    let found = one(text);
    let expected = [
        "p.toml:1: version: this version is not supported",
        "p.toml:2: tenant: not a valid tenant id",
        "p.toml:3: colour: there is no such key (known here: version, tenant, roles, labels,",
        "p.toml:5: roles.Admin: not a valid role name",
        "p.toml:5: roles.Admin.members[0]: this is no member",
        "p.toml:6: roles.everyone: the role everyone is built in",
        "p.toml:7: roles.a.inherits: must be a list",
        "p.toml:7: roles.a.members[1]: this is no member",
        "p.toml:7: roles.a.members[2]: must be a string",
        "p.toml:7: roles.a.owner: there is no such key",
        "p.toml:9: rule[0].id: not a valid rule id",
        "p.toml:8: rule[0]: a rule either allows or denies",
        "p.toml:10: rule[0].allow[1]: there is no such action",
        "p.toml:12: rule[0].roles: an empty list",
        "p.toml:13: rule[0].on[0]: * stands for one whole segment",
        "p.toml:13: rule[0].on[1]: no action of this rule applies",
        "p.toml:14: rule[0].when: there is no variable upstream.regoin (did you mean upstream.region? known variables",
        "p.toml:15: rule[0].then.encrypt: there is no such choice (one of: plain, preserving, sealed)",
        "p.toml:15: rule[0].then.filterable[0]: not a valid field name",
        "p.toml:15: rule[0].then.pseudonymise[0]: not a valid label",
        "p.toml:15: rule[0].then.record: must be a string",
        "p.toml:15: rule[0].then.redcat: there is no such key (did you mean redact? known here: block, redact,",
        "p.toml:16: rule[0].mode: there is no such choice (did you mean shadow? one of: enforce, shadow)",
        "p.toml:19: test[0].as: this is not one principal",
        "p.toml:21: test[0].on: the action model.chat never applies",
        "p.toml:22: test[0].expect: there is no such choice",
        "p.toml:23: test[0].ctx.call.colour: there is no such key",
        "p.toml:23: test[0].ctx.call.k: must be a whole number",
    ];
    for part in expected {
        assert!(found.iter().any(|d| d.starts_with(part)), "missing {part}\nin {found:#?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

/// The letters in these names are not what they seem: each defect says which letter it is.
#[test]
fn lookalikes_are_told() {
    for (from, to, part) in [
        ("a = {", "\"аdmin\" = {", "roles.аdmin: not a valid role name"),
        ("u:alice", "u:аlice", "roles.a.members[0]: this is no member (character 3 is U+0430, which looks like 'a'"),
        ("model.chat", "model.сhat", "allow[0]: there is no such action"),
        ("model/**", "mоdel/**", "on: a character here can be in no resource path"),
        ("\"r\"", "\"r\u{200b}\"", "id: not a valid rule id"),
        ("\non =", "\n\"оn\" =", "оn: there is no such key (character 1 is U+043E, which looks like 'o'"),
        ("\non =", "\nоn =", "not valid TOML: invalid unquoted key"),
        ("[[rule]]", "[[rule]]\nwhen = \"'pii.еmail' in labels\"", "when: a word of the condition mixes letters"),
    ] {
        let text = format!("{HEAD}[[rule]]\nid = \"r\"\n{GOOD}").replacen(from, to, 1);
        let found = one(&text);
        assert!(found.iter().any(|d| d.contains(part) && d.contains("U+")), "{part}: {found:#?}");
    }
    assert_eq!(rule(&format!("{GOOD}when = \"call.purpose == 'Übersetzung' || call.purpose == 'право'\"\n")), [""; 0]);
}

#[test]
fn broken_toml_is_a_defect_with_its_line() {
    let found = one("version = 1\ntenant = \n[roles\n");
    assert!(!found.is_empty() && found.iter().all(|d| d.contains("not valid TOML")), "{found:?}");
    assert!(found[0].starts_with("p.toml:2:"), "{found:?}");
    let found = one("version = 1\nversion = 1\ntenant = \"acme\"\n");
    assert!(found[0].starts_with("p.toml:2:"), "a duplicate key: {found:?}");
}

#[test]
fn missing_keys_are_named() {
    let found = one("[[rule]]\n[[test]]\n");
    for key in ["version", "tenant", "id", "allow or deny", "roles", "on", "name", "as", "do", "expect"] {
        assert!(found.iter().any(|d| d.contains(&format!("the key {key} is missing"))), "{key}: {found:#?}");
    }
}

#[test]
fn names_are_resolved_over_all_documents_of_a_tenant() {
    let roles = "version = 1\ntenant = \"acme\"\n[roles]\nb = { inherits = [\"a\"] }\n[[rule]]\nid = \"s\"\n";
    let both = [("1.toml", format!("{HEAD}[[rule]]\nid = \"r\"\n{GOOD}")), ("2.toml", format!("{roles}{GOOD}"))];
    let as_texts: Vec<(&str, &str)> = both.iter().map(|(n, t)| (*n, t.as_str())).collect();
    assert_eq!(defects(&as_texts), Vec::<String>::new());
    let other = both[1].1.replace("acme", "globex");
    let found = defects(&[("1.toml", &both[0].1), ("2.toml", &other)]);
    assert_eq!(found.len(), 2, "no role crosses tenants: {found:#?}");
    assert!(found.iter().all(|d| d.starts_with("2.toml") && d.contains("the role a is not defined")));
}

#[test]
fn twins_cycles_and_strangers_are_defects() {
    let text = format!(
        "{HEAD}b = {{ inherits = [\"c\"] }}\nc = {{ inherits = [\"b\"] }}\nd = {{ inherits = [\"d\"] }}\n\
         [[rule]]\nid = \"r\"\n{GOOD}[[rule]]\nid = \"r\"\n{GOOD}[[rule]]\nid = \"s\"\n{}",
        GOOD.replace("\"a\"", "\"ghost\"")
    );
    let found = one(&text);
    for part in [
        "p.toml:5: roles.b: this role inherits itself",
        "p.toml:6: roles.c: this role inherits itself",
        "p.toml:7: roles.d: this role inherits itself",
        "p.toml:14: rule[1].id: two rules of the tenant have this id (the first is at p.toml:9)",
        "p.toml:21: rule[2].roles[0]: the role ghost is not defined",
    ] {
        assert!(found.iter().any(|d| d.starts_with(part)), "missing {part}\nin {found:#?}");
    }
    assert_eq!(found.len(), 5, "{found:#?}");
}

#[test]
fn two_documents_cannot_share_a_name_or_define_a_role_twice() {
    let found = defects(&[("p.toml", HEAD), ("p.toml", HEAD)]);
    assert!(found.iter().any(|d| d.contains("two documents have this name")), "{found:?}");
    let found = defects(&[("p.toml", HEAD), ("q.toml", HEAD)]);
    assert!(found.iter().any(|d| d.starts_with("q.toml:4: roles.a: this role is defined twice")), "{found:?}");
}

#[test]
fn terms_are_checked() {
    let with = |then: &str| rule(&format!("{GOOD}then = {then}\n"));
    assert_eq!(with("{ encrypt = { mode = \"preserving\", beta = 1.5 } }"), Vec::<String>::new());
    assert_eq!(with("{ encrypt = { mode = \"preserving\", beta = 3 } }"), Vec::<String>::new());
    for (then, part) in [
        ("{ encrypt = { mode = \"preserving\", beta = 9.5 } }", "then.encrypt.beta: beta is more than 0"),
        ("{ encrypt = { mode = \"preserving\", beta = nan } }", "then.encrypt.beta: beta is more than 0"),
        ("{ encrypt = { mode = \"preserving\", beta = \"2\" } }", "then.encrypt.beta: must be a number"),
        ("{ encrypt = { mode = \"sealed\", beta = 1.0 } }", "then.encrypt.beta: only mode preserving"),
        ("{ encrypt = { beta = 1.0 } }", "then.encrypt: the key mode is missing"),
        ("{ encrypt = 3 }", "then.encrypt: must be a table"),
        ("\"none\"", "then: must be a table"),
    ] {
        let found = with(then);
        assert!(found.len() == 1 && found[0].contains(part), "{then}: {found:?}");
    }
    let deny = rule(&format!("{}then = {{ record = \"none\" }}\n", GOOD.replace("allow", "deny")));
    assert!(deny.len() == 1 && deny[0].contains("a rule that denies sets no terms"), "{deny:?}");
}

#[test]
fn an_action_without_a_resource_is_a_defect() {
    let found = rule(&GOOD.replace("[\"model.chat\"]", "[\"model.chat\", \"vector.read\"]"));
    assert!(found.len() == 1 && found[0].contains("vector.read applies to no resource"), "{found:?}");
    assert_eq!(rule(&GOOD.replace("[\"model.chat\"]", "\"*\"").replace("model/**", "**")), Vec::<String>::new());
}

#[test]
fn a_condition_over_several_lines_and_a_literal_mode() {
    let when = "when = '''\nupstream.region in [\"eu\"] &&\n  !(\"pii.card\" in labels)\n'''\nmode = \"enforce\"\n";
    assert_eq!(rule(&format!("{GOOD}{when}")), Vec::<String>::new());
}

mod any_text {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn is_a_document_or_refused_without_a_panic(text in "(?s)[\\[\\]{}=\"'a-z0-9#., \n*/-]{0,200}") {
            let _ = one(&text);
            let _ = rule(&text);
        }

        #[test]
        fn with_a_hole_is_refused_or_loads(cut in 0_usize..400, len in 0_usize..40) {
            let text = format!("{HEAD}[[rule]]\nid = \"r\"\n{GOOD}when = \"'x' in labels\"\n");
            let kept: String = text.chars().enumerate()
                .filter(|(i, _)| !(cut..cut + len).contains(i)).map(|(_, c)| c).collect();
            let _ = one(&kept);
        }
    }
}
