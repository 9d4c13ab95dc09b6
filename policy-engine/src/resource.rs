//! What a call acts on.

use crate::action::Family;
use std::fmt;
use std::str::FromStr;
use vocab::{CollectionName, ModelName, UpstreamName};

/// What a call acts on. Its text (`Display`, read back by `FromStr`) is the path that patterns match.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    /// `model/<upstream>/<model>`: one model. A model's name may itself hold `/`.
    Model {
        /// The upstream that serves the model.
        upstream: UpstreamName,
        /// The model as the app names it.
        model: ModelName,
    },
    /// `model/<upstream>`: the models of an upstream, as a list.
    Models {
        /// The upstream that is asked.
        upstream: UpstreamName,
    },
    /// `vector/<upstream>/<collection>`: one collection.
    Collection {
        /// The vector store.
        upstream: UpstreamName,
        /// The collection as the app names it.
        collection: CollectionName,
    },
    /// `vector/<upstream>`: the collections of a store, as a list.
    Collections {
        /// The vector store.
        upstream: UpstreamName,
    },
    /// `ledger`: the records of the tenant.
    Ledger,
}

impl Resource {
    /// The kind of the resource.
    #[must_use]
    pub const fn family(&self) -> Family {
        match self {
            Self::Model { .. } | Self::Models { .. } => Family::Model,
            Self::Collection { .. } | Self::Collections { .. } => Family::Vector,
            Self::Ledger => Family::Ledger,
        }
    }

    /// The upstream, where the resource belongs to one.
    #[must_use]
    pub const fn upstream(&self) -> Option<&UpstreamName> {
        match self {
            Self::Model { upstream, .. }
            | Self::Models { upstream }
            | Self::Collection { upstream, .. }
            | Self::Collections { upstream } => Some(upstream),
            Self::Ledger => None,
        }
    }

    /// Appends the path. Decisions do it for each call, and a formatter takes several times as long.
    pub(crate) fn write_path(&self, path: &mut String) {
        self.parts().for_each(|part| path.push_str(part));
    }

    /// What the path is made of.
    fn parts(&self) -> impl Iterator<Item = &str> {
        let (upstream, name) = match self {
            Self::Model { upstream, model } => (Some(upstream), Some(model.as_str())),
            Self::Collection { upstream, collection } => (Some(upstream), Some(collection.as_str())),
            Self::Models { upstream } | Self::Collections { upstream } => (Some(upstream), None),
            Self::Ledger => (None, None),
        };
        let behind = [upstream.map(UpstreamName::as_str), name].into_iter().flatten();
        [self.family().as_str()].into_iter().chain(behind.flat_map(|part| ["/", part]))
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts().try_for_each(|part| f.write_str(part))
    }
}

/// The text is no path of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a resource: write model/<upstream>[/<model>], vector/<upstream>[/<collection>] or ledger")]
pub struct BadResource;

impl FromStr for Resource {
    type Err = BadResource;
    fn from_str(text: &str) -> Result<Self, BadResource> {
        if text == "ledger" {
            return Ok(Self::Ledger);
        }
        let mut parts = text.splitn(3, '/');
        let (family, upstream, rest) = (parts.next(), parts.next(), parts.next());
        let upstream = upstream.and_then(|t| UpstreamName::new(t).ok()).ok_or(BadResource)?;
        match (family, rest) {
            (Some("model"), None) => Ok(Self::Models { upstream }),
            (Some("model"), Some(name)) => {
                let model = ModelName::new(name).map_err(|_| BadResource)?;
                Ok(Self::Model { upstream, model })
            }
            (Some("vector"), None) => Ok(Self::Collections { upstream }),
            (Some("vector"), Some(name)) => {
                let collection = CollectionName::new(name).map_err(|_| BadResource)?;
                Ok(Self::Collection { upstream, collection })
            }
            _ => Err(BadResource),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_read_back() {
        for text in [
            "model/openai/gpt-4.1",
            "model/hub/meta-llama/Llama-3.1:free",
            "model/openai",
            "vector/contracts-db/deeds",
            "vector/contracts-db",
            "ledger",
        ] {
            assert_eq!(text.parse::<Resource>().map(|r| r.to_string()), Ok(text.to_owned()));
        }
        for text in
            ["", "model", "model/", "model//x", "model/a/", "vector/a/b/c", "ledger/x", "file/a", "model/a/../b"]
        {
            assert_eq!(text.parse::<Resource>(), Err(BadResource), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_parses_prints_the_same(text in "(model|vector|ledger)?(/[a-z.*]{0,3}){0,4}") {
            if let Ok(resource) = text.parse::<Resource>() {
                prop_assert_eq!(resource.to_string(), text);
            }
        }
    }
}
