//! A comparison for people.

use super::{CallerDiff, DiffRow, PolicyDiff, TenantDiff};
use crate::matrix::listed;
use crate::staged::Change;
use std::fmt;

impl PolicyDiff {
    /// How many rows hold a change.
    #[must_use]
    pub fn count(&self, change: Change) -> usize {
        let rows = self.tenants.iter().flat_map(|tenant| &tenant.callers).flat_map(|callers| &callers.rows);
        rows.filter(|row| row.shifts.iter().any(|shift| shift.change == change)).count()
    }
}

impl fmt::Display for PolicyDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tenants.is_empty() {
            return f.write_str("nothing changes: every call is decided as before");
        }
        self.tenants.iter().try_for_each(|tenant| writeln!(f, "{tenant}"))?;
        let (gains, loses) = (self.count(Change::NewlyAllowed), self.count(Change::NewlyDenied));
        let (terms, reasons) = (self.count(Change::OtherTerms), self.count(Change::OtherReason));
        write!(f, "rows that gain: {gains}, lose: {loses}, with other terms: {terms}, denied otherwise: {reasons}")
    }
}

impl fmt::Display for TenantDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "tenant {}: {}", self.tenant, self.how.as_str())?;
        for change in &self.definitions {
            writeln!(f, "  {} {}: {}", change.kind, change.name, change.how.as_str())?;
        }
        self.callers.iter().try_for_each(|callers| write!(f, "{callers}"))
    }
}

impl fmt::Display for CallerDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}", self.callers.join(", "))?;
        if self.roles_before != self.roles_after {
            let listed = |roles: &[crate::names::RoleName]| match roles {
                [] => "none".to_owned(),
                some => some.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            };
            write!(f, "  (roles before: {}; after: {})", listed(&self.roles_before), listed(&self.roles_after))?;
        }
        f.write_str("\n")?;
        self.rows.iter().try_for_each(|row| write!(f, "{row}"))
    }
}

impl fmt::Display for DiffRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shifts: Vec<String> = self.shifts.iter().map(ToString::to_string).collect();
        writeln!(f, "    {}: {} on {}", shifts.join(", "), listed(&self.actions), self.resource)?;
        writeln!(f, "      before  {}", self.before)?;
        writeln!(f, "      after   {}", self.after)?;
        self.terms_lost.iter().try_for_each(|line| writeln!(f, "      - {line}"))?;
        self.terms_gained.iter().try_for_each(|line| writeln!(f, "      + {line}"))
    }
}
