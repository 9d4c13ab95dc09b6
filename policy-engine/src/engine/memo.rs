//! Outcomes kept for questions that come again.
//!
//! Casbin's verdict on a set is a function of: the tenant, the caller's roles, the action, the resource and
//! which conditions hold. That is the whole key, spelled out byte for byte (no hash stands in for it), so a
//! kept outcome is the outcome that casbin would give again. Conditions themselves are evaluated afresh for
//! each question; one that fails is not kept.

use crate::action::Action;
use crate::decision::Outcome;
use crate::resource::Resource;
use crate::set::{Index, PolicyDigest};
use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;
use vocab::TenantId;

/// How many questions a thread keeps, and how many patterns of conditions for each. A full table is emptied:
/// the cost of starting over is small and bounded, the memory too.
const MAX_QUESTIONS: usize = 1024;
const MAX_CONTEXTS: usize = 32;

/// What does not depend on conditions.
pub(super) struct Question {
    /// The lines that may matter: a superset of those that match.
    pub(super) candidates: Vec<Index>,
    /// The rules that fit caller, action and resource, in document order, each once.
    pub(super) fitting: Vec<Index>,
    /// Outcomes by which conditions hold.
    outcomes: HashMap<Box<str>, Arc<Outcome>>,
}

impl Question {
    pub(super) fn new(candidates: Vec<Index>, fitting: Vec<Index>) -> Self {
        Self { candidates, fitting, outcomes: HashMap::new() }
    }

    pub(super) fn outcome(&self, context: &str) -> Option<Arc<Outcome>> {
        self.outcomes.get(context).cloned()
    }

    pub(super) fn keep(&mut self, context: &str, outcome: &Arc<Outcome>) {
        if self.outcomes.len() >= MAX_CONTEXTS {
            self.outcomes.clear();
        }
        self.outcomes.insert(context.into(), Arc::clone(outcome));
    }
}

/// The questions of one thread about one set of policies.
#[derive(Default)]
pub(super) struct Memo {
    digest: Option<PolicyDigest>,
    questions: HashMap<Box<[u8]>, Question>,
    key: Vec<u8>,
}

impl Memo {
    /// The question, found or made. Questions about another set are forgotten first.
    pub(super) fn question(
        &mut self,
        digest: &PolicyDigest,
        (tenant, roles, action, resource): (&TenantId, &[Index], Action, &Resource),
        make: impl FnOnce() -> Question,
    ) -> Option<&mut Question> {
        if self.digest.as_ref() != Some(digest) {
            self.questions.clear();
            self.digest = Some(digest.clone());
        }
        self.key.clear();
        // Tenant, action and resource hold no zero byte, and the count of roles is fixed-width: no two
        // questions share a key.
        write!(self.key, "{tenant}\0{action}\0{resource}\0").ok()?;
        for role in roles {
            self.key.extend_from_slice(&role.to_le_bytes());
        }
        if !self.questions.contains_key(self.key.as_slice()) {
            if self.questions.len() >= MAX_QUESTIONS {
                self.questions.clear();
            }
            self.questions.insert(self.key.as_slice().into(), make());
        }
        self.questions.get_mut(self.key.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::ReasonCode;

    fn digest(text: &str) -> PolicyDigest {
        PolicyDigest(text.into())
    }

    #[test]
    fn another_set_and_other_roles_are_other_questions() {
        let mut memo = Memo::default();
        let tenant = TenantId::new("acme").unwrap();
        let resource: Resource = "model/a/b".parse().unwrap();
        let outcome = Arc::new(Outcome::denied(ReasonCode::NotPermitted));
        let mut ask = |set: &str, roles: &[Index]| {
            let key = (&tenant, roles, Action::ModelChat, &resource);
            let question = memo.question(&digest(set), key, || Question::new(vec![], vec![])).unwrap();
            let known = question.outcome(";").is_some();
            question.keep(";", &outcome);
            known
        };
        assert!(!ask("one", &[0, 1]));
        assert!(ask("one", &[0, 1]));
        assert!(!ask("one", &[0, 257]));
        assert!(!ask("one", &[0]));
        assert!(!ask("two", &[0, 1]));
        assert!(!ask("one", &[0, 1]), "a set that comes back starts over");
    }

    #[test]
    fn memory_is_bounded() {
        let mut memo = Memo::default();
        let tenant = TenantId::new("acme").unwrap();
        for n in 0..3 * u32::try_from(MAX_QUESTIONS).unwrap() {
            let resource: Resource = format!("model/a/{n}").parse().unwrap();
            let key = (&tenant, &[0][..], Action::ModelChat, &resource);
            memo.question(&digest("one"), key, || Question::new(vec![], vec![])).unwrap();
            assert!(memo.questions.len() <= MAX_QUESTIONS);
        }
        let mut question = Question::new(vec![], vec![]);
        let outcome = Arc::new(Outcome::denied(ReasonCode::NotPermitted));
        for n in 0..3 * MAX_CONTEXTS {
            question.keep(&n.to_string(), &outcome);
            assert!(question.outcomes.len() <= MAX_CONTEXTS);
        }
    }
}
