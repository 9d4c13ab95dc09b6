"""Unique secrets are planted everywhere a caller can put one; then every place that must not hold them is searched."""

import json
import pathlib
import struct
import uuid

import openai
import pytest
from qdrant_client import models
from qdrant_client.http.exceptions import UnexpectedResponse

from harness.topology import build, tear_down
from harness import raw

SIZE = 8


def canary(kind):
    return f"canary{kind}{uuid.uuid4().hex}"


class Canaries:
    """The secrets, and in which form each could show."""

    def __init__(self):
        self.mail = canary("mail") + "@example.org"
        self.payload = canary("payload")
        self.key = canary("key")
        self.filter = canary("filter")
        self.prompt = canary("prompt")
        self.name = canary("name")[:40]
        self.refused = canary("refused")
        self.path = canary("path")
        self.header = canary("header")
        self.vector = [0.123456789 + n / 7 for n in range(SIZE)]
        self.credential = canary("credential")

    def texts(self):
        return [v.encode() for k, v in vars(self).items() if isinstance(v, str)]

    def vector_forms(self):
        """The vector as raw floats, as it is and at unit length."""
        norm = sum(x * x for x in self.vector) ** 0.5
        for values in (self.vector, [x / norm for x in self.vector]):
            for order in ("<", ">"):
                yield struct.pack(f"{order}{SIZE}f", *values)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A topology of its own, used in every way, then stopped: all is on disk."""
    secrets = Canaries()
    directory = tmp_path_factory.mktemp("canary")
    topology = build(directory)
    evidence = {"bodies": b"", "metrics": "", "tokens": []}
    try:
        topology.sidecar.start({"AIOS_LOG": "trace"})
        use(topology, secrets, evidence)
        evidence["metrics"] = topology.sidecar.metrics()
    finally:
        tear_down(topology)
    return topology, secrets, evidence, directory


def use(topology, s, evidence):
    """Every kind of call once, good and bad, with secrets in each place."""
    token = topology.token()
    evidence["tokens"] = [token, topology.token("globex")]
    ai, store = topology.openai(token=token), topology.qdrant(token=token)
    message = [{"role": "user", "content": f"{s.prompt} {s.mail}"}]
    assert s.prompt in ai.chat.completions.create(model="echo", messages=message).choices[0].message.content
    list(ai.chat.completions.create(model="echo-letters", messages=message, stream=True))
    ai.embeddings.create(model="any", input=f"{s.prompt} {s.mail}", encoding_format="float")
    store.create_collection(s.name, vectors_config=models.VectorParams(size=SIZE, distance=models.Distance.COSINE))
    payload = {"text": s.payload, "lang": s.filter, s.key: {"deep": [s.payload]}}
    store.upsert(s.name, [models.PointStruct(id=1, vector=s.vector, payload=payload)], wait=True)
    condition = models.FieldCondition(key="lang", match=models.MatchValue(value=s.filter))
    (found,) = store.query_points(s.name, query=s.vector, query_filter=models.Filter(must=[condition]), with_payload=True).points
    assert found.payload == payload
    store.set_payload(s.name, {"note": s.payload}, points=[1], wait=True)

    def bad(call):
        try:
            call()
        except (openai.APIStatusError, UnexpectedResponse) as error:
            evidence["bodies"] += error.response.content if hasattr(error, "response") else error.content

    bad(lambda: ai.chat.completions.create(model="status-500", messages=message))
    bad(lambda: ai.chat.completions.create(model="garbage", messages=message))
    bad(lambda: ai.responses.create(model="echo", input=s.refused))
    bad(lambda: store.upsert(s.name, [models.PointStruct(id=2, vector=[1.0], payload={"t": s.refused})]))
    bad(lambda: store.query_points(s.name, query=s.vector, query_filter=models.Filter(must=[models.FieldCondition(key="text", match=models.MatchValue(value=s.refused))])))
    requests = [
        raw.request("POST", "/models/v1/chat/completions", token, raw.chat(s.refused)[:-1] + b',"model":"x"}'),
        raw.request("POST", "/models/v1/chat/completions", token, b"{" + s.refused.encode()),
        raw.request("GET", f"/models/v1/{s.path}?key={s.path}", token),
        raw.request("GET", f"/{s.path}/%2e%2e/", token),
        raw.request("GET", "/models/v1/models", s.credential),
        raw.request("GET", "/models/v1/models", None, headers=[("api-key", s.credential), ("x-api-key", s.header)]),
        raw.request("POST", "/models/v1/chat/completions", token, raw.chat("hi"), [("X-Secret", s.header), ("Cookie", s.header)]),
    ]
    for request in requests:
        evidence["bodies"] += raw.exchange(topology.sidecar.port, request)


def files(*directories):
    for directory in directories:
        for path in pathlib.Path(directory).rglob("*"):
            if path.is_file():
                yield path


def test_the_data_directory_holds_none(planted):
    topology, secrets, evidence, _ = planted
    allowed_names = set()
    seen = 0
    for path in files(topology.sidecar.data):
        content = path.read_bytes()
        seen += len(content)
        for secret in [*secrets.texts(), *(t.encode() for t in evidence["tokens"])]:
            if secret == secrets.name.encode():
                allowed_names.add(path.name)
                continue
            assert secret not in content, f"{secret} is in {path}"
        for form in secrets.vector_forms():
            assert form not in content, f"the vector is in {path}"
    assert seen > 10_000, "nothing was searched"


def test_the_store_holds_none(planted):
    topology, secrets, _, directory = planted
    seen = 0
    for path in files(directory / "store"):
        content = path.read_bytes()
        seen += len(content)
        for secret in [*secrets.texts(), *secrets.vector_forms()]:
            assert secret not in content, f"{secret} is in {path}"
    assert seen > 1_000, "nothing was searched"


def test_logs_hold_none_even_at_the_finest_level(planted):
    topology, secrets, evidence, _ = planted
    log = topology.sidecar.log.read_bytes()
    assert b"TRACE" in log or b"DEBUG" in log, "the finest level was not logged"
    for secret in [*secrets.texts(), *(t.encode() for t in evidence["tokens"])]:
        assert secret not in log, secret
    for token in evidence["tokens"]:
        assert token.split(".")[2].encode() not in log


def test_metrics_and_error_bodies_hold_none(planted):
    _, secrets, evidence, _ = planted
    assert "aios" in evidence["metrics"] and len(evidence["bodies"]) > 500
    for secret in secrets.texts():
        assert secret.decode() not in evidence["metrics"]
        if secret != secrets.name.encode():
            assert secret not in evidence["bodies"], secret


def test_the_model_saw_prompts_but_no_personal_data_and_no_credential(planted):
    topology, secrets, evidence, _ = planted
    seen = topology.model.all()
    assert any(secrets.prompt.encode() in s.raw() for s in seen), "a prompt leaves: the model must see it"
    for one in seen:
        for secret in (secrets.mail, secrets.payload, secrets.filter, secrets.refused, secrets.header, secrets.credential, *evidence["tokens"]):
            assert secret.encode() not in one.raw()


def test_the_store_was_told_none(planted):
    topology, secrets, evidence, _ = planted
    seen = topology.vectors.all()
    assert len(seen) >= 4
    for one in seen:
        for secret in [*secrets.texts(), *(t.encode() for t in evidence["tokens"])]:
            assert secret not in one.raw(), (secret, one.method, one.path)
        assert f"{secrets.vector[0]}"[:8].encode() not in one.raw()


def test_the_ledger_holds_metadata_only(planted):
    topology, secrets, _, _ = planted
    code, said = topology.sidecar.ledger.verify()
    assert code == 0, said
    records = topology.sidecar.ledger.records()
    text = json.dumps(records)
    for secret in secrets.texts():
        if secret != secrets.name.encode():
            assert secret.decode() not in text, secret
    assert "u-test" not in text, "principals are pseudonymous in the ledger"
    assert len(records) >= 12
