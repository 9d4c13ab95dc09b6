//! From a casbin pair to policy documents that decide alike.

use super::engine::Casbin;
use super::expr::{Comparison, Expr};
use super::functions::{Function, function};
use super::plan::{EffectRule, Plan};
use super::rows::Row;
use super::verify;
use super::write::{self, Names, RuleLine};
use super::{Part, Reason, Refusal, Refused};
use crate::action::Action;
use crate::document::{Document, Effect};
use crate::pattern::Pattern;
use std::collections::{BTreeMap, BTreeSet};
use vocab::TenantId;

/// What the words of a casbin policy are called here. Words without an entry stand for themselves.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    /// The tenant of a policy without domains. Domains are tenants.
    pub tenant: TenantId,
    /// Actions by their casbin word, such as `read` for `vector.read`.
    pub actions: BTreeMap<String, Action>,
    /// Patterns over resources by the whole object of a policy line, such as `data1` for `vector/db/data1`.
    pub objects: BTreeMap<String, String>,
}

/// Documents that decide as the casbin pair does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversion {
    /// One document a tenant.
    pub documents: Vec<Document>,
    /// What an author should know: where casbin-rs would decide otherwise, what was kept though it surprises, and
    /// what was left out since it decides nothing.
    pub notes: Vec<String>,
    /// How many requests were put to casbin and to the documents; all answers were equal.
    pub compared: usize,
    /// How many requests the vocabulary of the policy has. More than `compared` when not all were tried.
    pub possible: usize,
}

impl Casbin {
    /// Converts the pair, then puts requests over its own vocabulary to casbin and to the documents.
    ///
    /// # Errors
    /// [`Refused`] with every line that cannot be converted, or with requests that would be decided differently.
    pub fn convert(&self, vocabulary: &Vocabulary) -> Result<Conversion, Refused> {
        let plan = self.plan();
        let notes = plan.departures.iter().map(ToString::to_string).collect();
        let mut converter = Converter { plan, vocabulary, refusals: Vec::new(), notes };
        let shape = converter.shape();
        let lines = shape.as_ref().map(|shape| converter.lines(shape)).unwrap_or_default();
        let names = shape.as_ref().map(|shape| converter.names(shape, &lines)).unwrap_or_default();
        let (Some(shape), true) = (shape, converter.refusals.is_empty()) else {
            return Err(Refused(converter.refusals));
        };
        let documents = write::documents(&names, &lines);
        let questions = verify::Questions { shape: &shape, lines: &lines, names: &names, words: &words(vocabulary) };
        let compared = verify::compare(self, &documents, &questions).map_err(Refused)?;
        let (compared, possible) = compared;
        Ok(Conversion { documents, notes: converter.notes, compared, possible })
    }
}

/// What a position of a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Subject,
    Domain,
    Object,
    Action,
}

const WORDS: [(Role, &[&str]); 4] = [
    (Role::Subject, &["sub", "subject", "user", "principal"]),
    (Role::Domain, &["dom", "domain", "tenant", "org"]),
    (Role::Object, &["obj", "object", "resource", "res", "thing"]),
    (Role::Action, &["act", "action", "method", "verb"]),
];

fn role_of(token: &str) -> Option<Role> {
    let token = token.trim_end_matches(|c: char| c.is_ascii_digit());
    WORDS.into_iter().find(|(_, words)| words.contains(&token)).map(|(role, _)| role)
}

/// How a part of a request is compared with a column.
#[derive(Clone, Copy)]
pub(super) enum How {
    Equal,
    Roles,
    Pattern(&'static Function),
}

/// A matcher that documents can express: each part of the request is compared with one column.
pub(super) struct Shape {
    /// What each position of a request is.
    pub(super) tokens: Vec<Role>,
    parts: BTreeMap<Role, (usize, How)>,
}

impl Shape {
    fn value<'r>(&self, role: Role, row: &'r Row) -> Option<&'r str> {
        let (column, _) = self.parts.get(&role)?;
        row.values.get(*column).map(String::as_str)
    }

    fn how(&self, role: Role) -> Option<How> {
        self.parts.get(&role).map(|(_, how)| *how)
    }
}

