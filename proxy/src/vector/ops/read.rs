//! Points by id, in pages, and counted.

use super::Step;
use crate::{
    vector::{
        Answer, Counting, Exchange, Fetch, Filter, Output, PayloadChoice, PointId, PointView, SealedRequest, StoreCall,
        VectorChoice, VectorError,
        filter::seal_filter,
        plane::{Place, Scene},
        record::Record,
    },
    wire::qdrant::store,
};
use std::collections::BTreeSet;

/// Rewrites the filter of a scroll.
pub(crate) fn prepare_scroll(
    place: &Place,
    filter: Option<Filter>,
    offset: Option<PointId>,
    limit: u32,
    output: Output,
) -> Result<Step, VectorError> {
    let filter = filter.map(|f| seal_filter(&f, &place.keys.index, &place.entry.filterable)).transpose()?;
    let fetch = if output.is_nothing() { Fetch::Ids } else { Fetch::Records };
    let request = place.request(&StoreCall::Scroll { filter, offset, limit, fetch });
    Ok(Step::Scroll { request, output })
}

/// Rewrites the filter of a count.
pub(crate) fn prepare_count(place: &Place, filter: Option<Filter>, counting: Counting) -> Result<Step, VectorError> {
    let filter = filter.map(|f| seal_filter(&f, &place.keys.index, &place.entry.filterable)).transpose()?;
    Ok(Step::Count(place.request(&StoreCall::Count { filter, counting })))
}

/// Points by id; those that do not exist are left out.
pub(crate) async fn retrieve<E: Exchange>(
    scene: &Scene,
    exchange: &E,
    ids: &[PointId],
    request: SealedRequest,
    output: &Output,
) -> Result<(Answer, u64), VectorError> {
    let opened = fetch(scene, exchange, ids, request).await?;
    let points: Vec<PointView> = opened.iter().map(|(id, record)| view(*id, record, output)).collect();
    let count = u64::try_from(points.len()).unwrap_or(u64::MAX);
    Ok((Answer::Points(points), count))
}

/// One point, which must exist.
pub(crate) async fn retrieve_one<E: Exchange>(
    scene: &Scene,
    exchange: &E,
    id: PointId,
    request: SealedRequest,
) -> Result<(Answer, u64), VectorError> {
    let output = Output { payload: PayloadChoice::All, vector: VectorChoice::With };
    let opened = fetch(scene, exchange, &[id], request).await?;
    let (id, record) = opened.first().ok_or(VectorError::NoPoint)?;
    Ok((Answer::Point(view(*id, record, &output)), 1))
}

/// Fetches and opens records by id.
pub(crate) async fn fetch<E: Exchange>(
    scene: &Scene,
    exchange: &E,
    ids: &[PointId],
    request: SealedRequest,
) -> Result<Vec<(PointId, Record)>, VectorError> {
    let wanted: BTreeSet<PointId> = ids.iter().copied().collect();
    let answer = scene.ask(exchange, request).await?;
    let records = store::points(&answer.body)?;
    if records.iter().any(|(id, _)| !wanted.contains(id)) {
        return Err(VectorError::StoreAnswer("a point that was not asked for"));
    }
    scene.open_all(records).await
}

/// One page of points.
pub(crate) async fn scroll<E: Exchange>(
    scene: &Scene,
    exchange: &E,
    request: SealedRequest,
    output: &Output,
) -> Result<(Answer, u64), VectorError> {
    let answer = scene.ask(exchange, request).await?;
    let page = store::page(&answer.body)?;
    let points: Vec<PointView> = if output.is_nothing() {
        page.records.into_iter().map(|(id, _)| PointView { id, payload: None, vector: None }).collect()
    } else {
        scene.open_all(page.records).await?.iter().map(|(id, record)| view(*id, record, output)).collect()
    };
    let count = u64::try_from(points.len()).unwrap_or(u64::MAX);
    Ok((Answer::Page { points, next: page.next }, count))
}

/// How many points match.
pub(crate) async fn count<E: Exchange>(
    scene: &Scene,
    exchange: &E,
    request: SealedRequest,
) -> Result<Answer, VectorError> {
    let answer = scene.ask(exchange, request).await?;
    Ok(Answer::Count(store::count(&answer.body)?))
}

/// What the client gets of an opened record.
pub(crate) fn view(id: PointId, record: &Record, output: &Output) -> PointView {
    PointView {
        id,
        payload: output.payload_of(record.payload()),
        vector: (output.vector == VectorChoice::With).then(|| record.vector()),
    }
}
