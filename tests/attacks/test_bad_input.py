"""Bad input: each a clear error in the client's dialect, with a stable code; nothing leaves, nothing is repeated."""

import json

import pytest
from qdrant_client import models

from harness import raw

CHAT = "/models/v1/chat/completions"
EMBED = "/models/v1/embeddings"
HUSH = "hush-hush-content-4711"
MESSAGE = {"role": "user", "content": HUSH}

MODEL_CASES = {
    "empty": (CHAT, b""),
    "not json": (CHAT, b"{" + HUSH.encode()),
    "trailing": (CHAT, raw.chat(HUSH) + b"{}"),
    "array": (CHAT, b"[]"),
    "null": (CHAT, b"null"),
    "deep": (CHAT, b'{"model":"echo","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "broken utf-8": (CHAT, raw.chat(HUSH).replace(b"hush-hush", b"hush\xff\xfehush")),
    "overlong utf-8": (CHAT, raw.chat(HUSH).replace(b"hush-hush", b"\xc0\xafhush")),
    "lone surrogate": (CHAT, raw.chat(HUSH).replace(b"hush-hush", b"\\ud800hush")),
    "control character": (CHAT, raw.chat(HUSH).replace(b"hush-hush", b"hu\x01sh")),
    "no model": (CHAT, json.dumps({"messages": [MESSAGE]}).encode()),
    "model is a number": (CHAT, json.dumps({"model": 7, "messages": [MESSAGE]}).encode()),
    "model is empty": (CHAT, json.dumps({"model": "", "messages": [MESSAGE]}).encode()),
    "model with dots": (CHAT, json.dumps({"model": "../../admin", "messages": [MESSAGE]}).encode()),
    "no messages": (CHAT, json.dumps({"model": "echo"}).encode()),
    "messages is text": (CHAT, json.dumps({"model": "echo", "messages": HUSH}).encode()),
    "message is text": (CHAT, json.dumps({"model": "echo", "messages": [HUSH]}).encode()),
    "content is a number": (CHAT, json.dumps({"model": "echo", "messages": [{"role": "user", "content": 5}]}).encode()),
    "unknown role": (CHAT, json.dumps({"model": "echo", "messages": [{"role": "root", "content": HUSH}]}).encode()),
    "duplicate key": (CHAT, raw.chat(HUSH)[:-1] + b',"messages":[]}'),
    "duplicate model": (CHAT, raw.chat(HUSH)[:-1] + b',"model":"other"}'),
    "case variant": (CHAT, raw.chat(HUSH)[:-1] + b',"Messages":[{"role":"user","content":"other"}]}'),
    "nested duplicate": (CHAT, b'{"model":"echo","messages":[{"role":"user","content":"a","content":"b"}]}'),
    "unknown field": (CHAT, raw.chat(HUSH, smuggle=HUSH)),
    "base url": (CHAT, raw.chat(HUSH, base_url="http://127.0.0.1:1")),
    "api base": (CHAT, raw.chat(HUSH, api_base="http://127.0.0.1:1", api_key="x")),
    "web search": (CHAT, raw.chat(HUSH, web_search_options={})),
    "stream is text": (CHAT, raw.chat(HUSH, stream="yes")),
    "image": (CHAT, json.dumps({"model": "echo", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1/" + HUSH}}]}]}).encode()),
    "audio": (CHAT, json.dumps({"model": "echo", "messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": HUSH, "format": "wav"}}]}]}).encode()),
    "embedding of numbers": (EMBED, json.dumps({"model": "any", "input": 5}).encode()),
    "embedding of tokens": (EMBED, json.dumps({"model": "any", "input": [1, 2, 3]}).encode()),
    "embedding of nothing": (EMBED, json.dumps({"model": "any"}).encode()),
}


@pytest.mark.parametrize("case", MODEL_CASES)
def test_bad_model_calls(topology, case):
    target, body = MODEL_CASES[case]
    mark = topology.upstreams_saw()
    status, headers, answer = raw.answered(raw.exchange(topology.sidecar.port, raw.request("POST", target, topology.token(), body)))
    assert 400 <= status < 500, answer
    assert headers["content-type"].startswith("application/json")
    error = json.loads(answer)["error"]
    assert error["aios_code"] and error["message"] and error["blame"] in ("client", "policy")
    assert HUSH.encode() not in answer
    assert topology.saw_since(mark) == []