/// The words for actions: those of the vocabulary, and our own for the actions that it does not name.
fn words(vocabulary: &Vocabulary) -> Vec<(String, Action)> {
    let mapped = vocabulary.actions.iter().map(|(word, action)| (word.clone(), *action));
    let own = Action::ALL.into_iter().map(|action| (action.as_str().to_owned(), action));
    let is_mapped = |action: &Action| vocabulary.actions.values().any(|mapped| mapped == action);
    mapped.chain(own.filter(|(word, action)| !vocabulary.actions.contains_key(word) && !is_mapped(action))).collect()
}

struct Converter<'p> {
    plan: &'p Plan,
    vocabulary: &'p Vocabulary,
    refusals: Vec<Refusal>,
    notes: Vec<String>,
}

impl Converter<'_> {
    fn refuse(&mut self, part: Part, line: usize, reason: Reason, detail: impl Into<String>) {
        self.refusals.push(Refusal::new(part, line, reason, detail));
    }

    fn shape(&mut self) -> Option<Shape> {
        let (plan, line) = (self.plan, self.plan.matcher_line);
        if matches!(plan.effect, EffectRule::NoDeny | EffectRule::First) {
            self.refuse(Part::Model, plan.effect_line, Reason::NotConvertibleEffect, plan.effect.definition());
        }
        if plan.matching.roles.is_some() || plan.matching.domains.is_some() {
            self.refuse(Part::Model, line, Reason::NotConvertibleRoles, "names of roles or domains are patterns");
        }
        let clauses = match &plan.matcher {
            Expr::And(clauses) => clauses.as_slice(),
            clause => std::slice::from_ref(clause),
        };
        let mut parts = BTreeMap::new();
        for clause in clauses {
            match clause_of(clause) {
                Ok((token, column, how)) => {
                    let role = role_of(token);
                    let at = plan.column(column);
                    match (role, at) {
                        (Some(role), Some(at)) if parts.insert(role, (at, how)).is_none() => {}
                        _ => self.refuse(Part::Model, line, Reason::NotConvertibleMatcher, clause.for_casbin()),
                    }
                }
                Err(reason) => self.refuse(Part::Model, line, reason, clause.for_casbin()),
            }
        }
        let tokens: Vec<Role> = plan.tokens.iter().filter_map(|token| role_of(token)).collect();
        let compared: BTreeSet<Role> = parts.keys().copied().collect();
        let asked: BTreeSet<Role> = tokens.iter().copied().collect();
        for role in [Role::Subject, Role::Object, Role::Action] {
            if !compared.contains(&role) && self.refusals.is_empty() {
                let detail = format!("the matcher does not compare the {}", word(role));
                self.refuse(Part::Model, line, Reason::NotConvertibleMatcher, detail);
            }
        }
        if (tokens.len() != plan.tokens.len() || compared != asked) && self.refusals.is_empty() {
            let detail = "a part of the request is not compared, or of no known kind";
            self.refuse(Part::Model, line, Reason::NotConvertibleMatcher, detail);
        }
        if parts.get(&Role::Domain).is_some_and(|(_, how)| !matches!(how, How::Equal)) {
            self.refuse(Part::Model, line, Reason::NotConvertibleMatcher, "domains by pattern");
        }
        self.refusals.is_empty().then_some(Shape { tokens, parts })
    }

    /// The lines of the policy as rules.
    fn lines(&mut self, shape: &Shape) -> Vec<RuleLine> {
        let mut lines = Vec::new();
        let eft = self.plan.column("eft");
        for row in &self.plan.rows {
            let effect = match eft.and_then(|at| row.values.get(at)).map(String::as_str) {
                None | Some("allow") => Effect::Allow,
                Some("deny") if self.plan.effect == EffectRule::SomeAllowNoDeny => Effect::Deny,
                Some(other) => {
                    self.notes
                        .push(format!("policy:{}: a line with effect {other} decides nothing; left out", row.line));
                    continue;
                }
            };
            lines.extend(self.line(shape, row, effect));
        }
        lines
    }

    fn line(&mut self, shape: &Shape, row: &Row, effect: Effect) -> Option<RuleLine> {
        let before = self.refusals.len();
        let tenant = self.tenant(shape.value(Role::Domain, row), row.line);
        let object = shape.value(Role::Object, row)?;
        let pattern = self.pattern(object, shape.how(Role::Object)?, row.line);
        let word = shape.value(Role::Action, row)?;
        let how = shape.how(Role::Action)?;
        let matches = |known: &str| match how {
            How::Pattern(function) => (function.matches)(known, word) == Some(true),
            How::Equal | How::Roles => known == word,
        };
        let actions: BTreeSet<Action> =
            words(self.vocabulary).into_iter().filter(|(known, _)| matches(known)).map(|(_, action)| action).collect();
        if actions.is_empty() {
            self.refuse(Part::Policy, row.line, Reason::UnmappedAction, word);
        }
        let reached: BTreeSet<Action> = match &pattern {
            Some(pattern) => actions.iter().copied().filter(|a| pattern.reaches(a.family())).collect(),
            None => BTreeSet::new(),
        };
        if pattern.is_some() && reached.is_empty() && !actions.is_empty() {
            self.refuse(Part::Policy, row.line, Reason::ActionAndObject, format!("{word} on {object}"));
        }
        let subject = shape.value(Role::Subject, row)?.to_owned();
        (self.refusals.len() == before).then_some(())?;
        Some(RuleLine {
            line: row.line,
            tenant: tenant?,
            subject,
            effect,
            actions: reached,
            object: object.to_owned(),
            pattern: pattern?.as_str().to_owned(),
            is_mapped: self.vocabulary.objects.contains_key(object),
        })
    }

    fn tenant(&mut self, domain: Option<&str>, line: usize) -> Option<TenantId> {
        let Some(domain) = domain else {
            return Some(self.vocabulary.tenant.clone());
        };
        let tenant = TenantId::new(domain).ok();
        if tenant.is_none() {
            self.refuse(Part::Policy, line, Reason::BadName, format!("tenant {domain}"));
        }
        tenant
    }

    fn pattern(&mut self, object: &str, how: How, line: usize) -> Option<Pattern> {
        let text = match (self.vocabulary.objects.get(object), how) {
            (Some(mapped), _) => Some(mapped.clone()),
            (None, How::Equal) => Some(object.to_owned()).filter(|o| !o.contains('*')),
            (None, How::Pattern(function)) => pattern_of(function.name, object),
            (None, How::Roles) => None,
        };
        let pattern = text.and_then(|text| Pattern::parse(&text).ok());
        if pattern.is_none() {
            self.refuse(Part::Policy, line, Reason::UnmappedObject, object);
        }
        pattern
    }

    /// Who is a role and who is a caller, per tenant.
    fn names(&mut self, shape: &Shape, lines: &[RuleLine]) -> BTreeMap<TenantId, Names> {
        let mut all: BTreeMap<TenantId, Names> = BTreeMap::new();
        for line in lines {
            all.entry(line.tenant.clone()).or_default();
        }
        let by_roles = matches!(shape.how(Role::Subject), Some(How::Roles));
        for link in self.plan.links.iter().filter(|link| by_roles && link.kind == "g") {
            let [holder, role, rest @ ..] = link.values.as_slice() else { continue };
            let domain = shape.parts.contains_key(&Role::Domain).then(|| rest.first()).flatten();
            let Some(names) = self.tenant(domain.map(String::as_str), link.line).and_then(|t| all.get_mut(&t)) else {
                continue;
            };
            names.links.push((holder.clone(), role.clone(), link.line));
        }
        for (tenant, names) in &mut all {
            let subjects = lines.iter().filter(|l| l.tenant == *tenant).map(|l| (l.subject.clone(), l.line));
            for refusal in names.settle(subjects) {
                self.refusals.push(refusal);
            }
            for role in names.callable_roles() {
                self.notes.push(format!(
                    "{tenant}: casbin takes a caller named {role} for the role {role}; kept as the member u:{role}: \
                     remove it if there is no such caller"
                ));
            }
        }
        all
    }
}

