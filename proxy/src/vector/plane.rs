//! The plane: what all vector calls share, and the two halves of a call.

use super::{
    Answer, ClientAnswer, CollectionEntry, CollectionKey, CollectionState, Collections, Exchange, Operation, Passage,
    PointId, SealedRequest, StoreCall, UpstreamAnswer, VectorCall, VectorError,
    keys::{CollectionKeys, Derived, scope},
    locks::RecordLocks,
    ops::{Step, admin, amend, read, search, write},
    payload::Payload,
    record::{self, Record},
    sealed::SealedPoint,
};
use crate::wire::qdrant;
use bytes::Bytes;
use kms_bridge::{Dek, Header, KeyBridge, KeyError, Purpose, SealContext};
use policy_engine::{Grant, Mode, Obligations};
use ring::rand::SystemRandom;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use vocab::{PrincipalId, TenantId, UpstreamName};

/// The field that sealed records are bound to.
const RECORD_FIELD: &str = "record";

/// Everything that vector calls share. One for each sidecar.
pub(crate) struct VectorPlane {
    pub(super) keys: KeyBridge,
    pub(super) collections: Arc<dyn Collections>,
    pub(super) rng: SystemRandom,
    pub(super) locks: RecordLocks,
    derived: Derived,
}

/// For whom, and at which upstream, a call is carried out: from the verified credential and the route.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    pub(crate) tenant: TenantId,
    pub(crate) principal: PrincipalId,
    pub(crate) upstream: UpstreamName,
}

/// A call of which everything that leaves is sealed. Nothing has been sent.
pub(crate) struct Prepared {
    scene: Scene,
    step: Step,
}

/// What the steps of one call share.
pub(crate) struct Scene {
    pub(super) plane: Arc<VectorPlane>,
    pub(super) owner: Owner,
    pub(super) place: Option<Place>,
    pub(super) passage: Passage,
    received: Mutex<Received>,
}

/// The collection of a call, with its keys.
pub(crate) struct Place {
    pub(super) entry: CollectionEntry,
    pub(super) keys: CollectionKeys,
    passage: Passage,
}

/// What the store answered so far.
#[derive(Default)]
struct Received {
    exchanges: u64,
    bytes: usize,
    last: Bytes,
}

impl Place {
    /// A request about this collection.
    pub(super) fn request(&self, call: &StoreCall) -> SealedRequest {
        SealedRequest::write(Some(&self.entry.physical), call, self.passage)
    }
}

impl VectorPlane {
    pub(crate) fn new(keys: KeyBridge, collections: Arc<dyn Collections>) -> Self {
        Self { keys, collections, rng: SystemRandom::new(), locks: RecordLocks::new(), derived: Derived::new() }
    }

    /// Does all that can fail before bytes leave: finds the collection and its keys, checks the policy's
    /// terms, seals points, query vectors and filters. The `Grant` is the policy's proof for this call.
    pub(crate) async fn prepare(
        self: &Arc<Self>,
        owner: Owner,
        grant: &Grant,
        call: VectorCall,
    ) -> Result<Prepared, VectorError> {
        let terms = grant.obligations();
        let VectorCall { collection, operation, passage } = call;
        let mut scene =
            Scene { plane: Arc::clone(self), owner, place: None, passage, received: Mutex::new(Received::default()) };
        let key = collection.map(|name| CollectionKey {
            tenant: scene.owner.tenant.clone(),
            upstream: scene.owner.upstream.clone(),
            name,
        });
        let (operation, key) = match (operation, key) {
            (Operation::Version, _) => {
                let request = SealedRequest::write(None, &StoreCall::Version, passage);
                return Ok(Prepared { scene, step: Step::Version(request) });
            }
            (Operation::List, _) => return Ok(Prepared { scene, step: Step::List }),
            (_, None) => return Err(VectorError::Unprepared),
            (operation, Some(key)) => (operation, key),
        };
        let found = self.collections.find(&key).await?;
        let step = match operation {
            Operation::Create(create) => admin::prepare_create(self, &scene.owner, key, found, terms, create)?,
            Operation::Drop => Step::Drop(found),
            Operation::Exists => Step::Exists(found.is_some_and(|e| e.state == CollectionState::Ready)),
            operation => {
                let place = self.enter(key, found, terms, passage).await?;
                let step = prepare_step(self, &place, terms, operation).await?;
                scene.place = Some(place);
                step
            }
        };
        Ok(Prepared { scene, step })
    }

