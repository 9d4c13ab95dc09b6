//! Which variables a condition reads: the key under which an outcome that it led to can be kept.

use super::variables::VARIABLES;
use cel::common::ast::{EntryExpr, Expr, IdedExpr};

/// A set of variables, one bit for each place in [`VARIABLES`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reads(u64);

const _: () = assert!(VARIABLES.len() <= 64, "a variable is one bit of 64");

impl Reads {
    /// Everything that an expression reads. A name that a comprehension binds hides no variable here: then the
    /// set says more than is read, which is sound.
    pub(super) fn of(root: &IdedExpr) -> Self {
        let mut reads = Self::default();
        reads.add(root);
        reads
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The names of the variables, in their fixed order.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        let bits = VARIABLES.iter().enumerate().filter(move |(at, _)| self.0 & (1 << at) != 0);
        bits.map(|(_, variable)| variable.name)
    }

    /// What exceptions read.
    pub(super) fn of_exceptions() -> Self {
        let mut reads = Self::default();
        ["principal.id", "principal.groups", "claims", "now"].into_iter().for_each(|name| reads.name(name));
        reads
    }

    /// A path such as `call` or `call.k`. One that is part of a longer variable reads all of these.
    fn name(&mut self, path: &str) {
        for (at, variable) in VARIABLES.iter().enumerate() {
            let within = variable.name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
            if within {
                self.0 |= 1 << at;
                variable.from.iter().for_each(|base| self.name(base));
            }
        }
    }

    fn add(&mut self, expr: &IdedExpr) {
        match &expr.expr {
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => match path(expr) {
                Some(path) if VARIABLES.iter().any(|variable| variable.name == path) => self.name(&path),
                _ => self.add(&select.operand),
            },
            Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).for_each(|part| self.add(part)),
            Expr::List(list) => list.elements.iter().for_each(|part| self.add(part)),
            Expr::Comprehension(c) => {
                let parts = [&c.iter_range, &c.accu_init, &c.loop_cond, &c.loop_step, &c.result];
                parts.into_iter().for_each(|part| self.add(part));
            }
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.entry(&entry.expr)),
            Expr::Struct(built) => built.entries.iter().for_each(|entry| self.entry(&entry.expr)),
            Expr::Literal(_) | Expr::Unspecified => {}
        }
    }

    fn entry(&mut self, entry: &EntryExpr) {
        match entry {
            EntryExpr::MapEntry(entry) => [&entry.key, &entry.value].into_iter().for_each(|part| self.add(part)),
            EntryExpr::StructField(field) => self.add(&field.value),
        }
    }
}

/// `a.b.c`, if the expression is just that.
fn path(expr: &IdedExpr) -> Option<String> {
    match &expr.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) => Some(format!("{}.{}", path(&select.operand)?, select.field)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Condition;

    #[test]
    fn every_variable_that_is_read_is_seen() {
        let reads = |source: &str| Condition::compile(source).unwrap().reads().names().collect::<Vec<_>>();
        assert_eq!(reads("true"), [""; 0]);
        assert_eq!(reads("now > 3 && \"a\" in labels"), ["labels", "now"]);
        assert_eq!(reads("has(upstream.trust) && call.k > 1"), ["call.k", "upstream.trust"]);
        assert_eq!(reads("principal.groups.exists(g, g == call.purpose)"), ["principal.groups", "call.purpose"]);
        assert_eq!(reads("size(labels.map(l, [l, tenant])) > 1 ? now > 1 : true").len(), 3);
    }
}
