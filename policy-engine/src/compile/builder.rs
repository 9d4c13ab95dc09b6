//! One tenant: names are resolved, roles expanded, rules turned into lines.

use crate::condition::Exception;
use crate::definitions::{self, undefined_role};
use crate::document::hint::did_you_mean;
use crate::document::{
    Defect, Defs, EVERYONE, ExceptionDef, Member, ParsedDocument, Place, RoleDef, RuleDef, RuleMode, TestDef,
};
use crate::engine::{ActionSet, Holders, Trie};
use crate::names::{RoleName, RuleId};
use crate::obligations::Terms;
use crate::pattern::Pattern;
use crate::set::{EVERYONE_AT, Index, Line, Rule, Tenant};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// The parts of one tenant's documents, on their way to a [`Tenant`].
pub(super) struct Builder<'c> {
    pub(super) defects: Vec<Defect>,
    roles: Vec<RoleDef>,
    defs: Vec<Defs>,
    rules: Vec<RuleDef>,
    exceptions: Vec<ExceptionDef>,
    tests: Vec<TestDef>,
    shared: Shared<'c>,
}

impl<'c> Builder<'c> {
    pub(super) fn new(common: &'c Common) -> Self {
        Self {
            defects: Vec::new(),
            roles: Vec::new(),
            defs: Vec::new(),
            rules: Vec::new(),
            exceptions: Vec::new(),
            tests: Vec::new(),
            shared: Shared { common, patterns: HashSet::new(), terms: Vec::new() },
        }
    }

    pub(super) fn read(&mut self, documents: Vec<ParsedDocument>) {
        for document in documents {
            self.roles.extend(document.roles);
            self.defs.push(document.defs);
            self.rules.extend(document.rules);
            self.exceptions.extend(document.exceptions);
            self.tests.extend(document.tests);
        }
    }

    pub(super) fn build(mut self) -> (Tenant, Vec<Defect>) {
        let mut tenant = Tenant::default();
        let at = self.name_roles(&mut tenant);
        let inherits = self.inheritance(&at);
        self.refuse_cycles(&inherits);
        self.expand(&mut tenant, &inherits);
        let direct = (0..).zip(&tenant.roles).map(|(role, _)| inherits.get(&role).cloned().unwrap_or_default().into());
        tenant.inherits = direct.collect();
        self.refuse_twin_rules();
        self.check_tests();
        tenant.definitions = definitions::build(std::mem::take(&mut self.defs), &at, &mut self.defects);
        let excepted = std::mem::take(&mut self.exceptions);
        let mut exceptions = definitions::exceptions(excepted, &self.rules, &mut tenant.definitions, &mut self.defects);
        for rule in std::mem::take(&mut self.rules) {
            let exceptions = exceptions.remove(&rule.id.value).unwrap_or_default();
            self.add_rule(&mut tenant, &at, rule, exceptions);
        }
        tenant.roles.shrink_to_fit();
        tenant.rules.shrink_to_fit();
        tenant.lines.shrink_to_fit();
        tenant.tests = std::mem::take(&mut self.tests);
        tenant.tests.iter_mut().for_each(|test| tenant.definitions.complete(&mut test.facts));
        match Trie::build(&tenant.rules, &tenant.lines) {
            Ok(trie) => tenant.trie = trie,
            Err(_) => self.defects.push(super::own_fault("the tenant has too many rules to index")),
        }
        match Trie::build(&tenant.shadow.rules, &tenant.shadow.lines) {
            Ok(trie) => tenant.shadow.trie = trie,
            Err(_) => self.defects.push(super::own_fault("the tenant has too many rules to index")),
        }
        (tenant, self.defects)
    }

    /// Gives each member all the roles that it comes to hold.
    fn expand(&self, tenant: &mut Tenant, inherits: &BTreeMap<Index, Vec<Index>>) {
        let mut users: HashMap<_, BTreeSet<Index>> = HashMap::new();
        let mut groups: HashMap<_, BTreeSet<Index>> = HashMap::new();
        let mut claims: HashMap<_, BTreeSet<Index>> = HashMap::new();
        for (index, role) in (1..).zip(&self.roles) {
            let held = reachable(index, inherits);
            for member in &role.members {
                let list = match member {
                    Member::User(name) => users.entry(name.clone()).or_default(),
                    Member::Group(name) => groups.entry(name.clone()).or_default(),
                    Member::Claim(claim) => claims.entry(claim.clone()).or_default(),
                };
                list.extend(&held);
            }
        }
        tenant.users = boxed(users);
        tenant.groups = boxed(groups);
        tenant.claims = boxed(claims);
        tenant.holders = Holders::build(&tenant.users, &tenant.groups);
    }

    /// Gives each role its place: `everyone` first, then in the order of the documents.
    fn name_roles(&mut self, tenant: &mut Tenant) -> BTreeMap<RoleName, Index> {
        let mut at = BTreeMap::new();
        let everyone = RoleName::new(EVERYONE).ok();
        tenant.roles.extend(everyone);
        for name in &tenant.roles {
            at.insert(name.clone(), EVERYONE_AT);
        }
        for (index, role) in (1..).zip(&self.roles) {
            tenant.roles.push(role.name.value.clone());
            if at.insert(role.name.value.clone(), index).is_some() {
                let defect = role.name.place.defect("this role is defined twice for its tenant", "");
                self.defects.push(defect);
            }
        }
        at
    }

    /// Which roles each role inherits directly.
    fn inheritance(&mut self, at: &BTreeMap<RoleName, Index>) -> BTreeMap<Index, Vec<Index>> {
        let mut inherits = BTreeMap::new();
        for (index, role) in (1..).zip(&self.roles) {
            let mut targets = Vec::new();
            for name in &role.inherits {
                match at.get(&name.value) {
                    Some(target) => targets.push(*target),
                    None => self.defects.push(undefined_role(name, at)),
                }
            }
            inherits.insert(index, targets);
        }
        inherits
    }

