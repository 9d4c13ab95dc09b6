//! What a condition can be known to give without a call.
//!
//! It decides: literals; `&&`, `||`, `!`, `?:`; comparisons of literals; `in` over lists of literals; the tenant,
//! the action and the upstream where the rule fixes them; a fact compared with two texts or with bounds that no
//! value meets; a clause beside its negation. All else is open. A fact that a call may lack is taken to be there:
//! without it the condition has no answer, which denies.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators as op};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fold {
    True,
    False,
    Open,
}

/// What a rule fixes.
pub(super) struct Known<'k> {
    pub(super) tenant: &'k str,
    pub(super) actions: BTreeSet<&'k str>,
    /// `None` when any upstream may be meant.
    pub(super) upstreams: Option<BTreeSet<&'k str>>,
}

/// A literal of a condition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Literal {
    Text(String),
    Whole(i64),
    Truth(Truth),
}

/// A bool that has an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Truth {
    False,
    True,
}

impl From<bool> for Fold {
    fn from(truth: bool) -> Self {
        if truth { Self::True } else { Self::False }
    }
}

impl Known<'_> {
    pub(super) fn fold(&self, expr: &IdedExpr) -> Fold {
        match &expr.expr {
            Expr::Literal(LiteralValue::Boolean(truth)) => Fold::from(*truth.inner()),
            Expr::Call(call) => self.call(call),
            _ => Fold::Open,
        }
    }

    fn call(&self, call: &CallExpr) -> Fold {
        match (call.func_name.as_str(), call.args.as_slice()) {
            (op::LOGICAL_AND, _) => self.all(call, Fold::False),
            (op::LOGICAL_OR, _) => self.all(call, Fold::True),
            (op::LOGICAL_NOT, [inner]) => negated(self.fold(inner)),
            (op::CONDITIONAL, [test, yes, no]) => match self.fold(test) {
                Fold::True => self.fold(yes),
                Fold::False => self.fold(no),
                Fold::Open if self.fold(yes) == self.fold(no) => self.fold(yes),
                Fold::Open => Fold::Open,
            },
            (op::EQUALS, [a, b]) => self.equal(a, b),
            (op::NOT_EQUALS, [a, b]) => negated(self.equal(a, b)),
            (op::IN, [item, list]) => self.is_in(item, list),
            (name @ (op::LESS | op::LESS_EQUALS | op::GREATER | op::GREATER_EQUALS), [a, b]) => {
                match (literal(a), literal(b)) {
                    (Some(a), Some(b)) => Fold::from(match name {
                        op::LESS => a < b,
                        op::LESS_EQUALS => a <= b,
                        op::GREATER => a > b,
                        _ => a >= b,
                    }),
                    _ => Fold::Open,
                }
            }
            _ => Fold::Open,
        }
    }

    /// `&&` (which one false decides) or `||` (which one true decides) over all operands of a chain.
    fn all(&self, call: &CallExpr, deciding: Fold) -> Fold {
        let mut parts = Vec::new();
        chain(call, &mut parts);
        let folds: Vec<Fold> = parts.iter().map(|part| self.fold(part)).collect();
        if folds.contains(&deciding) || opposed(&parts) {
            return deciding;
        }
        if deciding == Fold::False && no_value(&parts) {
            return Fold::False;
        }
        if folds.iter().all(|fold| *fold == negated(deciding)) { negated(deciding) } else { Fold::Open }
    }

    fn equal(&self, a: &IdedExpr, b: &IdedExpr) -> Fold {
        match (literal(a), literal(b)) {
            (Some(a), Some(b)) => Fold::from(a == b),
            (Some(Literal::Text(text)), None) => self.fixed(b, &text),
            (None, Some(Literal::Text(text))) => self.fixed(a, &text),
            (None, None) if path(a).is_some() && path(a) == path(b) => Fold::True,
            _ => Fold::Open,
        }
    }

    /// A variable that the rule fixes, compared with a text.
    fn fixed(&self, variable: &IdedExpr, text: &str) -> Fold {
        let values: BTreeSet<&str> = match path(variable).as_deref() {
            Some("tenant") => BTreeSet::from([self.tenant]),
            Some("call.action") => self.actions.clone(),
            Some("upstream.name") => match &self.upstreams {
                Some(upstreams) => upstreams.clone(),
                None => return Fold::Open,
            },
            _ => return Fold::Open,
        };
        match (values.contains(text), values.len()) {
            (false, _) => Fold::False,
            (true, 1) => Fold::True,
            (true, _) => Fold::Open,
        }
    }

    fn is_in(&self, item: &IdedExpr, list: &IdedExpr) -> Fold {
        let Expr::List(list) = &list.expr else { return Fold::Open };
        let folds: Vec<Fold> = list.elements.iter().map(|element| self.equal(item, element)).collect();
        if folds.contains(&Fold::True) {
            return Fold::True;
        }
        if folds.iter().all(|fold| *fold == Fold::False) { Fold::False } else { Fold::Open }
    }

    /// Other tenants that the condition compares the tenant with.
    pub(super) fn other_tenants(&self, expr: &IdedExpr) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        walk(expr, &mut |expr| {
            if let Expr::Call(call) = &expr.expr
                && let (op::EQUALS | op::NOT_EQUALS | op::IN, [a, b]) = (call.func_name.as_str(), call.args.as_slice())
            {
                let of_tenant = path(a).as_deref() == Some("tenant") || path(b).as_deref() == Some("tenant");
                if of_tenant {
                    found.extend(texts(a).into_iter().chain(texts(b)));
                }
            }
        });
        found.remove(self.tenant);
        found
    }
}