const fn word(role: Role) -> &'static str {
    match role {
        Role::Subject => "subject",
        Role::Domain => "domain",
        Role::Object => "object",
        Role::Action => "action",
    }
}

/// A clause that compares a token of the request with a column of the policy.
fn clause_of(clause: &Expr) -> Result<(&str, &str, How), Reason> {
    let pair = |a: &'_ Expr, b: &'_ Expr| match (a, b) {
        (Expr::Path(a), Expr::Path(b)) => a.token().is_some() && b.column().is_some(),
        _ => false,
    };
    fn names<'e>(a: &'e Expr, b: &'e Expr) -> Option<(&'e str, &'e str)> {
        match (a, b) {
            (Expr::Path(a), Expr::Path(b)) => Some((a.token()?, b.column()?)),
            _ => None,
        }
    }
    match clause {
        Expr::Compare(Comparison::Equal, a, b) => {
            let (a, b) = if pair(a, b) { (a, b) } else { (b, a) };
            names(a, b).map(|(token, column)| (token, column, How::Equal)).ok_or(Reason::NotConvertibleMatcher)
        }
        Expr::Call(name, arguments) if name == "g" => match arguments.as_slice() {
            [a, b] | [a, b, Expr::Path(_)] => {
                let domain_is_asked = match arguments.get(2) {
                    Some(Expr::Path(path)) => path.token().and_then(role_of) == Some(Role::Domain),
                    _ => true,
                };
                names(a, b)
                    .filter(|(token, _)| domain_is_asked && role_of(token) == Some(Role::Subject))
                    .map(|(token, column)| (token, column, How::Roles))
                    .ok_or(Reason::NotConvertibleRoles)
            }
            _ => Err(Reason::NotConvertibleRoles),
        },
        Expr::Call(name, arguments) => match (function(name), arguments.as_slice()) {
            (Some(function), [a, b]) => names(a, b)
                .map(|(token, column)| (token, column, How::Pattern(function)))
                .ok_or(Reason::NotConvertibleMatcher),
            (None, _) if name.starts_with('g') => Err(Reason::NotConvertibleRoles),
            _ => Err(Reason::NotConvertibleMatcher),
        },
        _ => Err(Reason::NotConvertibleMatcher),
    }
}

