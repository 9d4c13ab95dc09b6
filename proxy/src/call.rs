//! A typed call: what was parsed, by whom, for which upstream. Authorisation and forwarding read this
//! one value.

use crate::{identity::Caller, upstream::Upstream, vector::VectorCall, wire::openai::ModelCall};
use policy_engine::{Action, Facts, Governed, Query, Resource};
use std::sync::Arc;

/// A recognised call of a known caller.
pub struct Call {
    pub(crate) caller: Caller,
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) action: Action,
    pub(crate) resource: Resource,
    pub(crate) facts: Facts,
    pub(crate) request: Typed,
}

/// What is asked, in the form of its plane.
pub(crate) enum Typed {
    /// A model call.
    Model(Box<ModelCall>),
    /// A list of the models that the caller may use.
    Models,
    /// A vector-store call.
    Vector(Box<VectorCall>),
}

impl Governed for Call {
    fn query(&self) -> Query<'_> {
        Query {
            tenant: self.caller.tenant(),
            principal: self.caller.principal(),
            groups: self.caller.groups(),
            claims: self.caller.claims(),
            action: self.action,
            resource: &self.resource,
            facts: &self.facts,
        }
    }
}
