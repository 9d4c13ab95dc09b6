"""Two tenants against each other, and an operator of the store against both: nothing crosses."""

import json
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from qdrant_client import models
from qdrant_client.http.exceptions import UnexpectedResponse

SIZE = 16
COSINE = models.VectorParams(size=SIZE, distance=models.Distance.COSINE)


def vector(seed):
    source = random.Random(seed)
    return [source.gauss(0.0, 1.0) for _ in range(SIZE)]


def points(owner, count=10):
    return [
        models.PointStruct(id=n, vector=vector(n), payload={"text": f"{owner}-secret-{n}", "lang": "en", "owner": owner})
        for n in range(count)
    ]


def physical(topology):
    """Names of the collections in the store itself."""
    return {c.name for c in topology.direct().get_collections().collections}


@pytest.fixture
def twins(topology, name):
    """The same name in both tenants, the same ids and vectors, other contents; and their names in the store."""
    clients, stored = {}, {}
    for tenant in ("acme", "globex"):
        before = physical(topology)
        clients[tenant] = topology.qdrant(tenant)
        clients[tenant].create_collection(name, vectors_config=COSINE)
        clients[tenant].upsert(name, points(tenant), wait=True)
        (stored[tenant],) = physical(topology) - before
    yield clients, stored, name
    for tenant in clients:
        clients[tenant].delete_collection(name)


def test_one_name_is_two_collections(twins):
    clients, stored, name = twins
    assert stored["acme"] != stored["globex"]
    for tenant, client in clients.items():
        found = client.query_points(name, query=vector(3), limit=10, with_payload=True).points
        assert len(found) == 10 and all(p.payload["owner"] == tenant for p in found)
        assert all(r.payload["owner"] == tenant for r in client.retrieve(name, list(range(10))))
        assert all(r.payload["owner"] == tenant for r in client.scroll(name, limit=100)[0])
        assert client.count(name, exact=True).count == 10


def test_a_collection_of_another_tenant_is_not_there(topology, name):
    owner, other = topology.qdrant("acme"), topology.qdrant("globex")
    owner.create_collection(name, vectors_config=COSINE)
    owner.upsert(name, points("acme"), wait=True)
    mark = topology.vectors.mark()
    calls = [
        lambda: other.get_collection(name),
        lambda: other.query_points(name, query=vector(1), limit=3),
        lambda: other.retrieve(name, [1]),
        lambda: other.scroll(name),
        lambda: other.count(name),
        lambda: other.upsert(name, points("globex")),
        lambda: other.delete(name, [1]),
        lambda: other.set_payload(name, {"lang": "x"}, points=[1]),
    ]
    for call in calls:
        with pytest.raises(UnexpectedResponse) as refused:
            call()
        assert refused.value.status_code in (403, 404)
        assert b"acme" not in refused.value.content
    assert not other.collection_exists(name)
    assert name not in {c.name for c in other.get_collections().collections}
    try:
        other.delete_collection(name)
    except UnexpectedResponse as refused:
        assert refused.status_code in (403, 404)
    assert owner.count(name, exact=True).count == 10
    assert not any("points" in s.path for s in topology.vectors.since(mark)[:-1])
    owner.delete_collection(name)


def test_names_of_the_store_are_no_names_of_a_tenant(twins):
    clients, stored, _ = twins
    for tenant, other in (("acme", "globex"), ("globex", "acme")):
        for guess in (stored[other], stored[tenant], f"{other}.{stored[other]}", f"{other}_deeds"):
            with pytest.raises(UnexpectedResponse) as refused:
                clients[tenant].query_points(guess, query=vector(1), limit=3)
            assert 400 <= refused.value.status_code < 500


def test_filters_do_not_reach_over(twins):
    clients, _, name = twins
    for tenant, client in clients.items():
        either = models.Filter(
            should=[
                models.FieldCondition(key="lang", match=models.MatchValue(value="en")),
                models.FieldCondition(key="lang", match=models.MatchValue(value="fr")),
            ]
        )
        found = client.query_points(name, query=vector(1), query_filter=either, limit=100, with_payload=True).points
        assert found and all(p.payload["owner"] == tenant for p in found)


def test_equal_values_have_unequal_blind_tokens(topology, twins):
    """The store must not see that two tenants, or two collections, file the same value."""
    _, stored, _ = twins
    direct = topology.direct()
    texts = []
    for tenant in ("acme", "globex"):
        records, _ = direct.scroll(stored[tenant], limit=100, with_payload=True, with_vectors=True)
        assert len(records) == 10
        texts.append([json.dumps(r.payload, sort_keys=True) for r in records])
        for record in records:
            assert "secret" not in json.dumps(record.payload) and "acme" not in json.dumps(record.payload)
    strings = [{s for t in one for s in t.split('"') if len(s) >= 20} for one in texts]
    assert strings[0] and not strings[0] & strings[1], "a token of one tenant is a token of the other"


def stored_ids(direct, collection):
    return [r.id for r in direct.scroll(collection, limit=100)[0]]


def test_an_operator_cannot_give_a_record_to_another_tenant(topology, twins):
    clients, stored, name = twins
    direct = topology.direct()
    records, _ = direct.scroll(stored["acme"], limit=100, with_payload=True, with_vectors=True)
    foreign = [models.PointStruct(id=r.id, vector=r.vector, payload=r.payload) for r in records]
    direct.delete(stored["globex"], stored_ids(direct, stored["globex"]), wait=True)
    direct.upsert(stored["globex"], foreign, wait=True)
    assert_nothing_opens(clients["globex"], name, "acme")