    fn refuse_cycles(&mut self, inherits: &BTreeMap<Index, Vec<Index>>) {
        for (index, role) in (1..).zip(&self.roles) {
            let parents = inherits.get(&index).into_iter().flatten();
            if parents.into_iter().any(|parent| reachable(*parent, inherits).contains(&index)) {
                let defect = role.name.place.defect("this role inherits itself, directly or by others", "");
                self.defects.push(defect);
            }
        }
    }

    fn refuse_twin_rules(&mut self) {
        let mut seen: BTreeMap<&RuleId, &Place> = BTreeMap::new();
        for rule in &self.rules {
            if let Some(first) = seen.insert(&rule.id.value, &rule.id.place) {
                let hint = format!("the first is at {}:{}", first.file, first.line);
                self.defects.push(rule.id.place.defect("two rules of the tenant have this id", hint));
            }
        }
    }

    /// A test that names a rule which does not exist would prove nothing.
    fn check_tests(&mut self) {
        let ids: BTreeSet<&RuleId> = self.rules.iter().map(|rule| &rule.id.value).collect();
        for test in &self.tests {
            let named = test.expect.rule.iter().chain(&test.expect.shadow);
            for rule in named.filter(|id| !ids.contains(id)) {
                let meant = did_you_mean(rule.as_str(), ids.iter().map(|id| id.as_str()));
                let message = format!("the test names the rule {rule}, which does not exist");
                self.defects.push(test.place.defect(message, meant.trim_end()));
            }
        }
    }

    fn add_rule(
        &mut self,
        tenant: &mut Tenant,
        at: &BTreeMap<RoleName, Index>,
        rule: RuleDef,
        exceptions: Vec<Exception>,
    ) {
        let mut roles = BTreeSet::new();
        for name in &rule.roles {
            match at.get(&name.value) {
                Some(role) => drop(roles.insert(*role)),
                None => self.defects.push(undefined_role(name, at)),
            }
        }
        let place = &rule.id.place;
        let terms = tenant.definitions.resolve(rule.then, &mut self.defects);
        let when = tenant.definitions.condition(rule.when, exceptions, &mut self.defects);
        let (rules, lines) = match rule.mode {
            RuleMode::Enforce => (&mut tenant.rules, &mut tenant.lines),
            RuleMode::Shadow => (&mut tenant.shadow.rules, &mut tenant.shadow.lines),
        };
        let Ok(index) = Index::try_from(rules.len()) else {
            self.defects.push(place.defect("the tenant has too many rules", ""));
            return;
        };
        for pattern in rule.on {
            if let Some(defect) = tenant.definitions.names_other(&pattern, place) {
                self.defects.push(defect);
            }
            let reached = rule.actions.iter().copied().filter(|a| pattern.reaches(a.family()));
            let actions: ActionSet = reached.collect();
            if !actions.is_empty() {
                lines.push(Line { rule: index, actions, pattern: self.shared.pattern(pattern) });
            }
        }
        rules.push(Rule {
            id: rule.id.value,
            effect: rule.effect,
            roles: roles.into_iter().collect(),
            when,
            terms: self.shared.terms(terms),
            file: rule.id.place.file,
            line: u32::try_from(rule.id.place.line).unwrap_or(u32::MAX),
        });
    }
}

fn boxed<K: Eq + Hash>(lists: HashMap<K, BTreeSet<Index>>) -> HashMap<K, Box<[Index]>> {
    lists.into_iter().map(|(key, list)| (key, list.into_iter().collect())).collect()
}

/// Terms that the tenants of one compilation have in common: equal terms of different tenants are one value, so that
/// a thread that merged them for one tenant has merged them for all.
#[derive(Default)]
pub(super) struct Common(Mutex<Vec<Arc<Terms>>>);

/// How many different terms are looked up again, by a tenant and by all of them: there are few, and the search is
/// linear.
const MOST: usize = 64;

impl Common {
    fn terms(&self, terms: Terms) -> Arc<Terms> {
        // A lock that a panic poisoned still guards a whole list: each change is one push.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.iter().find(|known| ***known == terms) {
            return Arc::clone(known);
        }
        let terms = Arc::new(terms);
        if all.len() < MOST {
            all.push(Arc::clone(&terms));
        }
        terms
    }
}

/// What rules of a tenant have in common, kept once.
struct Shared<'c> {
    common: &'c Common,
    patterns: HashSet<Arc<Pattern>>,
    terms: Vec<Arc<Terms>>,
}

impl Shared<'_> {
    fn pattern(&mut self, pattern: Pattern) -> Arc<Pattern> {
        if let Some(known) = self.patterns.get(&pattern) {
            return Arc::clone(known);
        }
        let pattern = Arc::new(pattern);
        self.patterns.insert(Arc::clone(&pattern));
        pattern
    }

    fn terms(&mut self, terms: Terms) -> Arc<Terms> {
        if let Some(known) = self.terms.iter().find(|known| ***known == terms) {
            return Arc::clone(known);
        }
        if self.terms.len() == MOST {
            return Arc::new(terms);
        }
        let terms = self.common.terms(terms);
        self.terms.push(Arc::clone(&terms));
        terms
    }
}

/// A role and all that it inherits, sorted. It ends on cycles too.
fn reachable(from: Index, inherits: &BTreeMap<Index, Vec<Index>>) -> BTreeSet<Index> {
    let mut seen = BTreeSet::new();
    let mut next = vec![from];
    while let Some(role) = next.pop() {
        if seen.insert(role) {
            next.extend(inherits.get(&role).into_iter().flatten());
        }
    }
    seen
}
