//! Coverage for people.

use super::{Coverage, Covered, CoveredRule};
use std::fmt;

impl Covered {
    /// What the tests lack, in one clause.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Fully => "covered",
            Self::ConditionOnlyTrue => "no test sees its condition not hold",
            Self::ConditionOnlyFalse => "its condition holds in no test",
            Self::ConditionOnlyFails => "its condition fails to evaluate in every test",
            Self::ShadowedByDeny => "another rule denies in every test that it applies to",
            Self::NeverItsRoles => "no test calls as a holder of its roles",
            Self::NeverItsActions => "no test does one of its actions",
            Self::NeverItsResources => "no test is about one of its resources",
            Self::NeverTogether => "no test has its roles, actions and resources together",
            Self::Untested => "the tenant has no test",
        }
    }
}

impl fmt::Display for CoveredRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.file, self.line, self.rule, self.covered.sentence())
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for rule in self.gaps() {
            writeln!(f, "{rule}")?;
        }
        let (conditions, both_ways) = self.conditions();
        let (decided, rules) = (self.decided(), self.rules.len());
        write!(f, "rules: {decided} of {rules} decide a test; ")?;
        write!(f, "conditions: {both_ways} of {conditions} are tested both ways")
    }
}
