//! A casbin pair that passed every check.

use super::departure::{Departure, Fault};
use super::expr::Expr;
use super::rows::Row;
use super::{KeyMatch, Matching};

#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The tokens of a request, in order.
    pub(super) tokens: Vec<String>,
    /// The columns of a policy line, in order.
    pub(super) columns: Vec<String>,
    pub(super) effect: EffectRule,
    pub(super) matcher: Expr,
    pub(super) matcher_line: usize,
    pub(super) effect_line: usize,
    /// The role definitions, `g` first.
    pub(super) roles: Vec<RoleKind>,
    /// The policy lines in the order that they count in, `eval` columns written anew.
    pub(super) rows: Vec<Row>,
    /// The role lines of all kinds.
    pub(super) links: Vec<Row>,
    pub(super) matching: Matching,
    pub(super) departures: Vec<Departure>,
}

/// The function that says whether a name fits the pattern of a role by itself.
pub(super) const MATCHES_ROLE: &str = "matchesRole";

/// A kind of roles: its key, and whether they hold within a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RoleKind {
    pub(super) key: String,
    pub(super) scope: Scope,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Everywhere,
    Domain,
}

impl Scope {
    /// How many values a line of such roles has, and how many arguments its function takes.
    pub(super) const fn arity(self) -> usize {
        match self {
            Self::Everywhere => 2,
            Self::Domain => 3,
        }
    }

    pub(super) const fn definition(self) -> &'static str {
        match self {
            Self::Everywhere => "_, _",
            Self::Domain => "_, _, _",
        }
    }
}

/// How the effects of the lines that match become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EffectRule {
    SomeAllow,
    SomeAllowNoDeny,
    NoDeny,
    First,
}

impl EffectRule {
    const ALL: [Self; 4] = [Self::SomeAllow, Self::SomeAllowNoDeny, Self::NoDeny, Self::First];

    /// The definition, letter for letter as casbin compares it.
    pub(super) const fn definition(self) -> &'static str {
        match self {
            Self::SomeAllow => "some(where (p.eft == allow))",
            Self::SomeAllowNoDeny => "some(where (p.eft == allow)) && !some(where (p.eft == deny))",
            Self::NoDeny => "!some(where (p.eft == deny))",
            Self::First => "priority(p.eft) || deny",
        }
    }

    /// The rule of a definition; space does not count.
    pub(super) fn read(text: &str) -> Option<Self> {
        let tight = |text: &str| text.replace(' ', "").replace("p_eft", "p.eft");
        Self::ALL.into_iter().find(|rule| tight(rule.definition()) == tight(text))
    }
}

impl Plan {
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    pub(super) fn kind(&self, key: &str) -> Option<&RoleKind> {
        self.roles.iter().find(|kind| kind.key == key)
    }

    /// What casbin gets of an expression. Where names of roles are patterns, one that fits the wanted name is
    /// enough, as in Go's casbin: casbin-rs finds it only if some role line holds the pattern.
    pub(super) fn for_casbin(&self, expr: &Expr) -> String {
        if self.matching.roles.is_none() {
            return expr.for_casbin();
        }
        let wanted = |name: &str| self.kind(name).is_some();
        let direct = |arguments: &[Expr]| match arguments {
            [name, role, ..] => Some(Expr::Call(MATCHES_ROLE.to_owned(), vec![name.clone(), role.clone()])),
            _ => None,
        };
        expr.clone().widened(&wanted, &direct).for_casbin()
    }

    /// Go's casbin matches the domains of `g` lines by `keyMatch` where the matcher does so for those of `p`
    /// lines; casbin-rs does not, and would deny.
    pub(super) fn follow_domain_patterns(&mut self) {
        let is_pattern = |link: &&Row| link.values.get(2).is_some_and(|domain| domain.contains('*'));
        let (None, Some(first)) = (self.matching.domains, self.links.iter().find(is_pattern)) else {
            return;
        };
        let mut by_pattern = None;
        let mut in_roles = Vec::new();
        self.matcher.walk(&mut |expr| {
            if let Expr::Call(name, arguments) = expr {
                match (name.as_str(), arguments.as_slice()) {
                    ("keyMatch", [Expr::Path(a), Expr::Path(b)]) if a.token().is_some() && a.token() == b.column() => {
                        by_pattern = by_pattern.take().or_else(|| a.token().map(str::to_owned));
                    }
                    ("g", [_, _, Expr::Path(domain)]) => in_roles.extend(domain.token().map(str::to_owned)),
                    _ => {}
                }
            }
        });
        if by_pattern.is_some_and(|domain| in_roles.contains(&domain)) {
            self.matching.domains = Some(KeyMatch::KeyMatch);
            self.departures.push(Departure::policy(first.line, Fault::DomainPatterns));
        }
    }
}
