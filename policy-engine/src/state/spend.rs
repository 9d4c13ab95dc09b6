//! What was spent.

use super::meter::{Meter, Unit, Window};
use crate::decision::ReasonCode;
use crate::names::BudgetName;
use crate::obligations::Obligations;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use vocab::{PrincipalId, TenantId};

/// What was spent so far in the running windows: a fact that decisions read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spend {
    /// The tenant's budgets.
    pub budgets: BTreeMap<BudgetName, u64>,
    /// The caller's own use.
    pub meters: BTreeMap<Meter, u64>,
}

/// A budget: what a whole tenant may spend in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// What it counts.
    pub meter: Meter,
    /// The most that may be spent.
    pub most: u64,
}

/// Everything that the policy of a tenant wants counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    /// The budgets that documents define.
    pub budgets: BTreeMap<BudgetName, Account>,
    /// The meters of all limits, but for those of single calls.
    pub meters: BTreeSet<Meter>,
}

impl Accounts {
    /// Whether nothing needs to be counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.budgets.is_empty() && self.meters.is_empty()
    }
}

/// What one call uses, estimated or measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Use {
    /// 1 for a call that was made, 0 for one that was not.
    pub requests: u64,
    /// Tokens.
    pub tokens: u64,
    /// Cost in millionths. `None`: not known; nothing that counts cost can be booked then.
    pub cost: Option<u64>,
}

impl Use {
    /// How much of a unit it is.
    #[must_use]
    pub const fn of(&self, unit: Unit) -> Option<u64> {
        match unit {
            Unit::Requests => Some(self.requests),
            Unit::Tokens => Some(self.tokens),
            Unit::Cost => self.cost,
        }
    }
}

/// Whether one more amount still fits. Unknown never fits.
pub(crate) fn fits(spent: Option<u64>, amount: Option<u64>, most: u64) -> bool {
    let total = spent.zip(amount).and_then(|(spent, amount)| spent.checked_add(amount));
    total.is_some_and(|total| total <= most)
}

/// Spend in memory, for one process. Nothing in it reads a clock.
#[derive(Debug, Default)]
pub struct SpendLedger {
    tallies: HashMap<Key, Tally>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Budget(TenantId, BudgetName),
    Meter(TenantId, PrincipalId, Meter),
}

#[derive(Debug, Clone, Copy)]
struct Tally {
    window: Window,
    start: u64,
    spent: u64,
}

/// What was booked for one call before it was made. Give it back with [`SpendLedger::settle`].
#[derive(Debug)]
#[must_use = "a reservation that is not settled keeps the estimate booked"]
pub struct Reservation {
    booked: Vec<(Key, Meter, u64, u64)>,
}

impl SpendLedger {
    /// What a tenant and a caller have spent, for every account of the tenant.
    #[must_use]
    pub fn spend(&self, accounts: &Accounts, tenant: &TenantId, principal: &PrincipalId, now: u64) -> Spend {
        let budgets = accounts.budgets.iter().map(|(name, account)| {
            let key = Key::Budget(tenant.clone(), name.clone());
            (name.clone(), self.spent(&key, account.meter.window, now))
        });
        let meters = accounts.meters.iter().map(|meter| {
            let key = Key::Meter(tenant.clone(), principal.clone(), *meter);
            (*meter, self.spent(&key, meter.window, now))
        });
        Spend { budgets: budgets.collect(), meters: meters.collect() }
    }

    fn spent(&self, key: &Key, window: Window, now: u64) -> u64 {
        let start = window.start(now);
        self.tallies.get(key).filter(|t| t.window == window && t.start == start).map_or(0, |t| t.spent)
    }

    /// Books the estimate of an allowed call under all its budgets and limits, or none of it.
    ///
    /// # Errors
    /// [`ReasonCode::OverLimit`], [`ReasonCode::OverBudget`] or [`ReasonCode::BudgetUnknown`], where another call
    /// was faster than the decision, or an amount is not known.
    pub fn reserve(
        &mut self,
        accounts: &Accounts,
        (tenant, principal): (&TenantId, &PrincipalId),
        obligations: &Obligations,
        estimate: Use,
        now: u64,
    ) -> Result<Reservation, ReasonCode> {
        let mut booked = Vec::new();
        for (meter, most) in obligations.limits.iter().filter(|(m, _)| m.window != Window::Call) {
            let key = Key::Meter(tenant.clone(), principal.clone(), *meter);
            let over = || ReasonCode::OverLimit { meter: *meter };
            booked.push(self.booking(key, Account { meter: *meter, most: *most }, estimate, now).ok_or_else(over)?);
        }
        for name in &obligations.budgets {
            let unknown = || ReasonCode::BudgetUnknown { budget: name.clone() };
            let account = accounts.budgets.get(name).ok_or_else(unknown)?;
            let over = || ReasonCode::OverBudget { budget: name.clone() };
            let key = Key::Budget(tenant.clone(), name.clone());
            booked.push(self.booking(key, *account, estimate, now).ok_or_else(over)?);
        }
        for (key, meter, start, amount) in &booked {
            let tally =
                self.tallies.entry(key.clone()).or_insert(Tally { window: meter.window, start: *start, spent: 0 });
            if tally.window != meter.window || tally.start != *start {
                *tally = Tally { window: meter.window, start: *start, spent: 0 };
            }
            tally.spent = tally.spent.saturating_add(*amount);
        }
        Ok(Reservation { booked })
    }

    fn booking(&self, key: Key, account: Account, estimate: Use, now: u64) -> Option<(Key, Meter, u64, u64)> {
        let Account { meter, most } = account;
        let amount = estimate.of(meter.unit)?;
        let spent = self.spent(&key, meter.window, now);
        fits(Some(spent), Some(amount), most).then(|| (key, meter, meter.window.start(now), amount))
    }

    /// Replaces an estimate by what the call used: [`Use::default`] if it was not made. An unknown cost leaves the
    /// estimate booked. A window that has ended meanwhile is left alone.
    pub fn settle(&mut self, reservation: Reservation, measured: Use) {
        for (key, meter, start, estimate) in reservation.booked {
            let Some(tally) = self.tallies.get_mut(&key).filter(|t| t.window == meter.window && t.start == start)
            else {
                continue;
            };
            let not_made = measured.requests == 0;
            let measured = measured.of(meter.unit).unwrap_or(if not_made { 0 } else { estimate });
            tally.spent = tally.spent.saturating_sub(estimate).saturating_add(measured);
        }
    }

    /// Forgets the windows that have ended, so that memory follows the callers of the running ones.
    pub fn prune(&mut self, now: u64) {
        self.tallies.retain(|_, tally| tally.window.start(now) <= tally.start);
    }
}
