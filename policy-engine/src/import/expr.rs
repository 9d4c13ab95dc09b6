//! The language of matchers that is accepted, as a tree, and its text for casbin.

use std::fmt::Write;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expr {
    Or(Vec<Expr>),
    And(Vec<Expr>),
    Not(Box<Expr>),
    Compare(Comparison, Box<Expr>, Box<Expr>),
    In(Box<Expr>, Vec<Expr>),
    Call(String, Vec<Expr>),
    Path(Path),
    Text(String),
    Whole(i32),
    Bool(Truth),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    True,
    False,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
}

impl Comparison {
    pub(super) const ALL: [Self; 6] =
        [Self::Equal, Self::NotEqual, Self::LessOrEqual, Self::MoreOrEqual, Self::Less, Self::More];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::More => ">",
            Self::MoreOrEqual => ">=",
        }
    }
}

/// `r.sub`, `p.obj`, `r.obj.Owner`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) root: String,
    pub(super) field: String,
    pub(super) attributes: Vec<String>,
}

impl Path {
    /// The column of the policy, where the path is just one.
    pub(super) fn column(&self) -> Option<&str> {
        (self.root == "p" && self.attributes.is_empty()).then_some(self.field.as_str())
    }

    /// The token of the request, where the path is just one.
    pub(super) fn token(&self) -> Option<&str> {
        (self.root == "r" && self.attributes.is_empty()).then_some(self.field.as_str())
    }
}

impl Expr {
    /// Calls `see` for this expression and each part of it.
    pub(super) fn walk<'e>(&'e self, see: &mut impl FnMut(&'e Self)) {
        see(self);
        match self {
            Self::Or(all) | Self::And(all) | Self::Call(_, all) => all.iter().for_each(|e| e.walk(see)),
            Self::Not(inner) => inner.walk(see),
            Self::Compare(_, a, b) => {
                a.walk(see);
                b.walk(see);
            }
            Self::In(item, list) => {
                item.walk(see);
                list.iter().for_each(|e| e.walk(see));
            }
            Self::Path(_) | Self::Text(_) | Self::Whole(_) | Self::Bool(_) => {}
        }
    }

    /// The expression with each call that `wanted` names widened by what `also` makes of it.
    pub(super) fn widened(self, wanted: &impl Fn(&str) -> bool, also: &impl Fn(&[Self]) -> Option<Self>) -> Self {
        let each = |all: Vec<Self>| all.into_iter().map(|e| e.widened(wanted, also)).collect();
        let boxed = |inner: Box<Self>| Box::new(inner.widened(wanted, also));
        match self {
            Self::Or(all) => Self::Or(each(all)),
            Self::And(all) => Self::And(each(all)),
            Self::Not(inner) => Self::Not(boxed(inner)),
            Self::Compare(how, a, b) => Self::Compare(how, boxed(a), boxed(b)),
            Self::In(item, list) => Self::In(boxed(item), each(list)),
            Self::Call(name, arguments) if wanted(&name) => match also(&arguments) {
                Some(other) => Self::Or(vec![Self::Call(name, arguments), other]),
                None => Self::Call(name, arguments),
            },
            leaf => leaf,
        }
    }

    /// The text that casbin gets. Bracketed everywhere, and strings are escaped so that casbin's rewriting of
    /// `r.` and `p.`, and its stripping of comments, cannot touch them.
    pub(super) fn for_casbin(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Or(all) => joined(out, all, " || "),
            Self::And(all) => joined(out, all, " && "),
            Self::Not(inner) => {
                out.push_str("!(");
                inner.write(out);
                out.push(')');
            }
            Self::Compare(how, a, b) => {
                out.push('(');
                a.write(out);
                let _ = write!(out, " {} ", how.as_str());
                b.write(out);
                out.push(')');
            }
            Self::In(item, list) => {
                out.push('(');
                item.write(out);
                out.push_str(" in [");
                listed(out, list);
                out.push_str("])");
            }
            Self::Call(name, arguments) => {
                let _ = write!(out, "{name}(");
                listed(out, arguments);
                out.push(')');
            }
            Self::Path(path) => {
                let _ = write!(out, "{}.{}", path.root, path.field);
                for attribute in &path.attributes {
                    let _ = write!(out, ".{attribute}");
                }
            }
            Self::Text(text) => quoted(out, text),
            Self::Whole(number) => {
                let _ = write!(out, "{number}");
            }
            Self::Bool(Truth::True) => out.push_str("true"),
            Self::Bool(Truth::False) => out.push_str("false"),
        }
    }
}

fn joined(out: &mut String, all: &[Expr], operator: &str) {
    out.push('(');
    for (at, part) in all.iter().enumerate() {
        if at > 0 {
            out.push_str(operator);
        }
        part.write(out);
    }
    out.push(')');
}

fn listed(out: &mut String, all: &[Expr]) {
    for (at, part) in all.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        part.write(out);
    }
}

fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || " _-/:@".contains(c) {
            out.push(c);
        } else {
            let _ = write!(out, "\\U{:08x}", u32::from(c));
        }
    }
    out.push('"');
}
