//! Bodies about collections and indexes.

use super::{
    error::WireError,
    reader::{At, Object, small, text, truth, whole},
};
use crate::vector::{Create, Distance, Operation, Tuning, TuningValue};
use content_guard::json::{Kind, Value};

/// The settings that pass, per part of the body. All are numbers or truth values.
const HNSW: [&str; 6] = ["m", "ef_construct", "full_scan_threshold", "max_indexing_threads", "on_disk", "payload_m"];
const OPTIMIZERS: [&str; 8] = [
    "deleted_threshold",
    "vacuum_min_vector_number",
    "default_segment_number",
    "max_segment_size",
    "memmap_threshold",
    "indexing_threshold",
    "flush_interval_sec",
    "max_optimization_threads",
];
const WHOLE: [&str; 4] = ["shard_number", "replication_factor", "write_consistency_factor", "on_disk_payload"];

/// `PUT /collections/{name}`
pub(super) fn create(mut body: Object<'_, '_>) -> Result<Operation, WireError> {
    let vectors = body.need("vectors")?;
    let at = At::Field(&At::Body, "vectors");
    let mut vectors = Object::of(vectors, &at)?;
    let size = vectors.take("size").ok_or_else(|| {
        WireError::unsupported(
            "vectors without size (named vectors) are",
            "one unnamed dense vector a point is offered",
        )
    })?;
    let dimensions = whole(size, &At::Field(&at, "size"))?;
    let distance = distance(vectors.need("distance")?, &At::Field(&at, "distance"))?;
    vectors.refuse(&["multivector_config"], "one dense vector a point is offered")?;
    vectors.refuse(&["quantization_config"], "ciphertexts are kept as they are")?;
    if let Some(datatype) = vectors.take("datatype")
        && datatype.text().as_deref() != Some("float32")
    {
        return Err(WireError::unsupported("vectors.datatype other than float32 is", "exact scores need 32 bits"));
    }
    let mut tuning = Tuning::default();
    settings(&mut vectors, &at, &["vectors", "hnsw_config"], &HNSW, &mut tuning)?;
    if let Some(value) = vectors.take("on_disk") {
        let on_disk = truth(value, &At::Field(&at, "on_disk"))?;
        tuning.0.push((vec!["vectors", "on_disk"], TuningValue::Truth(on_disk)));
    }
    vectors.finish()?;
    settings(&mut body, &At::Body, &["hnsw_config"], &HNSW, &mut tuning)?;
    settings(&mut body, &At::Body, &["optimizers_config"], &OPTIMIZERS, &mut tuning)?;
    for name in WHOLE {
        if let Some(value) = body.take(name) {
            tuning.0.push((vec![name], setting(value, &At::Field(&At::Body, name))?));
        }
    }
    body.refuse(&["sparse_vectors"], "one dense vector a point is offered")?;
    body.refuse(&["quantization_config"], "ciphertexts are kept as they are")?;
    body.refuse(&["init_from"], "collections cannot be copied in the store")?;
    body.refuse(&["sharding_method", "strict_mode_config", "wal_config"], "the store's layout is not the tenant's")?;
    body.refuse(&["metadata"], "it would be stored in the clear")?;
    body.finish()?;
    Ok(Operation::Create(Create { dimensions, distance, tuning }))
}

fn distance(value: Value<'_>, at: &At<'_>) -> Result<Distance, WireError> {
    match value.text().as_deref() {
        Some("Cosine") => Ok(Distance::Cosine),
        Some("Dot") => Ok(Distance::Dot),
        Some("Euclid") => Ok(Distance::Euclid),
        Some("Manhattan") => Err(WireError::unsupported(
            "distance Manhattan is",
            "a rotation does not keep it: use Cosine, Dot or Euclid",
        )),
        _ => Err(WireError::wrong(at, "Cosine, Dot or Euclid")),
    }
}

/// Takes the part that `path` ends in, and the settings in it.
fn settings(
    from: &mut Object<'_, '_>,
    at: &At<'_>,
    path: &[&'static str],
    names: &'static [&'static str],
    tuning: &mut Tuning,
) -> Result<(), WireError> {
    let Some((part, value)) = path.last().and_then(|part| Some((*part, from.take(part)?))) else { return Ok(()) };
    let at = At::Field(at, part);
    let mut object = Object::of(value, &at)?;
    for name in names {
        if let Some(value) = object.take(name) {
            let path = path.iter().copied().chain([*name]).collect();
            tuning.0.push((path, setting(value, &At::Field(&at, name))?));
        }
    }
    object.finish()
}

fn setting(value: Value<'_>, at: &At<'_>) -> Result<TuningValue, WireError> {
    let fault = || WireError::wrong(at, "a number, true or false");
    match value.kind() {
        Kind::Bool => value.truth().map(TuningValue::Truth).ok_or_else(fault),
        Kind::Number => match value.whole() {
            Some(number) => Ok(TuningValue::Whole(number)),
            None => value
                .raw()
                .parse::<f64>()
                .ok()
                .filter(|number| number.is_finite())
                .map(TuningValue::Fraction)
                .ok_or_else(fault),
        },
        _ => Err(fault()),
    }
}

/// `PUT /collections/{name}/index`
pub(super) fn index(mut body: Object<'_, '_>) -> Result<Operation, WireError> {
    let field = text(body.need("field_name")?, &At::Field(&At::Body, "field_name"))?;
    let at = At::Field(&At::Body, "field_schema");
    let schema = body.take("field_schema");
    // Qdrant's old name of the same thing.
    let schema = schema.or_else(|| body.take("field_type")).ok_or_else(|| WireError::Missing { at: at.to_string() })?;
    body.finish()?;
    if schema.is_text() {
        refuse_other_kinds(schema, &at)?;
    } else {
        let mut object = Object::of(schema, &at)?;
        refuse_other_kinds(object.need("type")?, &At::Field(&at, "type"))?;
        // The index is one of tokens: how the store would index the plain value does not apply.
        for name in ["is_tenant", "on_disk", "lookup", "range", "is_principal", "enable_hnsw"] {
            if let Some(value) = object.take(name) {
                truth(value, &At::Field(&at, name))?;
            }
        }
        object.finish()?;
    }
    Ok(Operation::Index { field })
}

/// Whatever type is declared, the index is one of tokens: it serves every type that equality is asked of.
fn refuse_other_kinds(value: Value<'_>, at: &At<'_>) -> Result<(), WireError> {
    match value.text().as_deref() {
        Some("keyword" | "integer" | "bool" | "uuid") => Ok(()),
        Some("float" | "geo" | "text" | "datetime") => Err(WireError::unsupported(
            "an index for ranges, places or full text is",
            "values are sealed: only equality can be asked for (keyword, integer, bool, uuid)",
        )),
        _ => Err(WireError::wrong(at, "keyword, integer, bool or uuid")),
    }
}

/// A limit with a default.
pub(super) fn limit(body: &mut Object<'_, '_>, at: &At<'_>, default: u32) -> Result<u32, WireError> {
    match body.take("limit") {
        None => Ok(default),
        Some(value) => {
            let at = At::Field(at, "limit");
            match small(value, &at)? {
                0 => Err(WireError::wrong(at, "at least 1")),
                limit => Ok(limit),
            }
        }
    }
}
