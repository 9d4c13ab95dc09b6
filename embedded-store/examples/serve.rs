//! Serves an embedded store on its own, for trying it with any Qdrant client:
//!
//! ```text
//! cargo run --release -p embedded-store --example serve -- --dir D --listen 127.0.0.1:6333 [--api-key SECRET]
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use embedded_store::{Access, EmbeddedStore, router};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut dir = PathBuf::from("vectors");
    let mut listen = String::from("127.0.0.1:6333");
    let mut access = Access::open();
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or("every option takes a value")?;
        match flag.as_str() {
            "--dir" => dir = value.into(),
            "--listen" => listen = value,
            "--api-key" => access = Access::key(&value)?,
            _ => return Err("known options: --dir, --listen, --api-key".into()),
        }
    }
    let store = Arc::new(EmbeddedStore::open(&dir)?);
    let listener = TcpListener::bind(&listen).await?;
    let stopped = async {
        // Without a signal handler the process can still be killed, which loses nothing.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    axum::serve(listener, router(Arc::clone(&store), access)).with_graceful_shutdown(stopped).await?;
    tokio::task::spawn_blocking(move || store.close()).await??;
    Ok(())
}
