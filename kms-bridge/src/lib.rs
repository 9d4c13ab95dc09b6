//! Placeholder doc of `kms-bridge`.