def test_an_unknown_model_is_said_by_policy_or_upstream(topology):
    body = raw.chat(HUSH, model="status-404")
    status, _, answer = raw.answered(raw.exchange(topology.sidecar.port, raw.request("POST", CHAT, topology.token(), body)))
    assert status in (404, 502) and raw.code(answer) and HUSH.encode() not in answer


def test_a_body_over_the_limit(topology):
    mark = topology.upstreams_saw()
    body = raw.chat("x" * (33 << 20))
    status, _, answer = raw.answered(raw.exchange(topology.sidecar.port, raw.request("POST", CHAT, topology.token(), body), 60))
    assert status == 413 and raw.code(answer)
    assert topology.saw_since(mark) == []


def test_a_length_over_the_limit_is_refused_before_the_body(topology):
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {topology.token()}\r\nContent-Length: 99999999999\r\n\r\n"
    assert raw.statuses(raw.exchange(topology.sidecar.port, head.encode()))[0] in (400, 413)


SIZE = 4


def upsert(points):
    return ("PUT", "/points?wait=true", json.dumps({"points": points}).encode())


def query(**fields):
    return ("POST", "/points/query", json.dumps({"query": [0.1, 0.2, 0.3, 0.4], "limit": 3, **fields}).encode())


def bare(text):
    return text.encode()


VECTOR_CASES = {
    "not json": ("PUT", "/points", bare("{" + HUSH)),
    "empty": ("PUT", "/points", b""),
    "no points": ("PUT", "/points", b"{}"),
    "wrong dimension": upsert([{"id": 1, "vector": [1.0, 2.0], "payload": {"t": HUSH}}]),
    "no vector": upsert([{"id": 1, "payload": {"t": HUSH}}]),
    "nan": ("PUT", "/points", bare('{"points":[{"id":1,"vector":[NaN,1,2,3]}]}')),
    "infinity": ("PUT", "/points", bare('{"points":[{"id":1,"vector":[1e999,1,2,3]}]}')),
    "beyond f32": ("PUT", "/points", bare('{"points":[{"id":1,"vector":[1e300,1,2,3]}]}')),
    "zero vector": upsert([{"id": 1, "vector": [0.0, 0.0, 0.0, 0.0]}]),
    "text in a vector": upsert([{"id": 1, "vector": [HUSH, 1, 2, 3]}]),
    "null in a vector": upsert([{"id": 1, "vector": [None, 1, 2, 3]}]),
    "sparse": upsert([{"id": 1, "vector": {"indices": [1], "values": [1.0]}}]),
    "document": upsert([{"id": 1, "vector": {"text": HUSH, "model": "m"}}]),
    "negative id": upsert([{"id": -1, "vector": [1, 2, 3, 4]}]),
    "fractional id": upsert([{"id": 1.5, "vector": [1, 2, 3, 4]}]),
    "text id": upsert([{"id": HUSH, "vector": [1, 2, 3, 4]}]),
    "path id": upsert([{"id": "../1", "vector": [1, 2, 3, 4]}]),
    "payload is text": upsert([{"id": 1, "vector": [1, 2, 3, 4], "payload": HUSH}]),
    "reserved payload": upsert([{"id": 1, "vector": [1, 2, 3, 4], "payload": {"_aios": HUSH}}]),
    "unknown field": upsert([{"id": 1, "vector": [1, 2, 3, 4], "shard_key": HUSH}]),
    "duplicate key": ("PUT", "/points", bare('{"points":[],"points":[{"id":1,"vector":[1,2,3,4]}]}')),
    "shard key": ("PUT", "/points", json.dumps({"points": [{"id": 1, "vector": [1, 2, 3, 4]}], "shard_key": "x"}).encode()),
    "query dimension": query(query=[1.0]),
    "query by document": query(query={"text": HUSH, "model": "m"}),
    "query by image": query(query={"image": HUSH, "model": "m"}),
    "query nan": ("POST", "/points/query", bare('{"query":[NaN,1,2,3]}')),
    "query of zeroes": query(query=[0.0, 0.0, 0.0, 0.0]),
    "negative limit": query(limit=-1),
    "huge limit": query(limit=10**9),
    "limit is text": query(limit="many"),
    "filter is text": query(filter=HUSH),
    "unknown condition": query(filter={"must": [{"key": "lang", "smuggle": {"value": "x"}}]}),
    "filter on the seal": query(filter={"must": [{"key": "_aios", "match": {"value": "x"}}]}),
    "prefetch": query(prefetch=[{"query": [1, 2, 3, 4], "filter": {"must": [{"key": "text", "match": {"value": HUSH}}]}}]),
    "lookup": query(lookup_from={"collection": "other"}),
    "with lookup": query(with_lookup={"collection": "other"}),
    "params unknown": query(params={"smuggle": 1}),
    "vector name": query(using="other"),
}


