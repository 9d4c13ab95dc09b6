//! From documents to a set: names are resolved, roles expanded, rules turned into lines.

use crate::action::Action;
use crate::document::{
    Defect, Document, EVERYONE, Located, Member, ParsedDocument, Place, RoleDef, RuleDef, TestDef, parse,
};
use crate::engine;
use crate::names::{RoleName, RuleId};
use crate::set::{Index, Line, PolicyDigest, PolicySet, Rule, Tenant};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::sync::Arc;
use vocab::TenantId;

impl PolicySet {
    /// Compiles documents. Several documents may be about one tenant; their roles and rules join.
    ///
    /// # Errors
    /// Every defect of every document, sorted by document and line. Defects of names that other parts refer
    /// to are looked for once each document is well formed in itself.
    pub fn compile(documents: &[Document]) -> Result<Self, Vec<Defect>> {
        // The CEL parser recurses for each bracket, with large frames: a stack of our own keeps a hostile
        // condition from taking the process down, whichever thread calls.
        let compiled = std::thread::scope(|scope| {
            let builder = std::thread::Builder::new().name("policy-compile".into()).stack_size(STACK);
            let thread = builder.spawn_scoped(scope, || Self::compile_here(documents)).ok()?;
            thread.join().ok()
        });
        compiled.unwrap_or_else(|| Err(vec![own_fault("the compiler of policies failed")]))
    }

    fn compile_here(documents: &[Document]) -> Result<Self, Vec<Defect>> {
        let mut documents: Vec<&Document> = documents.iter().collect();
        documents.sort_by(|a, b| a.name.cmp(&b.name));
        let mut defects = twins(&documents);
        let mut parsed = Vec::new();
        for document in &documents {
            match parse(document) {
                Ok(document) => parsed.push(document),
                Err(found) => defects.extend(found),
            }
        }
        let mut by_tenant: BTreeMap<TenantId, Vec<ParsedDocument>> = BTreeMap::new();
        for document in parsed {
            by_tenant.entry(document.tenant.clone()).or_default().push(document);
        }
        // A role that a broken document defines is missing here: do not call it undefined.
        let resolve = defects.is_empty();
        let mut tenants = HashMap::new();
        let mut tests = Vec::new();
        for (id, documents) in by_tenant {
            let mut builder = Builder::default();
            builder.read(documents);
            if resolve || builder.defects.is_empty() {
                tests.extend(builder.tests.drain(..).map(|test| (id.clone(), test)));
            }
            let (tenant, found) = builder.build();
            defects.extend(found.into_iter().filter(|_| resolve));
            tenants.insert(id, tenant);
        }
        if defects.is_empty() && engine::probe().is_err() {
            defects.push(own_fault("the engine gave a wrong answer to a known question"));
        }
        if !defects.is_empty() {
            defects.sort_by(|a, b| (&a.file, a.line, &a.key).cmp(&(&b.file, b.line, &b.key)));
            return Err(defects);
        }
        Ok(Self { digest: digest(&documents), tenants, tests })
    }
}

/// Room for [`crate::condition`]'s deepest condition in an unoptimised build, about twice over. It is
/// reserved, not used.
const STACK: usize = 16 << 20;

fn own_fault(message: &str) -> Defect {
    let place = Place { file: Arc::from("policies"), line: 0, key: String::new() };
    place.defect(message, "this is a fault of this program")
}

/// Two documents of one name would make a place ambiguous.
fn twins(documents: &[&Document]) -> Vec<Defect> {
    let pairs = documents.iter().zip(documents.iter().skip(1));
    let twins = pairs.filter(|(a, b)| a.name == b.name);
    let place = |name: &str| Place { file: Arc::from(name), line: 1, key: String::new() };
    twins.map(|(a, _)| place(&a.name).defect("two documents have this name", "rename one")).collect()
}

