//! How the figures of `bench policy` are shown.
#![expect(clippy::print_stdout, reason = "the figures are this program's output")]

use crate::report::bars;
use crate::{PolicyArgs, error::BenchError};
use serde::Serialize;
use std::fs;

/// The figures of `bench policy`. Microseconds of one decision, milliseconds of a reload, MiB.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    pub(super) rules: usize,
    pub(super) tenants: usize,
    /// The default engine: `p50_us` and `p99_us` are its.
    pub(super) mode: &'static str,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) repeat_p50_us: f64,
    pub(super) repeat_p99_us: f64,
    pub(super) slice_p50_us: f64,
    pub(super) slice_p99_us: f64,
    pub(super) index_p50_us: f64,
    pub(super) index_p99_us: f64,
    pub(super) casbin_p50_us: f64,
    /// Absent without the feature `cedar`.
    pub(super) cedar_p50_us: Option<f64>,
    pub(super) cedar_p99_us: Option<f64>,
    pub(super) reload_ms: f64,
    pub(super) tenant_reload_ms: f64,
    pub(super) rss_mb: f64,
}

/// Prints the figures in the form that was asked for.
///
/// # Errors
/// When charts cannot be written.
pub(super) fn print(args: &PolicyArgs, figures: &Figures) -> Result<(), BenchError> {
    if let Some(directory) = &args.svg {
        fs::create_dir_all(directory)?;
        let rows = [
            ("repeated", figures.repeat_p50_us),
            ("index", figures.index_p50_us),
            ("slice", figures.slice_p50_us),
            ("Cedar", figures.cedar_p50_us.unwrap_or_default()),
        ];
        let title = format!("p50 of a decision at {} rules, {} tenants, us", figures.rules, figures.tenants);
        fs::write(directory.join("policy-decisions.svg"), bars(&title, &rows))?;
    }
    if args.json {
        println!("{}", serde_json::to_string(figures)?);
        return Ok(());
    }
    println!("{} rules, {} tenants, default engine {}\n", figures.rules, figures.tenants, figures.mode);
    println!("{:<24} {:>12} {:>12}", "us of one decision", "p50", "p99");
    for (name, p50, p99) in [
        ("repeated", Some(figures.repeat_p50_us), Some(figures.repeat_p99_us)),
        ("index", Some(figures.index_p50_us), Some(figures.index_p99_us)),
        ("slice", Some(figures.slice_p50_us), Some(figures.slice_p99_us)),
        ("Cedar, per tenant", figures.cedar_p50_us, figures.cedar_p99_us),
        ("casbin, whole set", Some(figures.casbin_p50_us), None),
    ] {
        println!("{name:<24} {:>12} {:>12}", shown(p50), shown(p99));
    }
    println!("\n{:<24} {:>12.1} ms", "reload of everything", figures.reload_ms);
    println!("{:<24} {:>12.1} ms", "reload of one tenant", figures.tenant_reload_ms);
    println!("{:<24} {:>12.1} MiB", "resident, loaded", figures.rss_mb);
    Ok(())
}

fn shown(figure: Option<f64>) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.2}"))
}
