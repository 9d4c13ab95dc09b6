//! Which documents must be read again, and which tenants can be taken over from the set before.

use super::TextDigest;
use crate::document::{Defect, Document, ParsedDocument};
use crate::set::{Origin, PolicySet, Tenant};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use vocab::TenantId;

/// The plan of one compilation. A tenant is taken over if the set before had it from the very same documents
/// (names and texts), and nothing new is about it.
pub(super) struct Plan<'d> {
    documents: &'d [(&'d Document, TextDigest)],
    /// The documents that the set before had too, by tenant.
    known: BTreeMap<TenantId, Vec<usize>>,
    /// Which documents are still to be parsed.
    unparsed: BTreeSet<usize>,
    kept: HashMap<TenantId, Arc<Tenant>>,
    origins: BTreeMap<Arc<str>, Origin>,
    reopened: BTreeSet<TenantId>,
}

/// Documents that are read together.
#[derive(Default)]
pub(super) struct Group<'d> {
    /// With their places, in order.
    pub(super) documents: Vec<(usize, &'d Document)>,
    alone: Alone,
}

/// Whether the documents of a group may be all that there is about their tenant.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Alone {
    #[default]
    Perhaps,
    No,
}

/// A document that was read, or its defects, with its place.
pub(super) type Found = (usize, Result<ParsedDocument, Vec<Defect>>);

impl Group<'_> {
    /// What the documents become, if they are well formed and all about one tenant; else the documents.
    pub(super) fn built<B>(
        &self,
        found: Vec<Found>,
        build: impl FnOnce(TenantId, Vec<ParsedDocument>) -> B,
    ) -> Result<B, Vec<Found>> {
        let mut tenants = found.iter().map(|(_, document)| document.as_ref().ok().map(|document| &document.tenant));
        let first = tenants.next().flatten().cloned();
        match first {
            Some(id) if self.alone == Alone::Perhaps && tenants.all(|tenant| tenant == Some(&id)) => {
                Ok(build(id, found.into_iter().filter_map(|(_, document)| document.ok()).collect()))
            }
            _ => Err(found),
        }
    }
}

/// The tenant that a document names, by a look at its first lines. It is a guess: reading will tell.
fn seems_about(text: &str) -> Option<&str> {
    let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with('['));
    let value = lines.filter_map(|line| line.strip_prefix("tenant")?.trim_start().strip_prefix('=')).next()?;
    value.split('"').nth(1)
}

