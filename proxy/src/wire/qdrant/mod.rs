//! Qdrant's REST API, pure: a client's bytes in, a typed call out; sealed requests and the store's answers;
//! a client's answer out.
//!
//! What is not recognised is refused by name: paths, methods, query parameters, body fields, conditions.

mod collection;
mod error;
mod filter;
mod params;
mod points;
mod reader;
mod render;
mod request;
mod route;
mod search;
pub(crate) mod store;
#[cfg(test)]
mod tests;

pub(crate) use render::render;
pub(crate) use request::SealedRequest;
pub(crate) use route::parse;
