use super::*;
use crate::decision::ReasonCode;
use crate::names::{ApprovalClass, BudgetName};
use crate::obligations::{Obligations, Terms};
use proptest::prelude::*;
use vocab::{PrincipalId, TenantId};

const DAILY: Meter = Meter { unit: Unit::Tokens, window: Window::Day };
const PER_MINUTE: Meter = Meter { unit: Unit::Requests, window: Window::Minute };

fn accounts(most: u64) -> Accounts {
    let account = Account { meter: DAILY, most };
    Accounts { budgets: [(BudgetName::new("research").unwrap(), account)].into(), meters: [PER_MINUTE].into() }
}

fn obligations() -> Obligations {
    let terms = Terms {
        budgets: [BudgetName::new("research").unwrap()].into(),
        limits: [(PER_MINUTE, 2)].into(),
        ..Terms::default()
    };
    Obligations::merge([&terms].into_iter()).unwrap()
}

fn who(name: &str) -> (TenantId, PrincipalId) {
    (TenantId::new("acme").unwrap(), PrincipalId::new(name).unwrap())
}

fn use_of(tokens: u64) -> Use {
    Use { requests: 1, tokens, cost: None }
}

#[test]
fn a_budget_is_shared_and_a_limit_is_not() {
    let (mut ledger, accounts, terms) = (SpendLedger::default(), accounts(100), obligations());
    let (tenant, alice) = who("alice");
    let (_, bob) = who("bob");
    let mut call =
        |who: &PrincipalId, tokens, now| ledger.reserve(&accounts, (&tenant, who), &terms, use_of(tokens), now);
    assert!(call(&alice, 30, 0).is_ok() && call(&alice, 30, 59).is_ok());
    assert!(matches!(call(&alice, 1, 59), Err(ReasonCode::OverLimit { .. })), "two requests a minute");
    assert!(matches!(call(&bob, 50, 59), Err(ReasonCode::OverBudget { .. })), "60 of 100 are gone");
    assert!(call(&alice, 40, 60).is_ok(), "the next minute");
    assert!(matches!(call(&bob, 1, 86_399), Err(ReasonCode::OverBudget { .. })));
    assert!(call(&bob, 100, 86_400).is_ok(), "the next day");
}

#[test]
fn a_refused_reservation_books_nothing() {
    let (mut ledger, accounts, terms) = (SpendLedger::default(), accounts(10), obligations());
    let (tenant, alice) = who("alice");
    assert!(ledger.reserve(&accounts, (&tenant, &alice), &terms, use_of(11), 0).is_err());
    let spend = ledger.spend(&accounts, &tenant, &alice, 0);
    assert_eq!((spend.budgets.values().sum::<u64>(), spend.meters[&PER_MINUTE]), (0, 0));
    let none = Accounts::default();
    let unknown = ledger.reserve(&none, (&tenant, &alice), &terms, use_of(1), 0);
    assert!(matches!(unknown, Err(ReasonCode::BudgetUnknown { .. })));
}

#[test]
fn a_settled_call_counts_what_it_used() {
    let (mut ledger, accounts, terms) = (SpendLedger::default(), accounts(100), obligations());
    let (tenant, alice) = who("alice");
    let spent =
        |ledger: &SpendLedger, now| ledger.spend(&accounts, &tenant, &alice, now).budgets.into_values().sum::<u64>();
    let booked = ledger.reserve(&accounts, (&tenant, &alice), &terms, use_of(60), 0).unwrap();
    assert_eq!(spent(&ledger, 0), 60);
    ledger.settle(booked, use_of(25));
    assert_eq!(spent(&ledger, 0), 25);
    let booked = ledger.reserve(&accounts, (&tenant, &alice), &terms, use_of(60), 0).unwrap();
    ledger.settle(booked, Use::default());
    assert_eq!(spent(&ledger, 0), 25, "a call that was not made costs nothing");
    let late = ledger.reserve(&accounts, (&tenant, &alice), &terms, use_of(10), 60).unwrap();
    let _ = ledger.reserve(&accounts, (&tenant, &alice), &terms, use_of(7), 86_400).unwrap();
    ledger.settle(late, use_of(90));
    assert_eq!(spent(&ledger, 86_400), 7, "yesterday's call does not weigh on today");
    ledger.prune(2 * 86_400);
    assert_eq!(spent(&ledger, 86_400), 0);
}

#[test]
fn approvals_are_for_one_call_by_different_people() {
    let mut desk = ApprovalDesk::default();
    let (tenant, principal) = who("alice");
    let request = Request { tenant, principal, call: CallDigest([7; 32]) };
    let other = Request { call: CallDigest([8; 32]), ..request.clone() };
    let approval = |by: &str, at| Approval {
        class: ApprovalClass::new("refunds").unwrap(),
        by: PrincipalId::new(by).unwrap(),
        groups: Vec::new(),
        at,
    };
    assert_eq!(desk.approve(request.clone(), approval("bob", 5)), Ok(()));
    assert_eq!(desk.approve(request.clone(), approval("bob", 6)), Err(TwiceApproved));
    assert_eq!(desk.approve(request.clone(), approval("carol", 9)), Ok(()));
    assert_eq!((desk.given(&request).len(), desk.given(&other).len()), (2, 0));
    desk.prune(9);
    assert_eq!(desk.given(&request).len(), 1);
    desk.spend(&request);
    assert!(desk.given(&request).is_empty());
}

proptest! {
    /// What a ledger lets through never exceeds the budget, whatever the order of calls.
    #[test]
    fn no_order_of_calls_overspends(calls in prop::collection::vec((0_u64..60, 0_u64..200_000), 1..40), most in 0_u64..150) {
        let (mut ledger, accounts) = (SpendLedger::default(), accounts(most));
        let terms = Terms { budgets: [BudgetName::new("research").unwrap()].into(), ..Terms::default() };
        let terms = Obligations::merge([&terms].into_iter()).unwrap();
        let (tenant, alice) = who("alice");
        let mut times: Vec<_> = calls.clone();
        times.sort_by_key(|(_, at)| *at);
        let mut by_day = std::collections::BTreeMap::<u64, u64>::new();
        for (tokens, now) in times {
            if ledger.reserve(&accounts, (&tenant, &alice), &terms, use_of(tokens), now).is_ok() {
                *by_day.entry(now / 86_400).or_default() += tokens;
            }
            let spent = *by_day.get(&(now / 86_400)).unwrap_or(&0);
            prop_assert!(spent <= most);
            prop_assert_eq!(ledger.spend(&accounts, &tenant, &alice, now).budgets.into_values().sum::<u64>(), spent);
        }
    }
}
