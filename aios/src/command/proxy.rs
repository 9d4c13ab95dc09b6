//! `aios proxy --config FILE`.

use crate::{
    assemble,
    output::{self, Exit, Form},
};
use clap::Args as ClapArgs;
use proxy::{Drained, Running, config::Config};
use serde_json::json;
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

/// Run a sidecar.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The configuration file.
    #[arg(long)]
    config: PathBuf,
}

pub(crate) fn run(args: &Args, form: Form) -> Exit {
    let config = match Config::load(&args.config) {
        Ok(config) => config,
        Err(errors) => {
            output::error(form, &errors.to_string());
            return Exit::Usage;
        }
    };
    block_on(form, async {
        let running = match assemble::start(&config).await {
            Ok(running) => running,
            Err(error) => {
                output::error(form, &output::chain(&error));
                return Exit::Usage;
            }
        };
        announce(form, &running);
        until_stopped(running).await
    })
}

/// Runs a future on a new runtime.
pub(crate) fn block_on(form: Form, work: impl Future<Output = Exit>) -> Exit {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => {
            output::error(form, &format!("no runtime: {error}"));
            Exit::Incomplete
        }
    }
}

fn announce(form: Form, running: &Running) {
    let (data, ops) = (running.data_address(), running.ops_address());
    tracing::info!(%data, %ops, "serving");
    if form == Form::Json {
        output::json(&json!({ "ready": true, "proxy": format!("http://{data}"), "ops": format!("http://{ops}") }));
    }
}

/// Serves until SIGTERM or SIGINT, then drains.
pub(crate) async fn until_stopped(running: Running) -> Exit {
    stop_signal().await;
    tracing::info!("draining");
    match running.drain().await {
        Drained::Whole => Exit::Ok,
        Drained::Incomplete => Exit::Incomplete,
    }
}

/// Resolves on SIGTERM or SIGINT.
pub(crate) async fn stop_signal() {
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        _ => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
