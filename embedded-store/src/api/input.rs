//! Vectors and selections as requests write them.

use std::collections::HashMap;

use core::fmt;
use qdrant_edge::{
    DEFAULT_VECTOR_NAME, EdgeConfig, Filter, OperationError, PointId, VectorPersisted, VectorStructPersisted,
};
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::fault::Fault;

/// The vector or the named vectors of a point: dense, in the request's own numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum VectorsIn {
    /// The unnamed vector.
    Single(Vec<f32>),
    /// Vectors by name.
    Named(HashMap<String, Vec<f32>>),
}

impl<'de> Deserialize<'de> for VectorsIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Vectors;
        impl<'de> Visitor<'de> for Vectors {
            type Value = VectorsIn;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of numbers, or an object of such lists by vector name")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                dense(seq).map(VectorsIn::Single)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut named = HashMap::new();
                while let Some((name, vector)) = map.next_entry()? {
                    if named.insert(name, vector).is_some() {
                        return Err(A::Error::custom("duplicate field: a vector name is given twice"));
                    }
                }
                Ok(VectorsIn::Named(named))
            }
        }
        deserializer.deserialize_any(Vectors)
    }
}

/// Reads a list of numbers.
pub(crate) fn dense<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<Vec<f32>, A::Error> {
    let mut vector = Vec::with_capacity(seq.size_hint().unwrap_or(512));
    while let Some(number) = seq.next_element::<f32>()? {
        vector.push(number);
    }
    Ok(vector)
}

impl VectorsIn {
    /// The engine's form, if names and dimensions are the collection's and every number is finite.
    pub(crate) fn checked(self, config: &EdgeConfig) -> Result<VectorStructPersisted, Fault> {
        match self {
            Self::Single(vector) => {
                check(config, DEFAULT_VECTOR_NAME, &vector)?;
                Ok(VectorStructPersisted::Single(vector))
            }
            Self::Named(named) => {
                let checked = named.into_iter().map(|(name, vector)| {
                    check(config, &name, &vector)?;
                    Ok((name, VectorPersisted::Dense(vector)))
                });
                Ok(VectorStructPersisted::Named(checked.collect::<Result<_, Fault>>()?))
            }
        }
    }
}

/// Refuses a vector that does not fit the collection's vector of that name.
pub(crate) fn check(config: &EdgeConfig, name: &str, vector: &[f32]) -> Result<(), Fault> {
    let Some(params) = config.vectors.get(name) else {
        return Err(OperationError::vector_name_not_exists(name).into());
    };
    if vector.len() != params.size {
        let (expected_dim, received_dim) = (params.size, vector.len());
        return Err(OperationError::WrongVectorDimension { expected_dim, received_dim }.into());
    }
    if !vector.iter().all(|number| number.is_finite()) {
        return Err(Fault::WrongInput("a vector holds a number that is not finite in 32 bits".into()));
    }
    Ok(())
}

/// Which points a call is about: ids, or a filter.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Selector {
    points: Option<Vec<PointId>>,
    filter: Option<Filter>,
    #[serde(default)]
    shard_key: Absent,
}

/// A [`Selector`] that names exactly one way.
pub(crate) enum Selected {
    /// These points.
    Points(Vec<PointId>),
    /// The points that match.
    Filter(Filter),
}

impl Selector {
    /// The one way to select that the call names.
    pub(crate) fn selected(self) -> Result<Selected, Fault> {
        self.shard_key.refuse("shard keys")?;
        select(self.points, self.filter)
    }
}

/// The one way to select among two optional ones.
pub(crate) fn select(points: Option<Vec<PointId>>, filter: Option<Filter>) -> Result<Selected, Fault> {
    match (points, filter) {
        (Some(points), None) => Ok(Selected::Points(points)),
        (None, Some(filter)) => Ok(Selected::Filter(filter)),
        _ => Err(Fault::WrongInput("exactly one of `points` and `filter` must be given".into())),
    }
}

/// A field of Qdrant's API that this store does not offer: it may be absent, null or empty.
#[derive(Default)]
pub(crate) struct Absent(bool);

impl Absent {
    /// Refuses the call if the field asks for something.
    pub(crate) const fn refuse(&self, what: &'static str) -> Result<(), Fault> {
        if self.0 { Err(Fault::NotOffered(what)) } else { Ok(()) }
    }
}

impl<'de> Deserialize<'de> for Absent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Shape {
            List(Vec<IgnoredAny>),
            Other(IgnoredAny),
        }
        let shape = Option::<Shape>::deserialize(deserializer)?;
        Ok(Self(match shape {
            None => false,
            Some(Shape::List(list)) => !list.is_empty(),
            Some(Shape::Other(_)) => true,
        }))
    }
}
