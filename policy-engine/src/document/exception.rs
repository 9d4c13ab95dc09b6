//! The `[[exception]]` tables.

use super::defs::date;
use super::parse::{Located, Member, located, member};
use super::reader::{Section, Source, one_or_more, parsed, text};
use crate::names::RuleId;
use crate::state::calendar::Day;

/// An exception as a document writes it.
#[derive(Debug)]
pub(crate) struct ExceptionDef {
    pub(crate) rule: Located<RuleId>,
    pub(crate) what: Excepted,
    pub(crate) expires: Day,
    pub(crate) owner: String,
    pub(crate) ticket: String,
    pub(crate) reason: String,
}

#[derive(Debug)]
pub(crate) enum Excepted {
    /// These are not bitten by a rule that denies.
    Members(Vec<Member>),
    /// These lints of the rule are accepted.
    Lints(Vec<Located<String>>),
}

pub(super) fn exception(source: &mut Source, mut section: Section<'_>) -> Option<ExceptionDef> {
    let place = section.place.clone();
    let rule = section.required(source, "rule").and_then(|f| {
        let value = parsed(source, &f)?;
        Some(Located { value, place: f.place })
    });
    let members = section.optional(source, "for").map(|f| one_or_more(source, &f, "an exception for nobody"));
    let lints = section.optional(source, "lint").map(|f| one_or_more(source, &f, "an exception from nothing"));
    let what = match (members, lints) {
        (Some(items), None) => {
            let members = items.iter().filter_map(|f| member(source, f)).collect();
            Some(Excepted::Members(members))
        }
        (None, Some(items)) => Some(Excepted::Lints(located(source, items))),
        _ => {
            source.report(&place, "an exception is either for somebody or from a lint", "write for or lint");
            None
        }
    };
    let expires = section.required(source, "expires").and_then(|f| date(source, &f));
    let mut words = |source: &mut Source, key| {
        let found = section.required(source, key)?;
        let words = text(source, &found)?.trim();
        if words.is_empty() {
            source.report(&found.place, "must say something", "");
        }
        Some(words.to_owned())
    };
    let (owner, ticket, reason) = (words(source, "owner"), words(source, "ticket"), words(source, "reason"));
    section.finish(source);
    Some(ExceptionDef { rule: rule?, what: what?, expires: expires?, owner: owner?, ticket: ticket?, reason: reason? })
}
