//! Conditions without CEL: most ask no more than whether a label was found or a number is small.
//!
//! A plain condition is a part of what CEL would say, never something else: where a fact is missing, a number is too
//! large or an operator is not known here, it has no answer, and CEL is asked. That also leaves every fault to CEL.

use super::scope::Scope;
use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators as op};
use std::cmp::Ordering;

/// A condition, or a part of one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plain {
    Always(bool),
    Not(Box<Self>),
    Both(Box<Self>, Box<Self>),
    Either(Box<Self>, Box<Self>),
    Has(Variable),
    Numbers(Number, Comparison, Number),
    Texts(Text, Equal, Text),
    Within(Text, Texts),
    /// CEL alone knows.
    Unknown,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Variable {
    Number(NumberOf),
    Text(TextOf),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Number {
    Literal(i64),
    Of(NumberOf),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Text {
    Literal(Box<str>),
    Of(TextOf),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Texts {
    Literal(Box<[Box<str>]>),
    Labels,
    Groups,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    Unequal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Equal {
    Yes,
    No,
}

/// The variables that are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberOf {
    Now,
    Hour,
    Weekday,
    Tokens,
    Cost,
    K,
    MaxClass,
}

/// The variables that are texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextOf {
    Tenant,
    Principal,
    Action,
    Workflow,
    Purpose,
    Upstream,
    Region,
    Trust,
    Model,
    Collection,
}

impl Plain {
    /// As much of a checked expression as can be said plainly; `None` if that is nothing.
    pub(super) fn of(root: &IdedExpr) -> Option<Self> {
        match part(root) {
            Self::Unknown => None,
            plain => Some(plain),
        }
    }

    /// What CEL would say, where this can tell.
    pub(super) fn answer(&self, scope: &Scope<'_>) -> Option<bool> {
        match self {
            Self::Always(truth) => Some(*truth),
            Self::Not(inner) => inner.answer(scope).map(|answer| !answer),
            Self::Both(a, b) => {
                if a.answer(scope)? {
                    b.answer(scope)
                } else {
                    Some(false)
                }
            }
            Self::Either(a, b) => {
                if a.answer(scope)? {
                    Some(true)
                } else {
                    b.answer(scope)
                }
            }
            Self::Has(Variable::Number(of)) => Some(scope.number(*of).is_some()),
            Self::Has(Variable::Text(of)) => Some(scope.text(*of).is_some()),
            Self::Numbers(a, by, b) => Some(by.holds(a.value(scope)?.cmp(&b.value(scope)?))),
            Self::Texts(a, equal, b) => Some((a.value(scope)? == b.value(scope)?) == (*equal == Equal::Yes)),
            Self::Within(text, all) => {
                let text = text.value(scope)?;
                Some(match all {
                    Texts::Literal(all) => all.iter().any(|one| **one == *text),
                    Texts::Labels => scope.has_label(text),
                    Texts::Groups => scope.query.groups.iter().any(|group| group.as_str() == text),
                })
            }
            Self::Unknown => None,
        }
    }
}

impl Number {
    fn value(&self, scope: &Scope<'_>) -> Option<i64> {
        match self {
            Self::Literal(number) => Some(*number),
            Self::Of(of) => scope.number(*of),
        }
    }
}

impl Text {
    fn value<'s>(&'s self, scope: &'s Scope<'_>) -> Option<&'s str> {
        match self {
            Self::Literal(text) => Some(text),
            Self::Of(of) => scope.text(*of),
        }
    }
}

impl Comparison {
    const fn holds(self, found: Ordering) -> bool {
        match self {
            Self::Less => found.is_lt(),
            Self::LessOrEqual => found.is_le(),
            Self::Greater => found.is_gt(),
            Self::GreaterOrEqual => found.is_ge(),
            Self::Equal => found.is_eq(),
            Self::Unequal => found.is_ne(),
        }
    }

    fn named(name: &str) -> Option<Self> {
        Some(match name {
            op::LESS => Self::Less,
            op::LESS_EQUALS => Self::LessOrEqual,
            op::GREATER => Self::Greater,
            op::GREATER_EQUALS => Self::GreaterOrEqual,
            op::EQUALS => Self::Equal,
            op::NOT_EQUALS => Self::Unequal,
            _ => return None,
        })
    }
}

