//! The table of who may do what: golden for each pack, and true of every call.

use crate::small::{call, caller, row_for, small};
use policy_engine::{Access, Document, Governed, PolicySet, RuleId, TooManyRows};
use proptest::prelude::*;
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn packs() -> Vec<PathBuf> {
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let mut packs: Vec<PathBuf> = std::fs::read_dir(policies).unwrap().map(|entry| entry.unwrap().path()).collect();
    packs.retain(|path| path.is_dir());
    packs.sort();
    packs
}

/// A change of policy is reviewed as a change of these files. To accept one:
/// `UPDATE_GOLDEN=1 cargo nextest run -p policy-engine matrix`
#[test]
fn the_matrix_of_each_pack_is_golden() {
    let packs = packs();
    assert!(!packs.is_empty());
    for pack in packs {
        let set = PolicySet::load_dir(&pack).unwrap_or_else(|error| panic!("{}: {error}", pack.display()));
        let found = set.matrix(100_000).unwrap().to_string();
        let path = pack.join("matrix.out");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &found).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        let differs = golden.lines().zip(found.lines()).find(|(a, b)| a != b);
        assert!(golden == found, "{} changed, first at {differs:?}", path.display());
    }
}

const TEXT: &str = r#"
version = 1
tenant = "acme"
[roles]
app = { members = ["u:app", "group:apps"] }
clerk = { members = ["u:ann"], inherits = ["app"] }
[models.small]
on = "model/a/small"
aliases = ["latest"]
expires = 2030-01-31
[defaults]
undefined_models = "deny"
[[rule]]
id = "chat"
allow = "model.*"
roles = "app"
on = "model/a/*"
then = { pseudonymise = ["pii.email"] }
[[rule]]
id = "cards"
deny = "model.chat"
roles = "everyone"
on = "model/**"
when = '"pii.card" in labels'
[[rule]]
id = "search"
allow = "vector.search"
roles = "clerk"
on = "vector/db/**"
when = "call.k < 10"
"#;

fn set(text: &str) -> PolicySet {
    PolicySet::compile(&[Document { name: "p.toml".into(), text: text.into() }]).unwrap()
}