/// The variables that a condition reads, and never tests with `has(...)`.
pub(super) fn untested(expr: &IdedExpr) -> BTreeSet<String> {
    let (mut read, mut tested) = (BTreeSet::new(), BTreeSet::new());
    walk(expr, &mut |expr| {
        if let Expr::Select(select) = &expr.expr
            && let Some(root) = path(&select.operand)
        {
            let name = format!("{root}.{}", select.field);
            if select.test {
                tested.insert(name)
            } else {
                read.insert(name)
            };
        }
    });
    read.difference(&tested).cloned().collect()
}

/// Variables that hold bare names, and what stands before these in members and patterns.
const PREFIXES: [(&str, &str); 4] = [
    ("principal.id", "u:"),
    ("principal.groups", "group:"),
    ("resource.model", "model/"),
    ("resource.collection", "vector/"),
];

/// Texts that a condition compares with such a variable, and that have its prefix: the variable, the text, and what
/// is meant. Patterns have the upstream between prefix and name.
pub(super) fn prefixed_names(expr: &IdedExpr) -> BTreeSet<(&'static str, String, String)> {
    let mut found = BTreeSet::new();
    let mut compared = |variable: &IdedExpr, with: &IdedExpr| {
        let name = path(variable);
        let Some((name, prefix)) = PREFIXES.into_iter().find(|(known, _)| name.as_deref() == Some(*known)) else {
            return;
        };
        for text in texts(with) {
            if let Some(rest) = text.strip_prefix(prefix) {
                let bare =
                    if prefix.ends_with('/') { rest.split_once('/').map_or(rest, |(_, name)| name) } else { rest };
                let bare = bare.to_owned();
                found.insert((name, text, bare));
            }
        }
    };
    walk(expr, &mut |expr| {
        let Expr::Call(call) = &expr.expr else { return };
        match (call.func_name.as_str(), call.target.as_deref(), call.args.as_slice()) {
            (op::EQUALS | op::NOT_EQUALS | op::IN, None, [a, b]) => {
                compared(a, b);
                compared(b, a);
            }
            ("startsWith", Some(variable), [text]) => compared(variable, text),
            _ => {}
        }
    });
    found
}

/// The texts that a condition looks for among `labels`.
pub(super) fn labels_in(expr: &IdedExpr) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    walk(expr, &mut |expr| {
        if let Expr::Call(call) = &expr.expr
            && let (op::IN, [item, list]) = (call.func_name.as_str(), call.args.as_slice())
            && path(list).as_deref() == Some("labels")
        {
            found.extend(texts(item));
        }
    });
    found
}

fn texts(expr: &IdedExpr) -> Vec<String> {
    match &expr.expr {
        Expr::List(list) => list.elements.iter().flat_map(texts).collect(),
        _ => match literal(expr) {
            Some(Literal::Text(text)) => vec![text],
            _ => Vec::new(),
        },
    }
}

const fn negated(fold: Fold) -> Fold {
    match fold {
        Fold::True => Fold::False,
        Fold::False => Fold::True,
        Fold::Open => Fold::Open,
    }
}

