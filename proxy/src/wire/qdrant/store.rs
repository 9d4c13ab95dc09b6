//! What the store answers, and the names of what it keeps.

use crate::vector::{PointId, VectorError};
use base64::{Engine, engine::general_purpose::STANDARD};
use embedding_cipher::Token;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::{borrow::Cow, collections::HashMap};

/// The payload key of the sealed record.
pub(crate) const RECORD_KEY: &str = "_aios";

/// The payload key of a field's tokens.
pub(crate) fn token_key(field: Token) -> String {
    format!("_aios_t_{field}")
}

/// A point of the store: its id and its sealed record, where it has one.
pub(crate) type StoreRecord = (PointId, Option<Vec<u8>>);

/// A page of points.
pub(crate) struct StorePage {
    pub(crate) records: Vec<StoreRecord>,
    pub(crate) next: Option<PointId>,
}

/// A search hit of the store. Its score is one of ciphertexts and not kept.
pub(crate) struct StoreHit {
    pub(crate) id: PointId,
    pub(crate) version: u64,
    pub(crate) record: Option<Vec<u8>>,
}

/// What is taken over of a collection's description.
pub(crate) struct StoreInfo {
    pub(crate) settings: Map<String, Value>,
    pub(crate) indexed: HashMap<String, u64>,
}

#[derive(Deserialize)]
struct Envelope<T> {
    result: T,
}

#[derive(Deserialize)]
struct Point<'a> {
    id: PointId,
    #[serde(default)]
    version: u64,
    #[serde(borrow, default)]
    payload: Option<SealedPayload<'a>>,
}

#[derive(Deserialize)]
struct SealedPayload<'a> {
    #[serde(rename = "_aios", borrow, default)]
    record: Option<Cow<'a, str>>,
}

impl Point<'_> {
    /// Base64 that does not decode is a record that does not open: an empty one.
    fn record(&self) -> Option<Vec<u8>> {
        let text = self.payload.as_ref()?.record.as_ref()?;
        Some(STANDARD.decode(text.as_bytes()).unwrap_or_default())
    }
}

fn read<'b, T: Deserialize<'b>>(body: &'b [u8], what: &'static str) -> Result<T, VectorError> {
    serde_json::from_slice::<Envelope<T>>(body)
        .map(|envelope| envelope.result)
        .map_err(|_| VectorError::StoreAnswer(what))
}

/// Points by id.
pub(crate) fn points(body: &[u8]) -> Result<Vec<StoreRecord>, VectorError> {
    let points: Vec<Point<'_>> = read(body, "no list of points")?;
    Ok(points.iter().map(|point| (point.id, point.record())).collect())
}

/// A page of points.
pub(crate) fn page(body: &[u8]) -> Result<StorePage, VectorError> {
    #[derive(Deserialize)]
    struct Page<'a> {
        #[serde(borrow)]
        points: Vec<Point<'a>>,
        #[serde(default)]
        next_page_offset: Option<PointId>,
    }
    let page: Page<'_> = read(body, "no page of points")?;
    Ok(StorePage {
        records: page.points.iter().map(|point| (point.id, point.record())).collect(),
        next: page.next_page_offset,
    })
}

/// The hits of each search of a batch.
pub(crate) fn hits(body: &[u8]) -> Result<Vec<Vec<StoreHit>>, VectorError> {
    #[derive(Deserialize)]
    struct Hits<'a> {
        #[serde(borrow)]
        points: Vec<Point<'a>>,
    }
    let results: Vec<Hits<'_>> = read(body, "no results of searches")?;
    let hit = |point: &Point<'_>| StoreHit { id: point.id, version: point.version, record: point.record() };
    Ok(results.iter().map(|hits| hits.points.iter().map(hit).collect()).collect())
}

/// The number of points.
pub(crate) fn count(body: &[u8]) -> Result<u64, VectorError> {
    #[derive(Deserialize)]
    struct Count {
        count: u64,
    }
    read::<Count>(body, "no count").map(|count| count.count)
}

/// The number of a write that was carried out.
pub(crate) fn written(body: &[u8]) -> Result<Option<u64>, VectorError> {
    #[derive(Deserialize)]
    struct Written {
        #[serde(default)]
        operation_id: Option<u64>,
        status: Cow<'static, str>,
    }
    let written: Written = read(body, "no status of a write")?;
    match written.status.as_ref() {
        "completed" => Ok(written.operation_id),
        _ => Err(VectorError::StoreAnswer("a write that was not carried out")),
    }
}

/// The version that the store says it has: digits, dots and what else versions are made of.
pub(crate) fn version(body: &[u8]) -> Result<String, VectorError> {
    #[derive(Deserialize)]
    struct Version {
        version: String,
    }
    let fault = VectorError::StoreAnswer("no version");
    let Ok(Version { version }) = serde_json::from_slice(body) else { return Err(fault) };
    let plain =
        version.len() <= 32 && version.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+'));
    if plain { Ok(version) } else { Err(fault) }
}

/// The description of a collection: known parts, as they are.
pub(crate) fn info(body: &[u8]) -> Result<StoreInfo, VectorError> {
    const TOP: [&str; 6] =
        ["status", "optimizer_status", "indexed_vectors_count", "points_count", "segments_count", "vectors_count"];
    const CONFIG: [&str; 4] = ["hnsw_config", "optimizer_config", "wal_config", "quantization_config"];
    const PARAMS: [&str; 4] = ["shard_number", "replication_factor", "write_consistency_factor", "on_disk_payload"];
    let result: Map<String, Value> = read(body, "no description of a collection")?;
    let taken = |from: Option<&Value>, names: &[&str]| -> Map<String, Value> {
        let part = |name: &&str| Some(((*name).to_owned(), from?.get(*name)?.clone()));
        names.iter().filter_map(part).collect()
    };
    let indexed = match result.get("payload_schema").and_then(Value::as_object) {
        None => HashMap::new(),
        Some(schema) => schema
            .iter()
            .map(|(key, value)| (key.clone(), value.get("points").and_then(Value::as_u64).unwrap_or(0)))
            .collect(),
    };
    let result = Value::Object(result);
    let mut settings = taken(Some(&result), &TOP);
    let mut config = taken(result.get("config"), &CONFIG);
    config.insert("params".to_owned(), Value::Object(taken(result.pointer("/config/params"), &PARAMS)));
    settings.insert("config".to_owned(), Value::Object(config));
    Ok(StoreInfo { settings, indexed })
}
