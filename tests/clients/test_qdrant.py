"""The official Qdrant client, unchanged, through the sidecar; the store sees ciphertext only."""

import math
import random

import numpy
import pytest
from qdrant_client import models
from qdrant_client.http.exceptions import UnexpectedResponse

SIZE = 24
TEXTS = [f"deed number {n} about the harbour warehouse" for n in range(40)]


def vector(seed, size=SIZE):
    source = random.Random(seed)
    return [source.gauss(0.0, 1.0) for _ in range(size)]


def cosine(a, b):
    a, b = numpy.array(a, numpy.float64), numpy.array(b, numpy.float64)
    return float(a @ b / math.sqrt((a @ a) * (b @ b)))


def point(number):
    payload = {"text": TEXTS[number], "lang": ("en", "de")[number % 2], "year": 2000 + number, "nested": {"k": [1, None, "x"]}}
    return models.PointStruct(id=number, vector=vector(number), payload=payload)


@pytest.fixture
def deeds(topology, name):
    """A collection of 40 points and a client on it."""
    client = topology.qdrant()
    client.create_collection(name, vectors_config=models.VectorParams(size=SIZE, distance=models.Distance.COSINE))
    client.upsert(name, [point(n) for n in range(40)], wait=True)
    yield client, name
    client.delete_collection(name)


def lang(value):
    return models.Filter(must=[models.FieldCondition(key="lang", match=models.MatchValue(value=value))])


def test_the_life_of_a_collection(topology, name):
    client = topology.qdrant()
    assert not client.collection_exists(name)
    config = models.VectorParams(size=SIZE, distance=models.Distance.COSINE)
    assert client.create_collection(name, vectors_config=config)
    assert client.collection_exists(name)
    assert name in {c.name for c in client.get_collections().collections}
    info = client.get_collection(name)
    assert info.config.params.vectors.size == SIZE
    assert info.config.params.vectors.distance == models.Distance.COSINE
    assert info.points_count == 0
    with pytest.raises(UnexpectedResponse) as twice:
        client.create_collection(name, vectors_config=config)
    assert twice.value.status_code == 409
    assert client.delete_collection(name)
    assert not client.collection_exists(name)
    with pytest.raises(UnexpectedResponse) as gone:
        client.get_collection(name)
    assert gone.value.status_code == 404


def test_the_store_sees_no_plaintext(topology, deeds):
    client, name = deeds
    client.query_points(name, query=vector(3), query_filter=lang("de"), limit=3)
    for seen in topology.vectors.all():
        for secret in (b"harbour warehouse", b"deed number", name.encode(), b'"de"', b"acme"):
            assert secret not in seen.raw(), f"{secret} in {seen.method} {seen.path}"
        assert b"Bearer" not in seen.raw() and not seen.header("api-key")


def test_points_come_back_as_they_were(deeds):
    client, name = deeds
    got = {r.id: r for r in client.retrieve(name, [1, 2, 39], with_payload=True, with_vectors=True)}
    assert set(got) == {1, 2, 39}
    for number, record in got.items():
        assert record.payload == point(number).payload
        assert cosine(record.vector, vector(number)) > 1 - 1e-6


def test_payload_selectors(deeds):
    client, name = deeds
    (only,) = client.retrieve(name, [5], with_payload=["lang"])
    assert only.payload == {"lang": "de"}
    (bare,) = client.retrieve(name, [5], with_payload=False)
    assert not bare.payload


def test_queries_are_ranked_exactly(deeds):
    client, name = deeds
    query = vector(1000)
    exact = sorted(range(40), key=lambda n: -cosine(query, vector(n)))
    found = client.query_points(name, query=query, limit=10, with_payload=True, with_vectors=True).points
    assert [p.id for p in found] == exact[:10]
    for one in found:
        assert one.score == pytest.approx(cosine(query, vector(one.id)), abs=1e-5)
        assert one.payload["text"] == TEXTS[one.id]
    page = client.query_points(name, query=query, limit=5, offset=5).points
    assert [p.id for p in page] == exact[5:10]


def test_score_threshold_is_that_of_exact_scores(deeds):
    client, name = deeds
    query = vector(2000)
    scores = sorted((cosine(query, vector(n)) for n in range(40)), reverse=True)
    threshold = (scores[4] + scores[5]) / 2
    found = client.query_points(name, query=query, limit=40, score_threshold=threshold).points
    assert len(found) == 5


def test_a_stored_vector_finds_itself_first(deeds):
    client, name = deeds
    found = client.query_points(name, query=vector(7), limit=1).points
    assert found[0].id == 7 and found[0].score == pytest.approx(1.0, abs=1e-5)


def test_filters_on_fields_that_the_policy_names(deeds):
    client, name = deeds
    query = vector(1000)
    found = client.query_points(name, query=query, query_filter=lang("de"), limit=40, with_payload=True).points
    assert {p.payload["lang"] for p in found} == {"de"} and len(found) == 20
    either = models.Filter(must=[models.FieldCondition(key="year", match=models.MatchAny(any=[2001, 2002, 2100]))])
    assert {p.id for p in client.query_points(name, query=query, query_filter=either, limit=40).points} == {1, 2}
    neither = models.Filter(must_not=lang("de").must)
    assert client.count(name, count_filter=neither, exact=True).count == 20


