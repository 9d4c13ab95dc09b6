//! `bench policy`: what a decision costs, at any number of rules.
//!
//! All engines hold the same rules and answer the same questions, one thread, each call timed by itself. Engines take
//! turns in rounds; questions of the fresh figures come again only after the memo has long lost them.

#[cfg(feature = "cedar")]
mod cedar;
mod report;
#[path = "../../../../policy-engine/benches/workload/mod.rs"]
#[allow(
    dead_code,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "shared with a criterion bench; Cedar alone reads some of it"
)]
mod workload;

use crate::error::BenchError;
use crate::stats::{Samples, median};
use crate::{PolicyArgs, process};
use policy_engine::{Document, Engine, Options, PolicySet};
use report::Figures;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Instant;
use workload::{Ask, Size, TenantSpec, asks, document, tenants};

/// How many questions the repeated figures go through.
const KNOWN: usize = 64;

/// How many questions plain casbin is asked in a round: it takes a tenth of a second for each.
const PLAIN: usize = 3;

/// Takes all figures and prints them.
///
/// # Errors
/// When a policy does not load, or two engines disagree.
pub(crate) fn run(args: &PolicyArgs) -> Result<(), BenchError> {
    let size = Size { rules: args.rules, tenants: args.tenants };
    let tenants = tenants(size);
    let documents: Vec<Document> = tenants.iter().map(document).collect();
    let rss_mb = resident(&documents, &args.scratch)?;
    let sets = Sets::compile(&documents)?;
    let questions = asks(&tenants, args.questions * usize::try_from(args.rounds).unwrap_or(1));
    let mut plain = sets.index.plain_casbin().map_err(|e| failed("casbin", &e))?;
    #[cfg(feature = "cedar")]
    let cedar = cedar::Cedar::new(&tenants)?;

    let mut taken = Taken::default();
    for (round, questions) in (1..).zip(questions.chunks(args.questions.max(1))) {
        crate::report::progress(round, args.rounds);
        timed(&sets.slice, questions.iter(), &mut taken.slice);
        timed(&sets.index, questions.iter(), &mut taken.index);
        repeated(&sets.index, questions, args.questions, &mut taken.repeat);
        for ask in questions.iter().take(PLAIN) {
            let start = Instant::now();
            let allowed = plain.allows(&ask.query()).map_err(|e| failed("casbin", &e))?;
            taken.casbin.push(since(start));
            agree("casbin", &sets, ask, allowed)?;
        }
        #[cfg(feature = "cedar")]
        cedar.round(&sets, questions, &mut taken.cedar)?;
        reloads(&sets.index, &tenants, &documents, &mut taken)?;
    }
    report::print(args, &figures(args, &taken, rss_mb)?)
}

/// Loads a directory and prints the resident megabytes of this process.
///
/// # Errors
/// When it does not load.
#[expect(clippy::print_stdout, reason = "the parent reads the figure")]
pub(crate) fn memory(policies: &Path) -> Result<(), BenchError> {
    let set = PolicySet::load_dir(policies).map_err(|e| failed("policy-engine", &e))?;
    println!("{}", process::rss_mb(std::process::id())?);
    black_box(set.rule_count());
    Ok(())
}

fn failed(engine: &'static str, why: &impl std::fmt::Display) -> BenchError {
    BenchError::Policy { engine, why: why.to_string() }
}

/// The resident megabytes of a process that has loaded these documents and does nothing else.
fn resident(documents: &[Document], scratch: &Path) -> Result<f64, BenchError> {
    let directory = tempfile::tempdir_in(scratch)?;
    for document in documents {
        std::fs::write(directory.path().join(&document.name), &document.text)?;
    }
    let mut child = Command::new(std::env::current_exe()?);
    let output = child.arg("policy-memory").arg("--policies").arg(directory.path()).output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let why = || String::from_utf8_lossy(&output.stderr).into_owned();
    printed.trim().parse().map_err(|_| BenchError::NotReady { part: "policy-memory".into(), why: why() })
}

/// The same rules under each engine.
struct Sets {
    slice: PolicySet,
    index: PolicySet,
}

