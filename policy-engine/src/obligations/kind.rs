//! The kinds of obligations.

use std::fmt;

/// The kinds of obligations. Whoever carries obligations out matches on all of them, so that a new kind is a
/// compile error there, not something that is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObligationKind {
    /// `block`
    Block,
    /// `redact`
    Redact,
    /// `pseudonymise`
    Pseudonymise,
    /// `encrypt`
    Encrypt,
    /// `public_fields`
    PublicFields,
    /// `filterable`
    Filterable,
    /// `range_buckets`
    RangeBuckets,
    /// `limit`
    Limit,
    /// `budget`
    Budget,
    /// `require_approval`
    RequireApproval,
    /// `route`
    Route,
    /// `residency`
    Residency,
    /// `max_k`
    MaxK,
    /// `record`
    Record,
}

impl ObligationKind {
    /// Every kind, in the order of [`crate::Obligations::lines`].
    pub const ALL: [Self; 14] = [
        Self::Block,
        Self::Redact,
        Self::Pseudonymise,
        Self::Encrypt,
        Self::PublicFields,
        Self::Filterable,
        Self::RangeBuckets,
        Self::Limit,
        Self::Budget,
        Self::RequireApproval,
        Self::Route,
        Self::Residency,
        Self::MaxK,
        Self::Record,
    ];

    /// The kind as policies write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Redact => "redact",
            Self::Pseudonymise => "pseudonymise",
            Self::Encrypt => "encrypt",
            Self::PublicFields => "public_fields",
            Self::Filterable => "filterable",
            Self::RangeBuckets => "range_buckets",
            Self::Limit => "limit",
            Self::Budget => "budget",
            Self::RequireApproval => "require_approval",
            Self::Route => "route",
            Self::Residency => "residency",
            Self::MaxK => "max_k",
            Self::Record => "record",
        }
    }
}

impl fmt::Display for ObligationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
