//! Existing casbin models and policies: loading, deciding, converting.
//!
//! [`Casbin::load`] reads a model and a policy, refuses whatever casbin-rs would get wrong, evaluate without
//! bound or panic on, and gives an evaluator: casbin decides, on a model that was understood first. What
//! reaches casbin is written anew from the parsed matcher; pattern functions are total ones of our own.
//! [`Casbin::departures`] names where casbin-rs would have answered otherwise.
//! [`Casbin::convert`] turns the pair into policy documents that decide alike, or says line by line why not.

mod check;
mod convert;
mod departure;
mod engine;
mod expr;
mod functions;
mod glob;
mod model;
mod parse;
mod plan;
mod rows;
mod verify;
mod write;

pub use convert::{Conversion, Vocabulary};
pub use departure::{Departure, Fault};
pub use engine::{Answer, Casbin, Undecided};

use std::fmt;

/// Which of a casbin pair's two texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The model (`*.conf`).
    Model,
    /// The policy (`*.csv`).
    Policy,
}

impl Part {
    /// `model` or `policy`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Policy => "policy",
        }
    }
}

/// The texts of a casbin pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CasbinText<'a> {
    /// The model.
    pub model: &'a str,
    /// The policy, as comma-separated lines.
    pub policy: &'a str,
}

/// Pattern functions that an application sets on casbin's role manager in code, beside the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Matching {
    /// How names of `g` rows match names that are asked for.
    pub roles: Option<KeyMatch>,
    /// How domains of `g` rows match domains that are asked for.
    pub domains: Option<KeyMatch>,
}

/// Casbin's functions for keys with wildcards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyMatch {
    /// `keyMatch`: the first `*` stands for all that follows.
    KeyMatch,
    /// `keyMatch2`: `/*` and `:name`.
    KeyMatch2,
    /// `keyMatch3`: `/*` and `{name}`.
    KeyMatch3,
}

impl KeyMatch {
    /// The function of a name, such as `keyMatch2`.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        [Self::KeyMatch, Self::KeyMatch2, Self::KeyMatch3].into_iter().find(|f| f.as_str() == text)
    }

    /// Casbin's name of the function.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeyMatch => "keyMatch",
            Self::KeyMatch2 => "keyMatch2",
            Self::KeyMatch3 => "keyMatch3",
        }
    }
}

/// Why a casbin pair is refused, or a line of it cannot be converted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Refusal {
    /// The text that it is about.
    pub part: Part,
    /// The line, from 1; 0 when it is about the text as a whole.
    pub line: usize,
    /// The kind, stable.
    pub reason: Reason,
    /// What it is about: a token, a column, a pattern.
    pub detail: String,
}

impl Refusal {
    pub(super) fn new(part: Part, line: usize, reason: Reason, detail: impl Into<String>) -> Self {
        Self { part, line, reason, detail: detail.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.part.as_str(), self.line, self.reason.as_str(), self.reason.message())?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, " ({})", self.detail) }
    }
}

impl serde::Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident, $code:literal, $message:literal;)*) => {
        /// The kinds of refusals.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// The stable name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// What it means, in one clause.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)* }
            }
        }
    };
}

