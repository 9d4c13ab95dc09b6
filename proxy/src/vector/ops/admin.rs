//! Collections and indexes.
//!
//! Life of a collection: entered as `creating` -> made in the store -> `ready` -> `deleting` -> removed from
//! the store -> gone. A crash between two steps leaves `creating` or `deleting`. A later create with the
//! same terms takes up a `creating` entry under its physical name; a delete removes either. Neither
//! depends on whether the store had it.

use super::Step;
use crate::{
    vector::{
        Advance, Answer, CollectionEntry, CollectionInfo, CollectionKey, CollectionState, Create, Creation, Exchange,
        Owner, PhysicalName, SealedRequest, StoreCall, Tuning, VectorError, VectorPlane,
        plane::{Place, Scene},
    },
    wire::qdrant::store,
};
use embedding_cipher::{Beta, Dimensions};
use http::StatusCode;
use policy_engine::{FieldName, Mode, Obligations};
use std::collections::BTreeSet;

/// A collection that is to be made.
pub(crate) struct Creating {
    entry: CollectionEntry,
    tuning: Tuning,
    /// Whether an unfinished entry with the same terms is there already.
    resumed: bool,
}

/// Freezes the policy's terms for a new collection.
pub(crate) fn prepare_create(
    plane: &VectorPlane,
    owner: &Owner,
    key: CollectionKey,
    found: Option<CollectionEntry>,
    terms: &Obligations,
    create: Create,
) -> Result<Step, VectorError> {
    let encrypt = terms.encrypt.ok_or(VectorError::NoMode)?;
    if encrypt.mode != Mode::Preserving {
        return Err(VectorError::ModeUnavailable(encrypt.mode));
    }
    let fresh = CollectionEntry {
        key,
        physical: PhysicalName::random(&plane.rng).ok_or(VectorError::NoRandomness)?,
        state: CollectionState::Creating,
        dimensions: Dimensions::new(create.dimensions).map_err(|_| VectorError::BadDimensions)?,
        distance: create.distance,
        mode: encrypt.mode,
        beta: beta(encrypt.beta),
        filterable: filterable(terms),
        created_by: owner.principal.clone(),
    };
    let (entry, resumed) = match found {
        None => (fresh, false),
        Some(entry) => (take_up(entry, &fresh)?, true),
    };
    Ok(Step::Create(Box::new(Creating { entry, tuning: create.tuning, resumed })))
}

/// An unfinished entry, if the new terms are its own.
fn take_up(found: CollectionEntry, fresh: &CollectionEntry) -> Result<CollectionEntry, VectorError> {
    let same =
        CollectionEntry { physical: found.physical.clone(), created_by: found.created_by.clone(), ..fresh.clone() }
            == found;
    match found.state {
        CollectionState::Ready => Err(VectorError::CollectionExists(found.key.name)),
        CollectionState::Creating if same => Ok(found),
        CollectionState::Creating | CollectionState::Deleting => Err(VectorError::InTransition(found.key.name)),
    }
}

/// The policy's beta, in the cipher's precision.
pub(crate) fn beta(beta: policy_engine::Beta) -> Beta {
    #[expect(clippy::cast_possible_truncation, reason = "noise strength needs no more than 32 bits")]
    let value = beta.get() as f32;
    Beta::new(value).unwrap_or_default()
}

/// The policy's filterable fields, as an entry holds them.
pub(crate) fn filterable(terms: &Obligations) -> BTreeSet<String> {
    terms.filterable.iter().map(|field| FieldName::as_str(field).to_owned()).collect()
}

