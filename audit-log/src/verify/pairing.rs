//! Intents and their outcomes.

use std::collections::HashMap;

use super::report::{OpenIntent, RecordCounts};
use crate::record::LeafHead;

/// The schema versions that this verifier knows. The later adds fields only.
const KNOWN_SCHEMAS: std::ops::RangeInclusive<u64> = 1..=2;

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
        if !KNOWN_SCHEMAS.contains(&head.v) {
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
                return Err("is of no kind of its schema version");
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

#[cfg(test)]
mod tests {
    use super::*;

    /// One leaf of each version, as it was written. They are kept for ever.
    const LEAVES: [&[u8]; 3] = [
        br#"{"action":"model.chat","kind":"intent","policy":"ab","principal":"0123456789abcdef","record":"r1","request_bytes":3,"resource":"model/m/x","rules":["chat"],"tenant":"acme","time":1,"v":1}"#,
        br#"{"action":"model.chat","facts":{"groups":["apps"],"roles":["app","everyone"],"tokens":7},"kind":"intent","policy":"ab","principal":"0123456789abcdef","record":"r2","request_bytes":3,"resource":"model/m/x","rules":["chat"],"shadow":["no-images:would_deny"],"tenant":"acme","time":2,"v":2}"#,
        br#"{"kind":"intent","record":"r3","v":3}"#,
    ];

    #[test]
    fn leaves_of_both_versions_pair_and_those_of_a_later_one_are_counted_apart() {
        let mut pairing = Pairing::default();
        for (index, leaf) in (0..).zip(LEAVES) {
            assert_eq!(crate::record::check_canonical(leaf), Ok(()));
            pairing.take(index, leaf).unwrap();
        }
        assert_eq!((pairing.counts.intents, pairing.counts.other_schema), (2, 1));
        let open: Vec<_> = pairing.open_intents().into_iter().map(|intent| intent.record).collect();
        assert_eq!(open, ["r1", "r2"]);
    }
}
