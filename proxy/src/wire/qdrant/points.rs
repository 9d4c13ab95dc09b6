//! Bodies about points.

use super::{
    collection::limit,
    error::WireError,
    filter::{filter, id, ids},
    reader::{At, Object, list, number, text, truth},
};
use crate::vector::{
    Counting, NewPoint, Operation, Output, Payload, PayloadChange, PayloadChoice, Selector, VectorChoice,
};
use content_guard::json::{Kind, Value};
use vocab::Plain;

const ONE_VECTOR: &str = "one unnamed dense vector a point is offered";
const SHARDS: &str = "the store's layout is not the tenant's";

/// `PUT points`: a list of points, or columns.
pub(super) fn upsert(mut body: Object<'_, '_>) -> Result<Operation, WireError> {
    body.refuse(&["shard_key"], SHARDS)?;
    body.refuse(&["update_filter", "update_mode"], "conditional writes are not offered")?;
    let points = match (body.take("points"), body.take("batch")) {
        (Some(points), None) => {
            let at = At::Field(&At::Body, "points");
            list(points, &at)?.enumerate().map(|(i, item)| point(item, &At::Item(&at, i))).collect::<Result<_, _>>()?
        }
        (None, Some(batch)) => columns(batch, &At::Field(&At::Body, "batch"))?,
        _ => return Err(WireError::Missing { at: "either points or batch".to_owned() }),
    };
    body.finish()?;
    Ok(Operation::Upsert(points))
}

fn point(value: Value<'_>, at: &At<'_>) -> Result<NewPoint, WireError> {
    let mut object = Object::of(value, at)?;
    let id = id(object.need("id")?, &At::Field(at, "id"))?;
    let vector = vector(object.need("vector")?, &At::Field(at, "vector"))?;
    let payload = match object.take("payload") {
        None => Payload::empty(),
        Some(value) => payload(value, &At::Field(at, "payload"))?,
    };
    object.finish()?;
    Ok(NewPoint { id, vector, payload })
}

fn columns(value: Value<'_>, at: &At<'_>) -> Result<Vec<NewPoint>, WireError> {
    let mut object = Object::of(value, at)?;
    let ids = ids(object.need("ids")?, &At::Field(at, "ids"))?;
    let vectors_at = At::Field(at, "vectors");
    let vectors = object.need("vectors")?;
    if vectors.kind() == Kind::Object {
        return Err(WireError::unsupported("named vectors are", ONE_VECTOR));
    }
    let vectors: Vec<Plain<Vec<f32>>> = list(vectors, &vectors_at)?
        .enumerate()
        .map(|(i, item)| vector(item, &At::Item(&vectors_at, i)))
        .collect::<Result<_, _>>()?;
    let payloads_at = At::Field(at, "payloads");
    let payloads: Vec<Payload> = match object.take("payloads") {
        None => ids.iter().map(|_| Payload::empty()).collect(),
        Some(value) => list(value, &payloads_at)?
            .enumerate()
            .map(|(i, item)| match item.kind() {
                Kind::Null => Ok(Payload::empty()),
                _ => payload(item, &At::Item(&payloads_at, i)),
            })
            .collect::<Result<_, _>>()?,
    };
    object.finish()?;
    if vectors.len() != ids.len() || payloads.len() != ids.len() {
        return Err(WireError::wrong(at, "columns of one length"));
    }
    let points = ids.into_iter().zip(vectors).zip(payloads);
    Ok(points.map(|((id, vector), payload)| NewPoint { id, vector, payload }).collect())
}

