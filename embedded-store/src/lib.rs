//! Placeholder doc of `embedded-store`.
