//! `bench proxy`: throughput, CPU, added latency, time to first event and memory, in interleaved rounds.

use crate::{
    ProxyArgs,
    child::Part,
    error::BenchError,
    governed::{self, Durability, Governed, Setup},
    load::{self, Target},
    nginx, process,
    report::{self, Figures},
    stats::{Samples, median},
    sync_probe,
};
use bytes::Bytes;
use std::{path::PathBuf, time::Duration};

/// Clients of the closed loop.
const CONNECTIONS: u32 = 32;
/// Calls a second of the open loop.
const RATE: u32 = 200;
/// Streamed calls in one round.
const STREAMS: u32 = 100;
/// Flushes timed in one round.
const FLUSHES: usize = 100;
/// A part of the prompt that must come back: the upstream echoes it, the sidecar restores it.
const RESTORED: &str = "ada.lovelace@example.org";

/// One part under measurement and what was seen of it.
struct Contender {
    target: Target,
    pids: Vec<u32>,
    per_second: Vec<f64>,
    cpu_10k: Vec<f64>,
}

impl Contender {
    fn new(target: Target, pids: Vec<u32>) -> Self {
        Self { target, pids, per_second: Vec::new(), cpu_10k: Vec::new() }
    }

    async fn throughput(&mut self, body: &Bytes, time: Duration) -> Result<(), BenchError> {
        let before = process::cpu_seconds(&self.pids)?;
        let seen = load::closed_loop(&self.target, body, CONNECTIONS, time).await?;
        let cpu = process::cpu_seconds(&self.pids)? - before;
        self.per_second.push(seen.per_second);
        self.cpu_10k.push(cpu * 10_000.0 / f64::from(seen.calls));
        Ok(())
    }
}

/// Everything that is running; all of it ends when this is dropped.
struct Stage {
    _upstream: Part,
    nginx: Part,
    plain: Part,
    durable: Governed,
    relaxed: Governed,
    direct: Target,
    ledger: PathBuf,
    _scratch: tempfile::TempDir,
}

fn set_up(args: &ProxyArgs) -> Result<Stage, BenchError> {
    std::fs::create_dir_all(&args.scratch)?;
    let scratch = tempfile::Builder::new().prefix("bench-").tempdir_in(&args.scratch)?;
    let upstream = Part::start_self(&["upstream"])?;
    let to = format!("127.0.0.1:{}", upstream.port);
    let sidecar = |name: &str, durability| {
        governed::start(&Setup {
            aios: &args.aios,
            policies: &args.policies,
            upstream: upstream.port,
            directory: scratch.path().join(name),
            durability,
        })
    };
    let durable = sidecar("fsync", Durability::Fsync)?;
    let relaxed = sidecar("os", Durability::Os)?;
    let nginx = nginx::start(upstream.port, scratch.path())?;
    let plain = Part::start_self(&["pass-through", "--to", &to])?;
    let direct = bare("direct", upstream.port);
    let ledger = scratch.path().join("fsync").join("data").join("ledger");
    Ok(Stage { _upstream: upstream, nginx, plain, durable, relaxed, direct, ledger, _scratch: scratch })
}

fn bare(name: &'static str, port: u16) -> Target {
    Target { name, port, path: "/v1/chat/completions".to_owned(), token: None, expect: RESTORED }
}

fn sidecar(name: &'static str, governed: &Governed) -> Target {
    Target {
        name,
        port: governed.part.port,
        path: "/models/v1/chat/completions".to_owned(),
        token: Some(governed.token.clone()),
        expect: RESTORED,
    }
}

/// A small chat call with one value to pseudonymise.
fn prompt(stream: &str) -> Bytes {
    Bytes::from(format!(
        "{{\"model\":\"bench-chat\",{stream}\"messages\":[{{\"role\":\"system\",\"content\":\"You answer in one \
         sentence.\"}},{{\"role\":\"user\",\"content\":\"Write to {RESTORED} that the meeting about the harbour \
         warehouse moves to Thursday.\"}}]}}"
    ))
}

