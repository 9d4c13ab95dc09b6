//! Lints: what a policy says that its authors can hardly mean.
//!
//! A lint reads a compiled set, so that names are resolved and conditions typed; whatever does not load is a
//! [`crate::Defect`] and not a lint. Some things that other policy languages must lint for cannot be written here:
//! a document is about exactly one tenant, an exception has a last day, and a role, budget or class of approvals
//! that nobody defines does not load.

mod fold;
mod places;
mod rules;
mod surface;
mod terms;

pub(crate) use places::{Places, covers, meet};

use crate::decision::ReasonCode;
use crate::document::Effect;
use crate::facts::Query;
use crate::names::RuleId;
use crate::set::{PolicySet, Rule, Tenant};
use crate::state::calendar::Day;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use vocab::{TenantId, UpstreamName};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The policy does not do what it says, or opens what it should not.
    Error,
    /// It likely does not do what its author means.
    Warning,
    /// Worth knowing.
    Note,
    /// An exception accepts the finding until a day.
    Accepted,
}

macro_rules! lints {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $severity:ident;)*) => {
        /// The lints. Their ids are stable: exceptions name them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Lint {
            $($(#[$doc])* $name,)*
        }

        impl Lint {
            /// Every lint.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable id.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// How much it matters when nothing accepts it.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }
        }
    };
}

lints! {
    /// Another rule without a condition covers this one, with the same effect and the same terms.
    Shadowed = "shadowed", Warning;
    /// A deny without a condition covers this rule: it can never allow anything.
    UnderDeny = "under-deny", Warning;
    /// Nobody is a member of any role of this rule.
    NoMember = "no-member", Warning;
    /// The condition can never hold.
    NeverTrue = "never-true", Error;
    /// The condition holds whenever it can be evaluated.
    AlwaysTrue = "always-true", Warning;
    /// The condition reads a fact that calls may lack, without testing for it: such calls are denied.
    Unguarded = "unguarded", Warning;
    /// The condition compares the tenant with another tenant than that of its document.
    OtherTenant = "other-tenant", Error;
    /// The condition compares a bare name with a text that is written as in members and patterns.
    PrefixedName = "prefixed-name", Warning;
    /// The deny meets no rule that allows: there is nothing to forbid.
    IdleDeny = "idle-deny", Warning;
    /// Two rules allow the same call on terms that cannot all be kept: it is denied.
    TermsConflict = "terms-conflict", Error;
    /// Two rules allow the same call on different terms, which are merged.
    TermsDiffer = "terms-differ", Note;
    /// The terms name a label that no detector finds and no document defines.
    UndefinedLabel = "undefined-label", Warning;
    /// The documents define models, and not this one.
    UndefinedModel = "undefined-model", Warning;
    /// The documents define collections, and not this one.
    UndefinedCollection = "undefined-collection", Warning;
    /// No such upstream is configured.
    UnknownUpstream = "unknown-upstream", Error;
    /// The last day of a model's definition is over.
    ExpiredModel = "expired-model", Error;
    /// The last day of an exception is over: it excepts nothing.
    ExpiredException = "expired-exception", Error;
    /// An exception accepts a lint that does not exist.
    UnknownLint = "unknown-lint", Error;
    /// No action of the rule can carry the term out.
    WrongSurface = "wrong-surface", Error;
    /// The mode of encryption is weaker than the class of the collection demands.
    WeakMode = "weak-mode", Error;
    /// A rule lets content leave without a word on how it is protected.
    Unprotected = "unprotected", Warning;
    /// A rule allows every verified principal everything of a kind.
    OpenToAll = "open-to-all", Warning;
    /// No test is decided by this rule.
    Untested = "untested", Note;
}

impl Lint {
    /// Whether a policy that was without it yesterday can have it today: the day alone brings it. What runs then, and
    /// is loaded again, must not be refused for it.
    #[must_use]
    pub const fn comes_with_time(self) -> bool {
        matches!(self, Self::ExpiredModel | Self::ExpiredException)
    }

    /// The lint of an id.
    #[must_use]
    pub fn named(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|lint| lint.id() == id)
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl serde::Serialize for Lint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// The lint.
    pub lint: Lint,
    /// How much it matters here.
    pub severity: Severity,
    /// The tenant.
    pub tenant: TenantId,
    /// The document.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What it is about: a rule, or a definition.
    pub subject: String,
    /// What is found, in one clause.
    pub message: String,
    /// What to do about it; may be empty.
    pub hint: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
            Severity::Accepted => "accepted",
        };
        let Self { file, line, subject, message, hint, lint, .. } = self;
        write!(f, "{file}:{line}: {severity}[{lint}]: {subject}: {message}")?;
        if hint.is_empty() { Ok(()) } else { write!(f, " ({hint})") }
    }
}

