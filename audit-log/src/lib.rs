//! Placeholder doc of `audit-log`.
