//! Changes of payload: read, open, change, seal again, write.

use super::{
    Step,
    write::{refuse_drift, seal_selector},
};
use crate::{
    vector::{
        Answer, Exchange, Fetch, Payload, PayloadChange, PointId, SealedFilter, SealedSelector, Selector, StoreCall,
        VectorError,
        payload::{RESERVED_PREFIX, remove},
        plane::{Place, Scene},
    },
    wire::qdrant::store,
};
use policy_engine::Obligations;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// So many points are changed at a time, under their locks.
const BATCH: usize = 64;

/// So many ids are fetched at a time where a filter selects the points.
const PAGE: u32 = 1024;

/// Checks terms and keys, and rewrites the selector.
pub(crate) fn prepare(
    place: &Place,
    terms: &Obligations,
    change: PayloadChange,
    selector: Selector,
) -> Result<Step, VectorError> {
    if let PayloadChange::Set(payload) | PayloadChange::Overwrite(payload) = &change {
        refuse_drift(place, terms)?;
        if payload.map().is_none_or(|map| map.keys().any(|key| key.starts_with(RESERVED_PREFIX))) {
            return Err(VectorError::ReservedKey);
        }
    }
    Ok(Step::Amend { change, selector: seal_selector(place, selector)? })
}

/// Changes every selected point that exists. Ids that do not exist are skipped, as Qdrant does.
pub(crate) async fn carry_out<E: Exchange>(
    scene: &Scene,
    exchange: &E,
    change: PayloadChange,
    selector: SealedSelector,
) -> Result<(Answer, u64), VectorError> {
    let (ids, filter) = match selector {
        SealedSelector::Ids(ids) => (ids.into_iter().collect::<BTreeSet<_>>(), None),
        SealedSelector::Filter(filter) => (matching(scene, exchange, &filter).await?, Some(filter)),
    };
    let ids: Vec<PointId> = ids.into_iter().collect();
    let (mut written, mut count) = (None, 0_u64);
    for batch in ids.chunks(BATCH) {
        let (number, changed) = amend_batch(scene, exchange, &change, batch, filter.as_ref()).await?;
        written = number.or(written);
        count = count.saturating_add(changed);
    }
    Ok((Answer::Written(written), count))
}

/// The ids of all points that match.
async fn matching<E: Exchange>(
    scene: &Scene,
    exchange: &E,
    filter: &SealedFilter,
) -> Result<BTreeSet<PointId>, VectorError> {
    let place = scene.place()?;
    let mut ids = BTreeSet::new();
    let mut offset = None;
    loop {
        let call = StoreCall::Scroll { filter: Some(filter.clone()), offset, limit: PAGE, fetch: Fetch::Ids };
        let answer = scene.ask(exchange, place.request(&call)).await?;
        let page = store::page(&answer.body)?;
        let before = ids.len();
        ids.extend(page.records.into_iter().map(|(id, _)| id));
        match page.next {
            None => return Ok(ids),
            Some(_) if ids.len() == before => return Err(VectorError::StoreAnswer("pages without an end")),
            next => offset = next,
        }
    }
}

async fn amend_batch<E: Exchange>(
    scene: &Scene,
    exchange: &E,
    change: &PayloadChange,
    ids: &[PointId],
    filter: Option<&SealedFilter>,
) -> Result<(Option<u64>, u64), VectorError> {
    let place = scene.place()?;
    let physical = &place.entry.physical;
    let _held = scene.plane.locks.alone(physical, ids.iter().copied()).await;
    let wanted: BTreeSet<PointId> = ids.iter().copied().collect();
    let records = match filter {
        None => {
            let answer = scene.ask(exchange, place.request(&StoreCall::Retrieve(ids.to_vec()))).await?;
            store::points(&answer.body)?
        }
        Some(filter) => {
            // Under the lock: only what still matches.
            let both = SealedFilter {
                must: Some(vec![
                    crate::vector::SealedCondition::Nested(Box::new(filter.clone())),
                    crate::vector::SealedCondition::HasId(ids.to_vec()),
                ]),
                ..SealedFilter::default()
            };
            let limit = u32::try_from(ids.len()).unwrap_or(u32::MAX);
            let call = StoreCall::Scroll { filter: Some(both), offset: None, limit, fetch: Fetch::Records };
            let answer = scene.ask(exchange, place.request(&call)).await?;
            store::page(&answer.body)?.records
        }
    };
    let mut sealed = Vec::with_capacity(records.len());
    for (id, record) in scene.open_all(records).await? {
        if !wanted.contains(&id) {
            return Err(VectorError::StoreAnswer("a point that was not asked for"));
        }
        let payload =
            changed(change, record.payload()).ok_or(VectorError::StoreAnswer("a payload that is no object"))?;
        let exact = record.vector();
        sealed.push(scene.plane.seal_point(place, &scene.owner.upstream, id, exact.expose(), &payload)?);
    }
    if sealed.is_empty() {
        return Ok((None, 0));
    }
    let count = u64::try_from(sealed.len()).unwrap_or(u64::MAX);
    let answer = scene.ask(exchange, place.request(&StoreCall::Upsert(sealed))).await?;
    Ok((store::written(&answer.body)?, count))
}

/// The payload after the change; `None` if the old one is no object.
fn changed(change: &PayloadChange, old: &[u8]) -> Option<Payload> {
    let mut map: Map<String, Value> = serde_json::from_slice(old).ok()?;
    match change {
        PayloadChange::Overwrite(payload) => return Some(Payload::of(&payload.map()?)),
        PayloadChange::Clear => return Some(Payload::empty()),
        PayloadChange::Remove(keys) => remove(&mut map, keys),
        PayloadChange::Set(payload) => {
            for (key, value) in payload.map()? {
                if value.is_null() {
                    map.remove(&key);
                } else {
                    map.insert(key, value);
                }
            }
        }
    }
    Some(Payload::of(&map))
}
