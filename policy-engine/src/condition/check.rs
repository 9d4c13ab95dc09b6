//! The checks of a condition at load: known variables, known functions, right types, bounded work.

use super::BadCondition;
use super::variables::{Presence, Type, VARIABLES};
use crate::document::hint::did_you_mean;
use crate::names::{BudgetName, ClaimName};
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, operators as op};

/// Checks that an expression is a condition, and gives the budgets whose spend it reads.
pub(super) fn check(root: &IdedExpr) -> Result<Vec<BudgetName>, BadCondition> {
    let mut checker = Checker { bound: Vec::new(), inside: Nesting::None, depth: 0, budgets: Vec::new() };
    match checker.infer(root)? {
        Type::Bool => Ok(checker.budgets),
        _ => Err(bad("the condition does not give true or false", "compare with ==, <, in ...")),
    }
}

struct Checker {
    /// Variables that comprehensions bind, innermost last.
    bound: Vec<(String, Type)>,
    inside: Nesting,
    depth: usize,
    budgets: Vec<BudgetName>,
}

/// How deep an expression may be: it bounds the recursion of this check and of every evaluation.
const MAX_DEPTH: usize = 48;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Nesting {
    None,
    Comprehension,
}

fn bad(message: impl Into<String>, hint: impl Into<String>) -> BadCondition {
    BadCondition { message: message.into(), hint: hint.into() }
}

fn mismatch(function: &str) -> BadCondition {
    let shown = function.trim_matches(|c| matches!(c, '_' | '@'));
    bad(format!("operands of these types do not go with {shown}"), "see the guide for the types of variables")
}

impl Checker {
    fn infer(&mut self, expr: &IdedExpr) -> Result<Type, BadCondition> {
        if self.depth >= MAX_DEPTH {
            return Err(bad("the condition is nested too deeply", "split it over several rules"));
        }
        self.depth += 1;
        let found = self.infer_one(&expr.expr);
        self.depth -= 1;
        found
    }

    fn infer_one(&mut self, expr: &Expr) -> Result<Type, BadCondition> {
        match expr {
            Expr::Literal(literal) => literal_type(literal),
            Expr::Ident(name) => self.variable(name),
            Expr::Select(select) => {
                let (Expr::Ident(root), false) = (&select.operand.expr, self.is_bound_select(&select.operand)) else {
                    return Err(bad("only groups of variables, such as upstream, have fields", known()));
                };
                let field = self.field(root, &select.field)?;
                Ok(if select.test { Type::Bool } else { field })
            }
            Expr::List(list) => {
                if !list.optional_indices.is_empty() {
                    return Err(bad("optional elements are not supported", "leave the ? out"));
                }
                let mut element = Type::Any;
                for item in &list.elements {
                    let found = self.infer(item)?;
                    element = unify(&element, &found)
                        .ok_or_else(|| bad("the elements of a list must be of one type", "write two lists"))?;
                }
                Ok(Type::List(Box::new(element)))
            }
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
                Err(bad("map and struct literals are not supported", "use a list and in"))
            }
        }
    }

    fn is_bound_select(&self, operand: &IdedExpr) -> bool {
        matches!(&operand.expr, Expr::Ident(root) if self.bound.iter().any(|(n, _)| n == root))
    }

    /// A field of a group of variables, such as `upstream.region`, or of an open group, such as `claims.department`.
    fn field(&mut self, root: &str, field: &str) -> Result<Type, BadCondition> {
        let open = VARIABLES.iter().find(|variable| variable.name == root && variable.kind.is_open());
        let Some(open) = open else { return self.variable(&format!("{root}.{field}")) };
        match root {
            "spend" => {
                let budget = BudgetName::new(field).map_err(|error| bad(error.to_string(), "spend.<budget>"))?;
                self.budgets.push(budget);
            }
            _ => drop(ClaimName::new(field).map_err(|error| bad(error.to_string(), "claims.<claim>"))?),
        }
        Ok(open.kind.type_of())
    }

    fn variable(&self, name: &str) -> Result<Type, BadCondition> {
        if let Some((_, found)) = self.bound.iter().rev().find(|(n, _)| n == name) {
            return Ok(found.clone());
        }
        VARIABLES
            .iter()
            .find(|variable| variable.name == name && !variable.kind.is_open())
            .map(|variable| variable.kind.type_of())
            .ok_or_else(|| {
                let meant = did_you_mean(name, VARIABLES.iter().map(|variable| variable.name));
                bad(format!("there is no variable {name}"), format!("{meant}{}", known()))
            })
    }

    fn call(&mut self, call: &CallExpr) -> Result<Type, BadCondition> {
        let mut types = Vec::new();
        for argument in call.target.as_deref().into_iter().chain(&call.args) {
            types.push(self.infer(argument)?);
        }
        let name = call.func_name.as_str();
        let is_method = call.target.is_some();
        match (name, types.as_slice()) {
            (op::LOGICAL_AND | op::LOGICAL_OR, [Type::Bool, Type::Bool])
            | (op::LOGICAL_NOT | op::NOT_STRICTLY_FALSE, [Type::Bool]) => Ok(Type::Bool),
            (op::EQUALS | op::NOT_EQUALS, [a, b]) if unify(a, b).is_some() => Ok(Type::Bool),
            (
                op::LESS | op::LESS_EQUALS | op::GREATER | op::GREATER_EQUALS,
                [Type::Int, Type::Int] | [Type::Text, Type::Text],
            ) => Ok(Type::Bool),
            (op::IN, [a, Type::List(of)]) if unify(a, of).is_some() => Ok(Type::Bool),
            (op::CONDITIONAL, [Type::Bool, a, b]) => unify(a, b).ok_or_else(|| mismatch("?:")),
            (op::ADD, [a @ Type::List(_), b @ Type::List(_)]) => unify(a, b).ok_or_else(|| mismatch(name)),
            (op::ADD | op::SUBSTRACT | op::MULTIPLY | op::DIVIDE | op::MODULO, [Type::Int, Type::Int])
            | (op::NEGATE, [Type::Int])
            | ("size", [Type::Text | Type::List(_)]) => Ok(Type::Int),
            ("startsWith" | "endsWith" | "contains", [Type::Text, Type::Text]) if is_method => Ok(Type::Bool),
            _ if FUNCTIONS.contains(&name) => Err(mismatch(name)),
            _ => Err(bad(format!("there is no function {name}"), "size, startsWith, endsWith, contains")),
        }
    }

    /// `exists`, `all`, `exists_one`, `map` and `filter`, as the parser expands them.
    fn comprehension(&mut self, c: &ComprehensionExpr) -> Result<Type, BadCondition> {
        if self.inside == Nesting::Comprehension {
            return Err(bad("exists, all, map and filter cannot be nested", "use in, or two rules"));
        }
        let Type::List(element) = self.infer(&c.iter_range)? else {
            return Err(bad("exists, all, map and filter work on lists", "labels, principal.groups"));
        };
        if c.iter_var2.is_some() {
            return Err(bad("only one variable is supported here", "x, condition"));
        }
        let start = self.infer(&c.accu_init)?;
        self.inside = Nesting::Comprehension;
        let depth = self.bound.len();
        self.bound.push((c.iter_var.clone(), *element));
        self.bound.push((c.accu_var.clone(), start.clone()));
        let result = self.steps(c, start);
        self.bound.truncate(depth);
        self.inside = Nesting::None;
        result
    }

    fn steps(&mut self, c: &ComprehensionExpr, start: Type) -> Result<Type, BadCondition> {
        if self.infer(&c.loop_cond)? != Type::Bool {
            return Err(mismatch("the loop"));
        }
        let step = self.infer(&c.loop_step)?;
        let accumulated = unify(&start, &step).ok_or_else(|| mismatch("the loop"))?;
        if let Some(last) = self.bound.last_mut() {
            last.1 = accumulated;
        }
        self.infer(&c.result)
    }
}

