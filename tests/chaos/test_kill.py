"""Killed in the middle of its work, again and again: what was forwarded was recorded, and everything verifies."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.topology import build, tear_down
from harness import raw
from harness.process import wait_until

ROUNDS = 4
CLIENTS = 8


@pytest.fixture(params=["fsync", "os"])
def topology(request, tmp_path):
    """A topology of its own; the named durability survives a killed process in both settings."""
    one = build(tmp_path, ledger={"durability": request.param})
    try:
        one.sidecar.start()
        yield one
    finally:
        tear_down(one)


def test_every_forwarded_call_has_an_intent_after_kills(topology):
    """Each call names a model of its own, so the record of each can be found by name."""
    answered, lock = set(), threading.Lock()

    def client(number, round_number, stop):
        count = 0
        while not stop.is_set():
            model = f"m-{round_number}-{number}-{count}"
            count += 1
            request = raw.request("POST", "/models/v1/chat/completions", token, raw.chat("to ada@example.org", model=model))
            try:
                answer = raw.exchange(topology.sidecar.port, request)
            except OSError:
                continue
            if raw.statuses(answer) == [200] and b"ada@example.org" in answer:
                with lock:
                    answered.add(model)

    token = topology.token()
    for round_number in range(ROUNDS):
        stop = threading.Event()
        mark = topology.model.mark()
        with ThreadPoolExecutor(CLIENTS) as pool:
            for number in range(CLIENTS):
                pool.submit(client, number, round_number, stop)
            wait_until(lambda: len(topology.model.since(mark)) >= 60, "calls are under way", 60)
            topology.sidecar.process.kill()
            stop.set()
        topology.sidecar.start()
    topology.sidecar.stop()

    code, said = topology.sidecar.ledger.verify()
    assert code == 0, said
    intents = topology.sidecar.ledger.leaves("intent")
    recorded = {leaf["model"] for leaf in intents}
    ended = {leaf["record"] for leaf in topology.sidecar.ledger.leaves("outcome")}
    forwarded = {json.loads(s.body)["model"] for s in topology.model.all()}
    assert len(forwarded) >= 60 * ROUNDS
    assert forwarded <= recorded, f"forwarded without a record: {sorted(forwarded - recorded)[:5]}"
    finished = {leaf["model"] for leaf in intents if leaf["record"] in ended}
    assert answered <= finished, f"answered in full without an outcome: {sorted(answered - finished)[:5]}"
    assert len(answered) > 20


def test_answered_writes_survive_a_kill(topology):
    from qdrant_client import models

    client = topology.qdrant()
    client.create_collection("kept", vectors_config=models.VectorParams(size=4, distance=models.Distance.COSINE))
    for number in range(30):
        client.upsert("kept", [models.PointStruct(id=number, vector=[1, number, 2, 3], payload={"n": number})], wait=True)
    topology.sidecar.process.kill()
    topology.store.process.kill()
    topology.store.__init__(topology.store.data.parent)
    topology.vectors.host, topology.vectors.port = "127.0.0.1", topology.store.port
    topology.sidecar.start()
    kept = topology.qdrant().retrieve("kept", list(range(30)), with_payload=True)
    assert {r.id: r.payload["n"] for r in kept} == {n: n for n in range(30)}


def test_a_client_that_hangs_up_does_not_lose_its_record(topology):
    import socket

    body = raw.chat("x" * 2000, model="hang-up", stream=True)
    request = raw.request("POST", "/models/v1/chat/completions", topology.token(), body)
    with socket.create_connection(("127.0.0.1", topology.sidecar.port)) as connection:
        connection.sendall(request)
        connection.recv(100)

    def both():
        leaves = topology.sidecar.ledger.leaves()
        calls = [leaf["record"] for leaf in leaves if leaf.get("model") == "hang-up"]
        return [leaf["kind"] for leaf in leaves if leaf.get("record") in calls] == ["intent", "outcome"]

    wait_until(both, "intent and outcome are in the ledger", 20)


def test_sigterm_lets_running_calls_end(topology):
    """A graceful end: the call under way is answered and recorded, and the exit code is 0."""
    answers = []

    def call():
        request = raw.request("POST", "/models/v1/chat/completions", topology.token(), raw.chat("late", model="silent"))
        answers.append(raw.exchange(topology.sidecar.port, request, 60))

    mark = topology.model.mark()
    caller = threading.Thread(target=call)
    caller.start()
    wait_until(lambda: topology.model.since(mark), "the call is under way")
    stopped = []
    stopper = threading.Thread(target=lambda: stopped.append(topology.sidecar.process.stop()))
    stopper.start()
    wait_until(lambda: not topology.sidecar.ready(), "it is not ready any more")
    topology.model.release.set()
    caller.join(60)
    stopper.join(60)
    assert raw.statuses(answers[0]) == [200] and b"late" in answers[0]
    assert stopped == [0]
    code, said = topology.sidecar.ledger.verify()
    assert code == 0, said
