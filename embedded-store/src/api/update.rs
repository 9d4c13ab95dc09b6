//! Writes: points, payloads, vectors, indexes.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use qdrant_edge::{
    CreateIndex, DeletePayloadOp, EdgeConfig, FieldIndexOperations, Filter, JsonPath, Payload, PayloadFieldSchema,
    PayloadOps, PointId, PointInsertOperations, PointOperations, PointStructPersisted, PointVectorsPersisted,
    SetPayloadOp, UpdateOperation, UpdateVectorsOp, VectorOperations,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::body::{Call, Reply};
use super::input::{Absent, Selected, Selector, VectorsIn, select};
use crate::collection::{Collection, Wait};
use crate::fault::Fault;
use crate::store::EmbeddedStore;

/// A body that asks for one write.
trait Write: DeserializeOwned {
    /// The engine's form, checked against the collection's configuration as far as the engine does not
    /// check before it changes anything.
    fn operation(self, config: &EdgeConfig) -> Result<UpdateOperation, Fault>;
}

fn perform<W: Write>(store: &EmbeddedStore, call: &Call) -> Result<Reply, Fault> {
    let collection = store.collection(call.name())?;
    let done = apply(store, &collection, call.wait(), |config| call.parse::<W>()?.operation(config))?;
    Reply::new(&done)
}

fn apply(
    store: &EmbeddedStore,
    collection: &Arc<Collection>,
    wait: Wait,
    operation: impl FnOnce(&EdgeConfig) -> Result<UpdateOperation, Fault>,
) -> Result<Value, Fault> {
    let config = collection.read(|shard| Ok(shard.config().clone()))?;
    let number = store.write(collection, operation(&config)?, wait)?;
    let status = match wait {
        Wait::Synced => "completed",
        Wait::Applied => "acknowledged",
    };
    Ok(json!({"operation_id": number, "status": status}))
}

pub(crate) fn upsert(store: &EmbeddedStore, call: &Call) -> Result<Reply, Fault> {
    perform::<Upsert>(store, call)
}
pub(crate) fn delete(store: &EmbeddedStore, call: &Call) -> Result<Reply, Fault> {
    perform::<Delete>(store, call)
}
pub(crate) fn set_payload(store: &EmbeddedStore, call: &Call) -> Result<Reply, Fault> {
    perform::<SetPayload>(store, call)
}
pub(crate) fn overwrite_payload(store: &EmbeddedStore, call: &Call) -> Result<Reply, Fault> {
    perform::<OverwritePayload>(store, call)
}
pub(crate) fn delete_payload(store: &EmbeddedStore, call: &Call) -> Result<Reply, Fault> {
    perform::<DeletePayload>(store, call)
}
pub(crate) fn clear_payload(store: &EmbeddedStore, call: &Call) -> Result<Reply, Fault> {
    perform::<ClearPayload>(store, call)
}
pub(crate) fn update_vectors(store: &EmbeddedStore, call: &Call) -> Result<Reply, Fault> {
    perform::<UpdateVectors>(store, call)
}
pub(crate) fn delete_vectors(store: &EmbeddedStore, call: &Call) -> Result<Reply, Fault> {
    perform::<DeleteVectors>(store, call)
}
pub(crate) fn create_index(store: &EmbeddedStore, call: &Call) -> Result<Reply, Fault> {
    perform::<Index>(store, call)
}

pub(crate) fn delete_index(store: &EmbeddedStore, call: &Call) -> Result<Reply, Fault> {
    let collection = store.collection(call.name())?;
    let field = JsonPath::from_str(call.item())
        .map_err(|()| Fault::Malformed { place: "path", problem: "not a payload key".into() })?;
    let operation = UpdateOperation::FieldIndexOperation(FieldIndexOperations::DeleteIndex(field));
    Reply::new(&apply(store, &collection, call.wait(), |_| Ok(operation))?)
}

