//! Benchmarks. Every figure is taken in interleaved rounds beside something that is known: a pass-through of the same
//! traffic, or other engines on the same rules.
//!
//! `bench proxy` starts all parts itself, on loopback: a fast upstream, nginx, a bare hyper pass-through, and two
//! sidecars with everything on (one per durability). `upstream` and `pass-through` are those parts, as processes of
//! their own so that their CPU time can be told apart.

mod child;
mod error;
mod governed;
mod load;
mod nginx;
mod pass_through;
mod policy;
mod process;
mod proxy_bench;
mod report;
mod seal;
mod stats;
mod sync_probe;
mod upstream;

use clap::{Parser, Subcommand};
use error::BenchError;
use std::{path::PathBuf, process::ExitCode};

/// The allocator of the product: what is measured in this process is measured as it runs there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "bench", about = "Benchmarks of the data path, of decisions and of sealing")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Throughput, CPU, added latency and memory of the sidecar beside nginx and a bare pass-through.
    Proxy(ProxyArgs),
    /// Decisions at any number of rules, beside plain casbin and (feature `cedar`) Cedar; reloads and memory.
    Policy(PolicyArgs),
    /// What sealing a value costs beside plain AES-256-GCM, and what finding its key costs.
    Seal(seal::SealArgs),
    /// Loads a directory of policies and prints its own resident megabytes.
    #[command(hide = true)]
    PolicyMemory {
        /// The directory.
        #[arg(long)]
        policies: PathBuf,
    },
    /// The fast upstream; prints its port.
    #[command(hide = true)]
    Upstream,
    /// A bare hyper pass-through to `--to HOST:PORT`; prints its port.
    #[command(hide = true)]
    PassThrough {
        /// Where it forwards to.
        #[arg(long)]
        to: std::net::SocketAddr,
    },
}

/// What `bench proxy` takes.
#[derive(clap::Args)]
struct ProxyArgs {
    /// The binary under test.
    #[arg(long, default_value = "target/release/aios")]
    aios: PathBuf,
    /// The policy directory of the sidecar.
    #[arg(long, default_value = "policies/starter")]
    policies: PathBuf,
    /// Where data directories go; figures of `fdatasync` are those of its file system.
    #[arg(long, default_value = "target")]
    scratch: PathBuf,
    /// Interleaved rounds.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Seconds of each measurement in a round.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Print one JSON object on the last line instead of a table.
    #[arg(long)]
    json: bool,
    /// Write charts into this directory.
    #[arg(long)]
    svg: Option<PathBuf>,
}

/// What `bench policy` takes.
#[derive(clap::Args)]
struct PolicyArgs {
    /// The rules of all tenants together.
    #[arg(long, default_value_t = 100_000)]
    rules: usize,
    /// The tenants.
    #[arg(long, default_value_t = 1_000)]
    tenants: usize,
    /// Interleaved rounds.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Questions of each engine in a round.
    #[arg(long, default_value_t = 20_000)]
    questions: usize,
    /// Where documents are written for the measure of memory.
    #[arg(long, default_value = "target")]
    scratch: PathBuf,
    /// Print one JSON object on the last line instead of a table.
    #[arg(long)]
    json: bool,
    /// Write charts into this directory.
    #[arg(long)]
    svg: Option<PathBuf>,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Proxy(args) => single(proxy_bench::run(&args)),
        Command::Policy(args) => policy::run(&args),
        Command::Seal(args) => single(seal::run(&args)),
        Command::PolicyMemory { policies } => policy::memory(&policies),
        Command::Upstream => single(upstream::serve()),
        Command::PassThrough { to } => multi(pass_through::serve(to)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// One thread: the load generator and the upstream must cost as little as they can.
fn single(work: impl Future<Output = Result<(), BenchError>>) -> Result<(), BenchError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Two workers, like the nginx beside it.
fn multi(work: impl Future<Output = Result<(), BenchError>>) -> Result<(), BenchError> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(work)
}
