//! Search: over-fetch by ciphertext, open, rank exactly.

use super::{Step, read, write::exact_form};
use crate::{
    vector::{
        Answer, Exchange, Hit, Output, PointId, SealedFilter, SealedRequest, SealedSearch, Search, SearchParams,
        SearchShape, Searches, Similar, StoreCall, VectorError,
        filter::seal_filter,
        plane::{Place, Scene},
        record::Record,
    },
    wire::qdrant::store,
};
use embedding_cipher::{Page, Scored, Threshold, VectorCiphertext, exact_score, rank};
use std::collections::BTreeSet;
use vocab::Plain;

/// The largest limit plus offset: ten times as many records are fetched and opened.
const MAX_PAGE_END: u32 = 1000;

/// How many records are fetched at least, and how many for each wanted hit.
const FETCH_LEAST: u32 = 100;
const FETCH_FACTOR: u32 = 10;

/// Prepared searches.
pub(crate) enum Searching {
    /// All by vector: the one request is written.
    Written { request: SealedRequest, rankings: Vec<Ranking> },
    /// Some are by the vector of a record, which must be read first.
    Open(Vec<One>),
}

impl Searching {
    /// The body of the request, where it is written.
    pub(crate) fn first_body(&self) -> &[u8] {
        match self {
            Self::Written { request, .. } => request.body(),
            Self::Open(_) => &[],
        }
    }
}

/// One search, before its vector is known to be at hand.
pub(crate) struct One {
    aim: Aim,
    filter: Option<SealedFilter>,
    params: SearchParams,
    page: Page,
    fetched: u32,
    output: Output,
}

/// What hits should be near to.
enum Aim {
    Vector { exact: Plain<Vec<f32>>, sealed: VectorCiphertext },
    Record(PointId),
}

/// What is kept to rank the hits of one search.
pub(crate) struct Ranking {
    exact: Plain<Vec<f32>>,
    page: Page,
    fetched: u32,
    output: Output,
}

/// Encrypts query vectors and rewrites filters.
pub(crate) fn prepare(place: &Place, searches: Searches) -> Result<Step, VectorError> {
    let each = searches.each.into_iter().enumerate().map(|(at, search)| prepare_one(place, at, search));
    let each = each.collect::<Result<Vec<_>, _>>()?;
    let searching = if each.iter().any(|one| matches!(one.aim, Aim::Record(_))) {
        Searching::Open(each)
    } else {
        let (mut sealed, mut rankings) = (Vec::with_capacity(each.len()), Vec::with_capacity(each.len()));
        for one in each {
            if let Aim::Vector { exact, sealed: vector } = one.aim {
                sealed.push(SealedSearch { vector, filter: one.filter, params: one.params, limit: one.fetched });
                rankings.push(Ranking { exact, page: one.page, fetched: one.fetched, output: one.output });
            }
        }
        Searching::Written { request: place.request(&StoreCall::Search(sealed)), rankings }
    };
    Ok(Step::Search { shape: searches.shape, searching })
}

fn prepare_one(place: &Place, at: usize, search: Search) -> Result<One, VectorError> {
    let end = search.limit.checked_add(search.offset).filter(|end| *end <= MAX_PAGE_END);
    let end = end.ok_or(VectorError::TooMany { max: MAX_PAGE_END })?;
    let filter =
        search.filter.as_ref().map(|f| seal_filter(f, &place.keys.index, &place.entry.filterable)).transpose()?;
    let aim = match search.similar {
        Similar::Record(id) => Aim::Record(id),
        Similar::Vector(vector) => {
            let exact = exact_form(place, vector.expose()).map_err(|e| e.at(at))?;
            let sealed = place.keys.cipher.encrypt_query(exact.expose());
            Aim::Vector { sealed: sealed.map_err(|source| VectorError::Vector { at, source })?, exact }
        }
    };
    let count = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    let page =
        Page { offset: count(search.offset), limit: count(search.limit), threshold: search.threshold.map(Threshold) };
    let fetched = end.saturating_mul(FETCH_FACTOR).max(FETCH_LEAST);
    Ok(One { aim, filter, params: search.params, page, fetched, output: search.output })
}

