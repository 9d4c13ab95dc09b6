//! Conditions: the `when` of a rule, in CEL over a fixed set of typed variables.

mod check;
mod clauses;
mod plain;
mod reads;
mod scope;
mod variables;

pub(crate) use clauses::Unmet;
pub(crate) use reads::Reads;
#[cfg(test)]
pub(crate) use variables::VARIABLES;

use crate::definitions::Definitions;
use crate::document::Member;
use crate::facts::Query;
use crate::names::BudgetName;
use crate::state::calendar::Day;
use cel::common::ast::IdedExpr;
use cel::{Context, Env, Program, Value};
use plain::Plain;
use scope::Scope;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

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
    /// As its author wrote it; empty where there is no program.
    source: Box<str>,
    /// `None`: it holds, but for the exceptions.
    program: Option<Arc<Program>>,
    /// As much of the program as needs no CEL.
    plain: Option<Arc<Plain>>,
    reads: Reads,
    /// The budgets whose spend it reads.
    budgets: Vec<BudgetName>,
    exceptions: Vec<Exception>,
}

/// For whom a condition does not hold, until the end of a day.
#[derive(Debug, Clone)]
pub(crate) struct Exception {
    pub(crate) members: Vec<Member>,
    pub(crate) last: Day,
}

impl Exception {
    fn is_for(&self, query: &Query<'_>) -> bool {
        let is_caller = |member: &Member| match member {
            Member::User(name) => name == query.principal,
            Member::Group(name) => query.groups.contains(name),
            Member::Claim(claim) => query.claims.contains(claim),
        };
        Day::of(query.facts.now) <= self.last && self.members.iter().any(is_caller)
    }
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

/// The conditions of one compilation by their source: equal conditions share one program. CEL takes far longer
/// to parse than anything else in a document.
#[derive(Debug, Default)]
pub(crate) struct Conditions(Mutex<HashMap<Box<str>, Arc<Condition>>>);

impl Conditions {
    /// The condition that a text is, known or new.
    pub(crate) fn compile(&self, source: &str) -> Result<Arc<Condition>, BadCondition> {
        // A lock that a panic poisoned still guards a whole map: each change is one insert.
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(condition) = known().get(source) {
            return Ok(Arc::clone(condition));
        }
        let condition = Arc::new(Condition::compile(source)?);
        Ok(Arc::clone(known().entry(source.into()).or_insert(condition)))
    }
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
        let budgets = check::check(program.expression())?;
        let reads = Reads::of(program.expression());
        Ok(Self {
            source: source.into(),
            plain: Plain::of(program.expression()).map(Arc::new),
            program: Some(Arc::new(program)),
            reads,
            budgets,
            exceptions: Vec::new(),
        })
    }

    /// A condition that holds where another holds (everywhere, if there is none), but not for some callers.
    pub(crate) fn excepting(base: Option<&Self>, exceptions: Vec<Exception>) -> Self {
        Self {
            source: base.map(|base| base.source.clone()).unwrap_or_default(),
            program: base.and_then(|base| base.program.clone()),
            plain: base.and_then(|base| base.plain.clone()),
            reads: base.map_or_else(Reads::default, |base| base.reads).and(Reads::of_exceptions()),
            budgets: base.map(|base| base.budgets.clone()).unwrap_or_default(),
            exceptions,
        }
    }

    /// The expression, where there is one.
    pub(crate) fn expression(&self) -> Option<&IdedExpr> {
        self.program.as_ref().map(|program| program.expression())
    }

    /// All that the condition says, as a text: two with the same text give the same answers.
    pub(crate) fn fingerprint(&self) -> String {
        format!("{} {:?}", self.source, self.exceptions)
    }

    /// The budgets whose spend the condition reads.
    pub(crate) fn budgets(&self) -> &[BudgetName] {
        &self.budgets
    }

    /// The variables that the condition reads: its answer is a function of their values.
    pub(crate) const fn reads(&self) -> Reads {
        self.reads
    }

    pub(crate) fn evaluate(&self, query: &Query<'_>, definitions: &Definitions) -> Result<bool, ConditionFault> {
        if self.exceptions.iter().any(|exception| exception.is_for(query)) {
            return Ok(false);
        }
        let Some(program) = &self.program else { return Ok(true) };
        let scope = Scope { query, definitions };
        match self.plain.as_ref().and_then(|plain| plain.answer(&scope)) {
            Some(answer) => Ok(answer),
            None => by_cel(program, &scope),
        }
    }
}

fn by_cel(program: &Program, scope: &Scope<'_>) -> Result<bool, ConditionFault> {
    let mut context = Context::with_env(Arc::clone(&ENV));
    context.set_variable_resolver(scope);
    match program.execute(&context) {
        Ok(Value::Bool(answer)) => Ok(answer),
        Ok(_) => Err(ConditionFault::Other),
        Err(error) => Err(fault(&error)),
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
