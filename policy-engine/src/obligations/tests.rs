use super::*;
use crate::state::{Unit, Window};
use proptest::prelude::*;
use proptest::sample::select;

fn fields(names: &[&str]) -> Option<BTreeSet<FieldName>> {
    Some(names.iter().map(|n| FieldName::new(n).unwrap()).collect())
}

fn merge(all: &[&Terms]) -> Result<Obligations, Conflict> {
    Obligations::merge(all.iter().copied())
}

fn labels(names: &[&str]) -> BTreeSet<Label> {
    names.iter().map(|n| Label::new(n).unwrap()).collect()
}

#[test]
fn fields_intersect_and_strangers_conflict() {
    let a = Terms { filterable: fields(&["lang", "year"]), ..Terms::default() };
    let b = Terms { filterable: fields(&["year", "topic"]), ..Terms::default() };
    let c = Terms { filterable: fields(&["source"]), ..Terms::default() };
    let silent = Terms::default();
    assert_eq!(Some(merge(&[&a, &silent, &b]).unwrap().filterable), fields(&["year"]));
    assert_eq!(merge(&[&a, &c]), Err(Conflict));
    let none = Terms { filterable: fields(&[]), ..Terms::default() };
    for all in [[&a, &c, &none], [&none, &a, &c], [&a, &none, &c]] {
        assert_eq!(Some(merge(&all).unwrap().filterable), fields(&[]), "nothing was asked for by name");
    }
    let public = |names| Terms { public_fields: fields(names), ..Terms::default() };
    let (x, y) = (public(&["x"]), public(&["y"]));
    assert_eq!(Some(merge(&[&x, &y]).unwrap().public_fields), fields(&[]), "nothing public can always be kept");
}

#[test]
fn a_rule_that_says_none_stands_only_if_no_other_asks_for_more() {
    let none = Terms { record: Some(Record::None), ..Terms::default() };
    let content = Terms { record: Some(Record::Content), ..Terms::default() };
    let record = |terms: &[&Terms]| merge(terms).unwrap().record;
    assert_eq!(record(&[]), Record::Digest);
    assert_eq!(record(&[&none, &Terms::default()]), Record::None);
    assert_eq!(record(&[&none, &content]), Record::Content);
    let over = Obligations::merge_over([&Terms::default()].into_iter(), Record::Content).unwrap();
    assert_eq!(over.record, Record::Content);
}

#[test]
fn blocking_beats_redaction_and_redaction_beats_pseudonyms() {
    let a = Terms { pseudonymise: labels(&["a", "b", "c"]), ..Terms::default() };
    let b = Terms { redact: labels(&["b", "c"]), ..Terms::default() };
    let c = Terms { block: labels(&["c"]), ..Terms::default() };
    let merged = merge(&[&a, &b, &c]).unwrap();
    let lines: Vec<&str> = merged.lines().iter().map(AsRef::as_ref).collect();
    assert_eq!(lines, ["block:c", "redact:b", "pseudonymise:a", "record:digest"]);
}

#[test]
fn routes_meet_where_one_holds_the_other() {
    let routes =
        |texts: &[&str]| Terms { route: Some(texts.iter().map(|t| t.parse().unwrap()).collect()), ..Terms::default() };
    let (all, one, other) = (routes(&["model/eu"]), routes(&["model/eu/a", "model/us/a"]), routes(&["model/eu/b"]));
    let merged = merge(&[&all, &one]).unwrap();
    assert!(merged.route_admits(&"model/eu/a".parse().unwrap()));
    assert!(!merged.route_admits(&"model/us/a".parse().unwrap()));
    assert!(!merged.route_admits(&"model/eu".parse().unwrap()));
    assert_eq!(merge(&[&one, &other]), Err(Conflict));
    assert!(merged.routed("model/eu/a".parse().unwrap()).is_ok());
    assert_eq!(merged.routed("model/eu/c".parse().unwrap()), Err(Conflict));
    assert!("vector/eu/a".parse::<Route>().is_err());
}

#[test]
fn every_kind_is_named_by_its_lines_and_by_kinds() {
    let meter = Meter { unit: Unit::Tokens, window: Window::Day };
    let width = NonZeroU32::new(10).unwrap();
    let full = Terms {
        block: labels(&["a"]),
        redact: labels(&["b"]),
        pseudonymise: labels(&["c"]),
        encrypt: Some(Encrypt { mode: Mode::Sealed, beta: Beta::default() }),
        public_fields: fields(&["p"]),
        filterable: fields(&["f"]),
        range_buckets: Some([(FieldName::new("r").unwrap(), width)].into()),
        limits: [(meter, 5)].into(),
        budgets: [BudgetName::new("research").unwrap()].into(),
        require_approval: [(ApprovalClass::new("refunds").unwrap(), width)].into(),
        route: Some(["model/x".parse().unwrap()].into()),
        residency: Some([Region::new("eu").unwrap()].into()),
        max_k: Some(7),
        record: Some(Record::Content),
    };
    let merged = merge(&[&full]).unwrap();
    let lines: Vec<&str> = merged.lines().iter().map(AsRef::as_ref).collect();
    assert_eq!(
        lines,
        [
            "block:a",
            "redact:b",
            "pseudonymise:c",
            "encrypt:sealed",
            "public:p",
            "filterable:f",
            "range_buckets:r:10",
            "limit:tokens:day:5",
            "budget:research",
            "require_approval:refunds:10",
            "route:model/x",
            "residency:eu",
            "max_k:7",
            "record:content",
        ]
    );
    assert_eq!(merged.kinds().collect::<Vec<_>>(), ObligationKind::ALL);
    assert_eq!(merge(&[]).unwrap().kinds().collect::<Vec<_>>(), [ObligationKind::Record]);
}

