//! Merged terms, kept for the rules that come together again.
//!
//! Most tenants write few different terms, and one compilation keeps equal ones once, so that a thread meets the same
//! few combinations all the time. To merge them takes longer than the rest of a decision.

use crate::obligations::{Conflict, Obligations, Record, Terms};
use std::sync::Arc;

/// How many combinations a thread keeps. Each has one slot, and takes it from the one before.
const SLOTS: usize = 256;

/// The combinations that a thread merged.
#[derive(Default)]
pub(crate) struct Merged {
    slots: Vec<Option<Kept>>,
    addresses: Vec<usize>,
}

struct Kept {
    /// INVARIANT: these are held, so that no other terms can come to lie at their addresses.
    terms: Box<[Arc<Terms>]>,
    record: Record,
    obligations: Result<Arc<Obligations>, Conflict>,
}

impl Merged {
    /// What [`Obligations::merge_over`] gives for these terms. Their order and how often each comes do not matter.
    pub(crate) fn of(&mut self, terms: &mut Vec<&Arc<Terms>>, record: Record) -> Result<Arc<Obligations>, Conflict> {
        let address = |terms: &Arc<Terms>| Arc::as_ptr(terms).addr();
        terms.sort_unstable_by_key(|terms| address(terms));
        terms.dedup_by_key(|terms| address(terms));
        self.addresses.clear();
        self.addresses.extend(terms.iter().map(|terms| address(terms)));
        self.slots.resize_with(SLOTS, || None);
        let merge = || Obligations::merge_over(terms.iter().map(|terms| &***terms), record).map(Arc::new);
        let Some(slot) = self.slots.get_mut(slot_of(&self.addresses)) else { return merge() };
        let is_it =
            |kept: &Kept| kept.record == record && kept.terms.iter().map(address).eq(self.addresses.iter().copied());
        match slot {
            Some(kept) if is_it(kept) => kept.obligations.clone(),
            slot => {
                let terms_held = terms.iter().map(|terms| Arc::clone(terms)).collect();
                slot.insert(Kept { terms: terms_held, record, obligations: merge() }).obligations.clone()
            }
        }
    }
}

fn slot_of(addresses: &[usize]) -> usize {
    // The lowest bits of an address are the same in all.
    let mixed = addresses
        .iter()
        .fold(0_usize, |mixed, address| (mixed.rotate_left(5) ^ (address >> 4)).wrapping_mul(0x9e37_79b1));
    (mixed ^ (mixed >> 16)) % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Label;

    fn terms(label: &str) -> Arc<Terms> {
        Arc::new(Terms { redact: [Label::new(label).unwrap()].into(), ..Terms::default() })
    }

    #[test]
    fn what_is_kept_is_what_would_be_merged() {
        let mut merged = Merged::default();
        for _ in 0..3 * SLOTS {
            // Freed each time: others come to lie at the same addresses.
            let (a, b) = (terms("pii.email"), terms("pii.card"));
            for all in [vec![&a], vec![&b], vec![&a, &b], vec![&b, &a, &b], vec![]] {
                for record in Record::ALL {
                    let expected = Obligations::merge_over(all.iter().map(|terms| &***terms), record);
                    for _ in 0..2 {
                        let found = merged.of(&mut all.clone(), record);
                        assert_eq!(found.as_deref(), expected.as_ref());
                    }
                }
            }
        }
    }

    #[test]
    fn a_combination_is_merged_once() {
        let (a, b, mut merged) = (terms("pii.email"), terms("pii.card"), Merged::default());
        let first = merged.of(&mut vec![&a, &b], Record::None).unwrap();
        assert!(Arc::ptr_eq(&first, &merged.of(&mut vec![&b, &a, &a], Record::None).unwrap()));
        assert!(!Arc::ptr_eq(&first, &merged.of(&mut vec![&b, &a], Record::Content).unwrap()));
    }
}