/// Our pattern that matches the same paths as casbin's, where there is one. Paths have no empty segments, so
/// that `x/*` and what follows is at least one segment: `x/*/**`.
fn pattern_of(function: &str, object: &str) -> Option<String> {
    let rest_of = |prefix: &str| match prefix {
        "" => Some("**".to_owned()),
        prefix if prefix.ends_with('/') => Some(format!("{prefix}*/**")),
        _ => None,
    };
    if function == "keyMatch" {
        return object.split_once('*').map_or_else(|| Some(object.to_owned()), |(prefix, _)| rest_of(prefix));
    }
    let segments: Vec<&str> = object.split('/').collect();
    let last = segments.len().saturating_sub(1);
    let mut out = Vec::new();
    for (at, segment) in segments.into_iter().enumerate() {
        let named = match function {
            "keyMatch2" => segment.strip_prefix(':').is_some_and(|name| !name.is_empty()),
            "keyMatch3" => segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).is_some_and(is_word),
            _ => false,
        };
        // In the regular expressions that casbin makes of these, other signs mean something else.
        match (function, segment) {
            (_, _) if named => out.push("*"),
            ("keyMatch2" | "keyMatch3", "*") if at == last && at > 0 => out.extend(["*", "**"]),
            ("globMatch", "*") => out.push("*"),
            ("globMatch", "**") if at == last => out.extend(["*", "**"]),
            ("keyMatch2" | "keyMatch3", text) if is_word(text) => out.push(text),
            ("globMatch", text) if !text.contains(['*', '?', '[', '{', '\\']) => out.push(text),
            _ => return None,
        }
    }
    Some(out.join("/"))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-@".contains(&b))
}
