//! Placeholder doc of `content-guard`.
