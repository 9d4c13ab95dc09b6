//! What is counted, and over which time.

use super::calendar::{DAY, Day};
use std::fmt;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// `requests`.
    Requests,
    /// `tokens`.
    Tokens,
    /// `cost`, in millionths of the tenant's currency.
    Cost,
}

impl Unit {
    pub(crate) const ALL: [Self; 3] = [Self::Requests, Self::Tokens, Self::Cost];

    /// The unit as policies write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Cost => "cost",
        }
    }
}

/// The time over which is counted. Windows are aligned to UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Window {
    /// `call`: one call.
    Call,
    /// `minute`.
    Minute,
    /// `hour`.
    Hour,
    /// `day`.
    Day,
    /// `month`: a calendar month.
    Month,
}

impl Window {
    pub(crate) const ALL: [Self; 5] = [Self::Call, Self::Minute, Self::Hour, Self::Day, Self::Month];

    /// The window as policies write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The first second of the window that holds a time. A call has a window of its own.
    #[must_use]
    pub fn start(self, now: u64) -> u64 {
        match self {
            Self::Call => now,
            Self::Minute => now - now % 60,
            Self::Hour => now - now % 3600,
            Self::Day => now - now % DAY,
            Self::Month => Day::of(now).month_start(),
        }
    }
}

/// A unit over a window, such as tokens per day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Meter {
    /// What is counted.
    pub unit: Unit,
    /// Over which time.
    pub window: Window,
}

impl fmt::Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per {}", self.unit.as_str(), self.window.as_str())
    }
}
