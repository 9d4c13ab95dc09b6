//! Small random policies and calls over few names, so that they meet.

use crate::calls::Call;
use policy_engine::{Document, Facts, Label, PolicySet};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use vocab::{GroupName, PrincipalId, TenantId};

const PATTERNS: [&str; 9] =
    ["model/a/x", "model/a/*", "model/*/x", "model/a/**", "model/**", "**", "model/b/x/y", "vector/a/*", "vector/a/x"];
const PATHS: [&str; 12] = [
    "model/a",
    "model/b",
    "model/o",
    "model/a/x",
    "model/a/z",
    "model/o/x",
    "model/a/x/y",
    "model/b/x/y",
    "model/b/z/o",
    "vector/a",
    "vector/a/x",
    "vector/a/z",
];
const ROLES: [&str; 4] = ["everyone", "r0", "r1", "r2"];
const MEMBERS: [&str; 3] = ["u:u0", "u:u1", "group:g0"];
const CONDITIONS: [&str; 4] = ["", "", "when = 'has(call.k) && call.k > 1'", "when = 'size(labels) == 0'"];
const TERMS: [&str; 3] = ["", "then = { record = \"none\" }", "then = { redact = [\"pii.email\"] }"];

/// One rule and its roles' members, as choices.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Piece {
    effect: &'static str,
    role: &'static str,
    pattern: &'static str,
    when: &'static str,
    then: &'static str,
}

/// Who is in which role, and the rules.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Small {
    members: [Vec<&'static str>; 3],
    pieces: Vec<Piece>,
}

pub(crate) fn small() -> impl Strategy<Value = Small> {
    let members = || subsequence(MEMBERS.to_vec(), 0..=3);
    let piece = (select(&["allow", "allow", "deny"][..]), select(&ROLES[..]), select(&PATTERNS[..]));
    let piece =
        (piece, select(&CONDITIONS[..]), select(&TERMS[..])).prop_map(|((effect, role, pattern), when, then)| Piece {
            effect,
            role,
            pattern,
            when,
            then: if effect == "allow" { then } else { "" },
        });
    ([members(), members(), members()], prop::collection::vec(piece, 0..6))
        .prop_map(|(members, pieces)| Small { members, pieces })
}

/// Two policies that have much in common.
pub(crate) fn pair() -> impl Strategy<Value = (Small, Small)> {
    (small(), small(), prop::collection::vec(0..6_usize, 0..3), any::<bool>()).prop_map(|(old, other, at, same)| {
        let mut new = old.clone();
        for at in at {
            match (new.pieces.get_mut(at), other.pieces.get(at)) {
                (Some(mine), Some(theirs)) => *mine = theirs.clone(),
                (Some(_), None) => drop(new.pieces.remove(at)),
                (None, Some(theirs)) => new.pieces.push(theirs.clone()),
                (None, None) => {}
            }
        }
        if !same {
            new.members = other.members;
        }
        (old, new)
    })
}

impl Small {
    pub(crate) fn compile(&self) -> PolicySet {
        let mut text = String::from("version = 1\ntenant = \"acme\"\n[roles]\n");
        for (role, members) in ROLES[1..].iter().zip(&self.members) {
            text.push_str(&format!("{role} = {{ members = {members:?} }}\n"));
        }
        for (at, piece) in self.pieces.iter().enumerate() {
            let Piece { effect, role, pattern, when, then } = piece;
            let actions = match pattern.split('/').next() {
                Some("model") => "model.*",
                Some("vector") => "vector.*",
                _ => "*",
            };
            text.push_str(&format!(
                "[[rule]]\nid = \"p{at}\"\n{effect} = \"{actions}\"\nroles = \"{role}\"\non = \"{pattern}\"\n{when}\n{then}\n"
            ));
        }
        let document = Document { name: "small.toml".into(), text };
        PolicySet::compile(&[document]).unwrap_or_else(|defects| panic!("{defects:#?}"))
    }
}

/// A call by one of those that [`Small`] names, or by somebody else.
pub(crate) fn call() -> impl Strategy<Value = Call> {
    let who = (select(&["u0", "u1", "u2"][..]), any::<bool>());
    let facts = (prop::option::of(0..4_u32), any::<bool>());
    (who, select(&PATHS[..]), 0..3_usize, facts).prop_map(|((who, grouped), path, action, (k, labelled))| {
        let resource: policy_engine::Resource = path.parse().unwrap();
        let mut actions = policy_engine::Action::ALL.into_iter().filter(|action| action.family() == resource.family());
        let label = Label::new("pii.email").unwrap();
        Call {
            tenant: TenantId::new("acme").unwrap(),
            principal: PrincipalId::new(who).unwrap(),
            groups: if grouped { vec![GroupName::new("g0").unwrap()] } else { Vec::new() },
            action: actions.nth(action).unwrap(),
            resource,
            facts: Facts { k, labels: labelled.then_some(label).into_iter().collect(), ..Facts::default() },
        }
    })
}

/// The caller as a matrix or a comparison names it. `None` when it is two of those that documents name.
pub(crate) fn caller(call: &Call, known: &[&str]) -> Option<String> {
    let user = format!("u:{}", call.principal);
    let user = known.contains(&user.as_str()).then_some(user);
    let group = call.groups.first().map(|group| format!("group:{group}"));
    let group = group.filter(|group| known.contains(&group.as_str()));
    match (user, group) {
        (Some(_), Some(_)) => None,
        (Some(one), None) | (None, Some(one)) => Some(one),
        (None, None) => Some("anybody".into()),
    }
}

/// The row that speaks about a path: of those that match it, the one that names most, from the left.
pub(crate) fn row_for<'r, R>(rows: &'r [R], resource: fn(&R) -> &str, path: &str) -> Option<&'r R> {
    let rank = |row: &R| -> Vec<u8> {
        resource(row)
            .split('/')
            .map(|segment| match segment {
                "**" => 2,
                "*" => 1,
                _ => 0,
            })
            .collect()
    };
    rows.iter().filter(|row| matches(resource(row), path)).min_by_key(|row| rank(row))
}

fn matches(shown: &str, path: &str) -> bool {
    let (mut wanted, mut found) = (shown.split('/'), path.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (Some("**"), Some(_)) | (None, None) => return true,
            (Some(want), Some(have)) if want == "*" || want == have => {}
            _ => return false,
        }
    }
}