/// A dense vector.
pub(super) fn vector(value: Value<'_>, at: &At<'_>) -> Result<Plain<Vec<f32>>, WireError> {
    if value.kind() == Kind::Object {
        return Err(WireError::unsupported(
            format!("{at} as an object is"),
            "named and sparse vectors, and documents, images or objects that the store would embed, are refused",
        ));
    }
    let mut coordinates = Plain::new(Vec::new());
    for (i, item) in list(value, at)?.enumerate() {
        if item.kind() == Kind::Array {
            return Err(WireError::unsupported("multivectors are", ONE_VECTOR));
        }
        coordinates.expose_mut().push(number(item, &At::Item(at, i))?);
    }
    Ok(coordinates)
}

/// A payload: any object whose numbers are finite in 64 bits.
fn payload(value: Value<'_>, at: &At<'_>) -> Result<Payload, WireError> {
    if value.kind() != Kind::Object {
        return Err(WireError::wrong(at, "an object"));
    }
    if finite(value) {
        Ok(Payload::from_checked(value.raw()))
    } else {
        Err(WireError::wrong(at, "made of finite numbers"))
    }
}

fn finite(value: Value<'_>) -> bool {
    match value.kind() {
        Kind::Number => value.raw().parse::<f64>().is_ok_and(f64::is_finite),
        Kind::Array => value.items().all(finite),
        Kind::Object => value.members().all(|(_, value)| finite(value)),
        _ => true,
    }
}

/// `POST points`
pub(super) fn retrieve(mut body: Object<'_, '_>) -> Result<Operation, WireError> {
    let ids = ids(body.need("ids")?, &At::Field(&At::Body, "ids"))?;
    let output = output(&mut body, &At::Body, PayloadChoice::All)?;
    body.refuse(&["shard_key"], SHARDS)?;
    body.finish()?;
    Ok(Operation::Retrieve { ids, output })
}

/// `POST points/scroll`
pub(super) fn scroll(mut body: Object<'_, '_>) -> Result<Operation, WireError> {
    body.refuse(&["order_by"], "values are sealed: the store cannot order by them")?;
    body.refuse(&["shard_key"], SHARDS)?;
    let filter = body.take("filter").map(|f| filter(f, &At::Field(&At::Body, "filter"))).transpose()?;
    let offset = body.take("offset").map(|o| id(o, &At::Field(&At::Body, "offset"))).transpose()?;
    let limit = limit(&mut body, &At::Body, 10)?;
    let output = output(&mut body, &At::Body, PayloadChoice::All)?;
    body.finish()?;
    Ok(Operation::Scroll { filter, offset, limit, output })
}

/// `POST points/count`
pub(super) fn count(mut body: Object<'_, '_>) -> Result<Operation, WireError> {
    body.refuse(&["shard_key"], SHARDS)?;
    let filter = body.take("filter").map(|f| filter(f, &At::Field(&At::Body, "filter"))).transpose()?;
    let exact = body.take("exact").map(|e| truth(e, &At::Field(&At::Body, "exact"))).transpose()?;
    body.finish()?;
    let counting = if exact == Some(false) { Counting::Approximate } else { Counting::Exact };
    Ok(Operation::Count { filter, counting })
}

/// `POST points/delete`
pub(super) fn delete(mut body: Object<'_, '_>) -> Result<Operation, WireError> {
    let selector = selector(&mut body)?;
    body.finish()?;
    Ok(Operation::Delete(selector))
}

/// Ids or a filter, exactly one.
fn selector(body: &mut Object<'_, '_>) -> Result<Selector, WireError> {
    body.refuse(&["shard_key"], SHARDS)?;
    match (body.take("points"), body.take("filter")) {
        (Some(points), None) => Ok(Selector::Ids(ids(points, &At::Field(&At::Body, "points"))?)),
        (None, Some(value)) => Ok(Selector::Filter(filter(value, &At::Field(&At::Body, "filter"))?)),
        _ => Err(WireError::Missing { at: "either points or filter".to_owned() }),
    }
}

