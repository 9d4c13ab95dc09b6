//! What records hold.

use std::fmt;

/// What the two records of a call hold of its content, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Record {
    /// `none`: nothing of the content. The call itself is always recorded.
    None,
    /// `digest`: digests of the content. This holds when no rule says.
    #[default]
    Digest,
    /// `content`: the content, sealed beside the ledger, bound by its digest.
    Content,
}

impl Record {
    pub(crate) const ALL: [Self; 3] = [Self::None, Self::Digest, Self::Content];

    /// The choice as policies write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Digest => "digest",
            Self::Content => "content",
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
