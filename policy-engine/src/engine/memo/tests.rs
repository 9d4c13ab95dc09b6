use super::*;
use crate::decision::ReasonCode;
use crate::engine::trie::Candidate;
use crate::facts::Facts;
use crate::resource::Resource;
use vocab::{PrincipalId, TenantId};

fn digest(text: &str) -> PolicyDigest {
    PolicyDigest(text.into())
}

struct Asker {
    memo: Memo,
    tenant: Tenant,
    outcome: Arc<Outcome>,
}

impl Asker {
    fn new() -> Self {
        let outcome = Arc::new(Outcome::denied(ReasonCode::NotPermitted));
        Self { memo: Memo::default(), tenant: Tenant::default(), outcome }
    }

    /// Whether the outcome was kept from before.
    fn ask(&mut self, set: &str, way: Way, path: &str, roles: &[Index]) -> bool {
        self.ask_about(set, way, (path, roles), 0)
    }

    /// The same, of a question with so many candidates.
    fn ask_about(&mut self, set: &str, way: Way, (path, roles): (&str, &[Index]), many: usize) -> bool {
        let (tenant, principal) = (TenantId::new("acme").unwrap(), PrincipalId::new("a").unwrap());
        let (resource, facts): (Resource, _) = (path.parse().unwrap(), Facts::default());
        let query = Query {
            tenant: &tenant,
            principal: &principal,
            groups: &[],
            claims: &[],
            action: Action::ModelChat,
            resource: &resource,
            facts: &facts,
        };
        let set = (&digest(set), way);
        // A question is kept from the second time that it is asked.
        let mut ask = || {
            let entry = self
                .memo
                .entry(set, (&query, path, roles), &self.tenant, |question| {
                    question.candidates.resize(many, Candidate { rule: 0, line: 1, role: 2 });
                })
                .unwrap();
            let known = entry.outcome(b"").is_some();
            entry.keep(b"", &self.outcome);
            known
        };
        let known = ask();
        ask();
        known
    }
}

#[test]
fn another_set_another_way_and_other_roles_are_other_questions() {
    let mut asker = Asker::new();
    let path = "model/a/b";
    assert!(!asker.ask("one", Way::Index, path, &[0, 1]));
    assert!(asker.ask("one", Way::Index, path, &[0, 1]));
    assert!(!asker.ask("one", Way::Index, path, &[0, 257]));
    assert!(!asker.ask("one", Way::Index, path, &[0]));
    assert!(!asker.ask("two", Way::Index, path, &[0, 1]));
    assert!(!asker.ask("one", Way::Index, path, &[0, 1]), "a set that comes back starts over");
    assert!(!asker.ask("one", Way::Scan, path, &[0, 1]), "after an alarm nothing kept is believed");
}

/// A candidate is asked about each call beside the policy in force: neither makes the other forget.
#[test]
fn two_sets_that_are_asked_in_turns_both_keep_their_questions() {
    let mut memos = Memos::default();
    let sets = [("one", Way::Index), ("two", Way::Index), ("one", Way::Slice)].map(|(set, way)| (digest(set), way));
    let mut ask = |at: usize| {
        let (digest, way) = &sets[at];
        let memo = memos.of((digest, *way));
        let known = memo.is_of((digest, *way));
        memo.start_over((digest, *way));
        known
    };
    assert_eq!([0, 1, 0, 1, 1, 0].map(&mut ask), [false, false, true, true, true, true]);
    assert_eq!([2, 0, 2, 1, 0, 1].map(&mut ask), [false, true, true, false, false, true], "the last two are kept");
}

#[test]
fn an_alarm_empties_what_the_set_kept() {
    let (mut memos, one, two) = (Memos::default(), digest("one"), digest("two"));
    for set in [(&one, Way::Index), (&two, Way::Index), (&one, Way::Index)] {
        memos.of(set).start_over(set);
    }
    memos.of((&one, Way::Scan)).start_over((&one, Way::Scan));
    assert!(!memos.of((&one, Way::Index)).is_of((&one, Way::Index)));
}

#[test]
fn questions_that_share_a_place_do_not_drive_each_other_out() {
    let mut asker = Asker::new();
    let paths: Vec<String> = (0..64).map(|n| format!("model/a/{n}")).collect();
    for round in 0..4 {
        for path in &paths {
            assert_eq!(asker.ask("one", Way::Index, path, &[0]), round > 0, "{path}");
        }
    }
}

#[test]
fn a_slot_is_never_taken_for_another_question() {
    let mut asker = Asker::new();
    for n in 0..3 * SLOTS {
        assert!(!asker.ask("one", Way::Index, &format!("model/a/{n}"), &[0]), "{n}");
    }
    assert!(asker.memo.slots.len() <= SLOTS);
}

#[test]
fn a_large_question_is_answered_and_not_kept() {
    let mut asker = Asker::new();
    assert!(!asker.ask_about("one", Way::Index, ("model/a/b", &[0]), MAX_BYTES));
    assert!(asker.memo.slots.iter().all(Option::is_none));
    assert!(!asker.ask_about("one", Way::Index, ("model/a/b", &[0]), MAX_BYTES), "it is made again");
    assert!(!asker.ask("one", Way::Index, "model/a/b", &[0]));
    assert!(asker.ask("one", Way::Index, "model/a/b", &[0]));
}

#[test]
fn a_question_keeps_few_outcomes_in_few_bytes() {
    let mut entry = Entry::default();
    entry.become_of(b"key", &Tenant::default(), |_| ());
    let outcome = Arc::new(Outcome::denied(ReasonCode::NotPermitted));
    for n in 0..20 * MAX_OUTCOMES {
        let facts = vec![b'x'; n];
        entry.keep(&facts, &outcome);
        assert!(entry.outcomes.len() <= MAX_OUTCOMES && entry.bytes <= MAX_BYTES);
        assert!(entry.outcome(&facts).is_some());
    }
    entry.keep(&vec![b'x'; MAX_BYTES], &outcome);
    assert!(entry.outcomes.is_empty(), "one that alone is too large is not kept");
}
