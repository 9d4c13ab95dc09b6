//! What a caller wants to do.

use std::fmt;
use std::str::FromStr;

/// An action that policies allow or deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// `model.chat`: a chat completion.
    ModelChat,
    /// `model.embed`: embeddings of texts.
    ModelEmbed,
    /// `model.list`: which models an upstream has.
    ModelList,
    /// `vector.search`: points nearest to a vector.
    VectorSearch,
    /// `vector.upsert`: writing points or their payloads.
    VectorUpsert,
    /// `vector.read`: retrieving, scrolling or counting points; looking at collections.
    VectorRead,
    /// `vector.delete`: deleting points or payload fields.
    VectorDelete,
    /// `vector.admin`: creating, changing or dropping a collection.
    VectorAdmin,
    /// `audit.read`: reading the records of the tenant.
    AuditRead,
}

impl Action {
    /// Every action, in a fixed order.
    pub const ALL: [Self; 9] = [
        Self::ModelChat,
        Self::ModelEmbed,
        Self::ModelList,
        Self::VectorSearch,
        Self::VectorUpsert,
        Self::VectorRead,
        Self::VectorDelete,
        Self::VectorAdmin,
        Self::AuditRead,
    ];

    /// The action as policies and records write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ModelChat => "model.chat",
            Self::ModelEmbed => "model.embed",
            Self::ModelList => "model.list",
            Self::VectorSearch => "vector.search",
            Self::VectorUpsert => "vector.upsert",
            Self::VectorRead => "vector.read",
            Self::VectorDelete => "vector.delete",
            Self::VectorAdmin => "vector.admin",
            Self::AuditRead => "audit.read",
        }
    }

    /// The kind of resource that the action applies to.
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Self::ModelChat | Self::ModelEmbed | Self::ModelList => Family::Model,
            Self::VectorSearch | Self::VectorUpsert | Self::VectorRead | Self::VectorDelete | Self::VectorAdmin => {
                Family::Vector
            }
            Self::AuditRead => Family::Ledger,
        }
    }

    /// The actions that a text of a document names: one (`model.chat`), a family (`vector.*`) or all (`*`).
    /// Empty when it names none.
    pub(crate) fn named(text: &str) -> Vec<Self> {
        if text == "*" {
            return Self::ALL.to_vec();
        }
        let family = text.strip_suffix('*').filter(|prefix| prefix.ends_with('.'));
        Self::ALL
            .into_iter()
            .filter(|a| family.map_or(a.as_str() == text, |prefix| a.as_str().starts_with(prefix)))
            .collect()
    }
}

/// The kind of a resource: the first segment of its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// `model/...`
    Model,
    /// `vector/...`
    Vector,
    /// `ledger`
    Ledger,
}

impl Family {
    /// The first segment of a path of this kind.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Vector => "vector",
            Self::Ledger => "ledger",
        }
    }
}

/// The text names no action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such action")]
pub struct UnknownAction;

impl serde::Serialize for Action {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl FromStr for Action {
    type Err = UnknownAction;
    fn from_str(text: &str) -> Result<Self, UnknownAction> {
        Self::ALL.into_iter().find(|a| a.as_str() == text).ok_or(UnknownAction)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_reads_back() {
        for action in Action::ALL {
            assert_eq!(action.as_str().parse(), Ok(action));
        }
        assert_eq!("model".parse::<Action>(), Err(UnknownAction));
    }

    #[test]
    fn stars_name_whole_families_only() {
        assert_eq!(Action::named("model.*"), [Action::ModelChat, Action::ModelEmbed, Action::ModelList]);
        assert_eq!(Action::named("*").len(), Action::ALL.len());
        for text in ["mod*", "model.ch*", "", "model", "model.", "**", "Model.*", "*.chat"] {
            assert_eq!(Action::named(text), [], "{text:?}");
        }
    }
}
