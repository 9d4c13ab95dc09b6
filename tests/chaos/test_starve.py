"""What the product needs is taken away: a disk, an upstream, an answer. Calls are refused; none goes out unrecorded."""

import json
import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.topology import build, tear_down, upstream_tables
from harness import raw
from harness.aios import Sidecar
from harness.process import free_ports, wait_until

CHAT = "/models/v1/chat/completions"


def ask(topology, model="echo", port=None, **fields):
    request = raw.request("POST", CHAT, topology.token(), raw.chat("hi", model=model, **fields))
    return raw.answered(raw.exchange(port or topology.sidecar.port, request, 60))


@pytest.fixture
def small_disk(tmp_path):
    """A file system that holds one segment of the ledger and little more; for root only."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=18m", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


def fill(place):
    """Take every byte that is left."""
    with open(place / "ballast", "ab", buffering=0) as ballast:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    ballast.write(b"\0" * size)
            except OSError:
                continue


def test_a_full_disk_refuses_calls_and_forwards_none(tmp_path, small_disk):
    topology = build(tmp_path, data=small_disk / "data")
    try:
        topology.sidecar.start()
        assert ask(topology)[0] == 200
        fill(small_disk)
        # What is preallocated is used up first; then every call is refused.
        full = threading.Event()

        def use_up(worker):
            for number in range(5_000):
                if full.is_set():
                    return
                if ask(topology, f"fill-{worker}-{number}")[0] != 200:
                    full.set()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(use_up, range(8)))
        assert full.is_set(), "the disk is full and calls still pass"
        for number in range(20):
            mark = topology.model.mark()
            status, _, body = ask(topology, f"full-{number}")
            assert status in (500, 503), body
            assert topology.model.since(mark) == [], "a call that was refused was forwarded"
            assert json.loads(body)["error"]["blame"] == "ledger", body
            assert raw.code(body)
        assert not topology.sidecar.ready()
        subprocess.run(["mount", "-o", "remount,size=128m", small_disk], check=True)
        topology.sidecar.process.kill()
        topology.sidecar.start()
        assert ask(topology, "after")[0] == 200
        topology.sidecar.stop()
        code, said = topology.sidecar.ledger.verify()
        assert code == 0, said
        recorded = {leaf["model"] for leaf in topology.sidecar.ledger.leaves("intent")}
        assert {json.loads(seen.body)["model"] for seen in topology.model.all()} <= recorded
    finally:
        tear_down(topology)


@pytest.fixture(scope="module")
def lonely(tmp_path_factory):
    """A sidecar whose upstreams are dead, with short deadlines, and one that is silent."""
    directory = tmp_path_factory.mktemp("lonely")
    topology = build(directory, limits={"answer_timeout_ms": 1500, "stream_idle_timeout_ms": 1500, "connect_timeout_ms": 1000})
    (dead,) = free_ports(1)
    tables = upstream_tables(topology.model.url, f"http://127.0.0.1:{dead}")
    tables[1]["url"] = f"http://127.0.0.1:{dead}/v1"
    topology.sidecar = Sidecar(directory / "second", tables, topology.sidecar.issuers, limits={"answer_timeout_ms": 1500, "connect_timeout_ms": 1000})
    try:
        topology.sidecar.start()
        yield topology
    finally:
        tear_down(topology)


def test_a_dead_model_is_a_clear_error_with_two_records(lonely):
    request = raw.request("POST", "/embeddings/v1/embeddings", lonely.token(), json.dumps({"model": "dead-model", "input": "hi"}).encode())
    status, headers, body = raw.answered(raw.exchange(lonely.sidecar.port, request, 30))
    assert status in (502, 503), body
    assert json.loads(body)["error"]["blame"] == "upstream" and raw.code(body)
    assert b"127.0.0.1" not in body, "an address of the inside is told"
    record = headers["x-aios-record"]

    def both():
        return lonely.sidecar.ledger.of(record) == ["intent", "outcome"]

    wait_until(both, "intent and outcome are in the exported ledger")


def test_a_dead_store_is_a_clear_error_in_its_dialect(lonely):
    for method, path, body in (
        ("GET", "/vectors/collections", b""),
        ("PUT", "/vectors/collections/c", b'{"vectors":{"size":4,"distance":"Cosine"}}'),
    ):
        status, _, told = raw.answered(raw.exchange(lonely.sidecar.port, raw.request(method, path, lonely.token(), body), 30))
        if path == "/vectors/collections" and status == 200:
            assert json.loads(told)["result"]["collections"] == []  # the names are known here
            continue
        assert status in (502, 503), told
        assert json.loads(told)["blame"] == "upstream" and json.loads(told)["status"]["error"]


def test_a_silent_upstream_ends_at_the_deadline(lonely):
    status, _, body = ask(lonely, "silent")
    assert status == 504, body
    assert json.loads(body)["error"]["blame"] == "upstream"
    lonely.model.release.set()


def test_it_is_ready_without_its_upstreams(lonely):
    assert lonely.sidecar.ready()


def test_two_processes_do_not_share_a_data_directory(lonely, tmp_path):
    second = Sidecar(tmp_path / "twin", upstream_tables(lonely.model.url, lonely.model.url), lonely.sidecar.issuers, data=lonely.sidecar.data)
    with pytest.raises(AssertionError):
        second.start()
    assert not second.process.alive()
    assert lonely.sidecar.ready()


def test_a_stalled_client_does_not_hold_others(lonely):
    import socket

    stalled = [socket.create_connection(("127.0.0.1", lonely.sidecar.port)) for _ in range(64)]
    try:
        for one in stalled:
            one.sendall(b"POST /models/v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Le")
        assert ask(lonely)[0] == 200
    finally:
        for one in stalled:
            one.close()


def test_the_pool_survives_an_upstream_that_restarts(tmp_path):
    topology = build(tmp_path)
    try:
        topology.sidecar.start()
        client = topology.qdrant()
        client.get_collections()
        topology.store.process.kill()
        topology.store.__init__(topology.store.data.parent)
        topology.vectors.port = topology.store.port
        wait_until(lambda: topology.qdrant().get_collections() is not None, "it answers again")
    finally:
        tear_down(topology)