/// Applies several writes in order, and stops at the first that fails, as Qdrant does.
pub(crate) fn batch(store: &EmbeddedStore, call: &Call) -> Result<Reply, Fault> {
    let collection = store.collection(call.name())?;
    let batch: Batch = call.parse()?;
    let done =
        batch.operations.into_iter().map(|one| apply(store, &collection, call.wait(), |config| one.operation(config)));
    Reply::new(&done.collect::<Result<Vec<_>, Fault>>()?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    operations: Vec<OneOf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum OneOf {
    Upsert(Upsert),
    Delete(Delete),
    SetPayload(SetPayload),
    OverwritePayload(OverwritePayload),
    DeletePayload(DeletePayload),
    ClearPayload(ClearPayload),
    UpdateVectors(UpdateVectors),
    DeleteVectors(DeleteVectors),
}

impl Write for OneOf {
    fn operation(self, config: &EdgeConfig) -> Result<UpdateOperation, Fault> {
        match self {
            Self::Upsert(body) => body.operation(config),
            Self::Delete(body) => body.operation(config),
            Self::SetPayload(body) => body.operation(config),
            Self::OverwritePayload(body) => body.operation(config),
            Self::DeletePayload(body) => body.operation(config),
            Self::ClearPayload(body) => body.operation(config),
            Self::UpdateVectors(body) => body.operation(config),
            Self::DeleteVectors(body) => body.operation(config),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Upsert {
    points: Option<Vec<PointIn>>,
    batch: Option<Columns>,
    #[serde(default)]
    shard_key: Absent,
    #[serde(default)]
    update_filter: Absent,
    #[serde(default)]
    update_mode: Absent,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PointIn {
    id: PointId,
    vector: VectorsIn,
    payload: Option<Payload>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Columns {
    ids: Vec<PointId>,
    vectors: VectorColumns,
    payloads: Option<Vec<Option<Payload>>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum VectorColumns {
    Single(Vec<Vec<f32>>),
    Named(HashMap<String, Vec<Vec<f32>>>),
}

impl Write for Upsert {
    fn operation(self, config: &EdgeConfig) -> Result<UpdateOperation, Fault> {
        self.shard_key.refuse("shard keys")?;
        self.update_filter.refuse("conditional upserts")?;
        self.update_mode.refuse("conditional upserts")?;
        let points = match (self.points, self.batch) {
            (Some(points), None) => points,
            (None, Some(columns)) => columns.points()?,
            _ => {
                return Err(Fault::WrongInput("exactly one of `points` and `batch` must be given".into()));
            }
        };
        if points.is_empty() {
            return Err(Fault::WrongInput("Empty update request".into()));
        }
        let points = points.into_iter().map(|point| {
            let vector = point.vector.checked(config)?;
            Ok(PointStructPersisted { id: point.id, vector, payload: point.payload })
        });
        let points = PointInsertOperations::PointsList(points.collect::<Result<_, Fault>>()?);
        Ok(UpdateOperation::PointOperation(PointOperations::UpsertPoints(points)))
    }
}

impl Columns {
    /// The points in rows.
    fn points(self) -> Result<Vec<PointIn>, Fault> {
        let uneven = || Fault::WrongInput("the columns of a batch must be of one length".into());
        let count = self.ids.len();
        let vectors: Vec<VectorsIn> = match self.vectors {
            VectorColumns::Single(column) => column.into_iter().map(VectorsIn::Single).collect(),
            VectorColumns::Named(columns) => {
                let mut rows = vec![HashMap::new(); count];
                for (name, column) in columns {
                    if column.len() != count {
                        return Err(uneven());
                    }
                    for (row, vector) in rows.iter_mut().zip(column) {
                        row.insert(name.clone(), vector);
                    }
                }
                rows.into_iter().map(VectorsIn::Named).collect()
            }
        };
        let payloads = self.payloads.unwrap_or_else(|| vec![None; count]);
        if vectors.len() != count || payloads.len() != count {
            return Err(uneven());
        }
        let rows = self.ids.into_iter().zip(vectors).zip(payloads);
        Ok(rows.map(|((id, vector), payload)| PointIn { id, vector, payload }).collect())
    }
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Delete(Selector);

impl Write for Delete {
    fn operation(self, _: &EdgeConfig) -> Result<UpdateOperation, Fault> {
        Ok(UpdateOperation::PointOperation(match self.0.selected()? {
            Selected::Points(ids) => PointOperations::DeletePoints { ids },
            Selected::Filter(filter) => PointOperations::DeletePointsByFilter(filter),
        }))
    }
}

#[derive(Deserialize)]
#[serde(transparent)]
struct ClearPayload(Selector);

impl Write for ClearPayload {
    fn operation(self, _: &EdgeConfig) -> Result<UpdateOperation, Fault> {
        Ok(UpdateOperation::PayloadOperation(match self.0.selected()? {
            Selected::Points(points) => PayloadOps::ClearPayload { points },
            Selected::Filter(filter) => PayloadOps::ClearPayloadByFilter(filter),
        }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetPayload {
    payload: Payload,
    points: Option<Vec<PointId>>,
    filter: Option<Filter>,
    key: Option<JsonPath>,
    #[serde(default)]
    shard_key: Absent,
}

#[derive(Deserialize)]
#[serde(transparent)]
struct OverwritePayload(SetPayload);

impl SetPayload {
    fn change(self) -> Result<SetPayloadOp, Fault> {
        self.shard_key.refuse("shard keys")?;
        let (points, filter) = match select(self.points, self.filter)? {
            Selected::Points(points) => (Some(points), None),
            Selected::Filter(filter) => (None, Some(filter)),
        };
        Ok(SetPayloadOp { payload: self.payload, points, filter, key: self.key })
    }
}

impl Write for SetPayload {
    fn operation(self, _: &EdgeConfig) -> Result<UpdateOperation, Fault> {
        Ok(UpdateOperation::PayloadOperation(PayloadOps::SetPayload(self.change()?)))
    }
}

impl Write for OverwritePayload {
    fn operation(self, _: &EdgeConfig) -> Result<UpdateOperation, Fault> {
        Ok(UpdateOperation::PayloadOperation(PayloadOps::OverwritePayload(self.0.change()?)))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeletePayload {
    keys: Vec<JsonPath>,
    points: Option<Vec<PointId>>,
    filter: Option<Filter>,
    #[serde(default)]
    shard_key: Absent,
}

impl Write for DeletePayload {
    fn operation(self, _: &EdgeConfig) -> Result<UpdateOperation, Fault> {
        self.shard_key.refuse("shard keys")?;
        let (points, filter) = match select(self.points, self.filter)? {
            Selected::Points(points) => (Some(points), None),
            Selected::Filter(filter) => (None, Some(filter)),
        };
        let change = DeletePayloadOp { keys: self.keys, points, filter };
        Ok(UpdateOperation::PayloadOperation(PayloadOps::DeletePayload(change)))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateVectors {
    points: Vec<PointVectors>,
    #[serde(default)]
    shard_key: Absent,
    #[serde(default)]
    update_filter: Absent,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PointVectors {
    id: PointId,
    vector: VectorsIn,
}

impl Write for UpdateVectors {
    fn operation(self, config: &EdgeConfig) -> Result<UpdateOperation, Fault> {
        self.shard_key.refuse("shard keys")?;
        self.update_filter.refuse("conditional updates")?;
        let points = self
            .points
            .into_iter()
            .map(|point| Ok(PointVectorsPersisted { id: point.id, vector: point.vector.checked(config)? }));
        let change = UpdateVectorsOp { points: points.collect::<Result<_, Fault>>()?, update_filter: None };
        Ok(UpdateOperation::VectorOperation(VectorOperations::UpdateVectors(change)))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeleteVectors {
    vector: Vec<String>,
    points: Option<Vec<PointId>>,
    filter: Option<Filter>,
    #[serde(default)]
    shard_key: Absent,
}

impl Write for DeleteVectors {
    fn operation(self, _: &EdgeConfig) -> Result<UpdateOperation, Fault> {
        self.shard_key.refuse("shard keys")?;
        Ok(UpdateOperation::VectorOperation(match select(self.points, self.filter)? {
            Selected::Points(points) => VectorOperations::DeleteVectors(points.into(), self.vector),
            Selected::Filter(filter) => VectorOperations::DeleteVectorsByFilter(filter, self.vector),
        }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    field_name: JsonPath,
    field_schema: Option<PayloadFieldSchema>,
}

impl Write for Index {
    fn operation(self, _: &EdgeConfig) -> Result<UpdateOperation, Fault> {
        let Self { field_name, field_schema } = self;
        let create = FieldIndexOperations::CreateIndex(CreateIndex { field_name, field_schema });
        Ok(UpdateOperation::FieldIndexOperation(create))
    }
}
