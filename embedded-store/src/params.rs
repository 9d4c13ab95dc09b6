//! The settings of a collection: from Qdrant's creation body to the engine's configuration, and back.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use qdrant_edge::{
    DEFAULT_VECTOR_NAME, Distance, EdgeConfig, EdgeOptimizersConfig, EdgeVectorParams, HnswIndexConfig,
    QuantizationConfig, VectorStorageDatatype, WalOptions,
};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use crate::fault::Fault;

/// Kilobytes of unindexed vectors in a segment below which searches scan all of them, which is exact, instead
/// of building an HNSW graph. About 65,000 vectors of 384 dimensions. A collection may set
/// its own `optimizers_config.indexing_threshold`.
pub const EXACT_BELOW_KB: usize = 100_000;

/// Qdrant's own bound.
const MAX_DIMENSIONS: usize = 65_536;
/// The engine's log takes its space on disk in steps of this size.
const LOG_STEP_BYTES: usize = 8 << 20;

/// The body of `PUT /collections/{name}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Creation {
    vectors: Option<Value>,
    hnsw_config: Option<HnswDiff>,
    optimizers_config: Option<OptimizersDiff>,
    quantization_config: Option<QuantizationConfig>,
    on_disk_payload: Option<bool>,
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
    // Accepted without effect: they describe a cluster or a log that this store does not have.
    #[serde(default, rename = "shard_number")]
    _shard_number: Option<u32>,
    #[serde(default, rename = "replication_factor")]
    _replication_factor: Option<u32>,
    #[serde(default, rename = "write_consistency_factor")]
    _write_consistency_factor: Option<u32>,
    #[serde(default, rename = "wal_config")]
    _wal_config: Option<IgnoredAny>,
    // Refused: to ignore them would break what they ask for.
    sparse_vectors: Option<Map<String, Value>>,
    sharding_method: Option<String>,
    strict_mode_config: Option<Map<String, Value>>,
    init_from: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VectorParams {
    size: usize,
    distance: Distance,
    hnsw_config: Option<HnswDiff>,
    quantization_config: Option<QuantizationConfig>,
    on_disk: Option<bool>,
    datatype: Option<VectorStorageDatatype>,
    multivector_config: Option<IgnoredAny>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct HnswDiff {
    m: Option<usize>,
    ef_construct: Option<usize>,
    full_scan_threshold: Option<usize>,
    max_indexing_threads: Option<usize>,
    on_disk: Option<bool>,
    payload_m: Option<usize>,
    inline_storage: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OptimizersDiff {
    deleted_threshold: Option<f64>,
    vacuum_min_vector_number: Option<usize>,
    default_segment_number: Option<usize>,
    max_segment_size: Option<usize>,
    indexing_threshold: Option<usize>,
    prevent_unoptimized: Option<bool>,
    // Accepted without effect: the engine has no such settings.
    #[serde(default, rename = "memmap_threshold")]
    _memmap_threshold: Option<usize>,
    #[serde(default, rename = "flush_interval_sec")]
    _flush_interval_sec: Option<u64>,
    #[serde(default, rename = "max_optimization_threads")]
    _max_optimization_threads: Option<IgnoredAny>,
}

impl Creation {
    /// The engine's configuration, and the caller's notes on the collection.
    pub(crate) fn parse(self) -> Result<(EdgeConfig, Map<String, Value>), Fault> {
        if self.sparse_vectors.is_some_and(|map| !map.is_empty()) {
            return Err(Fault::NotOffered("sparse vectors"));
        }
        if self.sharding_method.is_some_and(|method| method != "auto") {
            return Err(Fault::NotOffered("custom sharding"));
        }
        if self.strict_mode_config.is_some_and(|map| map.values().any(|v| !v.is_null())) {
            return Err(Fault::NotOffered("strict mode"));
        }
        if self.init_from.is_some() {
            return Err(Fault::NotOffered("creation from another collection"));
        }
        let hnsw =
            self.hnsw_config.map_or_else(|| Ok(HnswIndexConfig::default()), |d| d.over(HnswIndexConfig::default()))?;
        let config = EdgeConfig {
            on_disk_payload: self.on_disk_payload.unwrap_or(true),
            vectors: vectors(self.vectors.unwrap_or(Value::Null), hnsw)?,
            sparse_vectors: HashMap::new(),
            hnsw_config: hnsw,
            quantization_config: self.quantization_config,
            optimizers: optimizers(self.optimizers_config)?,
            wal_options: Some(WalOptions { segment_capacity: LOG_STEP_BYTES, ..WalOptions::default() }),
        };
        Ok((config, self.metadata.unwrap_or_default()))
    }
}

fn vectors(body: Value, hnsw: HnswIndexConfig) -> Result<HashMap<String, EdgeVectorParams>, Fault> {
    let Value::Object(map) = body else {
        return Err(Fault::WrongInput("`vectors` must describe at least one dense vector".into()));
    };
    // One unnamed vector, or one object per name.
    let unnamed = map.get("size").is_some_and(|size| !size.is_object());
    let named =
        if unnamed { vec![(DEFAULT_VECTOR_NAME.to_owned(), Value::Object(map))] } else { map.into_iter().collect() };
    if named.is_empty() {
        return Err(Fault::WrongInput("`vectors` must describe at least one dense vector".into()));
    }
    named.into_iter().map(|(name, params)| Ok((name, vector(params, hnsw)?))).collect()
}

fn vector(params: Value, hnsw: HnswIndexConfig) -> Result<EdgeVectorParams, Fault> {
    let params: VectorParams = serde_json::from_value(params).map_err(|_| Fault::Malformed {
        place: "JSON body",
        problem: "`vectors` needs `size` and `distance` (Cosine, Dot, Euclid or Manhattan) for each vector, and no \
                  field that the embedded store does not know"
            .into(),
    })?;
    if params.multivector_config.is_some() {
        return Err(Fault::NotOffered("multi vectors"));
    }
    within("vectors.size", params.size, 1..=MAX_DIMENSIONS)?;
    Ok(EdgeVectorParams {
        size: params.size,
        distance: params.distance,
        on_disk: params.on_disk,
        multivector_config: None,
        datatype: params.datatype,
        quantization_config: params.quantization_config,
        hnsw_config: params.hnsw_config.map(|diff| diff.over(hnsw)).transpose()?,
    })
}

impl HnswDiff {
    fn over(self, base: HnswIndexConfig) -> Result<HnswIndexConfig, Fault> {
        let merged = HnswIndexConfig {
            m: self.m.unwrap_or(base.m),
            ef_construct: self.ef_construct.unwrap_or(base.ef_construct),
            full_scan_threshold: self.full_scan_threshold.unwrap_or(base.full_scan_threshold),
            max_indexing_threads: self.max_indexing_threads.unwrap_or(base.max_indexing_threads),
            on_disk: self.on_disk.or(base.on_disk),
            payload_m: self.payload_m.or(base.payload_m),
            inline_storage: self.inline_storage.or(base.inline_storage),
        };
        within("hnsw_config.m", merged.m, 0..=10_000)?;
        within("hnsw_config.payload_m", merged.payload_m.unwrap_or(0), 0..=10_000)?;
        within("hnsw_config.ef_construct", merged.ef_construct, 4..=100_000)?;
        within("hnsw_config.max_indexing_threads", merged.max_indexing_threads, 0..=1_024)?;
        Ok(merged)
    }
}

fn optimizers(diff: Option<OptimizersDiff>) -> Result<EdgeOptimizersConfig, Fault> {
    let mut config =
        EdgeOptimizersConfig { indexing_threshold: Some(EXACT_BELOW_KB), ..EdgeOptimizersConfig::default() };
    let Some(diff) = diff else { return Ok(config) };
    if diff.prevent_unoptimized == Some(true) {
        return Err(Fault::NotOffered("prevent_unoptimized, which would hide fresh points"));
    }
    if diff.deleted_threshold.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
        return Err(Fault::OutOfRange("optimizers_config.deleted_threshold must be from 0 to 1".into()));
    }
    within("optimizers_config.default_segment_number", diff.default_segment_number.unwrap_or(0), 0..=1_024)?;
    config.deleted_threshold = diff.deleted_threshold;
    config.vacuum_min_vector_number = diff.vacuum_min_vector_number;
    config.default_segment_number = diff.default_segment_number;
    config.max_segment_size = diff.max_segment_size;
    config.indexing_threshold = diff.indexing_threshold.or(config.indexing_threshold);
    Ok(config)
}

/// Refuses a number outside its range, by name.
pub(crate) fn within(field: &str, value: usize, range: RangeInclusive<usize>) -> Result<(), Fault> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(Fault::OutOfRange(format!("{field} must be from {} to {}", range.start(), range.end())))
}

