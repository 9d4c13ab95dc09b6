//! The terms on which a call is allowed, and how the terms of several rules become one.

mod encrypt;
mod kind;
mod merge;
mod record;
mod route;

pub use encrypt::{BadBeta, Beta, Encrypt, Mode};
pub use kind::ObligationKind;
pub(crate) use merge::{Conflict, Terms};
pub use record::Record;
pub use route::{BadRoute, Route};

use crate::names::{ApprovalClass, BudgetName, FieldName, Label, Region};
use crate::resource::Resource;
use crate::state::{Meter, Window};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;

/// What must be done with an allowed call: the terms of all rules that allowed it and of the definitions of what
/// it acts on, merged so that the strictest wins.
///
/// Some obligations are upheld by the decision itself, which denies the call that breaks them: `block`,
/// `residency`, `max_k`, `limit`, `budget` and `require_approval`. The others are for the caller of the engine,
/// which must refuse a call that it cannot carry them out for: see [`Obligations::kinds`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Obligations {
    /// Labels that must not be in the content at all: the decision denies a call in which one was found. A
    /// surface whose content is not scanned cannot carry it. Merged by union.
    pub block: BTreeSet<Label>,
    /// Labels whose finds are removed before the call leaves, for good. Merged by union.
    pub redact: BTreeSet<Label>,
    /// Labels whose finds are replaced by pseudonyms before the call leaves, and restored in the answer. Merged by
    /// union; what is redacted or blocked anyway is left out.
    pub pseudonymise: BTreeSet<Label>,
    /// How vectors and payloads are protected. The strongest mode wins, then the larger beta. `None`: nothing
    /// says; a call that carries vectors must then be refused, since there is no silent default.
    pub encrypt: Option<Encrypt>,
    /// Payload fields that may stay readable for the store. Merged by intersection over what names any; nothing
    /// shared means that no field may.
    pub public_fields: BTreeSet<FieldName>,
    /// Payload fields that get a blind index and may be filtered by. Merged by intersection over the
    /// rules that name any; fields that no two share are a conflict, which denies.
    pub filterable: BTreeSet<FieldName>,
    /// Payload fields that get a blind index of ranges, with the width of a range. Merged by intersection of the
    /// fields, with the larger width; nothing shared is a conflict.
    pub range_buckets: BTreeMap<FieldName, NonZeroU32>,
    /// The most that the caller may use. The smallest wins, for each meter.
    pub limits: BTreeMap<Meter, u64>,
    /// Budgets that the call is booked under: all of them.
    pub budgets: BTreeSet<BudgetName>,
    /// Classes of approvals that the call needs, and how many of each: all of them, the larger number.
    pub require_approval: BTreeMap<ApprovalClass, NonZeroU32>,
    /// Where the call may go. `None`: where it asks to. Merged by intersection; nothing shared is a conflict.
    pub route: Option<BTreeSet<Route>>,
    /// The regions that may serve the call. `None`: any. Merged by intersection; nothing shared is a conflict.
    pub residency: Option<BTreeSet<Region>>,
    /// The most results of a search. The smallest wins.
    pub max_k: Option<u32>,
    /// What the records of the call hold. The most complete wins.
    pub record: Record,
    /// Made when merging, since each record of a call names them.
    lines: Arc<[Arc<str>]>,
    upheld: Upheld,
}

/// Whether the decision itself upholds any of the obligations. Most calls have none such, and need not be asked about
/// each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Upheld {
    #[default]
    Perhaps,
    None,
}

impl Obligations {
    /// Each single obligation as a policy test writes it, such as `pseudonymise:pii.email`, in a fixed order.
    #[must_use]
    pub fn lines(&self) -> &[Arc<str>] {
        &self.lines
    }