const FUNCTIONS: [&str; 21] = [
    op::LOGICAL_AND,
    op::LOGICAL_OR,
    op::LOGICAL_NOT,
    op::EQUALS,
    op::NOT_EQUALS,
    op::LESS,
    op::LESS_EQUALS,
    op::GREATER,
    op::GREATER_EQUALS,
    op::IN,
    op::CONDITIONAL,
    op::ADD,
    op::SUBSTRACT,
    op::MULTIPLY,
    op::DIVIDE,
    op::MODULO,
    op::NEGATE,
    "size",
    "startsWith",
    "endsWith",
    "contains",
];

/// Numbers with a point and unsigned numbers are refused: every number that a call has is a whole one.
fn literal_type(literal: &LiteralValue) -> Result<Type, BadCondition> {
    match literal {
        LiteralValue::Boolean(_) => Ok(Type::Bool),
        LiteralValue::Int(_) => Ok(Type::Int),
        LiteralValue::String(_) => Ok(Type::Text),
        LiteralValue::Double(_) | LiteralValue::UInt(_) => {
            Err(bad("only whole numbers are supported", "write 100, not 100.0 or 100u"))
        }
        LiteralValue::Null | LiteralValue::Bytes(_) => {
            Err(bad("null and bytes are not supported", "test for a missing fact with has(...)"))
        }
    }
}

fn unify(a: &Type, b: &Type) -> Option<Type> {
    match (a, b) {
        (Type::Any, other) | (other, Type::Any) => Some(other.clone()),
        (Type::List(a), Type::List(b)) => unify(a, b).map(|of| Type::List(Box::new(of))),
        _ => (a == b).then(|| a.clone()),
    }
}

fn known() -> String {
    let mark = |presence| if presence == Presence::Sometimes { "*" } else { "" };
    let names = VARIABLES.iter().map(|variable| format!("{}{}", variable.name, mark(variable.presence)));
    format!("known variables, those with * may be absent: {}", names.collect::<Vec<_>>().join(", "))
}
