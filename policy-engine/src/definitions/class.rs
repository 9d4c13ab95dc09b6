//! How sensitive content is.

use crate::obligations::Mode;

/// How sensitive content is, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) enum Class {
    Public,
    #[default]
    Internal,
    Confidential,
    Restricted,
}

impl Class {
    pub(crate) const ALL: [Self; 4] = [Self::Public, Self::Internal, Self::Confidential, Self::Restricted];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Confidential => "confidential",
            Self::Restricted => "restricted",
        }
    }

    /// The number that conditions compare.
    pub(crate) const fn level(self) -> u64 {
        match self {
            Self::Public => 0,
            Self::Internal => 1,
            Self::Confidential => 2,
            Self::Restricted => 3,
        }
    }

    /// The weakest mode that protects a collection of this class.
    pub(crate) const fn mode(self) -> Mode {
        match self {
            Self::Public => Mode::Plain,
            Self::Internal => Mode::Preserving,
            Self::Confidential | Self::Restricted => Mode::Sealed,
        }
    }
}