impl<'d> Plan<'d> {
    pub(super) fn new(documents: &'d [(&'d Document, TextDigest)], before: Option<&PolicySet>) -> Self {
        let mut plan = Self {
            documents,
            known: BTreeMap::new(),
            unparsed: BTreeSet::new(),
            kept: HashMap::new(),
            origins: BTreeMap::new(),
            reopened: BTreeSet::new(),
        };
        let origins = before.map(|set| &set.origins);
        for (at, (document, text)) in documents.iter().enumerate() {
            match origins.and_then(|origins| origins.get(document.name.as_str())) {
                Some(origin) if origin.text == *text => plan.known.entry(origin.tenant.clone()).or_default().push(at),
                _ => drop(plan.unparsed.insert(at)),
            }
        }
        let Some(before) = before else { return plan };
        let mut had: HashMap<&TenantId, usize> = HashMap::new();
        before.origins.values().for_each(|origin| *had.entry(&origin.tenant).or_default() += 1);
        for (id, same) in std::mem::take(&mut plan.known) {
            match before.tenants.get(&id) {
                Some(tenant) if had.get(&id) == Some(&same.len()) => {
                    plan.kept.insert(id.clone(), Arc::clone(tenant));
                    plan.known.insert(id, same);
                }
                _ => plan.unparsed.extend(same),
            }
        }
        plan
    }

    /// Takes the documents that are to be read now, those together that seem to be about one tenant.
    pub(super) fn groups(&mut self) -> Vec<Group<'d>> {
        let mut by_tenant: BTreeMap<&str, Group<'d>> = BTreeMap::new();
        let mut groups = Vec::new();
        for (at, document) in self.take() {
            match seems_about(&document.text) {
                Some(tenant) => by_tenant.entry(tenant).or_default().documents.push((at, document)),
                None => groups.push(Group { documents: vec![(at, document)], alone: Alone::No }),
            }
        }
        groups.extend(by_tenant.into_values());
        groups
    }

    /// Takes the documents that are to be read again, one by one.
    pub(super) fn singles(&mut self) -> Vec<Group<'d>> {
        let single = |document| Group { documents: vec![document], alone: Alone::No };
        self.take().into_iter().map(single).collect()
    }

    fn take(&mut self) -> Vec<(usize, &'d Document)> {
        let wanted = std::mem::take(&mut self.unparsed);
        wanted.into_iter().filter_map(|at| Some((at, self.documents.get(at)?.0))).collect()
    }

    /// Says what a document is about. If its tenant was to be taken over, it must be built after all.
    pub(super) fn is_about(&mut self, at: usize, tenant: &TenantId) {
        if self.kept.remove(tenant).is_some() {
            self.unparsed.extend(self.known.remove(tenant).unwrap_or_default());
            self.reopened.insert(tenant.clone());
        }
        if let Some((document, text)) = self.documents.get(at) {
            self.origins.insert(document.name.as_str().into(), Origin { text: *text, tenant: tenant.clone() });
        }
    }

    /// The tenants that were to be taken over and are not.
    pub(super) fn reopened(&self) -> impl Iterator<Item = &TenantId> {
        self.reopened.iter()
    }

    pub(super) fn read_again(&mut self, places: Vec<usize>) {
        self.unparsed.extend(places);
    }

    /// The tenants to take over, and where every tenant comes from.
    pub(super) fn finish(mut self) -> (HashMap<TenantId, Arc<Tenant>>, BTreeMap<Arc<str>, Origin>) {
        for (id, same) in self.known {
            for (document, text) in same.iter().filter_map(|at| self.documents.get(*at)) {
                self.origins.insert(document.name.as_str().into(), Origin { text: *text, tenant: id.clone() });
            }
        }
        (self.kept, self.origins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(name: &str, tenant: &str, rules: &str) -> Document {
        Document { name: name.into(), text: format!("version = 1\n{tenant}\n{rules}") }
    }

    fn rule(id: &str) -> String {
        format!("[[rule]]\nid = \"{id}\"\nallow = [\"model.chat\"]\nroles = [\"everyone\"]\non = \"model/**\"\n")
    }

    #[test]
    fn tenants_whose_documents_did_not_change_are_taken_over_as_they_are() {
        let acme = document("a", "tenant = \"acme\"", &rule("a1"));
        let before = PolicySet::compile(&[acme.clone(), document("g", "tenant = \"globex\"", &rule("g1"))]).unwrap();
        let after = before.recompile(&[acme, document("g", "tenant = \"globex\"", &rule("g2"))]).unwrap();
        let same = |id: &str| {
            let id = TenantId::new(id).unwrap();
            Arc::ptr_eq(&before.tenants[&id], &after.tenants[&id])
        };
        assert!(same("acme") && !same("globex"));
    }

    /// The look at the first lines is a guess: what it misses or gets wrong changes nothing.
    #[test]
    fn a_document_may_name_its_tenant_in_any_way() {
        for (first, second) in [
            ("tenant = \"acme\"", "tenant = 'acme'"),
            ("\"tenant\" = \"acme\"", "tenant = \"\"\"acme\"\"\""),
            ("# tenant = \"globex\"\ntenant = \"acme\"", "tenant=\"\\u0061cme\""),
        ] {
            let documents = [document("a", first, &rule("r1")), document("b", second, &rule("r2"))];
            let set = PolicySet::compile(&documents).unwrap();
            let acme = &set.tenants[&TenantId::new("acme").unwrap()];
            let ids: Vec<&str> = acme.rules.iter().map(|rule| rule.id.as_str()).collect();
            assert_eq!((set.tenants.len(), ids), (1, vec!["r1", "r2"]), "{first} {second}");
        }
        assert_eq!(seems_about("version = 1\ntenant = \"acme\" # x"), Some("acme"));
        assert_eq!(seems_about("[roles]\ntenant = \"acme\""), None);
    }
}
