//! `aios embedded-store`: the embedded vector store alone, for tests and comparisons.

use super::proxy::{block_on, stop_signal};
use crate::output::{self, Exit, Form};
use clap::Args as ClapArgs;
use embedded_store::{Access, EmbeddedStore};
use serde_json::json;
use std::{net::SocketAddr, path::PathBuf, sync::Arc};

/// Serve Qdrant's API without any protection.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Where collections are kept.
    #[arg(long)]
    dir: PathBuf,
    /// The address to serve.
    #[arg(long, default_value = "127.0.0.1:6333")]
    listen: SocketAddr,
    /// Demand this `api-key` header; without it the store is open.
    #[arg(long, env = "AIOS_STORE_KEY", hide_env_values = true)]
    api_key: Option<String>,
}

pub(crate) fn run(args: &Args, form: Form) -> Exit {
    let store = match EmbeddedStore::open(&args.dir) {
        Ok(store) => Arc::new(store),
        Err(error) => {
            output::error(form, &output::chain(&error));
            return Exit::Incomplete;
        }
    };
    let access = match args.api_key.as_ref().map_or(Ok(Access::open()), |key| Access::key(key)) {
        Ok(access) => access,
        Err(error) => {
            output::error(form, &error.to_string());
            return Exit::Incomplete;
        }
    };
    let routes = embedded_store::router(Arc::clone(&store), access);
    block_on(form, async {
        use axum::serve::ListenerExt as _;
        let bound = match tokio::net::TcpListener::bind(args.listen).await {
            Ok(listener) => listener.local_addr().map(|address| (listener, address)),
            Err(error) => Err(error),
        };
        let (listener, address) = match bound {
            Ok(bound) => bound,
            Err(error) => {
                output::error(form, &format!("cannot listen on {}: {error}", args.listen));
                return Exit::Incomplete;
            }
        };
        output::json(&json!({ "ready": true, "url": format!("http://{address}") }));
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        let served = axum::serve(listener, routes).with_graceful_shutdown(stop_signal()).await;
        let closed = tokio::task::spawn_blocking(move || store.close()).await;
        if served.is_ok() && matches!(closed, Ok(Ok(()))) { Exit::Ok } else { Exit::Incomplete }
    })
}
