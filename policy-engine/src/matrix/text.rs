//! The table for people, and for a golden file: it changes only with what it says.

use super::{CallerMatrix, Matrix, Row, RuleLine, TenantMatrix};
use crate::action::Action;
use std::fmt;

const HEAD: &str = "\
# Who may do what. A resource that ends in * or ** stands for all that no row beside it names.
#   ALLOW  by these rules     if  while the condition of one of them holds     deny  whatever the facts
#   rule?  applies while its condition holds     unless  these rules deny while their condition holds
# What no row names is denied. The terms of a rule can still deny a call; so does a condition that fails.
";

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        self.tenants.iter().try_for_each(|tenant| write!(f, "\n{tenant}"))
    }
}

impl fmt::Display for TenantMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "tenant {}", self.tenant)?;
        self.rules.iter().try_for_each(|rule| writeln!(f, "  {rule}"))?;
        self.callers.iter().try_for_each(|callers| write!(f, "\n{}  {callers}", self.tenant))
    }
}

impl fmt::Display for RuleLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:5}  {}", self.effect, self.rule)?;
        self.when.as_ref().map_or(Ok(()), |when| write!(f, "  when {when}"))?;
        if self.terms.is_empty() { Ok(()) } else { write!(f, "  then {}", self.terms.join(", ")) }
    }
}

impl fmt::Display for CallerMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.callers.join(", "))?;
        if self.rows.is_empty() {
            return writeln!(f, "  nothing");
        }
        let name = |row: &Row| match &row.stands_for {
            Some(model) => format!("{} (as {model})", row.resource),
            None => row.resource.clone(),
        };
        let width = |text: &str| text.chars().count();
        let names = self.rows.iter().map(|row| width(&name(row))).max().unwrap_or_default();
        let actions = self.rows.iter().map(|row| width(&listed(&row.actions))).max().unwrap_or_default();
        for row in &self.rows {
            writeln!(f, "  {:names$}  {:actions$}  {}", name(row), listed(&row.actions), row.access)?;
        }
        Ok(())
    }
}

/// Actions, with a family as one word.
pub(crate) fn listed(actions: &[Action]) -> String {
    let family: Vec<Action> =
        Action::ALL.into_iter().filter(|a| Some(a.family()) == actions.first().map(|f| f.family())).collect();
    match actions.first() {
        Some(first) if family.len() > 1 && family == actions => format!("{}.*", first.family().as_str()),
        _ => actions.iter().map(|action| action.as_str()).collect::<Vec<_>>().join(", "),
    }
}
