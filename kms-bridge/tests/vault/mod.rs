//! The transit provider and the secrets on a real OpenBao server.

mod auth;
mod faults;
mod keys;
mod secrets;
mod tokens;
