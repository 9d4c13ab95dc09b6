//! What callers have spent, in the memory of this sidecar. Budgets and limits over time hold for each sidecar alone,
//! and start anew with it.

use crate::{call::Call, failure::Failure};
use audit_log::Tokens;
use policy_engine::{
    Permit, Policies,
    state::{Reservation, Spend, SpendLedger, Use, Window},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The book of one sidecar.
#[derive(Default)]
pub(crate) struct SpendBook(Mutex<SpendLedger>);

/// What was booked for one call.
pub(crate) struct Booking {
    reservation: Reservation,
    estimate: Use,
}

/// Whether a call was made, and what it used.
#[derive(Clone, Copy)]
pub(crate) enum Made {
    /// Nothing left.
    No,
    /// It was sent; the tokens where the upstream said how many.
    Yes(Option<Tokens>),
}

impl SpendBook {
    /// What the caller and its tenant have spent, as far as any policy that decides wants to know.
    pub(crate) fn seen(&self, policies: &Policies, call: &Call) -> Spend {
        let mut spend = Spend::default();
        let (tenant, principal) = (call.caller.tenant(), call.caller.principal());
        let sets = [Some(policies.current()), policies.candidate().map(|candidate| &candidate.set)];
        for accounts in sets.into_iter().flatten().filter_map(|set| set.accounts(tenant)) {
            if !accounts.is_empty() {
                let seen = self.book().spend(accounts, tenant, principal, call.facts.now);
                spend.budgets.extend(seen.budgets);
                spend.meters.extend(seen.meters);
            }
        }
        spend
    }

    /// Books the estimate of an allowed call under its budgets and limits; `None` where it has none.
    ///
    /// # Errors
    /// Another call was faster than this one, and used up what was left.
    pub(crate) fn reserve(&self, policies: &Policies, permit: &Permit<Call>) -> Result<Option<Booking>, Failure> {
        let (call, terms) = (permit.call(), permit.obligations());
        if terms.budgets.is_empty() && terms.limits.keys().all(|meter| meter.window == Window::Call) {
            return Ok(None);
        }
        let (tenant, principal) = (call.caller.tenant(), call.caller.principal());
        let estimate = Use { requests: 1, tokens: call.facts.token_estimate, cost: call.facts.cost_estimate };
        let set = policies.for_principal(tenant, principal);
        let accounts = set.accounts(tenant).cloned().unwrap_or_default();
        let booked = self.book().reserve(&accounts, (tenant, principal), terms, estimate, call.facts.now);
        let reservation = booked.map_err(|reason| Failure::from(&reason))?;
        Ok(Some(Booking { reservation, estimate }))
    }

    /// Replaces an estimate by what the call used.
    pub(crate) fn settle(&self, booking: Booking, made: Made) {
        let used = match made {
            Made::No => Use::default(),
            Made::Yes(None) => booking.estimate,
            Made::Yes(Some(Tokens { input, output })) => {
                Use { tokens: input.as_u64().saturating_add(output.as_u64()), ..booking.estimate }
            }
        };
        self.book().settle(booking.reservation, used);
    }

    fn book(&self) -> MutexGuard<'_, SpendLedger> {
        // No holder can panic midway: each step is a whole change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets windows that have ended, as long as the process runs.
pub(crate) async fn keep_short(book: Arc<SpendBook>) {
    let mut tick = tokio::time::interval(std::time::Duration::from_secs(60));
    loop {
        tick.tick().await;
        let now = crate::record::now().as_u64() / 1000;
        book.book().prune(now);
    }
}