    /// The kinds of obligations that there are, each once, in a fixed order. Match on all of them, and refuse the
    /// call for each that cannot be carried out: an obligation is never ignored. `record` is always among them.
    pub fn kinds(&self) -> impl Iterator<Item = ObligationKind> + '_ {
        ObligationKind::ALL.into_iter().filter(|kind| self.has(*kind))
    }

    fn has(&self, kind: ObligationKind) -> bool {
        match kind {
            ObligationKind::Block => !self.block.is_empty(),
            ObligationKind::Redact => !self.redact.is_empty(),
            ObligationKind::Pseudonymise => !self.pseudonymise.is_empty(),
            ObligationKind::Encrypt => self.encrypt.is_some(),
            ObligationKind::PublicFields => !self.public_fields.is_empty(),
            ObligationKind::Filterable => !self.filterable.is_empty(),
            ObligationKind::RangeBuckets => !self.range_buckets.is_empty(),
            ObligationKind::Limit => !self.limits.is_empty(),
            ObligationKind::Budget => !self.budgets.is_empty(),
            ObligationKind::RequireApproval => !self.require_approval.is_empty(),
            ObligationKind::Route => self.route.is_some(),
            ObligationKind::Residency => self.residency.is_some(),
            ObligationKind::MaxK => self.max_k.is_some(),
            ObligationKind::Record => true,
        }
    }

    /// Whether the call may go to this resource as it stands.
    #[must_use]
    pub fn route_admits(&self, resource: &Resource) -> bool {
        self.route.as_ref().is_none_or(|routes| routes.iter().any(|route| route.admits(resource)))
    }

    /// These terms for a call that must go to one more place only, for instance since it named an alias.
    pub(crate) fn routed(&self, to: Route) -> Result<Self, Conflict> {
        let only = BTreeSet::from([to]);
        let routes = match &self.route {
            None => only,
            Some(routes) => route::intersection(routes, &only),
        };
        if routes.is_empty() {
            return Err(Conflict);
        }
        Ok(Self { route: Some(routes), ..self.clone() }.with_lines())
    }

    /// These terms without those that money, use or approvals at the moment of a call decide about.
    pub(crate) fn without_state(&self) -> Self {
        let of_call = |(meter, most): (&Meter, &u64)| (meter.window == Window::Call).then_some((*meter, *most));
        let limits = self.limits.iter().filter_map(of_call).collect();
        Self { limits, budgets: BTreeSet::new(), require_approval: BTreeMap::new(), ..self.clone() }
    }

    /// Whether a decision need not look whether the call keeps them.
    pub(crate) fn are_for_others(&self) -> bool {
        self.upheld == Upheld::None
    }

    fn with_lines(mut self) -> Self {
        let none = self.block.is_empty()
            && self.residency.is_none()
            && self.max_k.is_none()
            && self.limits.is_empty()
            && self.budgets.is_empty()
            && self.require_approval.is_empty();
        self.upheld = if none { Upheld::None } else { Upheld::Perhaps };
        let mut lines = Vec::new();
        let mut add = |line: String| lines.push(Arc::from(line));
        self.block.iter().for_each(|l| add(format!("block:{l}")));
        self.redact.iter().for_each(|l| add(format!("redact:{l}")));
        self.pseudonymise.iter().for_each(|l| add(format!("pseudonymise:{l}")));
        self.encrypt.iter().for_each(|e| add(format!("encrypt:{}", e.mode)));
        self.public_fields.iter().for_each(|f| add(format!("public:{f}")));
        self.filterable.iter().for_each(|f| add(format!("filterable:{f}")));
        self.range_buckets.iter().for_each(|(f, width)| add(format!("range_buckets:{f}:{width}")));
        let limit = |(m, most): (&Meter, &u64)| format!("limit:{}:{}:{most}", m.unit.as_str(), m.window.as_str());
        self.limits.iter().for_each(|l| add(limit(l)));
        self.budgets.iter().for_each(|b| add(format!("budget:{b}")));
        self.require_approval.iter().for_each(|(c, n)| add(format!("require_approval:{c}:{n}")));
        self.route.iter().flatten().for_each(|r| add(format!("route:{r}")));
        self.residency.iter().flatten().for_each(|r| add(format!("residency:{r}")));
        self.max_k.iter().for_each(|k| add(format!("max_k:{k}")));
        add(format!("record:{}", self.record));
        self.lines = lines.into();
        self
    }
}

#[cfg(test)]
mod tests;
