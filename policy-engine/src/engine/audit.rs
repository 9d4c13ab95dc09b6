//! Asking casbin about a question.

use super::merged::Merged;
use super::question::Question;
use super::referee::{Referee, RefereeFault, Request, Row, UNCONDITIONAL};
use super::trie::Candidate;
use super::verdict::expects_allow;
use crate::action::Action;
use crate::decision::Outcome;
use crate::document::Effect;
use crate::set::{Index, Rule, Tenant};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Who asks for what, in casbin's words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) tenant: &'a str,
    pub(super) principal: &'a str,
    pub(super) action: Action,
    pub(super) path: &'a str,
}

impl<'a> Asked<'a> {
    pub(super) fn request(self, subject: &'a str, context: &'a str) -> Request<'a> {
        Request { tenant: self.tenant, subject, object: self.path, action: self.action.as_str(), context }
    }
}

/// The conditions that hold, as casbin's `ctx`.
pub(super) fn context(held: &[Index]) -> String {
    held.iter().fold(String::new(), |mut context, at| {
        let _ = write!(context, ";c{at}");
        context
    })
}

impl Tenant {
    /// Casbin's verdict over some lines. `roles` are all that the caller holds; groups and inheritance are
    /// expanded, so that each is one `g` row.
    pub(super) fn ask(
        &self,
        referee: &mut Referee,
        asked: Asked<'_>,
        roles: &[Index],
        candidates: &[Candidate],
        held: &[Index],
    ) -> Result<bool, RefereeFault> {
        let subject = format!("u:{}", asked.principal);
        let wanted: BTreeSet<Index> = candidates.iter().map(|candidate| candidate.role).collect();
        let own = roles.iter().filter(|role| wanted.contains(role));
        referee.rows(candidates.iter().filter_map(|candidate| self.row(asked, *candidate)))?;
        referee.links(asked.tenant, own.filter_map(|role| Some((subject.clone(), self.role_name(*role)?))));
        referee.verdict(asked.request(&subject, &context(held)))
    }

    /// The outcome that casbin confirms; a fault if its verdict is another.
    pub(super) fn confirmed(
        &self,
        referee: &mut Referee,
        asked: Asked<'_>,
        roles: &[Index],
        (question, held): (&Question, &[Index]),
        merged: &mut Merged,
    ) -> Result<Outcome, RefereeFault> {
        let outcome = self.settle((&question.fitting, held), asked.path, merged).map_err(|_| RefereeFault)?;
        let allowed = self.ask(referee, asked, roles, &question.candidates, held)?;
        if allowed == expects_allow(&outcome) { Ok(outcome) } else { Err(RefereeFault) }
    }

    /// A role as casbin reads it: the prefix keeps a role from being taken for a user of the same name.
    pub(super) fn role_name(&self, at: Index) -> Option<String> {
        self.role(at).map(|role| format!("role:{role}"))
    }

    /// A line as casbin reads it. Of the line's actions the row has the one that is asked for, or another if the
    /// line is not about that.
    pub(super) fn row(&self, asked: Asked<'_>, candidate: Candidate) -> Option<Row> {
        let line = self.line(candidate.line)?;
        let rule = self.rule(line.rule)?;
        let action = line.actions.iter().find(|action| *action == asked.action).or_else(|| line.actions.iter().next());
        Some(vec![
            rule.id.as_str().to_owned(),
            asked.tenant.to_owned(),
            self.role_name(candidate.role)?,
            line.pattern.as_str().to_owned(),
            action?.as_str().to_owned(),
            condition_name(rule, line.rule),
            effect(rule).to_owned(),
        ])
    }
}

/// The name of a rule's condition in casbin's `cond` and `ctx`.
fn condition_name(rule: &Rule, at: Index) -> String {
    if rule.when.is_some() { format!("c{at}") } else { UNCONDITIONAL.to_owned() }
}

const fn effect(rule: &Rule) -> &'static str {
    match rule.effect {
        Effect::Allow => "allow",
        Effect::Deny => "deny",
    }
}
