//! Collections: list, info, create, exists, delete.

use serde_json::json;

use super::body::{Call, Reply};
use crate::fault::Fault;
use crate::params::{Creation, shown};
use crate::store::EmbeddedStore;

pub(crate) fn list(store: &EmbeddedStore) -> Result<Reply, Fault> {
    let names: Vec<_> = store.all().iter().map(|collection| json!({"name": collection.name()})).collect();
    Reply::new(&json!({"collections": names}))
}

pub(crate) fn exists(store: &EmbeddedStore, call: &Call) -> Result<Reply, Fault> {
    let exists = match store.collection(call.name()) {
        Ok(_) => true,
        Err(Fault::NoCollection(_)) => false,
        Err(fault) => return Err(fault),
    };
    Reply::new(&json!({"exists": exists}))
}

pub(crate) fn create(store: &EmbeddedStore, call: &Call) -> Result<Reply, Fault> {
    let (config, metadata) = call.parse::<Creation>()?.parse()?;
    store.create(call.name(), config, metadata)?;
    Reply::new(&true)
}

pub(crate) fn delete(store: &EmbeddedStore, call: &Call) -> Result<Reply, Fault> {
    Reply::new(&store.delete(call.name())?)
}

pub(crate) fn info(store: &EmbeddedStore, call: &Call) -> Result<Reply, Fault> {
    let collection = store.collection(call.name())?;
    let (info, config) = collection.read(|shard| Ok((shard.info(), shard.config().clone())))?;
    Reply::new(&json!({
        "status": if collection.is_tidying() { "yellow" } else { "green" },
        "optimizer_status": "ok",
        "indexed_vectors_count": info.indexed_vectors_count,
        "points_count": info.points_count,
        "segments_count": info.segments_count,
        "config": shown(&config, collection.metadata())?,
        "payload_schema": info.payload_schema.iter().map(|(field, index)| (field.to_string(), json!(index)))
            .collect::<serde_json::Map<_, _>>(),
    }))
}
