//! The shapes of the collection map.

use std::collections::BTreeSet;
use vocab::{CollectionName, PrincipalId, TenantId, UpstreamName};

/// Which collection is meant: a name means nothing without its tenant and upstream.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CollectionKey {
    /// The tenant that owns it.
    pub tenant: TenantId,
    /// The store that it is in.
    pub upstream: UpstreamName,
    /// Its name as the app says it.
    pub name: CollectionName,
}

/// The name under which the store knows a collection: random, so that it tells nothing. 1 to 128 of
/// `a-z`, `0-9`, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PhysicalName(Box<str>);

/// A stored word that this program does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a known {0}")]
pub struct UnknownWord(&'static str);

impl PhysicalName {
    /// Checks a text.
    ///
    /// # Errors
    /// [`UnknownWord`] when it breaks the rule above.
    pub fn new(text: &str) -> Result<Self, UnknownWord> {
        let fit = (1..=128).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'));
        if fit { Ok(Self(text.into())) } else { Err(UnknownWord("physical name")) }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl $name {
            /// The stored word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl core::str::FromStr for $name {
            type Err = UnknownWord;
            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord($kind)),
                }
            }
        }
    };
}

words!(
    /// Where a collection is in its life.
    CollectionState, "state of a collection",
    /// Entered here; the store may or may not have it.
    Creating = "creating",
    /// In use.
    Ready = "ready",
    /// To be removed; the store may or may not have it.
    Deleting = "deleting",
);
words!(
    /// The distance that the app asked for. The store always compares by cosine.
    Distance, "distance",
    /// Cosine similarity; larger is nearer.
    Cosine = "cosine",
    /// Dot product; larger is nearer.
    Dot = "dot",
    /// Euclidean distance; smaller is nearer.
    Euclid = "euclid",
);
words!(
    /// How the vectors of a collection are protected.
    Mode, "mode",
    /// Distances are preserved: obfuscation, not confidentiality.
    Preserving = "preserving",
    /// Nothing that preserves distance leaves.
    Sealed = "sealed",
    /// Vectors leave as they are, because a rule named it.
    Plain = "plain",
);

/// What is frozen when a collection is made.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectionSpec {
    /// Numbers in a vector.
    pub dimensions: u32,
    /// The app's distance.
    pub distance: Distance,
    /// The protection of its vectors.
    pub mode: Mode,
    /// The noise parameter of [`Mode::Preserving`].
    pub beta: Option<f64>,
    /// Payload fields that have a blind index.
    pub filterable: BTreeSet<String>,
    /// Who made it.
    pub created_by: PrincipalId,
}

/// One entry of the map.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectionRow {
    /// Which collection it is.
    pub key: CollectionKey,
    /// Its name in the store.
    pub physical: PhysicalName,
    /// Where it is in its life.
    pub state: CollectionState,
    /// What was frozen.
    pub spec: CollectionSpec,
    /// When it was entered, in seconds since the Unix epoch.
    pub created_at: u64,
}

/// What entering a collection did.
#[derive(Debug, Clone, PartialEq)]
pub enum Creation {
    /// The entry is new and `creating`.
    Created(CollectionRow),
    /// The name is taken by this entry, whatever its state.
    Taken(CollectionRow),
}

/// A step in the life of a collection. Taking it twice is no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advance {
    /// From `creating` to `ready`.
    Ready,
    /// From `creating` or `ready` to `deleting`.
    Deleting,
}
