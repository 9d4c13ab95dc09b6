//! Where casbin-rs errs in silence and the casbin of Go, whose language it is, is followed.

use super::Part;
use super::expr::Expr;
use std::fmt;

/// A place at which an imported pair is not read as casbin-rs reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Departure {
    /// The text that it is about.
    pub part: Part,
    /// The line, from 1.
    pub line: usize,
    /// What casbin-rs would get wrong there.
    pub fault: Fault,
}

impl Departure {
    pub(super) const fn model(line: usize, fault: Fault) -> Self {
        Self { part: Part::Model, line, fault }
    }

    pub(super) const fn policy(line: usize, fault: Fault) -> Self {
        Self { part: Part::Policy, line, fault }
    }
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, line, fault } = self;
        write!(f, "{}:{line}: {}: {}", part.as_str(), fault.as_str(), fault.message())
    }
}

/// What casbin-rs gets wrong though it loads. Each stands in a pair of which it gets other requests right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// A `;` that starts a comment, or a `#` inside of a text.
    Comments,
    /// A text of the matcher in which `r.` or `p.` stands.
    DottedText,
    /// A matcher that reads no column, beside lines with other effects than `allow`.
    PolicyNotRead,
    /// Lines that do not stand in the order of their priorities.
    Priorities,
    /// A role line whose domain is a pattern, with a matcher that takes those of policy lines as patterns.
    DomainPatterns,
    /// Names of roles that are patterns.
    RolePatterns,
}

impl Fault {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Comments => "comments",
            Self::DottedText => "dotted_text",
            Self::PolicyNotRead => "policy_not_read",
            Self::Priorities => "priorities",
            Self::DomainPatterns => "domain_patterns",
            Self::RolePatterns => "role_patterns",
        }
    }

    /// What casbin-rs does and is not done here, in one clause.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Comments => "casbin-rs keeps what follows a ;, and cuts texts at a #",
            Self::DottedText => "casbin-rs rewrites r. and p. inside of texts",
            Self::PolicyNotRead => "casbin-rs decides by the effects of lines that the matcher does not look at",
            Self::Priorities => "casbin-rs takes the lines as they stand, not by their priorities",
            Self::DomainPatterns => "casbin-rs compares the domains of role lines letter for letter",
            Self::RolePatterns => "casbin-rs misses patterns that no role line holds, and panics on some",
        }
    }
}

impl serde::Serialize for Fault {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Whether casbin-rs would rewrite a text of an expression: it takes `r.`, `p2.` for names anywhere.
pub(super) fn holds_dotted_text(expr: &Expr) -> bool {
    let mut holds = false;
    expr.walk(&mut |expr| holds |= matches!(expr, Expr::Text(text) if is_dotted(text)));
    holds
}

fn is_dotted(text: &str) -> bool {
    let mut pieces = text.split('.');
    // Nothing follows the last piece.
    pieces.next_back();
    pieces.any(|piece| piece.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().is_some_and(is_section_key))
}

/// `r`, `p`, alone or with a number: what casbin-rs takes for the start of a name.
pub(super) fn is_section_key(word: &str) -> bool {
    word.strip_prefix(['r', 'p']).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_casbin_rewrites() {
        for text in ["r.x", "a.p.p.l.e", "p2.", "x r.y", "x-r.y"] {
            assert!(is_dotted(text), "{text}");
        }
        for text in ["", "r", "p", "a.b", "model/gpt-4.1", "ar.x", "_r.x", "pp.x", "x.r", "r2d2.x"] {
            assert!(!is_dotted(text), "{text}");
        }
    }
}
