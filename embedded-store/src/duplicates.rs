//! Points that an interrupted optimisation left in two segments.
//!
//! The engine moves points into a new segment and then drops the old ones. Killed in between, it finds both
//! when it is opened, counts such points twice, and lets filters match the older copy.

use qdrant_edge::{
    Condition, CountRequest, EdgeShard, Filter, HasIdCondition, OperationError, OperationResult, PointId,
    PointInsertOperations, PointOperations, PointStructPersisted, ScrollRequest, UpdateOperation, WithPayloadInterface,
    WithVector,
};

/// Ids are checked by this many.
const GROUP: usize = 100;

/// The ids that are stored twice, and some of their neighbours. Reads the ids of the whole shard.
pub(crate) fn find(shard: &EdgeShard) -> OperationResult<Vec<PointId>> {
    let (records, _) = shard.scroll(ScrollRequest {
        limit: Some(shard.info().points_count.saturating_add(1)),
        with_payload: Some(WithPayloadInterface::Bool(false)),
        ..ScrollRequest::default()
    })?;
    let ids: Vec<PointId> = records.into_iter().map(|record| record.id).collect();
    let mut doubled = Vec::new();
    if shard.count(CountRequest { filter: None, exact: true })? == ids.len() {
        return Ok(doubled);
    }
    for group in ids.chunks(GROUP) {
        let these = Filter::new_must(Condition::HasId(HasIdCondition::from_iter(group.iter().copied())));
        if shard.count(CountRequest { filter: Some(these), exact: true })? > group.len() {
            doubled.extend_from_slice(group);
        }
    }
    Ok(doubled)
}

/// The deletion of all copies of these points, and the write that puts the newest of each back. The second
/// must be in the redo log before the first is applied.
pub(crate) fn rewrite(shard: &EdgeShard, ids: &[PointId]) -> OperationResult<(UpdateOperation, UpdateOperation)> {
    let newest = shard.retrieve(ids, Some(WithPayloadInterface::Bool(true)), Some(WithVector::Bool(true)))?;
    let points = newest.into_iter().map(PointStructPersisted::try_from).collect::<Result<Vec<_>, _>>();
    let points = PointInsertOperations::PointsList(points.map_err(OperationError::service_error_light)?);
    Ok((
        UpdateOperation::PointOperation(PointOperations::DeletePoints { ids: ids.to_vec() }),
        UpdateOperation::PointOperation(PointOperations::UpsertPoints(points)),
    ))
}