@pytest.fixture(scope="module")
def deeds(topology):
    topology.qdrant().create_collection("bad-input", vectors_config=models.VectorParams(size=SIZE, distance=models.Distance.COSINE))
    yield "bad-input"
    topology.qdrant().delete_collection("bad-input")


@pytest.mark.parametrize("case", VECTOR_CASES)
def test_bad_vector_calls(topology, deeds, case):
    method, path, body = VECTOR_CASES[case]
    mark = topology.upstreams_saw()
    target = f"/vectors/collections/{deeds}{path}"
    status, _, answer = raw.answered(raw.exchange(topology.sidecar.port, raw.request(method, target, topology.token(), body)))
    assert 400 <= status < 500, answer
    told = json.loads(answer)
    assert told["aios_code"] and told["status"]["error"]
    assert HUSH.encode() not in answer
    assert topology.saw_since(mark) == []


BAD_NAMES = ["..", ".", "a b", "a%2fb", "ä", "x" * 300, "a\\b", "a'b", 'a"b', "$x"]


@pytest.mark.parametrize("bad", BAD_NAMES)
def test_bad_names_of_collections(topology, bad):
    mark = topology.upstreams_saw()
    body = b'{"vectors":{"size":4,"distance":"Cosine"}}'
    answer = raw.exchange(topology.sidecar.port, raw.request("PUT", f"/vectors/collections/{bad.replace(' ', '%20')}", topology.token(), body))
    assert 400 <= raw.statuses(answer)[0] < 500
    assert topology.saw_since(mark) == []


BAD_CONFIGS = {
    "no size": {"vectors": {"distance": "Cosine"}},
    "zero size": {"vectors": {"size": 0, "distance": "Cosine"}},
    "huge size": {"vectors": {"size": 10**9, "distance": "Cosine"}},
    "unknown distance": {"vectors": {"size": 4, "distance": "Chebyshev"}},
    "sparse": {"sparse_vectors": {"text": {}}},
    "init from": {"vectors": {"size": 4, "distance": "Cosine"}, "init_from": {"collection": "other"}},
    "unknown": {"vectors": {"size": 4, "distance": "Cosine"}, "smuggle": 1},
}


@pytest.mark.parametrize("case", BAD_CONFIGS)
def test_bad_configurations_of_collections(topology, name, case):
    mark = topology.upstreams_saw()
    body = json.dumps(BAD_CONFIGS[case]).encode()
    answer = raw.exchange(topology.sidecar.port, raw.request("PUT", f"/vectors/collections/{name}", topology.token(), body))
    status, _, told = raw.answered(answer)
    assert 400 <= status < 500, told
    assert topology.saw_since(mark) == []


@pytest.mark.parametrize("mode", ["sealed", "plain"])
def test_modes_that_are_not_built_are_refused_by_name(topology, tmp_path, mode):
    """A policy that asks for a mode of a later issue is never served by a weaker one."""
    from harness.topology import upstream_tables
    from harness.aios import ROOT, Sidecar

    policies = tmp_path / "policies"
    policies.mkdir()
    for source in (ROOT / "policies/starter").glob("*.toml"):
        text = source.read_text()
        assert '"preserving"' in text
        (policies / source.name).write_text(text.replace('"preserving"', f'"{mode}"'))
    upstreams = upstream_tables(topology.model.url, topology.vectors.url)
    sidecar = Sidecar(tmp_path / "sidecar", upstreams, topology.sidecar.issuers, policy={"directory": str(policies)})
    mark = topology.upstreams_saw()
    try:
        sidecar.start()
    except AssertionError as refused:
        assert mode in str(refused)
        return
    try:
        body = b'{"vectors":{"size":4,"distance":"Cosine"}}'
        answer = raw.exchange(sidecar.port, raw.request("PUT", "/vectors/collections/c", sidecar.token("acme"), body))
        assert 400 <= raw.statuses(answer)[0] < 600 and mode.encode() in answer
        assert topology.saw_since(mark) == []
    finally:
        sidecar.stop()
