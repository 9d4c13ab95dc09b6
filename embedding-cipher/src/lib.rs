//! Placeholder doc of `embedding-cipher`.
