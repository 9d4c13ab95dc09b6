//! Conditions: the `when` of a rule, in CEL over a fixed set of typed variables.

mod check;
mod scope;

use crate::facts::Query;
use cel::{Context, Env, Program, Value};
use scope::Scope;
use std::sync::{Arc, LazyLock};

/// The longest condition, in bytes. With one level of comprehension at most, it bounds the work of one
/// evaluation: no condition can hold a call up.
const MAX_SOURCE: usize = 2048;

/// How many brackets and `?` a condition may open, wherever they stand: it bounds the recursion of the parser,
/// which [`crate::compile`] gives room for.
const MAX_OPENED: usize = 32;

/// The standard CEL functions, built once.
static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A condition that passed every check at load: it parses, reads known variables only, is well typed and
/// gives a bool.
#[derive(Debug)]
pub(crate) struct Condition {
    program: Program,
}

/// Why a text is no condition, for its author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadCondition {
    pub(crate) message: String,
    pub(crate) hint: String,
}

/// Why a condition gave no answer for a call. It names no value of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConditionFault {
    /// It reads a fact that this call does not have. The rule's author can test with `has(...)` first.
    #[error("it reads a fact that this call does not have")]
    MissingFact,
    /// A number grew too large, or was divided by zero.
    #[error("its arithmetic failed")]
    Arithmetic,
    /// Anything else: the checks at load should have refused the condition.
    #[error("it failed to evaluate")]
    Other,
}

impl Condition {
    pub(crate) fn compile(source: &str) -> Result<Self, BadCondition> {
        if source.len() > MAX_SOURCE {
            return Err(BadCondition {
                message: format!("the condition is longer than {MAX_SOURCE} bytes"),
                hint: "split it over several rules".into(),
            });
        }
        if source.bytes().filter(|b| b"([{?".contains(b)).count() > MAX_OPENED {
            return Err(BadCondition {
                message: format!("the condition opens more than {MAX_OPENED} brackets"),
                hint: "split it over several rules".into(),
            });
        }
        let program = ENV.compile(source).map_err(|errors| BadCondition {
            message: format!("the condition is not valid CEL: {}", first_line(&errors.to_string())),
            hint: "see the guide for the variables and operators".into(),
        })?;
        check::check(program.expression())?;
        Ok(Self { program })
    }

    pub(crate) fn evaluate(&self, query: &Query<'_>) -> Result<bool, ConditionFault> {
        let scope = Scope(query);
        let mut context = Context::with_env(Arc::clone(&ENV));
        context.set_variable_resolver(&scope);
        match self.program.execute(&context) {
            Ok(Value::Bool(answer)) => Ok(answer),
            Ok(_) => Err(ConditionFault::Other),
            Err(error) => Err(fault(&error)),
        }
    }
}

const fn fault(error: &cel::ExecutionError) -> ConditionFault {
    use cel::ExecutionError as E;
    match error {
        E::NoSuchKey(_) => ConditionFault::MissingFact,
        E::DivisionByZero(_) | E::RemainderByZero(_) | E::Overflow(..) => ConditionFault::Arithmetic,
        _ => ConditionFault::Other,
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_start_matches("ERROR: ").to_owned()
}

#[cfg(test)]
mod tests;
