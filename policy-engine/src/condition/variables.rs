//! The table of variables, from which conditions are checked and the guide is held.

/// The type of a variable or expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Int,
    Text,
    List(Box<Type>),
    /// The element type of an empty list literal: fits any.
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Text,
    Texts,
    /// Fields of any name; each is a list of texts.
    Claims,
    /// Fields named like budgets; each is a number.
    Spend,
}

impl Kind {
    /// The type of the variable, or of its fields.
    pub(super) fn type_of(self) -> Type {
        match self {
            Self::Int | Self::Spend => Type::Int,
            Self::Text => Type::Text,
            Self::Texts | Self::Claims => Type::List(Box::new(Type::Text)),
        }
    }

    /// Whether the variable has fields whose names are not in the table.
    pub(super) const fn is_open(self) -> bool {
        matches!(self, Self::Claims | Self::Spend)
    }
}

/// A variable by its full name.
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) presence: Presence,
    /// The facts that its value is made of; its own name alone, if empty.
    pub(crate) from: &'static [&'static str],
}

/// Whether each call has the variable. Reading one that a call lacks is an error, which denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Always,
    Sometimes,
}

const fn always(name: &'static str, kind: Kind) -> Variable {
    Variable { name, kind, presence: Presence::Always, from: &[] }
}

const fn sometimes(name: &'static str, kind: Kind) -> Variable {
    Variable { name, kind, presence: Presence::Sometimes, from: &[] }
}

/// Every variable.
pub(crate) const VARIABLES: [Variable; 29] = [
    always("labels", Kind::Texts),
    always("now", Kind::Int),
    always("tenant", Kind::Text),
    always("principal.id", Kind::Text),
    always("principal.groups", Kind::Texts),
    always("call.action", Kind::Text),
    sometimes("call.workflow", Kind::Text),
    sometimes("call.purpose", Kind::Text),
    always("call.tokens", Kind::Int),
    sometimes("call.k", Kind::Int),
    sometimes("upstream.name", Kind::Text),
    sometimes("upstream.region", Kind::Text),
    sometimes("upstream.trust", Kind::Text),
    sometimes("resource.model", Kind::Text),
    sometimes("resource.collection", Kind::Text),
    sometimes("resource.class", Kind::Int),
    sometimes("model.name", Kind::Text),
    sometimes("model.region", Kind::Text),
    sometimes("model.trust", Kind::Text),
    sometimes("call.cost", Kind::Int),
    always("time.hour", Kind::Int),
    always("time.weekday", Kind::Int),
    Variable { name: "data.max_class", kind: Kind::Int, presence: Presence::Always, from: &["labels"] },
    always("class.public", Kind::Int),
    always("class.internal", Kind::Int),
    always("class.confidential", Kind::Int),
    always("class.restricted", Kind::Int),
    sometimes("claims", Kind::Claims),
    sometimes("spend", Kind::Spend),
];