/// Makes the collection, entry first.
pub(crate) async fn create<E: Exchange>(
    scene: &Scene,
    exchange: &E,
    creating: Creating,
) -> Result<Answer, VectorError> {
    let Creating { entry, tuning, resumed } = creating;
    let collections = &scene.plane.collections;
    let (entry, resumed) = if resumed {
        (entry, true)
    } else {
        match collections.create(&entry).await? {
            Creation::Created(entry) => (entry, false),
            // Another call was faster since this one was prepared.
            Creation::Taken(found) => (take_up(found, &entry)?, true),
        }
    };
    // A crash from here on leaves `creating`: a repeated create goes on here, a delete cleans up.
    let call = StoreCall::Create { dimensions: entry.dimensions, tuning };
    let request = SealedRequest::write(Some(&entry.physical), &call, scene.passage);
    let answer = scene.ask_any(exchange, request).await?;
    let there = answer.status.is_success() || (resumed && answer.status == StatusCode::CONFLICT);
    if !there {
        if answer.status.is_client_error() {
            // The store said no, so that there is nothing to clean up but the entry.
            collections.advance(&entry.key, &entry.physical, Advance::Deleting).await?;
            collections.remove(&entry.key, &entry.physical).await?;
        }
        return Err(VectorError::StoreRefused { status: answer.status });
    }
    match collections.advance(&entry.key, &entry.physical, Advance::Ready).await? {
        Some(_) => Ok(Answer::Done(true)),
        None => Err(VectorError::InTransition(entry.key.name)),
    }
}

/// Removes the collection: marked first, gone from the store second, forgotten last.
pub(crate) async fn drop_collection<E: Exchange>(
    scene: &Scene,
    exchange: &E,
    found: Option<CollectionEntry>,
) -> Result<Answer, VectorError> {
    let Some(entry) = found else { return Ok(Answer::Done(false)) };
    let collections = &scene.plane.collections;
    if collections.advance(&entry.key, &entry.physical, Advance::Deleting).await?.is_none() {
        let now = collections.find(&entry.key).await?;
        if !now.is_some_and(|e| e.physical == entry.physical && e.state == CollectionState::Deleting) {
            return Ok(Answer::Done(false));
        }
    }
    let request = SealedRequest::write(Some(&entry.physical), &StoreCall::Drop, scene.passage);
    let answer = scene.ask_any(exchange, request).await?;
    if !answer.status.is_success() && answer.status != StatusCode::NOT_FOUND {
        return Err(VectorError::StoreRefused { status: answer.status });
    }
    collections.remove(&entry.key, &entry.physical).await?;
    Ok(Answer::Done(true))
}

/// The tenant's ready collections at this upstream.
pub(crate) async fn list(scene: &Scene) -> Result<Answer, VectorError> {
    let all = scene.plane.collections.list(&scene.owner.tenant, &scene.owner.upstream).await?;
    let ready = all.into_iter().filter(|entry| entry.state == CollectionState::Ready);
    Ok(Answer::Names(ready.map(|entry| entry.key.name).collect()))
}

/// Which version the store says it has.
pub(crate) async fn version<E: Exchange>(
    scene: &Scene,
    exchange: &E,
    request: SealedRequest,
) -> Result<Answer, VectorError> {
    let answer = scene.ask(exchange, request).await?;
    store::version(&answer.body).map(Answer::Version)
}

/// Size and settings of a collection, in the client's own terms.
pub(crate) async fn info<E: Exchange>(
    scene: &Scene,
    exchange: &E,
    request: SealedRequest,
) -> Result<Answer, VectorError> {
    let Place { entry, keys, .. } = scene.place()?;
    let answer = scene.ask(exchange, request).await?;
    let found = store::info(&answer.body)?;
    let indexed = entry
        .filterable
        .iter()
        .filter_map(|field| Some((field.clone(), *found.indexed.get(&store::token_key(keys.index.field(field)))?)))
        .collect();
    Ok(Answer::Info(CollectionInfo { entry: entry.clone(), store: found.settings, indexed }))
}

/// An index over the tokens of a filterable field.
pub(crate) fn prepare_index(place: &Place, field: &str) -> Result<Step, VectorError> {
    if !place.entry.filterable.contains(field) {
        return Err(VectorError::not_filterable(field));
    }
    Ok(Step::Index(place.request(&StoreCall::Index { field: place.keys.index.field(field) })))
}

/// No more index over the tokens of a field.
pub(crate) fn prepare_drop_index(place: &Place, field: &str) -> Result<Step, VectorError> {
    if !place.entry.filterable.contains(field) {
        return Err(VectorError::not_filterable(field));
    }
    Ok(Step::Index(place.request(&StoreCall::DropIndex { field: place.keys.index.field(field) })))
}
