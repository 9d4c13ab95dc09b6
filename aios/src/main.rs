//! `aios`: the sidecar proxy, the embedded first try, and the tools around them.

mod assemble;
mod command;
#[cfg(feature = "embedded-store")]
mod demo_model;
#[cfg(feature = "embedded-store")]
mod embedded;
mod events;
#[cfg(feature = "embedded-store")]
mod http_client;
mod keys;
mod output;
mod policies;
mod state;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Records and bodies are freed on other threads than made them, which this allocator is quick at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Governs every model and vector-store call of an organisation's apps.
#[derive(Parser)]
#[command(name = "aios", version, about, arg_required_else_help = true)]
struct Cli {
    /// Print JSON instead of tables.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything embedded in one process, for a first try.
    #[cfg(feature = "embedded-store")]
    Up(command::up::Args),
    /// Run a sidecar from a configuration file.
    Proxy(command::proxy::Args),
    /// A scripted tour on a private embedded instance; exit 0 if every promise holds.
    #[cfg(feature = "embedded-store")]
    Demo(command::demo::Args),
    /// Check a configuration file.
    #[command(subcommand)]
    Config(command::config::Command),
    /// Verify, export or follow the ledger.
    #[command(subcommand)]
    Audit(command::audit::Command),
    /// Write, check, explain and ship policies.
    #[command(subcommand)]
    Policy(command::policy::Command),
    /// Look at, rotate, rewrap and destroy keys.
    #[command(subcommand)]
    Keys(command::keys::Command),
    /// Mint tokens of the embedded issuer.
    #[command(subcommand)]
    Tokens(command::tokens::Command),
    /// The embedded vector store alone, without any protection: for tests and comparisons.
    #[cfg(feature = "embedded-store")]
    #[command(hide = true)]
    EmbeddedStore(command::embedded_store::Args),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { output::Exit::Usage.into() } else { ExitCode::SUCCESS };
        }
    };
    let form = if cli.json { output::Form::Json } else { output::Form::Human };
    output::logs();
    let exit = match cli.command {
        #[cfg(feature = "embedded-store")]
        Command::Up(args) => command::up::run(&args, form),
        Command::Proxy(args) => command::proxy::run(&args, form),
        #[cfg(feature = "embedded-store")]
        Command::Demo(args) => command::demo::run(&args, form),
        Command::Config(command) => command::config::run(&command, form),
        Command::Audit(command) => command::audit::run(&command, form),
        Command::Policy(command) => command::policy::run(&command, form),
        Command::Keys(command) => command::keys::run(&command, form),
        Command::Tokens(command) => command::tokens::run(&command, form),
        #[cfg(feature = "embedded-store")]
        Command::EmbeddedStore(args) => command::embedded_store::run(&args, form),
    };
    exit.into()
}