@pytest.mark.parametrize(
    ("condition", "field"),
    [
        (models.FieldCondition(key="text", match=models.MatchValue(value=TEXTS[0])), "text"),
        (models.FieldCondition(key="nested.k", match=models.MatchValue(value=1)), "nested"),
        (models.FieldCondition(key="year", range=models.Range(gte=2010)), "year"),
        (models.FieldCondition(key="lang", match=models.MatchText(text="d")), "lang"),
        (models.IsEmptyCondition(is_empty=models.PayloadField(key="text")), "text"),
    ],
    ids=["text", "nested", "range", "full-text", "is-empty"],
)
def test_other_filters_are_refused_by_name(topology, deeds, condition, field):
    client, name = deeds
    mark = topology.vectors.mark()
    with pytest.raises(UnexpectedResponse) as refused:
        client.query_points(name, query=vector(1), query_filter=models.Filter(must=[condition]), limit=3)
    assert 400 <= refused.value.status_code < 500
    assert field.encode() in refused.value.content
    assert b"aios_code" in refused.value.content
    assert not any("query" in s.path or "search" in s.path for s in topology.vectors.since(mark))


def test_scroll_walks_over_everything_once(deeds):
    client, name = deeds
    seen, offset = [], None
    while True:
        page, offset = client.scroll(name, limit=7, offset=offset, with_payload=True)
        seen += [r.id for r in page]
        assert all(r.payload["text"] == TEXTS[r.id] for r in page)
        if offset is None:
            break
    assert seen == list(range(40))
    german, _ = client.scroll(name, scroll_filter=lang("de"), limit=100)
    assert len(german) == 20


def test_count_and_delete(deeds):
    client, name = deeds
    assert client.count(name, exact=True).count == 40
    client.delete(name, [0, 1, 2], wait=True)
    assert client.count(name, exact=True).count == 37
    client.delete(name, models.FilterSelector(filter=lang("de")), wait=True)
    assert client.count(name, exact=True).count == 18
    assert client.retrieve(name, [0, 1, 2]) == []


def test_upsert_replaces(deeds):
    client, name = deeds
    changed = models.PointStruct(id=4, vector=vector(4444), payload={"text": "quite another", "lang": "fr"})
    client.upsert(name, [changed], wait=True)
    (got,) = client.retrieve(name, [4], with_vectors=True)
    assert got.payload == {"text": "quite another", "lang": "fr"}
    assert cosine(got.vector, vector(4444)) > 1 - 1e-6
    assert client.count(name, count_filter=lang("fr"), exact=True).count == 1


def test_payload_operations(deeds):
    client, name = deeds

    def payload(number):
        return client.retrieve(name, [number])[0].payload

    client.set_payload(name, {"lang": "it", "note": "seen"}, points=[6], wait=True)
    assert payload(6) == {**point(6).payload, "lang": "it", "note": "seen"}
    assert client.count(name, count_filter=lang("it"), exact=True).count == 1
    client.delete_payload(name, ["note", "nested"], points=[6], wait=True)
    assert payload(6) == {"text": TEXTS[6], "lang": "it", "year": 2006}
    client.overwrite_payload(name, {"lang": "es"}, points=[6], wait=True)
    assert payload(6) == {"lang": "es"}
    assert client.count(name, count_filter=lang("it"), exact=True).count == 0
    client.clear_payload(name, models.PointIdsList(points=[6]), wait=True)
    assert payload(6) == {}
    assert client.count(name, count_filter=lang("es"), exact=True).count == 0
    found = client.query_points(name, query=vector(6), limit=1).points
    assert found[0].id == 6, "the vector survives changes of the payload"


def test_string_ids(topology, name):
    client = topology.qdrant()
    client.create_collection(name, vectors_config=models.VectorParams(size=SIZE, distance=models.Distance.COSINE))
    one = "0d9e7a3c-58a1-4a5b-9a7e-0c8a7f0d1b22"
    client.upsert(name, [models.PointStruct(id=one, vector=vector(1), payload={"lang": "en"})], wait=True)
    (got,) = client.retrieve(name, [one])
    assert got.id == one
    client.delete_collection(name)


def test_a_batch_in_columns(topology, name):
    client = topology.qdrant()
    client.create_collection(name, vectors_config=models.VectorParams(size=SIZE, distance=models.Distance.COSINE))
    batch = models.Batch(ids=[1, 2], vectors=[vector(1), vector(2)], payloads=[{"lang": "en"}, {"lang": "de"}])
    client.upsert(name, batch, wait=True)
    assert client.query_points(name, query=vector(2), limit=1, with_payload=True).points[0].payload == {"lang": "de"}
    client.delete_collection(name)


@pytest.mark.parametrize(
    "call",
    [
        lambda c, n: c.create_snapshot(n),
        lambda c, n: c.list_full_snapshots(),
        lambda c, n: c.recover_snapshot(n, location="http://127.0.0.1:1/x"),
        lambda c, n: c.facet(n, key="lang"),
        lambda c, n: c.query_points_groups(n, group_by="lang", query=vector(1)),
        lambda c, n: c.search_matrix_pairs(n),
        lambda c, n: c.get_aliases(),
        lambda c, n: c.update_collection_aliases([models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=n, alias_name="a"))]),
        lambda c, n: c.query_points(n, query=models.RecommendQuery(recommend=models.RecommendInput(positive=[1]))),
        lambda c, n: c.query_points(n, prefetch=models.Prefetch(query=vector(1)), query=models.FusionQuery(fusion=models.Fusion.RRF)),
        lambda c, n: c.query_points(n, query=vector(1), lookup_from=models.LookupLocation(collection="other")),
        lambda c, n: c.scroll(n, order_by="year"),
    ],
    ids=["snapshot", "snapshots", "recover", "facet", "groups", "matrix", "aliases", "alias", "recommend", "fusion", "lookup", "order"],
)
def test_what_would_leak_or_cross_is_refused(topology, deeds, call):
    client, name = deeds
    mark = topology.vectors.mark()
    with pytest.raises(UnexpectedResponse) as refused:
        call(client, name)
    assert 400 <= refused.value.status_code < 500 or refused.value.status_code == 501
    assert b"aios_code" in refused.value.content
    assert topology.vectors.since(mark) == []
