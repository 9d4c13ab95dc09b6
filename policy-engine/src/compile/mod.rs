//! From documents to a set.

mod builder;
mod digest;
mod parallel;
mod reuse;

pub(crate) use digest::{TextDigest, digest_of};

use crate::condition::Conditions;
use crate::document::{Defect, Document, ParsedDocument, Place, parse};
use crate::engine::{self, Health, Options};
use crate::set::{PolicySet, Tenant};
use builder::{Builder, Common};
use digest::{set_digest, text_digest};
use parallel::{Halted, on_one, on_two};
use reuse::Plan;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use vocab::TenantId;

impl PolicySet {
    /// Compiles documents with the default [`Options`]. Several documents may be about one tenant; their roles
    /// and rules join.
    ///
    /// # Errors
    /// Every defect of every document, sorted by document and line. Defects of names that other parts refer
    /// to are looked for once each document is well formed in itself.
    pub fn compile(documents: &[Document]) -> Result<Self, Vec<Defect>> {
        Self::compile_with(documents, Options::default())
    }

    /// Compiles documents.
    ///
    /// # Errors
    /// As [`PolicySet::compile`]; also when the index and casbin disagree about a question.
    pub fn compile_with(documents: &[Document], options: Options) -> Result<Self, Vec<Defect>> {
        on_one(|| build(documents, options, None)).unwrap_or_else(|Halted| Err(vec![halted()]))
    }

    /// Compiles documents into the set that follows this one, with the same options. Tenants whose documents
    /// did not change are taken over as they are; the result is what [`PolicySet::compile_with`] would give.
    ///
    /// # Errors
    /// As [`PolicySet::compile_with`].
    pub fn recompile(&self, documents: &[Document]) -> Result<Self, Vec<Defect>> {
        on_one(|| build(documents, self.options, Some(self))).unwrap_or_else(|Halted| Err(vec![halted()]))
    }
}

fn build(documents: &[Document], options: Options, before: Option<&PolicySet>) -> Result<PolicySet, Vec<Defect>> {
    let mut documents: Vec<&Document> = documents.iter().collect();
    documents.sort_by(|a, b| a.name.cmp(&b.name));
    let mut defects = twins(&documents);
    let texts = on_two(&documents, |document| text_digest(document)).map_err(|Halted| vec![halted()])?;
    let documents: Vec<(&Document, TextDigest)> = documents.into_iter().zip(texts).collect();
    let digest = set_digest(documents.iter().map(|(document, text)| (document.name.as_str(), text)));

    let mut plan = Plan::new(&documents, before);
    let conditions = Arc::new(Conditions::default());
    let common = Common::default();
    let check = |id: &TenantId, tenant: &Tenant, requests| engine::verify(id, tenant, requests, &digest).err();
    let (mut built, parsed) = {
        let read = read(&mut plan, &conditions, (&common, &check)).map_err(|Halted| vec![halted()])?;
        defects.extend(read.defects);
        (read.built, read.parsed)
    };
    built.extend(tenants(parsed, (&common, &check)).map_err(|Halted| vec![halted()])?);
    // A role that a broken document defines is missing here: do not call it undefined.
    if defects.is_empty() {
        defects.extend(built.iter_mut().flat_map(|built| std::mem::take(&mut built.defects)));
    }
    let (kept, origins) = plan.finish();
    if defects.is_empty() && engine::probe().is_err() {
        defects.push(own_fault("the engine gave a wrong answer to a known question"));
    }
    if !defects.is_empty() {
        defects.sort_by(|a, b| (&a.file, a.line, &a.key).cmp(&(&b.file, b.line, &b.key)));
        return Err(defects);
    }
    let built = built.into_iter().map(|built| (built.id, built.tenant));
    let tenants: HashMap<TenantId, Arc<Tenant>> = kept.into_iter().chain(built).collect();
    Ok(PolicySet { digest, tenants, origins, options, health: Health::default() })
}

/// A tenant, with the defects of its names.
struct Built {
    id: TenantId,
    tenant: Arc<Tenant>,
    defects: Vec<Defect>,
}