    /// The ready collection and its keys, if the policy's terms still fit what was frozen.
    async fn enter(
        &self,
        key: CollectionKey,
        found: Option<CollectionEntry>,
        terms: &Obligations,
        passage: Passage,
    ) -> Result<Place, VectorError> {
        let entry = match found {
            Some(entry) if entry.state == CollectionState::Ready => entry,
            _ => return Err(VectorError::NoCollection(key.name)),
        };
        if entry.mode != Mode::Preserving {
            return Err(VectorError::ModeUnavailable(entry.mode));
        }
        if let Some(encrypt) = &terms.encrypt
            && encrypt.mode != entry.mode
        {
            return Err(VectorError::Drift { what: "mode" });
        }
        let keys = self.derived.keys(&self.keys, &entry).await?;
        Ok(Place { entry, keys, passage })
    }

    /// Seals one point from its exact vector and its payload.
    pub(super) fn seal_point(
        &self,
        place: &Place,
        upstream: &UpstreamName,
        id: PointId,
        exact: &[f32],
        payload: &Payload,
    ) -> Result<SealedPoint, VectorError> {
        let text = id.to_string();
        let vector = place
            .keys
            .cipher
            .encrypt_record(text.as_bytes(), exact)
            .map_err(|source| VectorError::Vector { at: 0, source })?;
        let tokens = if place.entry.filterable.is_empty() {
            Vec::new()
        } else {
            let map = payload.map().ok_or(VectorError::Unprepared)?;
            super::filter::tokens_of(&map, &place.keys.index, &place.entry.filterable)
        };
        let plain = record::encode(exact, payload.json());
        let context = seal_context(place, upstream, &text);
        let record =
            kms_bridge::seal(&place.keys.payload, &context, plain.expose(), &self.rng).map_err(VectorError::Seal)?;
        Ok(SealedPoint { id, vector, record, tokens })
    }
}

async fn prepare_step(
    plane: &VectorPlane,
    place: &Place,
    terms: &Obligations,
    operation: Operation,
) -> Result<Step, VectorError> {
    match operation {
        Operation::Info => Ok(Step::Info(place.request(&StoreCall::Info))),
        Operation::Index { field } => admin::prepare_index(place, &field),
        Operation::DropIndex { field } => admin::prepare_drop_index(place, &field),
        Operation::Upsert(points) => write::prepare_upsert(plane, place, terms, points).await,
        Operation::Delete(selector) => write::prepare_delete(place, selector),
        Operation::Amend { change, selector } => amend::prepare(place, terms, change, selector),
        Operation::Retrieve { ids, output } => {
            let request = place.request(&StoreCall::Retrieve(ids.clone()));
            Ok(Step::Retrieve { ids, request, output })
        }
        Operation::RetrieveOne { id } => {
            Ok(Step::RetrieveOne { id, request: place.request(&StoreCall::Retrieve(vec![id])) })
        }
        Operation::Scroll { filter, offset, limit, output } => {
            read::prepare_scroll(place, filter, offset, limit, output)
        }
        Operation::Count { filter, counting } => read::prepare_count(place, filter, counting),
        Operation::Search(searches) => search::prepare(place, searches),
        Operation::Version | Operation::List | Operation::Exists | Operation::Create(_) | Operation::Drop => {
            Err(VectorError::Unprepared)
        }
    }
}

impl Prepared {
    /// Exchanges with the store, opens what returns and gives the client's answer. Call it once the intent
    /// is recorded.
    ///
    /// A call of several exchanges that fails in the middle may have written some points; the error says
    /// that it failed, and repeating the call is safe.
    pub(crate) async fn carry_out<E: Exchange>(self, exchange: &E) -> Result<ClientAnswer, VectorError> {
        let started = Instant::now();
        let Self { scene, step } = self;
        let (answer, points) = match step {
            Step::Version(request) => (admin::version(&scene, exchange, request).await?, 0),
            Step::List => (admin::list(&scene).await?, 0),
            Step::Exists(truth) => (Answer::Exists(truth), 0),
            Step::Info(request) => (admin::info(&scene, exchange, request).await?, 0),
            Step::Create(create) => (admin::create(&scene, exchange, *create).await?, 0),
            Step::Drop(found) => (admin::drop_collection(&scene, exchange, found).await?, 0),
            Step::Index(request) => (write::plain(&scene, exchange, request).await?, 0),
            Step::Upsert { ids, request } => write::upsert(&scene, exchange, ids, request).await?,
            Step::Delete { selector, request } => write::delete(&scene, exchange, selector, request).await?,
            Step::Amend { change, selector } => amend::carry_out(&scene, exchange, change, selector).await?,
            Step::Retrieve { ids, request, output } => read::retrieve(&scene, exchange, &ids, request, &output).await?,
            Step::RetrieveOne { id, request } => read::retrieve_one(&scene, exchange, id, request).await?,
            Step::Scroll { request, output } => read::scroll(&scene, exchange, request, &output).await?,
            Step::Count(request) => (read::count(&scene, exchange, request).await?, 0),
            Step::Search { shape, searching } => search::carry_out(&scene, exchange, shape, searching).await?,
        };
        let received = scene.received.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(ClientAnswer {
            status: http::StatusCode::OK,
            body: qdrant::render(&answer, started.elapsed()),
            points,
            exchanges: received.exchanges,
            received: received.last,
            received_bytes: received.bytes,
        })
    }

