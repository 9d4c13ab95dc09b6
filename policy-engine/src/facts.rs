//! The question that a decision answers.

use crate::action::Action;
use crate::names::{ClaimName, ClaimValue, Label, Purpose, Region, Trust, Workflow};
use crate::resource::Resource;
use crate::state::{Approval, Spend};
use std::collections::BTreeSet;
use vocab::{GroupName, PrincipalId, TenantId};

/// What conditions may read beside the caller, the action and the resource.
///
/// Facts about the upstream come from configuration, facts about the content from a scan of what would be
/// forwarded, facts about money and approvals from the stores that keep them. A caller's own claims belong in
/// `workflow` and `purpose` only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// What the detectors found in the content.
    pub labels: BTreeSet<Label>,
    /// The configured region of the upstream.
    pub upstream_region: Option<Region>,
    /// The configured trust of the upstream.
    pub upstream_trust: Option<Trust>,
    /// The workflow that the call belongs to.
    pub workflow: Option<Workflow>,
    /// The purpose that the call serves.
    pub purpose: Option<Purpose>,
    /// When the call came, in seconds since the Unix epoch.
    pub now: u64,
    /// How many tokens the call will use, estimated.
    pub token_estimate: u64,
    /// What the call will cost, estimated, in millionths of the tenant's currency. `None`: not known.
    pub cost_estimate: Option<u64>,
    /// How many results a search asks for.
    pub k: Option<u32>,
    /// What the tenant and the caller have spent so far. What is not in it is not known, and a call under a
    /// budget or limit of unknown spend is denied.
    pub spend: Spend,
    /// The approvals that were given for this very call.
    pub approvals: Vec<Approval>,
}

/// One claim that a credential vouches for. A claim of several values is several of these.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Claim {
    /// The name.
    pub name: ClaimName,
    /// The value.
    pub value: ClaimValue,
}

/// One question: may this principal of this tenant do this to that?
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// The tenant, from a verified credential.
    pub tenant: &'a TenantId,
    /// Who calls, from the same credential.
    pub principal: &'a PrincipalId,
    /// The groups that the credential vouches for.
    pub groups: &'a [GroupName],
    /// The other claims that the credential vouches for.
    pub claims: &'a [Claim],
    /// What the caller wants to do.
    pub action: Action,
    /// What it would be done to.
    pub resource: &'a Resource,
    /// What conditions may read.
    pub facts: &'a Facts,
}

/// A call that policies govern. The question must be a pure function of the call: the same parsed value
/// that is forwarded later.
pub trait Governed {
    /// The question that the call asks.
    fn query(&self) -> Query<'_>;
}
