//! The transit provider and the secrets on a real OpenBao server.

mod auth;
mod bridge;
mod faults;
mod keys;
mod secrets;
mod tokens;
