"""The keys of a running sidecar: looked at, rotated, rewrapped, taken away and shredded, on a keyring and on OpenBao."""

import json
import os
import signal

import pytest
from qdrant_client import models
from qdrant_client.http.exceptions import UnexpectedResponse

from harness.aios import command
from harness.bao import Bao
from harness.process import wait_until
from harness.topology import build, tear_down


def keys(topology, *argv, check=True):
    """`aios keys ... --json` on the sidecar's configuration."""
    done = command("keys", argv[0], "--config", topology.sidecar.config, *argv[1:], "--json", check=check)
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def fill(topology, tenant, name="deeds", points=5):
    """A collection with a few points."""
    client = topology.qdrant(tenant)
    client.create_collection(name, models.VectorParams(size=4, distance=models.Distance.COSINE))
    rows = [
        models.PointStruct(id=n, vector=[1.0, n, 0.5, 0.25], payload={"text": f"deed {n} of {tenant}"}) for n in range(1, points + 1)
    ]
    client.upsert(name, rows, wait=True)
    return client


def texts(client, name="deeds"):
    """All payload texts."""
    points, _ = client.scroll(name, limit=100)
    return sorted(point.payload["text"] for point in points)


def events(topology, name):
    """The ledger's events of that name."""
    return [leaf for leaf in topology.sidecar.ledger.leaves("event") if leaf.get("event") == name]


@pytest.fixture
def bao(tmp_path):
    server = Bao(tmp_path / "bao")
    yield server
    server.stop()


def test_keys_of_a_keyring_are_rotated_rewrapped_and_shredded_while_the_sidecar_runs(tmp_path):
    topology = build(tmp_path, keys={"cache_ttl_s": 2, "grace_s": 2})
    try:
        topology.sidecar.start()
        acme, globex = fill(topology, "acme"), fill(topology, "globex")
        _, status = keys(topology, "status")
        assert {kek["tenant"] for kek in status["keks"]} == {"acme", "globex"}
        assert status["replicas"] == 1 and all(kek["state"] == "active" for kek in status["keks"])
        assert keys(topology, "doctor")[1]["ok"]

        keys(topology, "rotate", "--tenant", "acme")
        code, report = keys(topology, "rewrap", "--tenant", "acme")
        assert code == 0 and report["rewrapped"] >= 3 and not report["failed"]
        assert keys(topology, "rewrap")[1]["rewrapped"] == 0
        _, status = keys(topology, "status")
        states = {kek["state"]: kek["data_keys"] for kek in status["keks"] if kek["tenant"] == "acme"}
        assert states["retired"] == 0 and states["active"] >= 3

        _, epochs = keys(topology, "rotate", "--tenant", "acme", "--epochs")
        assert epochs["epochs"] and all(scope["epoch"] == 2 for scope in epochs["epochs"])
        assert len(texts(acme)) == 5, "values of the first epoch still open"
        acme.upsert("deeds", [models.PointStruct(id=6, vector=[1.0, 6, 0.5, 0.25], payload={"text": "deed 6 of acme"})], wait=True)
        assert len(texts(acme)) == 6

        assert keys(topology, "shred", "--tenant", "acme", "--confirm", "globex", check=False)[0] == 64
        code, evidence = keys(topology, "shred", "--tenant", "acme", "--confirm", "acme")
        assert code == 0 and evidence["acknowledged"] == 1 and evidence["presumed_dead"] == 0
        assert len(evidence["keks"]) == 2 and all(kek["outcome"] == "destroyed" for kek in evidence["keks"])
        with pytest.raises(UnexpectedResponse) as gone:
            texts(acme)
        assert gone.value.status_code == 410
        assert b"tenant_shredded" in gone.value.content
        with pytest.raises(UnexpectedResponse):
            acme.create_collection("again", models.VectorParams(size=4, distance=models.Distance.COSINE))
        assert len(texts(globex)) == 5, "the other tenant goes on"
        assert keys(topology, "shred", "--tenant", "acme", "--confirm", "acme")[1]["fence"] == evidence["fence"]

        topology.sidecar.stop()
        assert [len(events(topology, name)) for name in ("keys.kek_rotated", "keys.shred_begins", "keys.shredded")] == [1, 2, 2]
        details = events(topology, "keys.shredded")[0]["details"]
        assert details["replicas_acknowledged"] == "1" and "remains_0" in details
        assert topology.sidecar.ledger.verify()[0] == 0
    finally:
        tear_down(topology)


