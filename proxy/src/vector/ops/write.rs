//! Writing and deleting whole points.

use super::{
    Step,
    admin::{beta, filterable},
};
use crate::{
    vector::{
        Answer, Distance, Exchange, NewPoint, PointId, SealedRequest, SealedSelector, Selector, StoreCall, VectorError,
        VectorPlane,
        filter::seal_filter,
        payload::RESERVED_PREFIX,
        plane::{Place, Scene},
    },
    wire::qdrant::store,
};
use embedding_cipher::{CipherError, norm, unit};
use policy_engine::Obligations;
use vocab::Plain;

/// How far from 1 the norm of a vector may be where it must be 1.
const UNIT_TOLERANCE: f64 = 1e-3;

/// Between so many points other tasks get a turn.
const TURN: usize = 64;

/// Checks the terms that a write must keep: the policy still demands what was frozen.
pub(crate) fn refuse_drift(place: &Place, terms: &Obligations) -> Result<(), VectorError> {
    let encrypt = terms.encrypt.ok_or(VectorError::NoMode)?;
    if encrypt.mode != place.entry.mode {
        return Err(VectorError::Drift { what: "mode" });
    }
    if beta(encrypt.beta) > place.entry.beta {
        return Err(VectorError::Drift { what: "beta, which is weaker," });
    }
    if filterable(terms) != place.entry.filterable {
        return Err(VectorError::Drift { what: "set of filterable fields" });
    }
    Ok(())
}

/// Seals the points of an upsert.
pub(crate) async fn prepare_upsert(
    plane: &VectorPlane,
    place: &Place,
    terms: &Obligations,
    points: Vec<NewPoint>,
) -> Result<Step, VectorError> {
    refuse_drift(place, terms)?;
    let mut sealed = Vec::with_capacity(points.len());
    for (at, point) in points.into_iter().enumerate() {
        if at % TURN == TURN - 1 {
            tokio::task::yield_now().await;
        }
        if point.payload.map().is_none_or(|map| map.keys().any(|key| key.starts_with(RESERVED_PREFIX))) {
            return Err(VectorError::ReservedKey);
        }
        let exact = exact_form(place, point.vector.expose()).map_err(|e| e.at(at))?;
        let one = plane.seal_point(place, &place.entry.key.upstream, point.id, exact.expose(), &point.payload);
        sealed.push(one.map_err(|e| e.at(at))?);
    }
    let ids = sealed.iter().map(|point| point.id).collect();
    Ok(Step::Upsert { ids, request: place.request(&StoreCall::Upsert(sealed)) })
}

impl VectorError {
    /// The same, about vector number `at` of the call.
    pub(crate) fn at(self, at: usize) -> Self {
        match self {
            Self::Vector { source, .. } => Self::Vector { at, source },
            Self::NotUnit { .. } => Self::NotUnit { at },
            other => other,
        }
    }
}

/// The vector as the collection keeps it: of norm 1 under Cosine, as it came (and checked to have norm 1) under
/// Dot and Euclid.
pub(crate) fn exact_form(place: &Place, vector: &[f32]) -> Result<Plain<Vec<f32>>, VectorError> {
    let fault = |source| VectorError::Vector { at: 0, source };
    let expected = place.entry.dimensions;
    if vector.len() != expected.length() {
        return Err(fault(CipherError::Dimensions { expected: expected.count(), found: vector.len() }));
    }
    if let Some(at) = vector.iter().position(|x| !x.is_finite()) {
        return Err(fault(CipherError::NotFinite { at }));
    }
    match place.entry.distance {
        Distance::Cosine => unit(vector).map(Plain::new).map_err(|_| fault(CipherError::Zero)),
        Distance::Dot | Distance::Euclid if (norm(vector) - 1.0).abs() <= UNIT_TOLERANCE => {
            Ok(Plain::new(vector.to_vec()))
        }
        Distance::Dot | Distance::Euclid => Err(VectorError::NotUnit { at: 0 }),
    }
}

/// Sends sealed points.
pub(crate) async fn upsert<E: Exchange>(
    scene: &Scene,
    exchange: &E,
    ids: Vec<PointId>,
    request: SealedRequest,
) -> Result<(Answer, u64), VectorError> {
    let physical = &scene.place()?.entry.physical;
    let count = u64::try_from(ids.len()).unwrap_or(u64::MAX);
    let _held = scene.plane.locks.shared(physical, ids).await;
    let answer = plain(scene, exchange, request).await?;
    Ok((answer, count))
}

/// Rewrites the selector of a delete.
pub(crate) fn prepare_delete(place: &Place, selector: Selector) -> Result<Step, VectorError> {
    let selector = seal_selector(place, selector)?;
    let request = place.request(&StoreCall::Delete(selector.clone()));
    Ok(Step::Delete { selector, request })
}

pub(crate) fn seal_selector(place: &Place, selector: Selector) -> Result<SealedSelector, VectorError> {
    Ok(match selector {
        Selector::Ids(ids) => SealedSelector::Ids(ids),
        Selector::Filter(filter) => {
            SealedSelector::Filter(seal_filter(&filter, &place.keys.index, &place.entry.filterable)?)
        }
    })
}

/// Deletes points.
pub(crate) async fn delete<E: Exchange>(
    scene: &Scene,
    exchange: &E,
    selector: SealedSelector,
    request: SealedRequest,
) -> Result<(Answer, u64), VectorError> {
    let physical = &scene.place()?.entry.physical;
    let (_held, count) = match &selector {
        SealedSelector::Ids(ids) => {
            let count = u64::try_from(ids.len()).unwrap_or(u64::MAX);
            (scene.plane.locks.shared(physical, ids.iter().copied()).await, count)
        }
        SealedSelector::Filter(_) => (scene.plane.locks.shared_all().await, 0),
    };
    let answer = plain(scene, exchange, request).await?;
    Ok((answer, count))
}

/// One write of one exchange.
pub(crate) async fn plain<E: Exchange>(
    scene: &Scene,
    exchange: &E,
    request: SealedRequest,
) -> Result<Answer, VectorError> {
    let answer = scene.ask(exchange, request).await?;
    Ok(Answer::Written(store::written(&answer.body)?))
}