fn part(expr: &IdedExpr) -> Plain {
    match &expr.expr {
        Expr::Literal(LiteralValue::Boolean(truth)) => Plain::Always(*truth.inner()),
        Expr::Select(select) if select.test => match &select.operand.expr {
            Expr::Ident(root) => variable(root, &select.field).map_or(Plain::Unknown, Plain::Has),
            _ => Plain::Unknown,
        },
        Expr::Call(call) if call.target.is_none() => called(call).unwrap_or(Plain::Unknown),
        _ => Plain::Unknown,
    }
}

fn called(call: &CallExpr) -> Option<Plain> {
    let both = |a, b| (Box::new(part(a)), Box::new(part(b)));
    match (call.func_name.as_str(), call.args.as_slice()) {
        (op::LOGICAL_NOT, [inner]) => Some(Plain::Not(Box::new(part(inner)))),
        (op::LOGICAL_AND, [a, b]) => Some(both(a, b)).map(|(a, b)| Plain::Both(a, b)),
        (op::LOGICAL_OR, [a, b]) => Some(both(a, b)).map(|(a, b)| Plain::Either(a, b)),
        (op::IN, [a, b]) => Some(Plain::Within(text(a)?, texts(b)?)),
        (name, [a, b]) => {
            let by = Comparison::named(name)?;
            if let (Some(a), Some(b)) = (number(a), number(b)) {
                return Some(Plain::Numbers(a, by, b));
            }
            let equal = match by {
                Comparison::Equal => Equal::Yes,
                Comparison::Unequal => Equal::No,
                _ => return None,
            };
            Some(Plain::Texts(text(a)?, equal, text(b)?))
        }
        _ => None,
    }
}

fn number(expr: &IdedExpr) -> Option<Number> {
    match (&expr.expr, named(expr)) {
        (Expr::Literal(LiteralValue::Int(number)), _) => Some(Number::Literal(*number.inner())),
        (_, Some(Variable::Number(of))) => Some(Number::Of(of)),
        _ => None,
    }
}

fn text(expr: &IdedExpr) -> Option<Text> {
    match (&expr.expr, named(expr)) {
        (Expr::Literal(LiteralValue::String(text)), _) => Some(Text::Literal(text.inner().into())),
        (_, Some(Variable::Text(of))) => Some(Text::Of(of)),
        _ => None,
    }
}

fn texts(expr: &IdedExpr) -> Option<Texts> {
    match &expr.expr {
        Expr::Ident(name) if name == "labels" => Some(Texts::Labels),
        Expr::Select(select) if !select.test && select.field == "groups" => match &select.operand.expr {
            Expr::Ident(root) if root == "principal" => Some(Texts::Groups),
            _ => None,
        },
        Expr::List(list) => {
            let literal = |element: &IdedExpr| match text(element)? {
                Text::Literal(text) => Some(text),
                Text::Of(_) => None,
            };
            Some(Texts::Literal(list.elements.iter().map(literal).collect::<Option<_>>()?))
        }
        _ => None,
    }
}

/// The variable that an expression is.
fn named(expr: &IdedExpr) -> Option<Variable> {
    match &expr.expr {
        Expr::Ident(name) => variable("", name),
        Expr::Select(select) if !select.test => match &select.operand.expr {
            Expr::Ident(root) => variable(root, &select.field),
            _ => None,
        },
        _ => None,
    }
}

fn variable(root: &str, field: &str) -> Option<Variable> {
    Some(match (root, field) {
        ("", "now") => Variable::Number(NumberOf::Now),
        ("time", "hour") => Variable::Number(NumberOf::Hour),
        ("time", "weekday") => Variable::Number(NumberOf::Weekday),
        ("call", "tokens") => Variable::Number(NumberOf::Tokens),
        ("call", "cost") => Variable::Number(NumberOf::Cost),
        ("call", "k") => Variable::Number(NumberOf::K),
        ("data", "max_class") => Variable::Number(NumberOf::MaxClass),
        ("", "tenant") => Variable::Text(TextOf::Tenant),
        ("principal", "id") => Variable::Text(TextOf::Principal),
        ("call", "action") => Variable::Text(TextOf::Action),
        ("call", "workflow") => Variable::Text(TextOf::Workflow),
        ("call", "purpose") => Variable::Text(TextOf::Purpose),
        ("upstream", "name") => Variable::Text(TextOf::Upstream),
        ("upstream", "region") => Variable::Text(TextOf::Region),
        ("upstream", "trust") => Variable::Text(TextOf::Trust),
        ("resource", "model") => Variable::Text(TextOf::Model),
        ("resource", "collection") => Variable::Text(TextOf::Collection),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