impl Sets {
    fn compile(documents: &[Document]) -> Result<Self, BenchError> {
        let compile = |engine| compiled(PolicySet::compile_with(documents, Options { engine, ..Options::default() }));
        Ok(Self { slice: compile(Engine::Slice)?, index: compile(Engine::Index)? })
    }
}

fn compiled(set: Result<PolicySet, Vec<policy_engine::Defect>>) -> Result<PolicySet, BenchError> {
    let first = |defects: Vec<policy_engine::Defect>| defects.first().map(ToString::to_string).unwrap_or_default();
    set.map_err(|defects| failed("policy-engine", &first(defects)))
}

/// Everything that was measured: microseconds of calls, milliseconds of reloads.
#[derive(Default)]
struct Taken {
    slice: Samples,
    index: Samples,
    repeat: Samples,
    casbin: Samples,
    cedar: Samples,
    reload_ms: Vec<f64>,
    tenant_reload_ms: Vec<f64>,
}

fn since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e6
}

/// Times each question by itself.
fn timed<'a>(set: &PolicySet, questions: impl Iterator<Item = &'a Ask>, samples: &mut Samples) {
    for ask in questions {
        let start = Instant::now();
        black_box(set.decide_query(black_box(&ask.query())));
        samples.push(since(start));
    }
}

/// Times questions that this thread has just decided.
fn repeated(set: &PolicySet, questions: &[Ask], many: usize, samples: &mut Samples) {
    let known = || questions.iter().take(KNOWN);
    known().for_each(|ask| drop(black_box(set.decide_query(&ask.query()))));
    timed(set, known().cycle().take(many), samples);
}

/// Whether ours, in both engines, says the same.
fn agree(engine: &'static str, sets: &Sets, ask: &Ask, allowed: bool) -> Result<(), BenchError> {
    let same = [&sets.slice, &sets.index].iter().all(|set| set.decide_query(&ask.query()).verdict().is_ok() == allowed);
    if same { Ok(()) } else { Err(BenchError::Disagree { engine, question: format!("{ask:?}") }) }
}

fn reloads(
    set: &PolicySet,
    tenants: &[TenantSpec],
    documents: &[Document],
    taken: &mut Taken,
) -> Result<(), BenchError> {
    let start = Instant::now();
    black_box(compiled(PolicySet::compile(documents))?);
    taken.reload_ms.push(since(start) / 1e3);
    let mut changed = documents.to_vec();
    if let (Some(tenant), Some(first)) = (tenants.first(), changed.first_mut()) {
        let mut tenant = tenant.clone();
        tenant.rules.pop();
        *first = document(&tenant);
    }
    let start = Instant::now();
    black_box(compiled(set.recompile(&changed))?);
    taken.tenant_reload_ms.push(since(start) / 1e3);
    Ok(())
}

fn figures(args: &PolicyArgs, taken: &Taken, rss_mb: f64) -> Result<Figures, BenchError> {
    let mode = Engine::default();
    let own = if mode == Engine::Index { &taken.index } else { &taken.slice };
    let cedar = |percent| taken.cedar.percentile(percent, "cedar").ok();
    Ok(Figures {
        rules: args.rules,
        tenants: args.tenants,
        mode: mode.as_str(),
        p50_us: own.percentile(50, "decisions")?,
        p99_us: own.percentile(99, "decisions")?,
        repeat_p50_us: taken.repeat.percentile(50, "repeated decisions")?,
        repeat_p99_us: taken.repeat.percentile(99, "repeated decisions")?,
        slice_p50_us: taken.slice.percentile(50, "slice")?,
        slice_p99_us: taken.slice.percentile(99, "slice")?,
        index_p50_us: taken.index.percentile(50, "index")?,
        index_p99_us: taken.index.percentile(99, "index")?,
        casbin_p50_us: taken.casbin.percentile(50, "casbin")?,
        cedar_p50_us: cedar(50),
        cedar_p99_us: cedar(99),
        reload_ms: median(&taken.reload_ms, "reloads")?,
        tenant_reload_ms: median(&taken.tenant_reload_ms, "reloads")?,
        rss_mb,
    })
}