fn digest(documents: &[&Document]) -> PolicyDigest {
    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
    hash.update(b"aios policy set v1\n");
    for document in documents {
        for part in [&document.name, &document.text] {
            hash.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    let mut text = String::with_capacity(64);
    for byte in hash.finish().as_ref() {
        let _ = write!(text, "{byte:02x}");
    }
    PolicyDigest(Arc::from(text))
}

/// The parts of one tenant's documents, on their way to a [`Tenant`].
#[derive(Default)]
struct Builder {
    defects: Vec<Defect>,
    roles: Vec<RoleDef>,
    rules: Vec<RuleDef>,
    tests: Vec<TestDef>,
}

impl Builder {
    fn read(&mut self, documents: Vec<ParsedDocument>) {
        for document in documents {
            self.roles.extend(document.roles);
            self.rules.extend(document.rules);
            self.tests.extend(document.tests);
        }
    }

    fn build(mut self) -> (Tenant, Vec<Defect>) {
        let mut tenant = Tenant::default();
        let at = self.name_roles(&mut tenant);
        let inherits = self.inheritance(&at);
        self.refuse_cycles(&inherits);
        for (index, role) in (1..).zip(&self.roles) {
            let held = reachable(index, &inherits);
            for member in &role.members {
                let list = match member {
                    Member::User(name) => tenant.users.entry(name.clone()).or_default(),
                    Member::Group(name) => tenant.groups.entry(name.clone()).or_default(),
                };
                list.extend(&held);
                list.sort_unstable();
                list.dedup();
            }
        }
        self.refuse_twin_rules();
        self.check_tests();
        for rule in std::mem::take(&mut self.rules) {
            self.add_rule(&mut tenant, &at, rule);
        }
        (tenant, self.defects)
    }

    /// Gives each role its place: `everyone` first, then in the order of the documents.
    fn name_roles(&mut self, tenant: &mut Tenant) -> BTreeMap<RoleName, Index> {
        let mut at = BTreeMap::new();
        let everyone = RoleName::new(EVERYONE).ok();
        tenant.roles.extend(everyone);
        for name in &tenant.roles {
            at.insert(name.clone(), crate::set::EVERYONE_AT);
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
                    None => self.defects.push(undefined(name)),
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
            if let Some(rule) = test.expect.rule.as_ref().filter(|id| !ids.contains(id)) {
                self.defects
                    .push(test.place.defect(format!("the test names the rule {rule}, which does not exist"), ""));
            }
        }
    }

    fn add_rule(&mut self, tenant: &mut Tenant, at: &BTreeMap<RoleName, Index>, rule: RuleDef) {
        let mut roles = BTreeSet::new();
        for name in &rule.roles {
            match at.get(&name.value) {
                Some(role) => drop(roles.insert(*role)),
                None => self.defects.push(undefined(name)),
            }
        }
        let place = &rule.id.place;
        let Ok(index) = Index::try_from(tenant.rules.len()) else {
            self.defects.push(place.defect("the tenant has too many rules", ""));
            return;
        };
        for pattern in rule.on.into_iter().map(Arc::new) {
            let actions: Vec<Action> = rule.actions.iter().copied().filter(|a| pattern.reaches(a.family())).collect();
            for role in &roles {
                for action in &actions {
                    let Ok(line) = Index::try_from(tenant.lines.len()) else {
                        self.defects.push(place.defect("the tenant has too many rules", ""));
                        return;
                    };
                    tenant.index.entry((*role, *action)).or_default().push(line);
                    let pattern = Arc::clone(&pattern);
                    tenant.lines.push(Line { rule: index, role: *role, action: *action, pattern });
                }
            }
        }
        tenant.rules.push(Rule { id: rule.id.value, effect: rule.effect, when: rule.when, terms: rule.then });
    }
}

fn undefined(name: &Located<RoleName>) -> Defect {
    name.place.defect(format!("the role {} is not defined", name.value), "define it under [roles]")
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