fn literal(expr: &IdedExpr) -> Option<Literal> {
    match &expr.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(Literal::Text(text.inner().to_owned())),
        Expr::Literal(LiteralValue::Int(number)) => Some(Literal::Whole(*number.inner())),
        Expr::Literal(LiteralValue::Boolean(truth)) => {
            Some(Literal::Truth(if *truth.inner() { Truth::True } else { Truth::False }))
        }
        Expr::Call(call) if call.func_name == op::NEGATE => match call.args.as_slice() {
            [inner] => match literal(inner) {
                Some(Literal::Whole(number)) => number.checked_neg().map(Literal::Whole),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// A variable by its full name.
fn path(expr: &IdedExpr) -> Option<String> {
    match &expr.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => Some(format!("{}.{}", path(&select.operand)?, select.field)),
        _ => None,
    }
}

fn chain<'e>(call: &'e CallExpr, into: &mut Vec<&'e IdedExpr>) {
    for part in &call.args {
        match &part.expr {
            Expr::Call(inner) if inner.func_name == call.func_name => chain(inner, into),
            _ => into.push(part),
        }
    }
}

/// Whether one part is the negation of another.
fn opposed(parts: &[&IdedExpr]) -> bool {
    let is_negation = |expr: &IdedExpr, of: &IdedExpr| match &expr.expr {
        Expr::Call(call) if call.func_name == op::LOGICAL_NOT => call.args.iter().any(|inner| same(inner, of)),
        Expr::Call(call) if call.func_name == op::NOT_EQUALS => match &of.expr {
            Expr::Call(other) if other.func_name == op::EQUALS => {
                call.args.len() == other.args.len() && call.args.iter().zip(&other.args).all(|(a, b)| same(a, b))
            }
            _ => false,
        },
        _ => false,
    };
    parts.iter().any(|a| parts.iter().any(|b| is_negation(a, b)))
}

/// Whether two expressions say the same, word for word. Only shapes that conditions have are compared.
fn same(a: &IdedExpr, b: &IdedExpr) -> bool {
    match (&a.expr, &b.expr) {
        (Expr::Call(a), Expr::Call(b)) => {
            a.func_name == b.func_name
                && a.args.len() == b.args.len()
                && a.args.iter().zip(&b.args).all(|(a, b)| same(a, b))
                && match (&a.target, &b.target) {
                    (None, None) => true,
                    (Some(a), Some(b)) => same(a, b),
                    _ => false,
                }
        }
        (Expr::List(a), Expr::List(b)) => {
            a.elements.len() == b.elements.len() && a.elements.iter().zip(&b.elements).all(|(a, b)| same(a, b))
        }
        (Expr::Select(a), Expr::Select(b)) => a.field == b.field && a.test == b.test && same(&a.operand, &b.operand),
        (Expr::Ident(a), Expr::Ident(b)) => a == b,
        (Expr::Literal(_), Expr::Literal(_)) => literal(a).is_some() && literal(a) == literal(b),
        _ => false,
    }
}

/// What the clauses of an `&&` leave of one variable.
#[derive(Default)]
struct Room {
    equal: BTreeSet<Literal>,
    one_of: Vec<BTreeSet<Literal>>,
    least: Option<i64>,
    most: Option<i64>,
}

impl Room {
    fn is_empty(&self) -> bool {
        let fits = |value: &Literal| match value {
            Literal::Whole(n) => self.least.is_none_or(|l| *n >= l) && self.most.is_none_or(|m| *n <= m),
            _ => true,
        };
        let in_lists = |value: &Literal| self.one_of.iter().all(|list| list.contains(value));
        let bounds = matches!((self.least, self.most), (Some(least), Some(most)) if least > most);
        let two = self.equal.len() > 1;
        let equal = self.equal.iter().any(|value| !fits(value) || !in_lists(value));
        let lists = self.one_of.first().is_some_and(|first| !first.iter().any(|value| fits(value) && in_lists(value)));
        bounds || two || equal || lists
    }
}

/// Whether no value of some variable meets all parts of an `&&`.
fn no_value(parts: &[&IdedExpr]) -> bool {
    let mut rooms: BTreeMap<String, Room> = BTreeMap::new();
    for part in parts {
        let Expr::Call(call) = &part.expr else { continue };
        let [a, b] = call.args.as_slice() else { continue };
        let name = call.func_name.as_str();
        if name == op::IN {
            if let (Some(variable), Expr::List(list)) = (path(a), &b.expr)
                && let Some(values) = list.elements.iter().map(literal).collect::<Option<BTreeSet<_>>>()
            {
                rooms.entry(variable).or_default().one_of.push(values);
            }
            continue;
        }
        let (variable, value, name) = match (path(a), literal(b), literal(a), path(b)) {
            (Some(variable), Some(value), _, _) => (variable, value, name),
            (_, _, Some(value), Some(variable)) => (variable, value, turned(name)),
            _ => continue,
        };
        let room = rooms.entry(variable).or_default();
        let (least, most) = match (name, &value) {
            (op::EQUALS, _) => {
                room.equal.insert(value);
                continue;
            }
            (op::LESS, Literal::Whole(n)) => (None, n.checked_sub(1)),
            (op::LESS_EQUALS, Literal::Whole(n)) => (None, Some(*n)),
            (op::GREATER, Literal::Whole(n)) => (n.checked_add(1), None),
            (op::GREATER_EQUALS, Literal::Whole(n)) => (Some(*n), None),
            _ => continue,
        };
        room.least = room.least.max(least);
        room.most = match (room.most, most) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    rooms.values().any(Room::is_empty)
}

/// The comparison with its sides exchanged.
fn turned(name: &str) -> &str {
    match name {
        op::LESS => op::GREATER,
        op::LESS_EQUALS => op::GREATER_EQUALS,
        op::GREATER => op::LESS,
        op::GREATER_EQUALS => op::LESS_EQUALS,
        other => other,
    }
}

/// Every part of an expression outside of comprehensions, whose variables are bound.
fn walk<'e>(expr: &'e IdedExpr, see: &mut impl FnMut(&'e IdedExpr)) {
    see(expr);
    match &expr.expr {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).for_each(|part| walk(part, see)),
        Expr::List(list) => list.elements.iter().for_each(|part| walk(part, see)),
        Expr::Select(select) => walk(&select.operand, see),
        _ => {}
    }
}
