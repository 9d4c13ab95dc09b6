//! Placeholder doc of `control-plane`.
