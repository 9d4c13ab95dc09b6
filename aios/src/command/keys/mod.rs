//! `aios keys status|rotate|rewrap|shred|doctor`: work on the keys of a configuration.

mod change;
mod look;
mod shred;

use crate::{
    assemble::{AssembleError, DataDir, of},
    command::proxy::block_on,
    keys,
    output::{self, Exit, Form},
    state::SharedStore,
};
use clap::{Args, Subcommand};
use control_plane::{OperatorEvent, Store};
use kms_bridge::{KekOwner, KeyBridge};
use proxy::config::Config;
use std::{collections::BTreeMap, os::unix::fs::MetadataExt as _, path::PathBuf, time::Duration};
use vocab::{CollectionName, TenantId, UpstreamName};

/// Work on keys. Sidecars that use the same state may go on running.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show every key-encryption key: whose, where, in which state, with how many data keys.
    Status(Place),
    /// Give a tenant or a collection a new key-encryption key, or open new epochs of its data keys.
    Rotate {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        owner: Owner,
        /// Open new epochs of the keys that seal payloads and kept content, in place of a new
        /// key-encryption key. Values of earlier epochs still open.
        #[arg(long)]
        epochs: bool,
    },
    /// Wrap every data key that is not under its newest key-encryption key again. It can be stopped and
    /// begun again.
    Rewrap {
        #[command(flatten)]
        place: Place,
        /// Only the data keys of this tenant.
        #[arg(long)]
        tenant: Option<TenantId>,
    },
    /// Destroy every key of a tenant, or of one collection with keys of its own. There is no way back.
    Shred {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        owner: Owner,
        /// The tenant's name once more: nothing is shredded without it.
        #[arg(long)]
        confirm: String,
    },
    /// Look at the key services as an operator would: reachable, rights, settings that weaken a promise.
    Doctor(Place),
}

/// Which configuration.
#[derive(Args)]
pub(crate) struct Place {
    /// The configuration of the sidecar; the default is the one that `aios up` writes.
    #[arg(long, default_value = ".aios/aios.toml")]
    config: PathBuf,
}

/// Whose keys.
#[derive(Args)]
pub(crate) struct Owner {
    /// The tenant.
    #[arg(long)]
    tenant: TenantId,
    /// One collection of it, by the name that the apps use; it must have a key-encryption key of its own
    /// (`keys.kek_per = "collection"`).
    #[arg(long, requires = "upstream")]
    collection: Option<CollectionName>,
    /// The upstream of the collection.
    #[arg(long)]
    upstream: Option<UpstreamName>,
}

pub(crate) fn run(command: &Command, form: Form) -> Exit {
    let (Command::Status(place)
    | Command::Rotate { place, .. }
    | Command::Rewrap { place, .. }
    | Command::Shred { place, .. }
    | Command::Doctor(place)) = command;
    let config = match Config::load(&place.config) {
        Ok(config) => config,
        Err(errors) => {
            output::error(form, &errors.to_string());
            return Exit::Usage;
        }
    };
    block_on(form, async {
        let desk = match Desk::open(&config).await {
            Ok(desk) => desk,
            Err(error) => {
                output::error(form, &output::chain(&error));
                return Exit::Incomplete;
            }
        };
        let done = match command {
            Command::Status(_) => look::status(&desk, form).await,
            Command::Doctor(_) => look::doctor(&desk, form).await,
            Command::Rotate { owner, epochs: false, .. } => change::rotate(&desk, owner, form).await,
            Command::Rotate { owner, epochs: true, .. } => change::open_epochs(&desk, owner, form).await,
            Command::Rewrap { tenant, .. } => change::rewrap(&desk, tenant.as_ref(), form).await,
            Command::Shred { owner, confirm, .. } => shred::shred(&desk, owner, confirm, form).await,
        };
        done.unwrap_or_else(|message| {
            output::error(form, &message);
            Exit::Incomplete
        })
    })
}

/// What every command works with.
struct Desk {
    store: Store,
    bridge: KeyBridge,
    config: Config,
}

impl Desk {
    async fn open(config: &Config) -> Result<Self, AssembleError> {
        let data = DataDir::new(&config.data);
        let store = Store::open(&data.state()).await.map_err(of("the state store"))?;
        let bridge = keys::bridge(config, &data, &SharedStore::new(store.clone()))?;
        Ok(Self { store, bridge, config: config.clone() })
    }

    /// Whose KEK is meant: a collection is known to keys by the store's name for it.
    async fn owner(&self, owner: &Owner) -> Result<KekOwner, String> {
        let collection = match (&owner.collection, &owner.upstream) {
            (Some(name), Some(upstream)) => {
                let key = control_plane::CollectionKey {
                    tenant: owner.tenant.clone(),
                    upstream: upstream.clone(),
                    name: name.clone(),
                };
                let row = self.store.find_collection(&key).await.map_err(|e| output::chain(&e))?;
                let row = row.ok_or_else(|| format!("{} has no collection {}", owner.tenant, name.as_str()))?;
                Some(CollectionName::new(row.physical.as_str()).map_err(|e| e.to_string())?)
            }
            _ => None,
        };
        Ok(KekOwner { tenant: owner.tenant.clone(), collection })
    }

    /// Has an event written into the ledger: by a sidecar that runs on this state, else by this process.
    async fn record(&self, event: &str, tenant: &TenantId, details: BTreeMap<String, String>) -> Result<(), String> {
        let uid = std::fs::metadata("/proc/self").map_or_else(|_| "unknown".to_owned(), |m| m.uid().to_string());
        let event = OperatorEvent {
            event: event.to_owned(),
            tenant: Some(tenant.clone()),
            principal: format!("uid {uid}"),
            details,
        };
        let id = self.store.note_event(&event).await.map_err(|e| output::chain(&e))?;
        for _ in 0..20 {
            if self.store.is_event_recorded(id).await.map_err(|e| output::chain(&e))? {
                return Ok(());
            }
            // While a sidecar runs it holds the ledger, and takes the event.
            if let Ok(ledger) = crate::assemble::ledger(&self.config, &DataDir::new(&self.config.data)) {
                return crate::events::take_operator_events(&self.store, &ledger).await.map_err(|e| e.to_string());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Err(format!("{} is stored and not yet in a ledger: a sidecar on this state takes it", event.event))
    }
}