/// The configuration as Qdrant's collection info shows it.
pub(crate) fn shown(config: &EdgeConfig, metadata: &Map<String, Value>) -> Result<Value, Fault> {
    let engine = |error: serde_json::Error| Fault::Engine(error.to_string());
    let vectors = match config.vectors.get(DEFAULT_VECTOR_NAME) {
        Some(unnamed) if config.vectors.len() == 1 => serde_json::to_value(unnamed).map_err(engine)?,
        _ => serde_json::to_value(&config.vectors).map_err(engine)?,
    };
    let optimizers = &config.optimizers;
    let log = config.wal_options.clone().unwrap_or_default();
    let mut shown = json!({
        "params": {
            "vectors": vectors,
            "shard_number": 1,
            "replication_factor": 1,
            "write_consistency_factor": 1,
            "on_disk_payload": config.on_disk_payload,
        },
        "hnsw_config": config.hnsw_config,
        "optimizer_config": {
            "deleted_threshold": optimizers.deleted_threshold.unwrap_or(0.2),
            "vacuum_min_vector_number": optimizers.vacuum_min_vector_number.unwrap_or(1_000),
            "default_segment_number": optimizers.default_segment_number.unwrap_or(0),
            "max_segment_size": optimizers.max_segment_size,
            "memmap_threshold": null,
            "indexing_threshold": optimizers.indexing_threshold,
            "flush_interval_sec": 0,
            "max_optimization_threads": 1,
        },
        "wal_config": { "wal_capacity_mb": log.segment_capacity >> 20, "wal_segments_ahead": log.segment_queue_len },
        "quantization_config": config.quantization_config,
    });
    if let (Some(object), false) = (shown.as_object_mut(), metadata.is_empty()) {
        object.insert("metadata".into(), Value::Object(metadata.clone()));
    }
    Ok(shown)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn parse(body: Value) -> Result<EdgeConfig, Fault> {
        serde_json::from_value::<Creation>(body).unwrap().parse().map(|(config, _)| config)
    }

    #[test]
    fn one_unnamed_vector_and_many_named_ones() {
        let config = parse(json!({"vectors": {"size": 4, "distance": "Cosine"}})).unwrap();
        assert_eq!(config.vectors[DEFAULT_VECTOR_NAME].size, 4);
        assert_eq!(config.optimizers.indexing_threshold, Some(EXACT_BELOW_KB));
        let named = json!({"vectors": {"size": {"size": 4, "distance": "Dot"}, "b": {"size": 2, "distance": "Euclid",
            "hnsw_config": {"m": 8}}}, "hnsw_config": {"ef_construct": 50}});
        let config = parse(named).unwrap();
        assert_eq!(config.vectors["size"].distance, Distance::Dot);
        let hnsw = config.vectors["b"].hnsw_config.unwrap();
        assert_eq!((hnsw.m, hnsw.ef_construct), (8, 50));
    }

    #[test]
    fn what_cannot_be_honoured_is_refused() {
        let vectors = json!({"size": 4, "distance": "Cosine"});
        for (field, value) in [
            ("sparse_vectors", json!({"s": {}})),
            ("sharding_method", json!("custom")),
            ("strict_mode_config", json!({"enabled": true})),
            ("init_from", json!({"collection": "other"})),
            ("optimizers_config", json!({"prevent_unoptimized": true})),
        ] {
            let refused = parse(json!({"vectors": vectors, field: value}));
            assert!(matches!(refused, Err(Fault::NotOffered(_))), "{field}");
        }
        for bad in [json!({"size": 0, "distance": "Cosine"}), json!({"size": 65_537, "distance": "Cosine"})] {
            assert!(matches!(parse(json!({"vectors": bad})), Err(Fault::OutOfRange(_))));
        }
        assert!(parse(json!({"vectors": {}})).is_err());
        assert!(parse(json!({"vectors": {"size": 4, "distance": "Cosine", "colour": "red"}})).is_err());
        assert!(serde_json::from_value::<Creation>(json!({"vectors": vectors, "colour": 1})).is_err());
    }
}