/// What was read: tenants that could be built at once, documents of the others, and the defects of documents.
struct Read {
    built: Vec<Built>,
    parsed: Vec<ParsedDocument>,
    defects: Vec<Defect>,
}

/// Reads the documents of the plan. Those that seem to be all of one tenant are read and built in one go, so that
/// what is read of them is gone before the next are read: parsed documents are larger than what they become.
fn read(
    plan: &mut Plan<'_>,
    conditions: &Arc<Conditions>,
    (common, check): (&Common, &(impl Fn(&TenantId, &Tenant, usize) -> Option<Defect> + Sync)),
) -> Result<Read, Halted> {
    let mut built: BTreeMap<TenantId, (Built, Vec<usize>)> = BTreeMap::new();
    // By place, since the documents that must be read again are not read in order.
    let (mut parsed, mut defects) = (BTreeMap::new(), Vec::new());
    // Tenants that two groups were about.
    let mut torn: BTreeSet<TenantId> = BTreeSet::new();
    let mut groups = plan.groups();
    while !groups.is_empty() {
        let requests = engine::share(groups.len());
        let found = on_two(&groups, |group| {
            let parsed: Vec<_> =
                group.documents.iter().map(|(at, document)| (*at, parse(document, conditions))).collect();
            group.built(parsed, |id, documents| one(id, documents, common, |id, tenant| check(id, tenant, requests)))
        })?;
        for (group, found) in groups.into_iter().zip(found) {
            match found {
                Ok(one) => {
                    let places: Vec<usize> = group.documents.iter().map(|(at, _)| *at).collect();
                    places.iter().for_each(|at| plan.is_about(*at, &one.id));
                    match built.entry(one.id.clone()) {
                        Entry::Vacant(entry) => drop(entry.insert((one, places))),
                        Entry::Occupied(mut entry) => {
                            entry.get_mut().1.extend(places);
                            torn.insert(one.id);
                        }
                    }
                }
                Err(found) => {
                    for (at, found) in found {
                        match found {
                            Ok(document) => {
                                plan.is_about(at, &document.tenant);
                                parsed.insert(at, document);
                            }
                            Err(found) => defects.extend(found),
                        }
                    }
                }
            }
        }
        // A tenant that others are about too was built of too few documents.
        let others = parsed.values().map(|document: &ParsedDocument| &document.tenant);
        let others = others.chain(&torn).chain(plan.reopened());
        let few: Vec<usize> = others.filter_map(|id| built.remove(id)).flat_map(|(_, places)| places).collect();
        plan.read_again(few);
        groups = plan.singles();
    }
    Ok(Read {
        built: built.into_values().map(|(one, _)| one).collect(),
        parsed: parsed.into_values().collect(),
        defects,
    })
}

/// Builds the tenants of documents. Each tenant without a defect is checked.
fn tenants(
    parsed: Vec<ParsedDocument>,
    (common, check): (&Common, &(impl Fn(&TenantId, &Tenant, usize) -> Option<Defect> + Sync)),
) -> Result<Vec<Built>, Halted> {
    let mut by_tenant: BTreeMap<TenantId, Vec<ParsedDocument>> = BTreeMap::new();
    for document in parsed {
        by_tenant.entry(document.tenant.clone()).or_default().push(document);
    }
    let work: Vec<_> = by_tenant.into_iter().map(|(id, documents)| (id, Mutex::new(documents))).collect();
    let requests = engine::share(work.len());
    on_two(&work, |(id, documents)| {
        let documents = documents.lock().map(|mut documents| std::mem::take(&mut *documents)).unwrap_or_default();
        one(id.clone(), documents, common, |id, tenant| check(id, tenant, requests))
    })
}

/// Builds one tenant.
fn one(
    id: TenantId,
    documents: Vec<ParsedDocument>,
    common: &Common,
    check: impl FnOnce(&TenantId, &Tenant) -> Option<Defect>,
) -> Built {
    let mut builder = Builder::new(common);
    builder.read(documents);
    let (tenant, mut defects) = builder.build();
    if defects.is_empty() {
        defects.extend(check(&id, &tenant));
    }
    Built { id, tenant: Arc::new(tenant), defects }
}

fn halted() -> Defect {
    own_fault("the compiler of policies failed")
}

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
