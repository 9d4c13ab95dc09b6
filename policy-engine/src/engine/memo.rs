//! Outcomes kept for questions that come again.
//!
//! A question is a function of the set, the way it is answered, the tenant, the caller's roles, the action and the
//! resource. Its outcome is a function of these and of the values of the variables that the conditions of its
//! rules read. That is the whole key, spelled out byte for byte (no hash stands in for it), so that a kept outcome
//! is the one that would be given again.

use super::facts_key::write_facts;
use super::health::Way;
use super::question::Question;
use super::slots::{hash, spread};
use crate::action::Action;
use crate::condition::Reads;
use crate::decision::Outcome;
use crate::facts::Query;
use crate::set::{Index, PolicyDigest, Tenant};
use std::mem;
use std::sync::Arc;

/// How many questions a thread keeps of one set.
const SLOTS: usize = 1024;

/// How many slots a question may take, by its hash. Two questions that are asked in turns do not drive each other out.
const WAYS: usize = 4;

/// Of how many questions a thread knows that it saw them. Only one that comes again is worth a slot: most of the
/// others never do, and to give up their outcomes later costs as much as a decision.
const SEEN: usize = 2048;

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

/// The questions of one thread about the last two sets of policies that it decided by: while a candidate is compared
/// with the policy in force, each call asks both.
#[derive(Default)]
pub(super) struct Memos {
    last: Memo,
    before: Memo,
}

impl Memos {
    /// The memo for a set and a way of answering.
    pub(super) fn of(&mut self, set: (&PolicyDigest, Way)) -> &mut Memo {
        if !self.last.is_of(set) {
            mem::swap(&mut self.last, &mut self.before);
            if set.1 == Way::Scan && self.before.digest.as_ref() == Some(set.0) {
                // After an alarm nothing kept is believed, not even by the same documents compiled anew.
                self.before = Memo::default();
            }
        }
        &mut self.last
    }
}

/// The questions of one thread about one set of policies.
#[derive(Default)]
pub(super) struct Memo {
    digest: Option<PolicyDigest>,
    way: Option<Way>,
    /// The hash of each slot's question: most slots are ruled out without a look at them.
    hashes: Vec<u64>,
    slots: Vec<Option<Box<Entry>>>,
    seen: Vec<u32>,
    /// Which of its slots the next question takes.
    turn: usize,
    /// The last question that is not kept.
    passing: Box<Entry>,
    key: Vec<u8>,
}

impl Memo {
    fn is_of(&self, (digest, way): (&PolicyDigest, Way)) -> bool {
        self.way == Some(way) && self.digest.as_ref() == Some(digest)
    }

    /// The question, found or made. Questions about another set, or answered in another way, are forgotten first.
    pub(super) fn entry(
        &mut self,
        set: (&PolicyDigest, Way),
        (query, path, roles): (&Query<'_>, &str, &[Index]),
        tenant: &Tenant,
        fill: impl FnOnce(&mut Question),
    ) -> Option<&mut Entry> {
        if !self.is_of(set) {
            self.start_over(set);
        }
        write_key(&mut self.key, query.tenant.as_str(), query.action, path, roles);
        // Whoever finds questions that share a slot makes them slower, and nothing else: the hash needs no secret.
        let hash = spread(hash(&self.key));
        let first = place(hash, SLOTS / WAYS) * WAYS;
        if let Some(at) = self.find(first, hash) {
            return self.slots.get_mut(at)?.as_deref_mut();
        }
        if self.is_new(hash) {
            self.passing.become_of(&self.key, tenant, fill);
            return Some(&mut self.passing);
        }
        self.turn = (self.turn + 1) % WAYS;
        let ways = self.slots.get(first..first + WAYS)?;
        let at = first + ways.iter().position(Option::is_none).unwrap_or(self.turn);
        let slot = self.slots.get_mut(at)?;
        let entry = slot.get_or_insert_default();
        entry.become_of(&self.key, tenant, fill);
        if entry.bytes > MAX_BYTES {
            self.passing = slot.take()?;
            return Some(&mut self.passing);
        }
        *self.hashes.get_mut(at)? = hash;
        slot.as_deref_mut()
    }

    fn start_over(&mut self, (digest, way): (&PolicyDigest, Way)) {
        self.slots.clear();
        self.slots.resize_with(SLOTS, || None);
        self.hashes.resize(SLOTS, 0);
        self.seen.resize(SEEN, 0);
        self.digest = Some(digest.clone());
        self.way = Some(way);
    }

    /// The slot of the question that `key` spells.
    fn find(&self, first: usize, hash: u64) -> Option<usize> {
        let hashes = self.hashes.get(first..first + WAYS)?.iter();
        let is_it = |at: &usize| matches!(self.slots.get(*at), Some(Some(entry)) if entry.key == self.key);
        (first..).zip(hashes).filter(|(_, of)| **of == hash).map(|(at, _)| at).find(is_it)
    }

    /// Whether the question was not seen of late. From now on it was.
    fn is_new(&mut self, hash: u64) -> bool {
        let tag = u32::try_from(hash >> 32).unwrap_or_default();
        self.seen.get_mut(place(hash, SEEN)).is_none_or(|seen| mem::replace(seen, tag) != tag)
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

fn place(hash: u64, places: usize) -> usize {
    usize::try_from(hash).unwrap_or_default() % places
}

#[cfg(test)]
mod tests;
