//! Which roles a name gives, found in one step.

use super::slots::{Filed, Slots, hash};
use crate::set::Index;
use std::collections::HashMap;
use vocab::{GroupName, PrincipalId};

/// The roles of users and groups.
#[derive(Debug)]
pub(crate) struct Holders {
    slots: Slots,
    roles: Box<[Index]>,
}

const USER: u8 = 0;
const GROUP: u8 = 1;

impl Holders {
    /// Files what the maps hold. `None` if it does not go into one table; then the maps must do.
    pub(crate) fn build(
        users: &HashMap<PrincipalId, Box<[Index]>>,
        groups: &HashMap<GroupName, Box<[Index]>>,
    ) -> Option<Self> {
        let users = users.iter().map(|(name, roles)| (USER, name.as_str(), roles));
        let groups = groups.iter().map(|(name, roles)| (GROUP, name.as_str(), roles));
        let all: Vec<(u8, &str, &Box<[Index]>)> = users.chain(groups).collect();
        let mut roles: Vec<Index> = Vec::new();
        let mut filed = Vec::with_capacity(all.len());
        for (mark, text, own) in &all {
            let start = u32::try_from(roles.len()).ok()?;
            roles.extend_from_slice(own);
            let range = start..u32::try_from(roles.len()).ok()?;
            filed.push(Filed { hash: hash(text.as_bytes()), mark: *mark, text, range });
        }
        let holders = Self { slots: Slots::build(filed.into_iter())?, roles: roles.into() };
        // No other check compares these roles with anything.
        all.iter().all(|(mark, text, own)| holders.roles(*mark, text) == Some(&***own)).then_some(holders)
    }

    pub(crate) fn user(&self, name: &PrincipalId) -> Option<&[Index]> {
        self.roles(USER, name.as_str())
    }

    pub(crate) fn group(&self, name: &GroupName) -> Option<&[Index]> {
        self.roles(GROUP, name.as_str())
    }

    fn roles(&self, mark: u8, text: &str) -> Option<&[Index]> {
        self.roles.get(self.slots.find(hash(text.as_bytes()), mark, |found| found == text)?)
    }
}
