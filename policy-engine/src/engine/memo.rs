//! Outcomes kept for questions that come again.
//!
//! A question is a function of the set, the way it is answered, the tenant, the caller's roles, the action and the
//! resource. Its outcome is a function of these and of the values of the variables that the conditions of its
//! rules read. That is the whole key, spelled out byte for byte (no hash stands in for it), so that a kept outcome
//! is the one that would be given again.

use super::facts_key::write_facts;
use super::health::Way;
use super::question::Question;
use crate::action::Action;
use crate::condition::Reads;
use crate::decision::Outcome;
use crate::facts::Query;
use crate::set::{Index, PolicyDigest, Tenant};
use std::hash::Hasher;
use std::sync::Arc;

/// How many questions a thread keeps. A question has one slot, by its hash, and takes it from the one before.
const SLOTS: usize = 1024;

/// How many outcomes a question keeps. Full, it starts over.
const MAX_OUTCOMES: usize = 16;

/// The most bytes of one slot, about. A larger question or key is not kept: this bounds a thread's memory to
/// `SLOTS` times as much.
const MAX_BYTES: usize = 8 << 10;

/// About what an outcome takes beside its ids.
const OUTCOME_BYTES: usize = 1 << 10;

/// A question with its outcomes.
#[derive(Default)]
pub(super) struct Entry {
    key: Vec<u8>,
    question: Question,
    /// What the conditions of the fitting rules read.
    reads: Reads,
    outcomes: Vec<(Box<[u8]>, Arc<Outcome>)>,
    bytes: usize,
}

impl Entry {
    /// Becomes another question. Memory is kept for it, since a fresh question is what decisions spend most on.
    fn become_of(&mut self, key: &[u8], tenant: &Tenant, fill: impl FnOnce(&mut Question)) {
        self.key.clear();
        self.key.extend_from_slice(key);
        self.question.clear();
        fill(&mut self.question);
        let conditions = self.question.fitting.iter().filter_map(|at| tenant.rule(*at)?.when.as_ref());
        self.reads = conditions.fold(Reads::default(), |all, condition| all.and(condition.reads()));
        self.start_over();
    }

    fn start_over(&mut self) {
        self.outcomes.clear();
        self.bytes = self.key.len() + 12 * self.question.candidates.len() + 4 * self.question.fitting.len();
    }

    pub(super) const fn question(&self) -> &Question {
        &self.question
    }

    pub(super) fn outcome(&self, facts: &[u8]) -> Option<&Arc<Outcome>> {
        self.outcomes.iter().find(|(key, _)| **key == *facts).map(|(_, outcome)| outcome)
    }

    /// Writes the facts that the outcome depends on; `None` if they cannot be a key.
    pub(super) fn write_facts(&self, query: &Query<'_>, facts: &mut Vec<u8>) -> Option<()> {
        facts.clear();
        write_facts(self.reads, query, facts).ok().filter(|()| facts.len() < MAX_BYTES)
    }

    pub(super) fn keep(&mut self, facts: &[u8], outcome: &Arc<Outcome>) {
        let bytes = facts.len() + OUTCOME_BYTES + 16 * (outcome.matched.len() + outcome.unmet.len());
        if self.bytes + bytes > MAX_BYTES || self.outcomes.len() >= MAX_OUTCOMES {
            self.start_over();
        }
        if self.bytes + bytes <= MAX_BYTES {
            self.bytes += bytes;
            self.outcomes.push((facts.into(), Arc::clone(outcome)));
        }
    }
}

/// The questions of one thread about one set of policies.
#[derive(Default)]
pub(super) struct Memo {
    digest: Option<PolicyDigest>,
    way: Option<Way>,
    slots: Vec<Option<Box<Entry>>>,
    /// The last question that was too large to keep.
    large: Option<Box<Entry>>,
    key: Vec<u8>,
}

impl Memo {
    /// The question, found or made. Questions about another set, or answered in another way, are forgotten first.
    pub(super) fn entry(
        &mut self,
        (digest, way): (&PolicyDigest, Way),
        (query, path, roles): (&Query<'_>, &str, &[Index]),
        tenant: &Tenant,
        fill: impl FnOnce(&mut Question),
    ) -> Option<&mut Entry> {
        if self.digest.as_ref() != Some(digest) || self.way != Some(way) {
            self.slots.clear();
            self.slots.resize_with(SLOTS, || None);
            self.digest = Some(digest.clone());
            self.way = Some(way);
        }
        write_key(&mut self.key, query.tenant.as_str(), query.action, path, roles);
        let slot = self.slots.get_mut(slot_of(&self.key))?;
        let entry = slot.get_or_insert_default();
        if entry.key != self.key {
            entry.become_of(&self.key, tenant, fill);
            if entry.bytes > MAX_BYTES {
                self.large = slot.take();
                return self.large.as_deref_mut();
            }
        }
        slot.as_deref_mut()
    }
}

/// Tenant, action and path hold no zero byte, and a role is fixed-width: no two questions share a key.
fn write_key(key: &mut Vec<u8>, tenant: &str, action: Action, path: &str, roles: &[Index]) {
    key.clear();
    for part in [tenant, action.as_str(), path] {
        key.extend_from_slice(part.as_bytes());
        key.push(0);
    }
    for role in roles {
        key.extend_from_slice(&role.to_le_bytes());
    }
}

/// Whoever finds questions that share a slot makes them slower, and nothing else: the hash needs no secret.
fn slot_of(key: &[u8]) -> usize {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(key);
    usize::try_from(hasher.finish() % (SLOTS as u64)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
