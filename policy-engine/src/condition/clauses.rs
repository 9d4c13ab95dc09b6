//! The parts of a condition, for explaining: which one did not hold, and what it read.

use super::scope::Scope;
use super::variables::{Presence, VARIABLES, Variable};
use super::{Condition, ConditionFault, ENV, Reads, fault};
use crate::definitions::Definitions;
use crate::facts::Query;
use cel::common::ast::{Expr, IdedExpr, operators};
use cel::objects::Key;
use cel::{Context, Program, Value};
use std::sync::{Arc, LazyLock};

/// A clause of a condition that did not hold for a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unmet {
    /// The clause as its author wrote it.
    pub(crate) clause: String,
    /// Why it has no answer, where it has none.
    pub(crate) fault: Option<ConditionFault>,
    /// What it read, each with its value; `None` where the call has none.
    pub(crate) reads: Vec<(&'static str, Option<String>)>,
}

/// A program for each variable.
static VALUES: LazyLock<Vec<(&'static str, Program)>> = LazyLock::new(|| {
    let program = |variable: &Variable| Some((variable.name, ENV.compile(variable.name).ok()?));
    VARIABLES.iter().filter_map(program).collect()
});

impl Condition {
    /// The first of the clauses joined by `&&` that does not hold. `None` when all hold.
    pub(crate) fn first_unmet(&self, query: &Query<'_>, definitions: &Definitions) -> Option<Unmet> {
        if self.exceptions.iter().any(|exception| exception.is_for(query)) {
            return Some(Unmet { clause: "an exception is for this caller".into(), fault: None, reads: Vec::new() });
        }
        let mut clauses = Vec::new();
        flatten(self.program.as_ref()?.expression(), &mut clauses);
        let texts = split(&self.source);
        let scope = Scope { query, definitions };
        let mut context = Context::with_env(Arc::clone(&ENV));
        context.set_variable_resolver(&scope);
        for (at, clause) in clauses.iter().enumerate() {
            let fault = match context.resolve(clause) {
                Ok(Value::Bool(true)) => continue,
                Ok(_) => None,
                Err(error) => Some(fault(&error)),
            };
            // The parser may see more in brackets than the text shows; then the whole condition is the clause.
            let text = if texts.len() == clauses.len() { texts.get(at).copied() } else { None };
            let read = Reads::of(clause).names();
            let reads = read.map(|name| (name, value(name, &context))).collect();
            return Some(Unmet { clause: one_line(text.unwrap_or(&self.source)), fault, reads });
        }
        None
    }

    /// Whether calls may lack the variable of this full name: reading it is then an error, which denies.
    pub(crate) fn may_lack(name: &str) -> bool {
        let root = name.split('.').next().unwrap_or_default();
        let found = VARIABLES.iter().find(|v| v.name == name || (v.name == root && v.kind.is_open()));
        found.is_some_and(|variable| variable.presence == Presence::Sometimes)
    }

    /// The condition as its author wrote it, on one line, and whether it has exceptions.
    pub(crate) fn text(&self) -> String {
        let text = one_line(&self.source);
        match (text.is_empty(), self.exceptions.is_empty()) {
            (_, true) => text,
            (true, false) => "with exceptions".into(),
            (false, false) => format!("{text} (with exceptions)"),
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn value(name: &str, context: &Context<'_, '_>) -> Option<String> {
    let (_, program) = VALUES.iter().find(|(known, _)| *known == name)?;
    program.execute(context).ok().map(|value| shown(&value))
}

/// A value as a condition would write it.
fn shown(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::String(text) => format!("{text:?}"),
        Value::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => {
            let key = |key: &Key| match key {
                Key::String(text) => format!("{text:?}"),
                other => format!("{other:?}"),
            };
            let mut entries: Vec<String> = map.map.iter().map(|(k, v)| format!("{}: {}", key(k), shown(v))).collect();
            entries.sort();
            format!("{{{}}}", entries.join(", "))
        }
        other => format!("{other:?}"),
    }
}

/// The operands of the outermost `&&`s.
fn flatten<'e>(expr: &'e IdedExpr, into: &mut Vec<&'e IdedExpr>) {
    match &expr.expr {
        Expr::Call(call) if call.func_name == operators::LOGICAL_AND && call.target.is_none() => {
            call.args.iter().for_each(|part| flatten(part, into));
        }
        _ => into.push(expr),
    }
}

/// The texts between the `&&`s that no bracket and no quote holds, each trimmed.
pub(super) fn split(source: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_i32, 0);
    let mut quote: Option<char> = None;
    let mut letters = source.char_indices().peekable();
    while let Some((at, c)) = letters.next() {
        match (quote, c) {
            (Some(_), '\\') => drop(letters.next()),
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(' | '[' | '{') => depth = depth.saturating_add(1),
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            (None, '&') if depth == 0 && letters.peek().is_some_and(|(_, next)| *next == '&') => {
                parts.push(source.get(start..at).unwrap_or_default().trim());
                letters.next();
                start = at + 2;
            }
            _ => {}
        }
    }
    parts.push(source.get(start..).unwrap_or_default().trim());
    parts
}
