//! `aios up`: everything embedded in one process.

use super::proxy::{block_on, stop_signal};
use crate::{
    embedded::{Instance, ModelApi, Plan},
    output::{self, Exit, Form},
};
use clap::Args as ClapArgs;
use proxy::Drained;
use serde_json::{Map, Value, json};
use std::{net::SocketAddr, path::PathBuf};
use vocab::{GroupName, PrincipalId, TenantId};

/// Run everything embedded.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Where state, keys, ledger and vectors are kept.
    #[arg(long, default_value = ".aios")]
    data: PathBuf,
    /// The address that apps call.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The address of /healthz, /readyz and /metrics.
    #[arg(long, default_value = "127.0.0.1:0")]
    ops: SocketAddr,
    /// An OpenAI-compatible API instead of the demo model, such as <http://127.0.0.1:8000/v1>.
    #[arg(long, value_name = "URL")]
    openai: Option<String>,
    /// Its key, by reference: env:NAME or file:PATH.
    #[arg(long, value_name = "REF", requires = "openai")]
    openai_key: Option<String>,
    /// An OpenAI-compatible embeddings API; without it that of --openai, or the demo model.
    #[arg(long, value_name = "URL")]
    embeddings: Option<String>,
    /// Its key, by reference.
    #[arg(long, value_name = "REF", requires = "embeddings")]
    embeddings_key: Option<String>,
}

pub(crate) fn run(args: &Args, form: Form) -> Exit {
    let openai = args.openai.clone().map(|url| ModelApi { url, credential: args.openai_key.clone() });
    let embeddings = args.embeddings.clone().map(|url| ModelApi { url, credential: args.embeddings_key.clone() });
    let plan = Plan {
        data: args.data.clone(),
        listen: args.listen,
        ops: args.ops,
        embeddings: embeddings.or_else(|| openai.clone()),
        openai,
    };
    block_on(form, async {
        let instance = match Instance::start(&plan).await {
            Ok(instance) => instance,
            Err(error) => {
                output::error(form, &output::chain(&error));
                return Exit::Usage;
            }
        };
        if let Some(value) = welcome(&instance, &plan) {
            print(form, &value, plan.openai.is_none());
        }
        stop_signal().await;
        tracing::info!("draining");
        match instance.stop().await {
            Drained::Whole => Exit::Ok,
            Drained::Incomplete => Exit::Incomplete,
        }
    })
}

/// What a newcomer needs: addresses and a token for each tenant of the starter policies.
fn welcome(instance: &Instance, plan: &Plan) -> Option<Value> {
    let running = instance.running();
    let base = format!("http://{}", running.data_address());
    let group = GroupName::new("apps").ok()?;
    let principal = PrincipalId::new("app").ok()?;
    let mut tokens = Map::new();
    for tenant in ["acme", "globex"] {
        let token = instance.token(&TenantId::new(tenant).ok()?, &principal, &group);
        tokens.insert(tenant.to_owned(), Value::String(token.expose().clone()));
    }
    Some(json!({
        "ready": true,
        "proxy": base,
        "ops": format!("http://{}", running.ops_address()),
        "data": plan.data.display().to_string(),
        "upstreams": {
            "models": format!("{base}/models/v1"),
            "embeddings": format!("{base}/embeddings/v1"),
            "vectors": format!("{base}/vectors"),
        },
        "tokens": tokens,
    }))
}

fn print(form: Form, value: &Value, demo: bool) {
    if form == Form::Json {
        return output::json(value);
    }
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let rows = [
        ("OpenAI base_url", text("/upstreams/models")),
        ("embeddings base_url", text("/upstreams/embeddings")),
        ("Qdrant url", text("/upstreams/vectors")),
        ("health and metrics", text("/ops")),
        ("data", text("/data")),
    ];
    output::line(output::table(&["what", "where"], rows.map(|(what, at)| vec![what.to_owned(), at])));
    output::line(format!("\nA token for tenant acme, good for a day:\n{}", text("/tokens/acme")));
    output::line(format!("\nA token for tenant globex:\n{}", text("/tokens/globex")));
    let model = if demo {
        "Models: aios-demo-chat and aios-demo-embed. They are a demo that echoes; `--openai URL` puts a real one in their place."
    } else {
        "Models: those of the API given by --openai."
    };
    output::line(format!(
        "\n{model}\nVectors are kept in mode `preserving`: obfuscation, not confidentiality (docs/threat-model.md).\n\
         Next: the walk in README.md, then `aios audit verify {}/ledger/host`.  Ctrl-C stops.",
        text("/data")
    ));
}
