//! Placeholder doc of `policy-engine`.
