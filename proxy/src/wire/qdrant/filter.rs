//! Filters and ids.

use super::{
    error::{WireError, tame},
    reader::{At, Object, list, small, text},
};
use crate::vector::{Condition, Filter, Match, MinShould, PointId, Scalar};
use content_guard::json::{Kind, Value};

const SEALED: &str = "values are sealed: only equality can be asked for";

/// Reads an id.
pub(super) fn id(value: Value<'_>, at: &At<'_>) -> Result<PointId, WireError> {
    let read = match value.kind() {
        Kind::Number => value.whole().map(PointId::Number),
        Kind::Text | Kind::EscapedText => value.text().and_then(|text| PointId::from_text(&text)),
        _ => None,
    };
    read.ok_or_else(|| WireError::wrong(at, "an unsigned number or a UUID"))
}

/// Reads an id of a path.
pub(super) fn id_text(text: &str) -> Option<PointId> {
    let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok().map(PointId::Number)).flatten();
    number.or_else(|| PointId::from_text(text))
}

/// Reads a list of ids.
pub(super) fn ids(value: Value<'_>, at: &At<'_>) -> Result<Vec<PointId>, WireError> {
    list(value, at)?.enumerate().map(|(i, item)| id(item, &At::Item(at, i))).collect()
}

/// Reads a filter.
pub(super) fn filter(value: Value<'_>, at: &At<'_>) -> Result<Filter, WireError> {
    let mut object = Object::of(value, at)?;
    let mut clause =
        |name: &'static str| object.take(name).map(|value| conditions(value, &At::Field(at, name))).transpose();
    let (must, should, must_not) = (clause("must")?, clause("should")?, clause("must_not")?);
    let min_should = match object.take("min_should") {
        None => None,
        Some(value) => {
            let at = At::Field(at, "min_should");
            let mut object = Object::of(value, &at)?;
            let conditions = conditions(object.need("conditions")?, &At::Field(&at, "conditions"))?;
            let min_count = small(object.need("min_count")?, &At::Field(&at, "min_count"))?;
            object.finish()?;
            Some(MinShould { conditions, min_count })
        }
    };
    object.finish()?;
    Ok(Filter { must, should, must_not, min_should })
}

/// One condition or a list.
fn conditions(value: Value<'_>, at: &At<'_>) -> Result<Vec<Condition>, WireError> {
    match value.kind() {
        Kind::Object => Ok(vec![condition(value, at)?]),
        _ => list(value, at)?.enumerate().map(|(i, item)| condition(item, &At::Item(at, i))).collect(),
    }
}

fn condition(value: Value<'_>, at: &At<'_>) -> Result<Condition, WireError> {
    let mut object = Object::of(value, at)?;
    if let Some(key) = object.take("key") {
        return field(&text(key, &At::Field(at, "key"))?, object, at);
    }
    let read = if let Some(value) = object.take("has_id") {
        Condition::HasId(ids(value, &At::Field(at, "has_id"))?)
    } else if let Some(value) = object.take("is_empty") {
        Condition::IsEmpty(key_of(value, &At::Field(at, "is_empty"))?)
    } else if let Some(value) = object.take("is_null") {
        Condition::IsNull(key_of(value, &At::Field(at, "is_null"))?)
    } else {
        object.refuse(&["nested"], "objects in lists are sealed as a whole")?;
        object.refuse(&["has_vector"], "one unnamed vector a point is offered")?;
        return Ok(Condition::Nested(Box::new(filter(value, at)?)));
    };
    object.finish()?;
    Ok(read)
}

fn key_of(value: Value<'_>, at: &At<'_>) -> Result<String, WireError> {
    let mut object = Object::of(value, at)?;
    let key = text(object.need("key")?, &At::Field(at, "key"))?;
    object.finish()?;
    Ok(key)
}

/// A condition on a field, of which only `match` can be kept.
fn field(key: &str, mut object: Object<'_, '_>, at: &At<'_>) -> Result<Condition, WireError> {
    for name in ["range", "geo_bounding_box", "geo_radius", "geo_polygon", "values_count", "is_empty", "is_null"] {
        if object.take(name).is_some() {
            return Err(WireError::unsupported(format!("a {name} condition on field {} is", tame(key)), SEALED));
        }
    }
    let place = At::Field(at, "match");
    let mut test = Object::of(object.need("match")?, &place)?;
    object.finish()?;
    for name in ["text", "phrase", "text_any"] {
        if test.take(name).is_some() {
            return Err(WireError::unsupported(format!("a full-text match on field {} is", tame(key)), SEALED));
        }
    }
    let read = if let Some(value) = test.take("value") {
        Match::Value(scalar(value, &At::Field(&place, "value"))?)
    } else if let Some(values) = test.take("any") {
        Match::Any(scalars(values, &At::Field(&place, "any"))?)
    } else if let Some(values) = test.take("except") {
        Match::Except(scalars(values, &At::Field(&place, "except"))?)
    } else {
        return Err(WireError::Missing { at: place.to_string() + " with value, any or except" });
    };
    test.finish()?;
    Ok(Condition::Field { field: key.to_owned(), test: read })
}

fn scalar(value: Value<'_>, at: &At<'_>) -> Result<Scalar, WireError> {
    let read = match value.kind() {
        Kind::Bool => value.truth().map(Scalar::Bool),
        Kind::Number => value.raw().parse().ok().map(Scalar::Integer),
        Kind::Text | Kind::EscapedText => value.text().map(|text| Scalar::Text(text.into_owned())),
        _ => None,
    };
    read.ok_or_else(|| WireError::wrong(at, "a string, a whole number, true or false"))
}

/// Texts or whole numbers, not both, as Qdrant has it.
fn scalars(value: Value<'_>, at: &At<'_>) -> Result<Vec<Scalar>, WireError> {
    let read: Vec<Scalar> =
        list(value, at)?.enumerate().map(|(i, item)| scalar(item, &At::Item(at, i))).collect::<Result<_, _>>()?;
    let texts = read.iter().all(|value| matches!(value, Scalar::Text(_)));
    let numbers = read.iter().all(|value| matches!(value, Scalar::Integer(_)));
    if texts || numbers { Ok(read) } else { Err(WireError::wrong(at, "a list of strings or a list of whole numbers")) }
}