fn set<T: Ord + Clone + std::fmt::Debug>(
    all: &'static [&'static str],
    new: fn(&str) -> T,
) -> impl Strategy<Value = BTreeSet<T>> {
    prop::collection::btree_set(select(all), 0..3).prop_map(move |names| names.into_iter().map(new).collect())
}

fn any_terms() -> impl Strategy<Value = Terms> {
    const NAMES: &[&str] = &["a", "b", "c"];
    const ROUTES: &[&str] = &["model/a", "model/a/x", "model/b"];
    let label = || set(NAMES, |t| Label::new(t).unwrap());
    let field = || prop::option::of(set(NAMES, |t| FieldName::new(t).unwrap()));
    let encrypt = prop::option::of((select(Mode::ALL.to_vec()), 0.1_f64..4.0));
    let width = || (1_u32..50).prop_map(|n| NonZeroU32::new(n).unwrap());
    let ranges = prop::collection::btree_map(select(NAMES).prop_map(|t| FieldName::new(t).unwrap()), width(), 0..3);
    let meter =
        (select(Unit::ALL.to_vec()), select(Window::ALL.to_vec())).prop_map(|(unit, window)| Meter { unit, window });
    let limits = prop::collection::btree_map(meter, 0_u64..9, 0..3);
    let classes = select(NAMES).prop_map(|t| ApprovalClass::new(t).unwrap());
    let approvals = prop::collection::btree_map(classes, width(), 0..3);
    let route = prop::option::of(set(ROUTES, |t| t.parse().unwrap()));
    let residency = prop::option::of(set(NAMES, |t| Region::new(t).unwrap()));
    let record = prop::option::of(select(Record::ALL.to_vec()));
    let first = (label(), label(), label(), encrypt, field(), field(), prop::option::of(ranges));
    let second = (limits, set(NAMES, |t| BudgetName::new(t).unwrap()), approvals, route, residency);
    (first, second, prop::option::of(0_u32..9), record).prop_map(
        |((block, redact, pseudonymise, e, public_fields, filterable, range_buckets), rest, max_k, record)| {
            let (limits, budgets, require_approval, route, residency) = rest;
            let encrypt = e.map(|(mode, b)| Encrypt { mode, beta: Beta::new(b).unwrap() });
            Terms {
                block,
                redact,
                pseudonymise,
                encrypt,
                public_fields,
                filterable,
                range_buckets,
                limits,
                budgets,
                require_approval,
                route,
                residency,
                max_k,
                record,
            }
        },
    )
}

fn is_as_strict(merged: &Obligations, terms: &Terms) {
    let hidden: BTreeSet<_> = merged.redact.union(&merged.block).cloned().collect();
    assert!(merged.block.is_superset(&terms.block) && hidden.is_superset(&terms.redact));
    assert!((&hidden | &merged.pseudonymise).is_superset(&terms.pseudonymise));
    assert!(terms.record.is_none_or(|r| merged.record >= r));
    assert!(terms.filterable.as_ref().is_none_or(|named| merged.filterable.is_subset(named)));
    assert!(terms.public_fields.as_ref().is_none_or(|named| merged.public_fields.is_subset(named)));
    if let Some(named) = &terms.range_buckets {
        assert!(merged.range_buckets.iter().all(|(f, width)| named.get(f).is_some_and(|own| width >= own)));
    }
    if let Some(own) = terms.encrypt {
        let got = merged.encrypt.unwrap();
        assert!(got.mode > own.mode || got.mode == own.mode && got.beta.get() >= own.beta.get());
    }
    assert!(terms.limits.iter().all(|(meter, most)| merged.limits[meter] <= *most));
    assert!(merged.budgets.is_superset(&terms.budgets));
    assert!(terms.require_approval.iter().all(|(class, count)| merged.require_approval[class] >= *count));
    assert!(terms.residency.as_ref().is_none_or(|own| merged.residency.as_ref().unwrap().is_subset(own)));
    if let Some(own) = &terms.route {
        for resource in ["model/a/x", "model/a/y", "model/b/x", "model/c/x", "model/a"] {
            let resource: Resource = resource.parse().unwrap();
            assert!(!merged.route_admits(&resource) || own.iter().any(|r| r.admits(&resource)));
        }
    }
    assert!(terms.max_k.is_none_or(|k| merged.max_k.unwrap() <= k));
}

proptest! {
    #[test]
    fn merged_terms_are_at_least_as_strict_as_each(all in prop::collection::vec(any_terms(), 1..4)) {
        if let Ok(merged) = Obligations::merge(all.iter()) {
            all.iter().for_each(|terms| is_as_strict(&merged, terms));
        }
    }

    #[test]
    fn the_order_of_rules_does_not_matter(all in prop::collection::vec(any_terms(), 1..4), turn in 0_usize..4) {
        let mut other = all.clone();
        other.rotate_left(turn % all.len());
        prop_assert_eq!(Obligations::merge(all.iter()), Obligations::merge(other.iter().rev()));
    }

    #[test]
    fn terms_merged_twice_are_the_same(all in prop::collection::vec(any_terms(), 1..3)) {
        let twice = all.iter().chain(&all);
        prop_assert_eq!(Obligations::merge(all.iter()), Obligations::merge(twice));
    }
}