def test_an_event_reaches_the_ledger_without_a_running_sidecar(tmp_path):
    topology = build(tmp_path)
    try:
        topology.sidecar.start()
        fill(topology, "acme")
        topology.sidecar.stop()
        keys(topology, "rotate", "--tenant", "acme")
        assert len(events(topology, "keys.kek_rotated")) == 1
        assert topology.sidecar.ledger.verify()[0] == 0
    finally:
        tear_down(topology)


def test_keys_in_openbao_survive_an_outage_for_their_grace_and_no_longer(tmp_path, bao):
    topology = build(tmp_path, keys={"service": "bao", "cache_ttl_s": 2, "grace_s": 6}, services=[bao.service()])
    try:
        topology.sidecar.start()
        acme = fill(topology, "acme")
        assert len(bao.keys()) == 1
        assert keys(topology, "doctor")[0] == 0

        bao.call("POST", f"transit/keys/{bao.keys()[0]}/rotate")
        code, report = keys(topology, "rewrap")
        assert code == 0 and not report["failed"]
        assert keys(topology, "status")[1]["keks"][0]["version"] == "2"
        assert keys(topology, "rotate", "--tenant", "acme")[1]["rotated"] == {"version": "3"}

        os.kill(bao.process.pid, signal.SIGSTOP)
        try:
            def in_grace():
                assert len(texts(acme)) == 5, "keys serve while the key service hangs"
                return "aios_keys_in_grace 0" not in topology.sidecar.metrics()

            wait_until(in_grace, "keys are in grace", 6)

            def refused():
                try:
                    return texts(acme) == []
                except UnexpectedResponse as error:
                    assert error.status_code == 503 and b"kms_unavailable" in error.content
                    assert "retry-after" in {name.lower() for name in error.headers}
                    return True

            wait_until(refused, "closed after the grace", 30)
            assert topology.sidecar.ready(), "liveness does not depend on the key service"
        finally:
            os.kill(bao.process.pid, signal.SIGCONT)

        def back():
            try:
                return len(texts(acme)) == 5
            except UnexpectedResponse:
                return False

        wait_until(back, "the key service is back", 10)
    finally:
        tear_down(topology)


def test_a_tenant_brings_its_own_key_service_and_is_shredded_there(tmp_path, bao):
    service = {**bao.service("acme-bao"), "tenants": ["acme"]}
    topology = build(tmp_path, keys={"cache_ttl_s": 2, "grace_s": 1}, services=[service])
    try:
        topology.sidecar.start()
        acme, globex = fill(topology, "acme"), fill(topology, "globex")
        _, status = keys(topology, "status")
        assert {kek["tenant"]: kek["provider"] for kek in status["keks"]} == {"acme": "acme-bao", "globex": "local"}
        keys(topology, "shred", "--tenant", "acme", "--confirm", "acme")
        assert bao.keys() == []
        with pytest.raises(UnexpectedResponse):
            texts(acme)
        assert len(texts(globex)) == 5
        assert bao.keys() == [], "nothing brings the key back"
    finally:
        tear_down(topology)


def test_a_collection_with_a_key_of_its_own_is_shredded_alone(tmp_path):
    topology = build(tmp_path, keys={"kek_per": "collection", "cache_ttl_s": 2, "grace_s": 1})
    try:
        topology.sidecar.start()
        acme = fill(topology, "acme", "deeds")
        fill(topology, "acme", "wills")
        target = ["--tenant", "acme", "--collection", "deeds", "--upstream", "vectors", "--confirm", "acme"]
        assert keys(topology, "shred", *target)[0] == 0
        with pytest.raises(UnexpectedResponse) as gone:
            texts(acme, "deeds")
        assert gone.value.status_code == 410
        assert len(texts(acme, "wills")) == 5
    finally:
        tear_down(topology)