reasons! {
    /// The text is larger than any model or policy that is read.
    TooLarge, "too_large", "the text is larger than is read";
    /// A line of the model is no `key = value`, section or comment.
    ModelSyntax, "model_syntax", "this line of the model is not understood";
    /// A section that casbin does not have.
    UnknownSection, "unknown_section", "casbin has no such section and would ignore it";
    /// A key that its section does not have.
    UnknownKey, "unknown_key", "casbin would ignore this key";
    /// A key twice: casbin would take the last in silence.
    DuplicateKey, "duplicate_key", "this key stands twice";
    /// `r`, `p`, `e` or `m` is missing.
    MissingDefinition, "missing_definition", "the model lacks a definition that every decision needs";
    /// A token of `r` or `p` that is no name, or stands twice.
    BadToken, "bad_token", "this is no name of a token";
    /// A role definition other than `_, _` or `_, _, _`.
    RoleDefinition, "role_definition", "only roles and roles within one domain are supported";
    /// An effect that casbin-rs does not know; it would panic.
    UnsupportedEffect, "unsupported_effect", "casbin-rs does not have this effect and panics on it";
    /// A matcher that is not in the checked language.
    MatcherSyntax, "matcher_syntax", "this expression is not in the language that is checked before casbin sees it";
    /// A string in single quotes, which casbin-rs cannot read.
    SingleQuotes, "single_quotes", "casbin-rs has no strings in single quotes";
    /// Arithmetic, which can overflow or divide by zero inside casbin-rs.
    Arithmetic, "arithmetic", "arithmetic can panic inside casbin-rs";
    /// A function that is not built in.
    UnknownFunction, "unknown_function", "there is no such function";
    /// A function with the wrong number of arguments.
    Arity, "arity", "the function takes another number of arguments";
    /// A name that neither `r` nor `p` defines.
    UnknownName, "unknown_name", "neither the request nor the policy defines this name";
    /// `eval` of anything but one column of the policy.
    Eval, "eval", "eval is supported for one column of the policy only";
    /// A line kind that the model does not define: casbin would skip it in silence.
    UnknownLine, "unknown_line", "the model defines no such kind of line, and casbin would skip it";
    /// A line with too few or too many values: it would make every decision fail.
    Columns, "columns", "the line has another number of values than the model defines";
    /// A quote that does not close.
    Quotes, "quotes", "a quote does not close";
    /// An effect other than `allow`, `deny` and `indeterminate`: casbin would ignore the line.
    LineEffect, "line_effect", "the effect is not allow, deny or indeterminate, and casbin would ignore the line";
    /// A priority that is no whole number.
    Priority, "priority", "a priority is a whole number";
    /// A value that is no pattern of the function that the matcher gives it to; casbin-rs would panic.
    BadPattern, "bad_pattern", "this is no pattern of the function that reads it, and casbin-rs panics on it";
    /// A chain of roles that casbin-rs cuts off in silence.
    RoleDepth, "role_depth", "casbin-rs cuts off chains of 10 and more roles in silence";
    /// Conversion: the effect depends on the order of lines, or allows by default.
    NotConvertibleEffect, "not_convertible_effect", "documents deny by default, and order means nothing in them";
    /// Conversion: a part of the matcher has no counterpart in documents.
    NotConvertibleMatcher, "not_convertible_matcher", "documents have no counterpart of this part of the matcher";
    /// Conversion: a kind of role other than that of the caller.
    NotConvertibleRoles, "not_convertible_roles", "documents have roles of callers only";
    /// Conversion: a word for an action that is no action of ours and has no mapping.
    UnmappedAction, "unmapped_action", "no action has this name; map it";
    /// Conversion: an object that is no pattern over resources and has no mapping.
    UnmappedObject, "unmapped_object", "this is no pattern over resources; map it";
    /// Conversion: the action never applies to such a resource.
    ActionAndObject, "action_and_object", "no action of this line applies to such a resource";
    /// Conversion: a name that cannot be that of a tenant, a principal or a role.
    BadName, "bad_name", "this cannot be such a name here";
    /// Conversion: the converted documents and casbin answered a question differently.
    Differs, "differs", "the document would decide this request differently";
    /// Conversion: the engine refused the written document. The fault is ours.
    Internal, "internal", "the written document does not load";
}

/// How an import went wrong: every refusal that was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the casbin pair is refused:{}", listed(.0))]
pub struct Refused(pub Vec<Refusal>);

fn listed(all: &[Refusal]) -> String {
    use fmt::Write;
    all.iter().fold(String::new(), |mut text, refusal| {
        let _ = write!(text, "\n  {refusal}");
        text
    })
}
