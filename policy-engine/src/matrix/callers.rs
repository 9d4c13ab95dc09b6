//! Whom the documents of a tenant name, by the roles that they hold.

use crate::set::{EVERYONE_AT, Index, Tenant};
use std::collections::BTreeMap;

/// Everybody whom the documents do not name.
pub(crate) const ANYBODY: &str = "anybody";

impl Tenant {
    /// Each user, group and claim that the documents name, as they write it, with the roles that it gives by itself.
    pub(crate) fn named_callers(&self) -> BTreeMap<String, Vec<Index>> {
        let users = self.users.iter().map(|(name, roles)| (format!("u:{name}"), roles));
        let groups = self.groups.iter().map(|(name, roles)| (format!("group:{name}"), roles));
        let claims = self.claims.iter().map(|(claim, roles)| (format!("claim:{}={}", claim.name, claim.value), roles));
        users.chain(groups).chain(claims).map(|(name, roles)| (name, with_everyone(roles))).collect()
    }

    /// The role of those whom the documents do not name.
    pub(crate) fn anybody() -> Vec<Index> {
        vec![EVERYONE_AT]
    }
}

fn with_everyone(roles: &[Index]) -> Vec<Index> {
    let mut all = vec![EVERYONE_AT];
    all.extend(roles.iter().filter(|role| **role != EVERYONE_AT));
    all
}
