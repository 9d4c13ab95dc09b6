//! How figures are shown: one JSON object on the last line, or a table with ratios; charts on request.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the figures are this program's output")]

use crate::{ProxyArgs, error::BenchError};
use serde::Serialize;
use std::{fs, path::Path};

/// The figures of `bench proxy`. Microseconds, seconds of CPU per 10,000 calls, calls a second, MiB.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) nginx_rps: f64,
    pub(crate) plain_rps: f64,
    pub(crate) governed_rps: f64,
    pub(crate) nginx_cpu_s_10k: f64,
    pub(crate) plain_cpu_s_10k: f64,
    pub(crate) governed_cpu_s_10k: f64,
    /// What a proxy that only passes bytes on adds.
    pub(crate) plain_added_p50_us: f64,
    pub(crate) added_p50_us: f64,
    pub(crate) added_p99_us: f64,
    pub(crate) added_os_p50_us: f64,
    pub(crate) added_os_p99_us: f64,
    pub(crate) raw_fdatasync_p50_us: f64,
    pub(crate) raw_fdatasync_p99_us: f64,
    /// The median at the pace of the load, where each flush finds an idle disk.
    pub(crate) paced_fdatasync_p50_us: f64,
    pub(crate) sse_added_ttft_p50_us: f64,
    pub(crate) rss_idle_mb: f64,
    pub(crate) rss_load_mb: f64,
}

/// One goal: what it is, what was seen, what it must not pass.
struct Goal {
    text: &'static str,
    seen: f64,
    limit: f64,
    met: bool,
}

impl Figures {
    fn goals(&self) -> [Goal; 5] {
        let at_most = |text, seen: f64, limit: f64| Goal { text, seen, limit, met: seen <= limit };
        let ratio = self.governed_rps / self.nginx_rps;
        let flushed = 2.0 * self.raw_fdatasync_p50_us + 400.0;
        [
            Goal { text: "governed / nginx throughput, at least", seen: ratio, limit: 0.4, met: ratio >= 0.4 },
            at_most("CPU seconds per 10,000 calls, at most", self.governed_cpu_s_10k, 1.6),
            at_most("added p50 at 200/s, us, at most 2 flushes + 400", self.added_p50_us, flushed),
            at_most("added p50 with durability os, us, at most", self.added_os_p50_us, 400.0),
            at_most("resident MiB under load, at most", self.rss_load_mb, 50.0),
        ]
    }
}

/// Says on standard error which round runs.
pub(crate) fn progress(round: u32, rounds: u32) {
    eprintln!("round {round} of {rounds}");
}

/// Says on standard error why there are no figures.
pub(crate) fn complain(error: &BenchError) {
    eprintln!("bench: {error}");
}

/// Prints the figures in the form that was asked for.
///
/// # Errors
/// When charts cannot be written.
pub(crate) fn print(args: &ProxyArgs, figures: &Figures) -> Result<(), BenchError> {
    if let Some(directory) = &args.svg {
        charts(directory, figures)?;
    }
    if args.json {
        println!("{}", serde_json::to_string(figures)?);
        return Ok(());
    }
    println!("{:<12} {:>12} {:>10} {:>18} {:>10}", "", "calls/s", "to nginx", "CPU s per 10,000", "to nginx");
    for (name, rps, cpu) in [
        ("nginx", figures.nginx_rps, figures.nginx_cpu_s_10k),
        ("plain hyper", figures.plain_rps, figures.plain_cpu_s_10k),
        ("governed", figures.governed_rps, figures.governed_cpu_s_10k),
    ] {
        let (rate, cost) = (rps / figures.nginx_rps, cpu / figures.nginx_cpu_s_10k);
        println!("{name:<12} {rps:>12.0} {rate:>10.2} {cpu:>18.2} {cost:>10.2}");
    }
    println!();
    for (name, p50, p99) in [
        ("added at 200/s, fsync", figures.added_p50_us, figures.added_p99_us),
        ("added at 200/s, os", figures.added_os_p50_us, figures.added_os_p99_us),
        ("raw fdatasync", figures.raw_fdatasync_p50_us, figures.raw_fdatasync_p99_us),
    ] {
        println!("{name:<24} p50 {p50:>9.0} us   p99 {p99:>9.0} us");
    }
    println!("{:<24} p50 {:>9.0} us", "added, plain hyper", figures.plain_added_p50_us);
    println!("{:<24} p50 {:>9.0} us", "fdatasync at that pace", figures.paced_fdatasync_p50_us);
    println!("{:<24} p50 {:>9.0} us", "added to first event", figures.sse_added_ttft_p50_us);
    println!("{:<24} idle {:>7.1}      load {:>7.1}\n", "resident MiB", figures.rss_idle_mb, figures.rss_load_mb);
    for Goal { text, seen, limit, met } in figures.goals() {
        println!("{} {text} {limit:.2}: {seen:.2}", if met { "met   " } else { "MISSED" });
    }
    Ok(())
}

fn charts(directory: &Path, figures: &Figures) -> Result<(), BenchError> {
    fs::create_dir_all(directory)?;
    let rates = [("nginx", figures.nginx_rps), ("plain hyper", figures.plain_rps), ("governed", figures.governed_rps)];
    fs::write(directory.join("proxy-throughput.svg"), bars("calls per second, 32 connections", &rates))?;
    let latencies = [
        ("two raw flushes", 2.0 * figures.raw_fdatasync_p50_us),
        ("two paced flushes", 2.0 * figures.paced_fdatasync_p50_us),
        ("added, fsync", figures.added_p50_us),
        ("added, os", figures.added_os_p50_us),
        ("first event", figures.sse_added_ttft_p50_us),
    ];
    fs::write(
        directory.join("proxy-latency.svg"),
        bars("added p50 at 200 calls per second, microseconds", &latencies),
    )?;
    Ok(())
}

/// A bar chart: labels left, values right.
pub(crate) fn bars(title: &str, rows: &[(&str, f64)]) -> String {
    let most = rows.iter().map(|(_, v)| *v).fold(1.0_f64, f64::max);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"640\" height=\"{}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<text x=\"8\" y=\"20\" font-weight=\"bold\">{title}</text>\n",
        40 + 28 * rows.len()
    );
    let mut y = 36;
    for (label, value) in rows {
        let width = (value.max(0.0) / most * 400.0).max(1.0);
        svg.push_str(&format!(
            "<text x=\"8\" y=\"{t}\">{label}</text><rect x=\"130\" y=\"{y}\" width=\"{width:.0}\" height=\"20\" \
             fill=\"#36648b\"/><text x=\"{v:.0}\" y=\"{t}\">{value:.0}</text>\n",
            t = y + 15,
            v = 136.0 + width,
        ));
        y += 28;
    }
    svg.push_str("</svg>\n");
    svg
}
