//! Validated identifiers.

use core::fmt;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Why a text is not an id of the wanted kind. Names the kind and the rule, never the text itself:
/// a caller may have put a secret where an id belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind}: {rule}")]
pub struct BadId {
    /// The kind of id that was wanted, in words.
    pub kind: &'static str,
    /// The rule that every id of the kind keeps.
    pub rule: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text and wraps it.
            ///
            /// # Errors
            /// [`BadId`] when the text breaks the rule of this kind.
            pub fn new(text: &str) -> Result<Self, BadId> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(BadId { kind: $kind, rule: $rule })
                }
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }

        impl core::str::FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

fn slug(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
}

fn visible(text: &str, max: usize, also: &[u8]) -> bool {
    (1..=max).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || also.contains(&b))
        && !text.split('/').any(|part| matches!(part, "" | "." | ".."))
}

id!(
    /// A customer of the organisation, or a department: the unit of isolation. It comes from a
    /// verified credential only.
    TenantId,
    "tenant id",
    "1 to 64 of a-z, 0-9, '-' and '_', starting with a letter or digit",
    |t| slug(t, 64)
);
id!(
    /// Who calls, within a tenant: a user, a service or a workload.
    PrincipalId,
    "principal id",
    "1 to 256 of letters, digits and . _ - @ + : / = | with no empty, '.' or '..' segment",
    |t| visible(t, 256, b"._-@+:/=|")
);
id!(
    /// A group that a credential vouches for; policies map groups to roles.
    GroupName,
    "group name",
    "1 to 128 of letters, digits and . _ - @ + : / =, with no empty, '.' or '..' segment behind a leading '/'",
    |t| visible(t.strip_prefix('/').unwrap_or(t), 128, b"._-@+:/=")
);
id!(
    /// A configured upstream: a model API or a vector store.
    UpstreamName,
    "upstream name",
    "1 to 64 of a-z, 0-9, '-' and '_', starting with a letter or digit",
    |t| slug(t, 64)
);
id!(
    /// A collection as the app names it. The store knows it under another name.
    CollectionName,
    "collection name",
    "1 to 128 of letters, digits and . _ - but not '.' or '..'",
    |t| visible(t, 128, b"._-")
);
id!(
    /// A model as the app names it.
    ModelName,
    "model name",
    "1 to 200 of letters, digits and . _ - : / @ + with no empty, '.' or '..' segment",
    |t| visible(t, 200, b"._-:/@+")
);
id!(
    /// The id of a record (two ledger leaves: intent and outcome), unique and made here.
    RecordId,
    "record id",
    "1 to 64 of a-z, 0-9, '-' and '_', starting with a letter or digit",
    |t| slug(t, 64)
);

impl RecordId {
    /// An id of 128 bits, as 32 lower-case hex digits.
    #[must_use]
    pub fn from_bits(bits: u128) -> Self {
        Self(format!("{bits:032x}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn path_tricks_are_no_ids() {
        for text in ["", ".", "..", "a/../b", "/a", "a/", "a//b", "a b", "a\u{200b}", "a\n", "a%2fb"] {
            assert!(ModelName::new(text).is_err(), "{text:?} as model");
            assert!(CollectionName::new(text).is_err(), "{text:?} as collection");
            assert!(TenantId::new(text).is_err(), "{text:?} as tenant");
        }
        assert!(CollectionName::new("a/b").is_err());
        assert!(ModelName::new("meta-llama/Llama-3.1:free").is_ok());
        assert!(PrincipalId::new("auth0|5f7c8ec7").is_ok() && GroupName::new("/legal/partners").is_ok());
        assert!(TenantId::new("Acme").is_err(), "case variants of one tenant must not exist");
    }

    #[test]
    fn errors_do_not_repeat_the_text() {
        let shown = TenantId::new("sk-SECRET VALUE").map_err(|e| e.to_string());
        assert!(shown.is_err_and(|e| !e.contains("SECRET")));
    }

    proptest! {
        #[test]
        fn any_text_is_accepted_or_refused_without_a_panic(text in ".*") {
            if let Ok(id) = TenantId::new(&text) {
                prop_assert_eq!(id.as_str(), text.as_str());
            }
            let _ = (PrincipalId::new(&text), ModelName::new(&text), CollectionName::new(&text));
        }
    }
}
