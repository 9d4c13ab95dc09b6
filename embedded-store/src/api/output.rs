//! Points as answers write them.

use std::collections::HashMap;

use qdrant_edge::{
    OrderValue, Payload, PointId, Record, ScoredPoint, SparseVector, VectorInternal, VectorStructInternal,
};
use serde::{Serialize, Serializer};

/// A stored point without a score.
#[derive(Serialize)]
pub(crate) struct RecordOut {
    id: PointId,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Payload>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vector: Option<VectorsOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_value: Option<OrderValue>,
}

impl From<Record> for RecordOut {
    fn from(record: Record) -> Self {
        Self {
            id: record.id,
            payload: record.payload,
            vector: record.vector.map(VectorsOut),
            order_value: record.order_value,
        }
    }
}

/// A point found by a query.
#[derive(Serialize)]
pub(crate) struct ScoredOut {
    id: PointId,
    version: u64,
    score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Payload>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vector: Option<VectorsOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_value: Option<OrderValue>,
}

impl From<ScoredPoint> for ScoredOut {
    fn from(point: ScoredPoint) -> Self {
        Self {
            id: point.id,
            version: point.version,
            score: point.score,
            payload: point.payload,
            vector: point.vector.map(VectorsOut),
            order_value: point.order_value,
        }
    }
}

struct VectorsOut(VectorStructInternal);

impl Serialize for VectorsOut {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            VectorStructInternal::Single(vector) => vector.serialize(serializer),
            VectorStructInternal::MultiDense(rows) => rows.clone().into_multi_vectors().serialize(serializer),
            VectorStructInternal::Named(named) => {
                let named: HashMap<_, _> = named.iter().map(|(name, vector)| (name, VectorOut::from(vector))).collect();
                named.serialize(serializer)
            }
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum VectorOut<'a> {
    Dense(&'a [f32]),
    Sparse(&'a SparseVector),
    Multi(Vec<Vec<f32>>),
}

impl<'a> From<&'a VectorInternal> for VectorOut<'a> {
    fn from(vector: &'a VectorInternal) -> Self {
        match vector {
            VectorInternal::Dense(vector) => Self::Dense(vector),
            VectorInternal::Sparse(vector) => Self::Sparse(vector),
            VectorInternal::MultiDense(rows) => Self::Multi(rows.clone().into_multi_vectors()),
        }
    }
}