#[test]
fn it_reads_as_the_guide_says() {
    let text = set(TEXT).matrix(100).unwrap().to_string();
    let (_, body) = text.split_once("\n\n").unwrap();
    assert_eq!(
        body,
        "\
tenant acme
  allow  chat  then pseudonymise:pii.email
  deny   cards  when \"pii.card\" in labels
  allow  search  when call.k < 10

acme  anybody
  nothing

acme  group:apps, u:app
  model/a/*                          model.*                  deny   not_defined
  model/a/latest (as model/a/small)  model.chat               ALLOW  chat  unless cards?  until 2030-01-31
  model/a/latest (as model/a/small)  model.embed, model.list  ALLOW  chat  until 2030-01-31
  model/a/small                      model.chat               ALLOW  chat  unless cards?  until 2030-01-31
  model/a/small                      model.embed, model.list  ALLOW  chat  until 2030-01-31

acme  u:ann
  model/a/*                          model.*                  deny   not_defined
  model/a/latest (as model/a/small)  model.chat               ALLOW  chat  unless cards?  until 2030-01-31
  model/a/latest (as model/a/small)  model.embed, model.list  ALLOW  chat  until 2030-01-31
  model/a/small                      model.chat               ALLOW  chat  unless cards?  until 2030-01-31
  model/a/small                      model.embed, model.list  ALLOW  chat  until 2030-01-31
  vector/db                          vector.search            if     search?
  vector/db/*                        vector.search            if     search?
"
    );
}

#[test]
fn it_is_complete_or_not_there() {
    let set = set(TEXT);
    assert!(set.matrix(1000).is_ok());
    for most in [0, 4, 11] {
        assert_eq!(set.matrix(most), Err(TooManyRows { most }));
    }
}

/// A thousand rules of each of ten tenants. The lead's budget for lint, tests and table of such a pack is 5 s.
#[test]
fn ten_thousand_rules_are_tabled_tested_and_compared() {
    let documents: Vec<Document> = (0..10).map(large).collect();
    let set = PolicySet::compile(&documents).unwrap();
    assert_eq!(set.rule_count(), 10_000);
    let outcomes = set.run_tests();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.passed()).count(), 1_000);
    let coverage = set.coverage();
    assert_eq!((coverage.rules.len(), coverage.decided()), (10_000, 1_000));
    let matrix = set.matrix(1_000_000).unwrap();
    let rows: usize = matrix.tenants.iter().flat_map(|t| &t.callers).map(|c| c.rows.len()).sum();
    assert_eq!(rows, 7_820);
    let mut changed = documents;
    changed[3].text = changed[3].text.replacen("allow = \"model.chat\"", "allow = \"model.embed\"", 1);
    let diff = set.diff(&set.recompile(&changed).unwrap(), 1_000_000).unwrap();
    let found: Vec<&str> = diff.tenants.iter().map(|tenant| tenant.tenant.as_str()).collect();
    assert_eq!(found, ["t3"]);
}

fn large(tenant: usize) -> Document {
    let mut text = format!("version = 1\ntenant = \"t{tenant}\"\n[roles]\n");
    for role in 0..100 {
        let _ = writeln!(text, "r{role} = {{ members = [\"u:u{role}\", \"u:v{role}\"] }}");
    }
    for rule in 0..1000 {
        let (role, model) = (rule % 100, rule / 10);
        let effect = if rule % 7 == 3 { "deny" } else { "allow" };
        let on = if rule % 5 == 0 { format!("model/up{role}/*") } else { format!("model/up{role}/m{model}") };
        let when = if rule % 3 == 0 { "when = \"call.tokens < 1000\"" } else { "" };
        let _ = writeln!(
            text,
            "[[rule]]\nid = \"rule-{rule}\"\n{effect} = \"model.chat\"\nroles = \"r{role}\"\non = \"{on}\"\n{when}"
        );
    }
    for test in 0..100 {
        let rule = test * 10 + 1;
        let (role, model) = (rule % 100, rule / 10);
        let expect = if rule % 7 == 3 { "deny" } else { "allow" };
        let _ = writeln!(
            text,
            "[[test]]\nname = \"t{test}\"\nas = \"u:u{role}\"\ndo = \"model.chat\"\non = \"model/up{role}/m{model}\"\n\
             expect = \"{expect}\"\nrule = \"rule-{rule}\""
        );
    }
    Document { name: format!("t{tenant}.toml"), text }
}

proptest! {
    /// No decision goes against the table.
    #[test]
    fn every_decision_is_in_the_table(small in small(), call in call()) {
        let set = small.compile();
        let matrix = set.matrix(10_000).unwrap();
        let callers = &matrix.tenants[0].callers;
        let known: Vec<&str> = callers.iter().flat_map(|c| &c.callers).map(String::as_str).collect();
        let Some(name) = caller(&call, &known) else { return Ok(()) };
        let own = callers.iter().find(|c| c.callers.contains(&name)).unwrap();
        let rows: Vec<_> = own.rows.iter().filter(|row| row.actions.contains(&call.action)).collect();
        let row = row_for(&rows, |row| &row.resource, &call.resource.to_string());
        let decision = set.decide_query(&call.query());
        let Some(row) = row else {
            prop_assert!(decision.verdict().is_err());
            return Ok(());
        };
        let applied = |rule: &RuleId| decision.matched().contains(rule);
        match (&row.access, decision.verdict()) {
            (Access::Denied { reason, rule: Some(rule) }, Err(found)) => {
                prop_assert_eq!(*reason, found.code());
                prop_assert!(applied(rule));
            }
            (Access::Denied { rule: None, .. }, Err(_)) => {}
            (Access::Allowed { by, by_condition, unless, .. }, verdict) => {
                prop_assert!(by.iter().all(applied));
                let open = !by.is_empty() || by_condition.iter().any(applied);
                prop_assert_eq!(verdict.is_ok(), open && !unless.iter().any(applied));
                let named = by.len() + by_condition.len() + unless.len();
                prop_assert_eq!(named, decision.matched().len() + decision.unmet().len());
            }
            (access, verdict) => prop_assert!(false, "{access}: {verdict:?}"),
        }
    }
}
