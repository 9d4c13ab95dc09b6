//! Approvals by people.

use crate::names::ApprovalClass;
use std::collections::HashMap;
use vocab::{GroupName, PrincipalId, TenantId};

/// One person's approval of one call: a fact that decisions read. A decision counts it if the person is not the
/// caller, holds a role that the class asks for, and gave it within the hours that the class allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// What kind of approval.
    pub class: ApprovalClass,
    /// Who gave it, from a verified credential.
    pub by: PrincipalId,
    /// The groups that this credential vouched for.
    pub groups: Vec<GroupName>,
    /// When, in seconds since the Unix epoch.
    pub at: u64,
}

/// What was asked to be approved: a digest of the whole call, so that an approval is good for nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallDigest(pub [u8; 32]);

/// One call that waits for approvals.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Request {
    /// The tenant.
    pub tenant: TenantId,
    /// Who wants to make the call.
    pub principal: PrincipalId,
    /// The call.
    pub call: CallDigest,
}

/// This person has approved this call already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this principal has approved the call already")]
pub struct TwiceApproved;

/// Approvals in memory, for one process. Nothing in it reads a clock.
#[derive(Debug, Default)]
pub struct ApprovalDesk {
    given: HashMap<Request, Vec<Approval>>,
}

impl ApprovalDesk {
    /// Keeps an approval.
    ///
    /// # Errors
    /// [`TwiceApproved`] when the same person approves the same call for the same class again.
    pub fn approve(&mut self, request: Request, approval: Approval) -> Result<(), TwiceApproved> {
        let given = self.given.entry(request).or_default();
        if given.iter().any(|g| g.by == approval.by && g.class == approval.class) {
            return Err(TwiceApproved);
        }
        given.push(approval);
        Ok(())
    }

    /// The approvals of a call, for the decision.
    #[must_use]
    pub fn given(&self, request: &Request) -> &[Approval] {
        self.given.get(request).map(Vec::as_slice).unwrap_or_default()
    }

    /// Takes the approvals of a call that was made: each is good for one call.
    pub fn spend(&mut self, request: &Request) {
        self.given.remove(request);
    }

    /// Forgets approvals given before a time.
    pub fn prune(&mut self, oldest: u64) {
        self.given.retain(|_, given| {
            given.retain(|approval| approval.at >= oldest);
            !given.is_empty()
        });
    }
}
