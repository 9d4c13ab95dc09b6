//! Writes in the form in which they can be replayed.
//!
//! The redo log is replayed over a state that may already hold any part of the writes in it. That ends in
//! the right state only if each write names its points and sets fixed values. So a write by filter
//! is turned into the same write by ids before it is recorded.

use std::collections::HashSet;

use qdrant_edge::{
    EdgeShard, Filter, OperationError, OperationResult, PayloadOps, PointId, PointOperations, ScrollRequest,
    UpdateOperation, VectorOperations, WithPayloadInterface, WithVector,
};

/// The write by ids. Fails, before anything is changed, if it would alter a point that does not exist. No
/// other write may run meanwhile.
pub(crate) fn by_ids(shard: &EdgeShard, operation: UpdateOperation) -> OperationResult<UpdateOperation> {
    Ok(match operation {
        UpdateOperation::PointOperation(PointOperations::DeletePointsByFilter(filter)) => {
            UpdateOperation::PointOperation(PointOperations::DeletePoints { ids: matching(shard, filter)? })
        }
        UpdateOperation::PayloadOperation(change) => UpdateOperation::PayloadOperation(payload(shard, change)?),
        UpdateOperation::VectorOperation(change) => UpdateOperation::VectorOperation(vectors(shard, change)?),
        other => other,
    })
}

/// Drops from a replayed write the points that a later write of the log has already deleted.
pub(crate) fn without_deleted(shard: &EdgeShard, mut operation: UpdateOperation) -> OperationResult<UpdateOperation> {
    if matches!(operation, UpdateOperation::PayloadOperation(_) | UpdateOperation::VectorOperation(_)) {
        let present = present(shard, &operation.point_ids().unwrap_or_default())?;
        operation.retain_point_ids(|id| present.contains(id));
    }
    Ok(operation)
}

fn payload(shard: &EdgeShard, change: PayloadOps) -> OperationResult<PayloadOps> {
    Ok(match change {
        PayloadOps::SetPayload(mut set) => {
            set.points = Some(named(shard, set.points, set.filter.take())?);
            PayloadOps::SetPayload(set)
        }
        PayloadOps::OverwritePayload(mut set) => {
            set.points = Some(named(shard, set.points, set.filter.take())?);
            PayloadOps::OverwritePayload(set)
        }
        PayloadOps::DeletePayload(mut delete) => {
            delete.points = Some(named(shard, delete.points, delete.filter.take())?);
            PayloadOps::DeletePayload(delete)
        }
        PayloadOps::ClearPayload { points } => PayloadOps::ClearPayload { points: named(shard, Some(points), None)? },
        PayloadOps::ClearPayloadByFilter(filter) => {
            PayloadOps::ClearPayload { points: named(shard, None, Some(filter))? }
        }
    })
}

fn vectors(shard: &EdgeShard, change: VectorOperations) -> OperationResult<VectorOperations> {
    Ok(match change {
        VectorOperations::DeleteVectorsByFilter(filter, names) => {
            VectorOperations::DeleteVectors(named(shard, None, Some(filter))?.into(), names)
        }
        VectorOperations::DeleteVectors(list, names) => {
            VectorOperations::DeleteVectors(named(shard, Some(list.points), None)?.into(), names)
        }
        VectorOperations::UpdateVectors(update) => {
            named(shard, Some(update.points.iter().map(|point| point.id).collect()), None)?;
            VectorOperations::UpdateVectors(update)
        }
    })
}

fn named(shard: &EdgeShard, points: Option<Vec<PointId>>, filter: Option<Filter>) -> OperationResult<Vec<PointId>> {
    match (points, filter) {
        (Some(points), _) => {
            let present = present(shard, &points)?;
            match points.iter().find(|id| !present.contains(id)) {
                Some(&missed_point_id) => Err(OperationError::PointIdError { missed_point_id }),
                None => Ok(points),
            }
        }
        (None, Some(filter)) => matching(shard, filter),
        (None, None) => Err(OperationError::validation_error("no points or filter given")),
    }
}

fn present(shard: &EdgeShard, ids: &[PointId]) -> OperationResult<HashSet<PointId>> {
    let nothing = (Some(WithPayloadInterface::Bool(false)), Some(WithVector::Bool(false)));
    Ok(shard.retrieve(ids, nothing.0, nothing.1)?.into_iter().map(|record| record.id).collect())
}

/// The ids of all points that match.
fn matching(shard: &EdgeShard, filter: Filter) -> OperationResult<Vec<PointId>> {
    let (records, _) = shard.scroll(ScrollRequest {
        limit: Some(shard.info().points_count.saturating_add(1)),
        filter: Some(filter),
        with_payload: Some(WithPayloadInterface::Bool(false)),
        ..ScrollRequest::default()
    })?;
    Ok(records.into_iter().map(|record| record.id).collect())
}