/// Takes all figures and prints them.
///
/// # Errors
/// At the first failed call or missing part: no figure is given over faults.
pub(crate) async fn run(args: &ProxyArgs) -> Result<(), BenchError> {
    let stage = set_up(args)?;
    let time = Duration::from_secs(args.seconds.max(1));
    let (plain_body, stream_body) = (prompt(""), prompt("\"stream\":true,"));
    let governed_target = sidecar("governed", &stage.durable);
    let plain_target = bare("plain", stage.plain.port);
    let relaxed_target = sidecar("governed, os", &stage.relaxed);
    let governed_pid = stage.durable.part.pid();
    let mut contenders = [
        Contender::new(bare("nginx", stage.nginx.port), process::family(stage.nginx.pid())?),
        Contender::new(plain_target.clone(), vec![stage.plain.pid()]),
        Contender::new(governed_target.clone(), vec![governed_pid]),
    ];
    let rss_idle = process::rss_mb(governed_pid)?;
    for contender in &contenders {
        load::closed_loop(&contender.target, &plain_body, CONNECTIONS, Duration::from_millis(500)).await?;
    }
    load::closed_loop(&relaxed_target, &plain_body, CONNECTIONS, Duration::from_millis(500)).await?;

    let mut seen = Latencies::default();
    let mut rss_load = 0.0_f64;
    for round in 1..=args.rounds.max(1) {
        report::progress(round, args.rounds);
        for contender in &mut contenders {
            contender.throughput(&plain_body, time).await?;
        }
        rss_load = rss_load.max(process::rss_mb(governed_pid)?);
        seen.flush.extend(&sync_probe::fdatasync(&stage.ledger, FLUSHES, Duration::ZERO)?);
        // Each call flushes twice.
        let pause = Duration::from_secs(1) / (2 * RATE);
        seen.paced_flush.extend(&sync_probe::fdatasync(&stage.ledger, FLUSHES, pause)?);
        seen.direct.extend(&load::open_loop(&stage.direct, &plain_body, RATE, time).await?);
        seen.plain.extend(&load::open_loop(&plain_target, &plain_body, RATE, time).await?);
        seen.governed.extend(&load::open_loop(&governed_target, &plain_body, RATE, time).await?);
        seen.relaxed.extend(&load::open_loop(&relaxed_target, &plain_body, RATE, time).await?);
        seen.direct_stream.extend(&load::first_events(&stage.direct, &stream_body, STREAMS).await?);
        seen.governed_stream.extend(&load::first_events(&governed_target, &stream_body, STREAMS).await?);
    }
    report::print(args, &figures(&contenders, &seen, rss_idle, rss_load)?)
}

/// All samples of all rounds.
#[derive(Default)]
struct Latencies {
    direct: Samples,
    plain: Samples,
    governed: Samples,
    relaxed: Samples,
    direct_stream: Samples,
    governed_stream: Samples,
    flush: Samples,
    paced_flush: Samples,
}

fn figures(
    contenders: &[Contender; 3],
    seen: &Latencies,
    rss_idle_mb: f64,
    rss_load_mb: f64,
) -> Result<Figures, BenchError> {
    let added = |of: &Samples, over: &Samples, percent, what| {
        Ok::<_, BenchError>(of.percentile(percent, what)? - over.percentile(percent, what)?)
    };
    let [nginx, plain, governed] = contenders;
    Ok(Figures {
        nginx_rps: median(&nginx.per_second, "throughput")?,
        plain_rps: median(&plain.per_second, "throughput")?,
        governed_rps: median(&governed.per_second, "throughput")?,
        nginx_cpu_s_10k: median(&nginx.cpu_10k, "CPU")?,
        plain_cpu_s_10k: median(&plain.cpu_10k, "CPU")?,
        governed_cpu_s_10k: median(&governed.cpu_10k, "CPU")?,
        plain_added_p50_us: added(&seen.plain, &seen.direct, 50, "latency")?,
        added_p50_us: added(&seen.governed, &seen.direct, 50, "latency")?,
        added_p99_us: added(&seen.governed, &seen.direct, 99, "latency")?,
        added_os_p50_us: added(&seen.relaxed, &seen.direct, 50, "latency")?,
        added_os_p99_us: added(&seen.relaxed, &seen.direct, 99, "latency")?,
        raw_fdatasync_p50_us: seen.flush.percentile(50, "fdatasync")?,
        raw_fdatasync_p99_us: seen.flush.percentile(99, "fdatasync")?,
        paced_fdatasync_p50_us: seen.paced_flush.percentile(50, "fdatasync")?,
        sse_added_ttft_p50_us: added(&seen.governed_stream, &seen.direct_stream, 50, "first event")?,
        rss_idle_mb,
        rss_load_mb,
    })
}
