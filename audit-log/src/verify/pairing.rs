//! Intents and their outcomes.

use std::collections::HashMap;

use super::report::{OpenIntent, RecordCounts};
use crate::record::LeafHead;

/// The schema version that this verifier knows.
const KNOWN_SCHEMA: u64 = 1;

/// Pairs the records of a log, in memory bounded by the intents that are open at one time.
#[derive(Default)]
pub(super) struct Pairing {
    open: HashMap<String, u64>,
    pub(super) counts: RecordCounts,
}

impl Pairing {
    /// Takes the next leaf. Gives what is wrong with it, if anything is.
    pub(super) fn take(&mut self, index: u64, leaf: &[u8]) -> Result<(), &'static str> {
        let Some(head) = LeafHead::read(leaf) else {
            self.counts.unreadable += 1;
            return Err("has no kind and schema version");
        };
        if head.v != KNOWN_SCHEMA {
            self.counts.other_schema += 1;
            return Ok(());
        }
        let record = head.record.map(std::borrow::Cow::into_owned);
        match (&*head.kind, record) {
            ("intent", Some(record)) => {
                self.counts.intents += 1;
                if self.open.insert(record, index).is_some() {
                    return Err("is a second intent of one record id");
                }
            }
            ("outcome", Some(record)) => {
                self.counts.outcomes += 1;
                if self.open.remove(&record).is_none() {
                    return Err("is an outcome without an open intent");
                }
            }
            ("refusal", Some(_)) => self.counts.refusals += 1,
            ("event", _) => self.counts.events += 1,
            _ => {
                self.counts.unreadable += 1;
                return Err("is of no kind of schema version 1");
            }
        }
        Ok(())
    }

    /// The intents that have no outcome, oldest first.
    pub(super) fn open_intents(self) -> Vec<OpenIntent> {
        let mut open: Vec<_> = self.open.into_iter().map(|(record, index)| OpenIntent { index, record }).collect();
        open.sort_by_key(|intent| intent.index);
        open
    }
}