/// Asks the store once for all searches, then ranks each.
pub(crate) async fn carry_out<E: Exchange>(
    scene: &Scene,
    exchange: &E,
    shape: SearchShape,
    searching: Searching,
) -> Result<(Answer, u64), VectorError> {
    let (request, rankings) = match searching {
        Searching::Written { request, rankings } => (request, rankings),
        Searching::Open(each) => resolve(scene, exchange, each).await?,
    };
    let answer = scene.ask(exchange, request).await?;
    let found = store::hits(&answer.body)?;
    if found.len() != rankings.len() {
        return Err(VectorError::StoreAnswer("another number of results than searches"));
    }
    let (mut results, mut count) = (Vec::with_capacity(found.len()), 0_u64);
    for (hits, ranking) in found.into_iter().zip(&rankings) {
        let hits = rank_hits(scene, hits, ranking).await?;
        count = count.saturating_add(u64::try_from(hits.len()).unwrap_or(u64::MAX));
        results.push(hits);
    }
    Ok((Answer::Hits(shape, results), count))
}

/// Reads the records whose vectors are searched by, and writes the request.
async fn resolve<E: Exchange>(
    scene: &Scene,
    exchange: &E,
    each: Vec<One>,
) -> Result<(SealedRequest, Vec<Ranking>), VectorError> {
    let place = scene.place()?;
    let (mut sealed, mut rankings) = (Vec::with_capacity(each.len()), Vec::with_capacity(each.len()));
    for (at, one) in each.into_iter().enumerate() {
        let (exact, vector, filter) = match one.aim {
            Aim::Vector { exact, sealed } => (exact, sealed, one.filter),
            Aim::Record(id) => {
                let request = place.request(&StoreCall::Retrieve(vec![id]));
                let opened = read::fetch(scene, exchange, &[id], request).await?;
                let (_, record) = opened.first().ok_or(VectorError::NoPoint)?;
                let exact = record.vector();
                let vector = place.keys.cipher.encrypt_query(exact.expose());
                let vector = vector.map_err(|source| VectorError::Vector { at, source })?;
                (exact, vector, Some(SealedFilter::without(one.filter, id)))
            }
        };
        sealed.push(SealedSearch { vector, filter, params: one.params, limit: one.fetched });
        rankings.push(Ranking { exact, page: one.page, fetched: one.fetched, output: one.output });
    }
    Ok((place.request(&StoreCall::Search(sealed)), rankings))
}

/// A hit in ranking; ties are ordered by id.
struct Candidate {
    id: PointId,
    version: u64,
    record: Record,
}

async fn rank_hits(scene: &Scene, hits: Vec<store::StoreHit>, ranking: &Ranking) -> Result<Vec<Hit>, VectorError> {
    if u32::try_from(hits.len()).map_or(true, |n| n > ranking.fetched) {
        return Err(VectorError::StoreAnswer("more hits than asked for"));
    }
    let ids: BTreeSet<PointId> = hits.iter().map(|hit| hit.id).collect();
    if ids.len() != hits.len() {
        return Err(VectorError::StoreAnswer("one point twice"));
    }
    let versions: Vec<u64> = hits.iter().map(|hit| hit.version).collect();
    let opened = scene.open_all(hits.into_iter().map(|hit| (hit.id, hit.record)).collect()).await?;
    let metric = scene.place()?.entry.distance.metric();
    let mut scored = Vec::with_capacity(opened.len());
    for ((id, record), version) in opened.into_iter().zip(versions) {
        let vector = record.vector();
        let score = exact_score(metric, ranking.exact.expose(), vector.expose()).map_err(VectorError::Score)?;
        scored.push(Scored { score, item: Candidate { id, version, record } });
    }
    let ranked = rank(metric, scored, ranking.page);
    let hit = |Scored { score, item }: Scored<Candidate>| Hit {
        point: read::view(item.id, &item.record, &ranking.output),
        version: item.version,
        score,
    };
    Ok(ranked.into_iter().map(hit).collect())
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Candidate {}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.id.cmp(&other.id)
    }
}
