//! Which lines and rules a question is about.

use super::actions::ActionSet;
use super::trie::Candidate;
use crate::action::Action;
use crate::set::{Index, Tenant};

/// What does not depend on conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Question {
    /// The lines that may matter, sorted.
    ///
    /// INVARIANT: each line whose role the caller holds, with this action and a pattern that matches. Were there
    /// more, casbin would sort them out.
    pub(super) candidates: Vec<Candidate>,
    /// The rules that fit caller, action and resource, in the order of the documents, each once.
    pub(super) fitting: Vec<Index>,
}

impl Question {
    /// Empties it for another question; its memory stays.
    pub(super) fn clear(&mut self) {
        self.candidates.clear();
        self.fitting.clear();
    }

    /// What the candidates say about rules.
    fn settle(&mut self) {
        self.candidates.sort_unstable();
        self.fitting.extend(self.candidates.iter().map(|candidate| candidate.rule));
        self.fitting.dedup();
    }
}

impl Tenant {
    /// The question by the trie.
    pub(super) fn look_up(&self, path: &str, action: Action, roles: &[Index]) -> Question {
        let mut question = Question::default();
        self.look_up_into(path, action, roles, &mut question);
        question
    }

    /// [`Tenant::look_up`] into an empty question.
    pub(super) fn look_up_into(&self, path: &str, action: Action, roles: &[Index], question: &mut Question) {
        self.trie.find(path, ActionSet::of(action), roles, &mut question.candidates);
        question.settle();
    }

    /// The question by reading every line of the tenant: the definition that the trie is held against.
    pub(super) fn scan(&self, path: &str, action: Action, roles: &[Index]) -> Question {
        let mut question = Question::default();
        for (at, line) in (0..).zip(&self.lines) {
            if line.actions.meets(ActionSet::of(action)) && line.pattern.matches(path) {
                let own = self.rule(line.rule).map(|rule| &*rule.roles).unwrap_or_default();
                let held = own.iter().filter(|role| roles.contains(role));
                question.candidates.extend(held.map(|role| Candidate { rule: line.rule, line: at, role: *role }));
            }
        }
        question.settle();
        question
    }
}
