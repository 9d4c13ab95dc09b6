//! Imported casbin pairs.

mod conformance;
mod convert;
mod hostile;
