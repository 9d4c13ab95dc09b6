"""The main job on real input: 2,000 texts, a real embedding model, the embedded store, a real chat model."""

import hashlib
import shutil
import subprocess

import numpy
import pytest
from openai import OpenAI
from qdrant_client import QdrantClient, models

EMBEDDER = "all-MiniLM-L6-v2"
TEXTS = 2000
QUERIES = 100
K = 10


def descriptions(count):
    """A fixed selection of Debian package descriptions: those whose names have the smallest hashes."""
    if shutil.which("apt-cache") is None:
        pytest.skip("the texts are descriptions of Debian packages: needs apt-cache")
    dump = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=True).stdout
    found = {}
    for block in dump.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(" "))
        text = fields.get("Description") or fields.get("Description-en")
        if text and "Package" in fields:
            found.setdefault(text, fields["Package"])
    chosen = sorted(found, key=lambda text: hashlib.sha256(found[text].encode()).digest())[:count]
    assert len(chosen) == count, f"only {len(chosen)} descriptions: run apt-get update"
    return [(found[text], text) for text in chosen]


@pytest.fixture(scope="module")
def ai(up):
    return OpenAI(base_url=up.upstreams["embeddings"], api_key=up.tokens["acme"], max_retries=0, timeout=300)


def embed(ai, texts):
    rows = []
    for start in range(0, len(texts), 64):
        answer = ai.embeddings.create(model=EMBEDDER, input=texts[start : start + 64])
        rows += [one.embedding for one in answer.data]
    return numpy.array(rows, numpy.float32)


@pytest.fixture(scope="module")
def library(up, ai):
    """2,000 texts, embedded through the sidecar and stored through the sidecar; and 100 queries."""
    documents = descriptions(TEXTS + QUERIES)
    texts = [f"{package}: {text}" for package, text in documents]
    vectors = embed(ai, texts)
    store = QdrantClient(url=up.upstreams["vectors"], api_key=up.tokens["acme"], timeout=120, check_compatibility=False)
    store.create_collection("packages", vectors_config=models.VectorParams(size=384, distance=models.Distance.COSINE))
    for start in range(0, TEXTS, 100):
        batch = [
            models.PointStruct(id=n, vector=vectors[n].tolist(), payload={"text": texts[n], "topic": documents[n][0][0]})
            for n in range(start, start + 100)
        ]
        store.upsert("packages", batch, wait=True)
    return store, documents, texts, vectors


def test_recall_and_scores_against_exact_plaintext_search(library):
    store, _, texts, vectors = library
    exact = vectors.astype(numpy.float64)
    exact /= numpy.linalg.norm(exact, axis=1, keepdims=True)
    stored, queries = exact[:TEXTS], exact[TEXTS:]
    hits, worst = 0, 0.0
    for number, query in enumerate(queries):
        scores = stored @ query
        wanted = set(numpy.argsort(-scores, kind="stable")[:K].tolist())
        found = store.query_points("packages", query=vectors[TEXTS + number].tolist(), limit=K, with_payload=True).points
        assert len(found) == K
        hits += len(wanted & {p.id for p in found})
        worst = max(worst, max(abs(p.score - scores[p.id]) for p in found))
        assert all(p.payload["text"] == texts[p.id] for p in found)
        assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)
    recall = hits / (K * QUERIES)
    print(f"\nrecall@{K} {recall:.4f} over {TEXTS} texts and {QUERIES} queries, worst score error {worst:.2e}")
    assert recall >= 0.99
    assert worst <= 1e-5


def test_filters_hold_over_real_data(library):
    store, documents, _, vectors = library
    condition = models.FieldCondition(key="topic", match=models.MatchValue(value="p"))
    found = store.query_points("packages", query=vectors[0].tolist(), query_filter=models.Filter(must=[condition]), limit=100, with_payload=True).points
    wanted = sum(1 for package, _ in documents[:TEXTS] if package[0] == "p")
    assert len(found) == min(100, wanted)
    assert all(p.payload["topic"] == "p" for p in found)
    assert store.count("packages", count_filter=models.Filter(must=[condition]), exact=True).count == wanted


def test_another_tenant_finds_none_of_it(up, library):
    other = QdrantClient(url=up.upstreams["vectors"], api_key=up.tokens["globex"], timeout=60, check_compatibility=False)
    assert other.get_collections().collections == []
    assert not other.collection_exists("packages")


def test_a_real_chat_plain_and_streamed(up):
    ai = OpenAI(base_url=up.upstreams["models"], api_key=up.tokens["acme"], max_retries=0, timeout=300)
    (model,) = [m.id for m in ai.models.list()]
    messages = [{"role": "user", "content": "Write one line to ada.lovelace@example.org about the harbour."}]
    whole = ai.chat.completions.create(model=model, messages=messages, max_tokens=24, temperature=0)
    assert whole.choices[0].message.content.strip()
    assert whole.usage.completion_tokens > 0 and whole.usage.prompt_tokens > 5
    text, events, usage = "", 0, None
    stream = ai.chat.completions.create(
        model=model, messages=messages, max_tokens=24, temperature=0, stream=True, stream_options={"include_usage": True}
    )
    for chunk in stream:
        usage = chunk.usage or usage
        events += bool(chunk.choices)
        text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
    assert text.strip() and events > 5
    assert usage.completion_tokens > 0
    asked = [s for s in up.chat_capture.all() if s.method == "POST"]
    assert len(asked) == 2
    assert all(b"ada.lovelace@example.org" not in s.raw() and b"harbour" in s.raw() for s in asked)


def test_nothing_readable_is_on_disk(up, library):
    """Runs after the others: the data directory holds none of 50 texts that were stored."""
    _, _, texts, _ = library
    wanted = [t.encode() for t in texts[:50]]
    seen = 0
    for path in up.data.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            seen += len(content)
            assert not any(text in content for text in wanted), path
    assert seen > 1_000_000


def test_the_ledger_verifies_at_the_end(up, library):
    up.stop()
    code, said = up.ledger.verify()
    assert code == 0, said
    assert len(up.ledger.records()) > 2 * (TEXTS // 100)