/// `POST points/payload`
pub(super) fn set_payload(mut body: Object<'_, '_>) -> Result<Operation, WireError> {
    body.refuse(&["key"], "set the whole top-level key")?;
    let payload = payload(body.need("payload")?, &At::Field(&At::Body, "payload"))?;
    let selector = selector(&mut body)?;
    body.finish()?;
    Ok(Operation::Amend { change: PayloadChange::Set(payload), selector })
}

/// `PUT points/payload`
pub(super) fn overwrite_payload(mut body: Object<'_, '_>) -> Result<Operation, WireError> {
    body.refuse(&["key"], "set the whole top-level key")?;
    let payload = payload(body.need("payload")?, &At::Field(&At::Body, "payload"))?;
    let selector = selector(&mut body)?;
    body.finish()?;
    Ok(Operation::Amend { change: PayloadChange::Overwrite(payload), selector })
}

/// `POST points/payload/delete`
pub(super) fn delete_payload(mut body: Object<'_, '_>) -> Result<Operation, WireError> {
    let at = At::Field(&At::Body, "keys");
    let keys = paths(body.need("keys")?, &at)?;
    let selector = selector(&mut body)?;
    body.finish()?;
    Ok(Operation::Amend { change: PayloadChange::Remove(keys), selector })
}

/// `POST points/payload/clear`
pub(super) fn clear_payload(mut body: Object<'_, '_>) -> Result<Operation, WireError> {
    let selector = selector(&mut body)?;
    body.finish()?;
    Ok(Operation::Amend { change: PayloadChange::Clear, selector })
}

/// Which parts of a point are wanted.
pub(super) fn output(body: &mut Object<'_, '_>, at: &At<'_>, default: PayloadChoice) -> Result<Output, WireError> {
    let payload = match body.take("with_payload") {
        None => default,
        Some(value) => choice(value, &At::Field(at, "with_payload"))?,
    };
    // The search API of old had another name for it.
    let vector = match body.take("with_vector").or_else(|| body.take("with_vectors")) {
        None => VectorChoice::Without,
        Some(value) if value.kind() == Kind::Array => match value.items().next() {
            None => VectorChoice::Without,
            Some(_) => return Err(WireError::unsupported("vectors by name are", ONE_VECTOR)),
        },
        Some(value) => match truth(value, &At::Field(at, "with_vector"))? {
            true => VectorChoice::With,
            false => VectorChoice::Without,
        },
    };
    Ok(Output { payload, vector })
}

fn choice(value: Value<'_>, at: &At<'_>) -> Result<PayloadChoice, WireError> {
    match value.kind() {
        Kind::Bool => Ok(if value.truth() == Some(true) { PayloadChoice::All } else { PayloadChoice::None }),
        Kind::Array => Ok(PayloadChoice::Include(paths(value, at)?)),
        Kind::Object => {
            let mut object = Object::of(value, at)?;
            let choice = match (object.take("include"), object.take("exclude")) {
                (Some(include), None) => PayloadChoice::Include(paths(include, &At::Field(at, "include"))?),
                (None, Some(exclude)) => PayloadChoice::Exclude(paths(exclude, &At::Field(at, "exclude"))?),
                _ => return Err(WireError::wrong(at, "an object with either include or exclude")),
            };
            object.finish()?;
            Ok(choice)
        }
        _ => Err(WireError::wrong(at, "true, false, a list of keys, or an object with include or exclude")),
    }
}

/// Paths of payload keys: dotted, with `[]` for the elements of a list.
fn paths(value: Value<'_>, at: &At<'_>) -> Result<Vec<String>, WireError> {
    let path = |(i, item)| {
        let at = At::Item(at, i);
        let path = text(item, &at)?;
        let plain = path.split('.').all(|part| {
            let name = part.strip_suffix("[]").unwrap_or(part);
            !name.is_empty() && !name.contains(['[', ']', '"'])
        });
        if plain { Ok(path) } else { Err(WireError::wrong(at, "a dotted path without quotes or positions")) }
    };
    list(value, at)?.enumerate().map(path).collect()
}
