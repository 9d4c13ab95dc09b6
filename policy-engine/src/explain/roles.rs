//! How a caller comes to the roles that it holds.

use super::HeldRole;
use crate::facts::Query;
use crate::set::{EVERYONE_AT, Index, Tenant};
use std::collections::{HashMap, VecDeque};

impl Tenant {
    /// The roles, each with one shortest path: the member of a role, that role, and what it inherits.
    pub(crate) fn held_roles(&self, query: &Query<'_>, held: &[Index]) -> Vec<HeldRole> {
        let inherits =
            |role: Index| usize::try_from(role).ok().and_then(|at| self.inherits.get(at)).into_iter().flatten();
        // What each name of the caller gives. A role that no other role of the same name gives is given directly.
        let by_user = self.users.get(query.principal).map(|roles| (format!("u:{}", query.principal), roles));
        let by_group = query.groups.iter().filter_map(|g| Some((format!("group:{g}"), self.groups.get(g)?)));
        let by_claim = query.claims.iter();
        let by_claim = by_claim.filter_map(|c| Some((format!("claim:{}={}", c.name, c.value), self.claims.get(c)?)));
        let mut from: HashMap<Index, (Option<Index>, String)> = HashMap::new();
        let mut next = VecDeque::new();
        for (member, roles) in by_user.into_iter().chain(by_group).chain(by_claim) {
            for role in roles {
                let inherited = roles.iter().any(|other| other != role && inherits(*other).any(|r| r == role));
                if !inherited && !from.contains_key(role) {
                    from.insert(*role, (None, member.clone()));
                    next.push_back(*role);
                }
            }
        }
        while let Some(role) = next.pop_front() {
            let member = from.get(&role).map(|(_, member)| member.clone()).unwrap_or_default();
            for inherited in inherits(role) {
                if !from.contains_key(inherited) {
                    from.insert(*inherited, (Some(role), member.clone()));
                    next.push_back(*inherited);
                }
            }
        }
        held.iter().map(|role| self.held_role(*role, &from)).collect()
    }

    fn held_role(&self, role: Index, from: &HashMap<Index, (Option<Index>, String)>) -> HeldRole {
        let name = |at: Index| self.role(at).map(ToString::to_string).unwrap_or_default();
        let mut path = vec![name(role)];
        let mut at = role;
        // Each step leads to a role that was reached earlier, so that this ends.
        while let Some((before, member)) = from.get(&at) {
            match before {
                Some(before) => {
                    path.push(name(*before));
                    at = *before;
                }
                None => {
                    path.push(member.clone());
                    break;
                }
            }
        }
        if role == EVERYONE_AT {
            path.push("every verified principal".to_owned());
        }
        path.reverse();
        HeldRole { role: name(role), path }
    }
}
