//! Policy documents: from TOML text to typed parts, with every defect and its place.

mod case;
mod defect;
mod defs;
mod exception;
pub(crate) mod hint;
mod parse;
mod reader;
mod rule;
pub(crate) mod shape;
mod shapes;
mod terms;

pub(crate) use case::TestDef;
pub use defect::Defect;
pub(crate) use defect::Place;
pub(crate) use defs::{ApprovalDef, CollectionDef, DefaultsDef, Defs, LabelDef, ModelDef, Undefined};
pub(crate) use exception::{Excepted, ExceptionDef};
pub(crate) use parse::{EVERYONE, Located, Member, ParsedDocument, RoleDef, parse};
pub(crate) use rule::{Effect, RuleDef, RuleMode};
pub(crate) use shapes::DOCUMENT;
pub(crate) use terms::Then;

/// One policy document: TOML text with the name that defects and decisions call it by, usually its file name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The name, such as `acme.toml`.
    pub name: String,
    /// The TOML text.
    pub text: String,
}

#[cfg(test)]
mod tests;