/// What lints need to know beside the policy.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Now, in seconds since the Unix epoch.
    pub now: u64,
    /// The configured upstreams; `None` when they are not known here.
    pub upstreams: Option<BTreeSet<UpstreamName>>,
}

impl PolicySet {
    /// Runs every lint over every tenant. Findings are sorted by document and line.
    #[must_use]
    pub fn lint(&self, surroundings: &Surroundings) -> Vec<Finding> {
        let mut all = Vec::new();
        for id in self.tenants() {
            if let Some(tenant) = self.tenants.get(id) {
                let mut linter = Linter::new(id, tenant, surroundings);
                linter.rules();
                linter.pairs();
                linter.definitions();
                linter.untested(self);
                all.extend(linter.accept());
            }
        }
        all.sort_by(|a, b| (&a.file, a.line, a.lint, &a.message).cmp(&(&b.file, b.line, b.lint, &b.message)));
        all
    }
}

/// The lints of one tenant.
struct Linter<'l> {
    id: &'l TenantId,
    tenant: &'l Tenant,
    surroundings: &'l Surroundings,
    today: Day,
    /// The lines of rules that allow, and of those that deny.
    places: Places<'l>,
    denies: Places<'l>,
    /// The number of the terms of each rule.
    terms: Vec<usize>,
    /// Which pairs of terms, by number, cannot all be kept.
    conflicts: RefCell<HashMap<(usize, usize), bool>>,
    found: Vec<Finding>,
}

impl<'l> Linter<'l> {
    fn new(id: &'l TenantId, tenant: &'l Tenant, surroundings: &'l Surroundings) -> Self {
        let today = Day::of(surroundings.now);
        let terms = places::numbered(&tenant.rules);
        let places = Places::new(tenant, Effect::Allow, &terms);
        let denies = Places::new(tenant, Effect::Deny, &terms);
        Self {
            id,
            tenant,
            surroundings,
            today,
            places,
            denies,
            terms,
            conflicts: RefCell::default(),
            found: Vec::new(),
        }
    }

    fn about(&mut self, lint: Lint, rule: &Rule, message: impl Into<String>, hint: impl Into<String>) {
        let line = usize::try_from(rule.line).unwrap_or(usize::MAX);
        self.at(lint, (&rule.file, line), rule.id.as_str(), (message.into(), hint.into()));
    }

    fn at(&mut self, lint: Lint, (file, line): (&str, usize), subject: &str, (message, hint): (String, String)) {
        self.found.push(Finding {
            lint,
            severity: lint.severity(),
            tenant: self.id.clone(),
            file: file.to_owned(),
            line,
            subject: subject.to_owned(),
            message,
            hint,
        });
    }

    /// Marks what exceptions accept. One that is over accepts nothing.
    fn accept(mut self) -> Vec<Finding> {
        for accepted in &self.tenant.definitions.accepted {
            if accepted.expires < self.today {
                continue;
            }
            for finding in &mut self.found {
                let named = accepted.lints.iter().any(|lint| lint == finding.lint.id());
                if named && finding.subject == accepted.rule.as_str() {
                    finding.severity = Severity::Accepted;
                    finding.hint = format!("{} accepts it: {} ({})", accepted.owner, accepted.reason, accepted.ticket);
                }
            }
        }
        self.found
    }

    /// Rules that had no effect in any test: an allow in a call that went through or that its own terms denied,
    /// a deny in one that it denied.
    fn untested(&mut self, set: &PolicySet) {
        let mut effective: HashSet<RuleId> = HashSet::new();
        for test in &self.tenant.tests {
            let decision = set.decide_query(&Query {
                tenant: self.id,
                principal: &test.principal,
                groups: &test.groups,
                claims: &test.claims,
                action: test.action,
                resource: &test.resource,
                facts: &test.facts,
            });
            match decision.verdict().err().and_then(ReasonCode::rule) {
                Some(rule) => drop(effective.insert(rule.clone())),
                None => effective.extend(decision.matched().iter().cloned()),
            }
        }
        for rule in &self.tenant.rules {
            if !effective.contains(&rule.id) {
                self.about(
                    Lint::Untested,
                    rule,
                    "no test is decided by this rule",
                    "write a [[test]] with rule = \"...\"",
                );
            }
        }
    }
}
