//! Placeholder doc of `proxy`.