    /// The body of the first request, for the intent's commitment; empty where the first request has none,
    /// or is known only once an entry is made or a record read.
    pub(crate) fn first_body(&self) -> &[u8] {
        match &self.step {
            Step::Version(request)
            | Step::Info(request)
            | Step::Index(request)
            | Step::Upsert { request, .. }
            | Step::Delete { request, .. }
            | Step::Retrieve { request, .. }
            | Step::RetrieveOne { request, .. }
            | Step::Scroll { request, .. }
            | Step::Count(request) => request.body(),
            Step::Search { searching, .. } => searching.first_body(),
            Step::List | Step::Exists(_) | Step::Create(_) | Step::Drop(_) | Step::Amend { .. } => &[],
        }
    }
}

impl Scene {
    /// The collection of the call.
    pub(super) fn place(&self) -> Result<&Place, VectorError> {
        self.place.as_ref().ok_or(VectorError::Unprepared)
    }

    /// One exchange; a status of failure is an error.
    pub(super) async fn ask<E: Exchange>(
        &self,
        exchange: &E,
        request: SealedRequest,
    ) -> Result<UpstreamAnswer, VectorError> {
        let answer = self.ask_any(exchange, request).await?;
        if answer.status.is_success() { Ok(answer) } else { Err(VectorError::StoreRefused { status: answer.status }) }
    }

    /// One exchange, whatever its status.
    pub(super) async fn ask_any<E: Exchange>(
        &self,
        exchange: &E,
        request: SealedRequest,
    ) -> Result<UpstreamAnswer, VectorError> {
        let answer = exchange.send(request).await?;
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.exchanges = received.exchanges.saturating_add(1);
        received.bytes = received.bytes.saturating_add(answer.body.len());
        received.last = answer.body.clone();
        drop(received);
        Ok(answer)
    }

    /// Opens the sealed records of an answer. One that does not open fails all: a store that gives such a
    /// record is broken or hostile, and leaving it out silently would hide that.
    pub(super) async fn open_all(
        &self,
        records: Vec<(PointId, Option<Vec<u8>>)>,
    ) -> Result<Vec<(PointId, Record)>, VectorError> {
        let place = self.place()?;
        let mut opened = Vec::with_capacity(records.len());
        let mut failed = 0;
        let mut last: Arc<Dek> = Arc::clone(&place.keys.payload);
        for (id, sealed) in records {
            let Some((sealed, header)) = sealed.and_then(|s| Header::parse(&s).ok().map(|header| (s, header))) else {
                failed += 1;
                continue;
            };
            if header.key_id() != last.key_id() {
                match self.plane.keys.opening(&scope(&place.entry, Purpose::Payload), &header).await {
                    Ok(dek) => last = dek,
                    Err(KeyError::UnknownKey | KeyError::OtherScope) => {
                        failed += 1;
                        continue;
                    }
                    Err(other) => return Err(other.into()),
                }
            }
            let text = id.to_string();
            let context = seal_context(place, &self.owner.upstream, &text);
            let record = kms_bridge::open(&last, &context, &sealed)
                .ok()
                .and_then(|plain| Record::decode(plain, place.entry.dimensions.count()));
            match record {
                Some(record) => opened.push((id, record)),
                None => failed += 1,
            }
        }
        if failed == 0 { Ok(opened) } else { Err(VectorError::Unopenable { count: failed }) }
    }
}

fn seal_context<'a>(place: &'a Place, upstream: &'a UpstreamName, record: &'a str) -> SealContext<'a> {
    SealContext {
        tenant: &place.entry.key.tenant,
        upstream,
        collection: Some(place.entry.physical.as_collection()),
        record,
        field: RECORD_FIELD,
        purpose: Purpose::Payload,
    }
}
