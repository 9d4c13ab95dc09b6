//! The pitfalls of casbin-rs 2.20 that this crate must keep away from its callers, each as a test.

use super::*;
use casbin::function_map::key_match2;

fn strings<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(String::from).to_vec()
}

fn row(id: &str, role: &str, object: &str, cond: &str, eft: &str) -> Row {
    strings([id, "acme", role, object, "model.chat", cond, eft])
}

const ASK: Request<'static> =
    Request { tenant: "acme", subject: "u:alice", object: "model/openai/gpt-4.1", action: "model.chat", context: "" };

fn enforce(referee: &mut Referee, rows: &[Row], links: &[(&str, &str)]) -> bool {
    let links = links.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
    referee.rows(rows.iter().cloned()).unwrap();
    referee.links(ASK.tenant, links);
    referee.verdict(ASK).unwrap()
}

#[test]
fn the_probe_passes() {
    assert_eq!(probe(), Ok(()));
}

/// Pitfall 1: a cached enforcer still allows what was revoked. Here each question is asked afresh.
#[test]
fn nothing_of_an_earlier_question_is_left() {
    let mut referee = Referee::new().unwrap();
    let allow = [row("r", "role:a", "**", UNCONDITIONAL, "allow")];
    let links = [("u:alice", "role:a")];
    assert!(enforce(&mut referee, &allow, &links));
    assert!(!enforce(&mut referee, &allow, &[]), "a revoked role");
    assert!(enforce(&mut referee, &allow, &links));
    assert!(!enforce(&mut referee, &[], &links), "a revoked rule");
    assert!(!enforce(&mut referee, &[row("r", "role:b", "**", UNCONDITIONAL, "allow")], &links));
}

/// Pitfall 2: `keyMatch2` takes `.` for any character, panics on `(` and matches `..`.
#[test]
fn key_match2_is_not_what_matches_here() {
    assert!(key_match2("model/gpt-4x1", "model/gpt-4.1"), "casbin's own function still does this");
    assert!(std::panic::catch_unwind(|| key_match2("a", "a(")).is_err());
    assert!(!path_matches("model/openai/gpt-4.1", "model/openai/gpt-4x1"));
    assert!(!path_matches("model/openai/gpt(", "model/openai/gpt"));
    let mut referee = Referee::new().unwrap();
    let near = [row("r", "role:a", "model/openai/gpt-4x1", UNCONDITIONAL, "allow")];
    assert!(!enforce(&mut referee, &near, &[("u:alice", "role:a")]));
}

/// Pitfall 3: casbin drops role chains of ten edges or more. The compiler expands roles, so that each chain
/// here is one row; this shows why it must.
#[test]
fn long_role_chains_are_casbins_limit() {
    let mut referee = Referee::new().unwrap();
    let allow = [row("r", "role:10", "**", UNCONDITIONAL, "allow")];
    let names: Vec<String> = (0..=10).map(|n| format!("role:{n}")).collect();
    let mut links = vec![("u:alice", "role:0")];
    links.extend(names.iter().zip(names.iter().skip(1)).map(|(a, b)| (a.as_str(), b.as_str())));
    assert!(!enforce(&mut referee, &allow, &links), "casbin lost its limit: the expansion may go");
    assert!(enforce(&mut referee, &allow, &[("u:alice", "group:g"), ("group:g", "role:10")]));
}

/// Pitfall 4: an effect other than exactly `allow` or `deny` is ignored, and a model with an unknown function
/// loads. Rows are made by code with two effects only, and the probe asks before anything is used.
#[test]
fn a_misspelt_effect_denies_nothing_in_casbin() {
    let mut referee = Referee::new().unwrap();
    let links = [("u:alice", "role:a")];
    let allow = row("r", "role:a", "**", UNCONDITIONAL, "allow");
    let shouted = row("d", "role:a", "**", UNCONDITIONAL, "Deny");
    assert!(enforce(&mut referee, &[allow.clone(), shouted], &links), "casbin ignores Deny");
    let deny = row("d", "role:a", "**", UNCONDITIONAL, "deny");
    assert!(!enforce(&mut referee, &[allow, deny], &links));
    let bare = DefaultModel::default();
    let enforcer = at_once(Enforcer::new_raw(bare, ())).expect("casbin builds an enforcer of no model");
    assert!(enforcer.enforce(strings(["acme", "u:alice", "x", "y", ""])).is_err(), "and fails when asked");
}

/// Pitfall 5: one malformed row fails every decision. Here that is an error, and it is gone with its question.
#[test]
fn a_malformed_row_is_an_error_for_its_question_only() {
    let mut referee = Referee::new().unwrap();
    let mut ask = |rows: [Row; 1]| {
        referee.rows(rows.into_iter())?;
        referee.links(ASK.tenant, [("u:alice".to_owned(), "role:a".to_owned())].into_iter());
        referee.verdict(ASK)
    };
    let short = strings(["r", "acme", "role:a"]);
    assert_eq!(ask([short]), Err(RefereeFault));
    let allow = row("r", "role:a", "**", UNCONDITIONAL, "allow");
    assert_eq!(ask([allow]), Ok(true));
}

/// Pitfall 6: texts in rows and requests are never evaluated, whatever they look like.
#[test]
fn no_text_is_evaluated() {
    assert!(!MODEL.iter().any(|(_, text)| text.contains("eval")));
    let mut referee = Referee::new().unwrap();
    let sneaky = [row("r", "role:a", "**", "true || cond(r_ctx, p_cond)", "allow")];
    assert!(!enforce(&mut referee, &sneaky, &[("u:alice", "role:a")]));
}

/// Pitfall 7: a switched-off enforcer allows everything. Nothing here switches it off.
#[test]
fn the_enforcer_stays_on() {
    let mut referee = Referee::new().unwrap();
    assert!(referee.enforcer.is_enabled());
    assert!(!enforce(&mut referee, &[], &[]));
    referee.enforcer.enable_enforce(false);
    assert!(enforce(&mut referee, &[], &[]), "this is why");
}

/// Casbin keeps one graph for all names: a user called like a role must not be that role.
#[test]
fn a_user_named_like_a_role_is_not_that_role() {
    let mut referee = Referee::new().unwrap();
    let allow = [row("r", "role:admin", "**", UNCONDITIONAL, "allow")];
    assert!(!enforce(&mut referee, &allow, &[("u:admin", "role:other"), ("u:role:admin", "role:x")]));
    assert!(enforce(&mut referee, &allow, &[("u:alice", "role:admin")]));
}

/// Conditions are compared whole: `c1` does not stand for `c11`.
#[test]
fn conditions_are_whole_names() {
    let holds = |context: &str, wanted: &str| condition_holds(context.into(), wanted.into()).as_bool().unwrap();
    assert!(holds(";c1;c11", "c1") && holds(";c11", "c11") && holds("", UNCONDITIONAL));
    assert!(!holds(";c11", "c1") && !holds(";c1", "c11") && !holds(";c1", "") && !holds("", "c1"));
}