def test_an_operator_cannot_swap_records(topology, twins):
    clients, stored, name = twins
    direct = topology.direct()
    records, _ = direct.scroll(stored["acme"], limit=100, with_payload=True, with_vectors=True)
    turned = records[1:] + records[:1]
    swapped = [models.PointStruct(id=a.id, vector=b.vector, payload=b.payload) for a, b in zip(records, turned)]
    direct.upsert(stored["acme"], swapped, wait=True)
    client = clients["acme"]
    for number in range(10):
        try:
            got = client.retrieve(name, [number], with_payload=True)
        except UnexpectedResponse as refused:
            assert refused.status_code >= 500
            continue
        assert not any(r.payload and r.payload["text"] != f"acme-secret-{number}" for r in got)


def assert_nothing_opens(client, name, owner):
    for call in (
        lambda: client.retrieve(name, list(range(10)), with_payload=True, with_vectors=True),
        lambda: client.scroll(name, limit=100, with_payload=True)[0],
        lambda: client.query_points(name, query=vector(1), limit=10, with_payload=True, with_vectors=True).points,
    ):
        try:
            got = call()
        except UnexpectedResponse as refused:
            assert refused.status_code >= 500
            assert owner.encode() not in refused.content
            assert json.loads(refused.content)["aios_code"]
            continue
        assert owner not in str(got), "a record of another tenant opened"


def test_a_flipped_bit_does_not_open(topology, twins):
    clients, stored, name = twins
    direct = topology.direct()
    (one,) = direct.retrieve(stored["acme"], stored_ids(direct, stored["acme"])[:1], with_payload=True, with_vectors=True)
    field, value = max(((k, v) for k, v in one.payload.items() if isinstance(v, str)), key=lambda kv: len(kv[1]))
    middle = len(value) // 2
    bent = value[:middle] + ("A" if value[middle] != "A" else "B") + value[middle + 1 :]
    direct.set_payload(stored["acme"], {field: bent}, points=[one.id], wait=True)
    with pytest.raises(UnexpectedResponse) as refused:
        clients["acme"].scroll(name, limit=100, with_payload=True)
    assert refused.value.status_code >= 500
    assert b"acme-secret" not in refused.value.content


def test_a_reader_changes_nothing(topology, twins):
    _, _, name = twins
    reader = topology.qdrant(token=topology.sidecar.token("acme", "u-reader", ["readers"]))
    assert reader.count(name, exact=True).count == 10
    for call in (
        lambda: reader.upsert(name, points("acme")),
        lambda: reader.delete(name, [1]),
        lambda: reader.delete_collection(name),
        lambda: reader.create_collection(name + "x", vectors_config=COSINE),
        lambda: reader.set_payload(name, {"lang": "x"}, points=[1]),
    ):
        with pytest.raises(UnexpectedResponse) as refused:
            call()
        assert refused.value.status_code == 403


def test_a_tenant_without_policy_gets_nothing(topology):
    stranger = topology.qdrant(token=topology.sidecar.token("initech"))
    mark = topology.upstreams_saw()
    with pytest.raises(UnexpectedResponse) as refused:
        stranger.get_collections()
    assert refused.value.status_code == 403
    assert topology.saw_since(mark) == []


def test_hammering_each_other(topology, name):
    """Both tenants at once on one name and the same ids: each sees its own marker only."""
    clients = {tenant: topology.qdrant(tenant) for tenant in ("acme", "globex")}
    for client in clients.values():
        client.create_collection(name, vectors_config=COSINE)
        client.upsert(name, points("seed", 0) or [models.PointStruct(id=0, vector=vector(0), payload={"lang": "en"})], wait=True)

    def work(job):
        number, tenant = job
        client, source = clients[tenant], random.Random(number)
        one = source.randrange(1, 50)
        payload = {"owner": tenant, "lang": source.choice(["en", "de"]), "text": f"{tenant}-secret-{number}"}
        client.upsert(name, [models.PointStruct(id=one, vector=vector(one), payload=payload)], wait=True)
        condition = models.FieldCondition(key="lang", match=models.MatchValue(value=payload["lang"]))
        seen = client.query_points(name, query=vector(one), limit=20, with_payload=True, query_filter=models.Filter(must=[condition])).points
        seen += client.retrieve(name, [one, one + 1], with_payload=True) + client.scroll(name, limit=50, with_payload=True)[0]
        if number % 7 == 0:
            client.delete(name, [one], wait=True)
        return [(tenant, r.payload["owner"]) for r in seen if "owner" in (r.payload or {})]

    jobs = [(n, ("acme", "globex")[n % 2]) for n in range(160)]
    with ThreadPoolExecutor(12) as pool:
        pairs = [pair for result in pool.map(work, jobs) for pair in result]
    assert len(pairs) > 200
    assert all(asked == owner for asked, owner in pairs)
    for client in clients.values():
        client.delete_collection(name)


def test_pseudonyms_of_one_tenant_are_not_restored_for_another(topology):
    """A pseudonym is restored only in the request that made it: not for others, not later."""
    mark = topology.model.mark()
    say = lambda tenant, text: topology.openai(tenant).chat.completions.create(model="echo", messages=[{"role": "user", "content": text}])
    say("acme", "ada.lovelace@example.org")
    (seen,) = topology.model.since(mark)
    pseudonym = json.loads(seen.body)["messages"][0]["content"]
    for tenant in ("globex", "acme"):
        answer = say(tenant, f"who is {pseudonym}?").choices[0].message.content
        assert "ada.lovelace" not in answer
