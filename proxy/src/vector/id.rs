//! Ids of points.

use core::fmt;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

/// The id of a point: a number or a UUID. The store knows points under the same ids.
///
/// Its `Display` form is canonical (decimal; lower-case hyphenated), so that a record is always bound
/// to the same text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PointId {
    /// An unsigned 64-bit number.
    Number(u64),
    /// A UUID of any version.
    Uuid(Uuid),
}

impl PointId {
    /// Reads a UUID, hyphenated, simple or as URN.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self::Uuid)
    }
}

impl fmt::Display for PointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Uuid(uuid) => write!(f, "{}", uuid.hyphenated()),
        }
    }
}

impl Serialize for PointId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Uuid(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for PointId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = PointId;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a UUID")
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<PointId, E> {
                Ok(PointId::Number(number))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<PointId, E> {
                PointId::from_text(text).ok_or_else(|| E::custom("not a UUID"))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_uuid_are_one_id() {
        let canonical = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
        for text in [canonical, "6BA7B8109DAD11D180B400C04FD430C8", "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8"] {
            assert_eq!(PointId::from_text(text).map(|id| id.to_string()).as_deref(), Some(canonical));
        }
        for text in ["", "7", "6ba7b810-9dad-11d1-80b4", "x'; drop"] {
            assert_eq!(PointId::from_text(text), None);
        }
    }
}
