"""The commands of the binary, and the walk of the README as it is printed there."""

import contextlib
import io
import json
import re
import shutil
import urllib.error

import pytest

from harness.aios import ROOT, Ledger, Up, command, fetch


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    """`aios up` with the demo model; stopped, and its data kept, when the tests are over."""
    one = Up(tmp_path_factory.mktemp("up"))
    yield one
    if one.process.alive():
        one.stop()


def mint(up, tenant, principal):
    done = command("tokens", "mint", "--data", up.data, "--tenant", tenant, "--principal", principal, "--group", "apps", "--json")
    return json.loads(done.stdout)["token"]


def test_the_walk_of_the_readme(up, monkeypatch):
    monkeypatch.setenv("AIOS", up.proxy)
    monkeypatch.setenv("ACME", mint(up, "acme", "u-alice"))
    monkeypatch.setenv("GLOBEX", mint(up, "globex", "u-gina"))
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) >= 2
    said, names = io.StringIO(), {}
    with contextlib.redirect_stdout(said):
        for block in blocks:
            exec(compile(block, "README.md", "exec"), names)  # noqa: S102
    said = said.getvalue()
    assert "ada@example.org" in said and "4111 1111 1111 1111" in said
    assert "Kaufvertrag" in said
    assert "collections=[]" in said, "globex sees nothing of acme"
    for path in up.data.rglob("*"):
        if path.is_file():
            assert b"harbour warehouse" not in path.read_bytes(), path


def test_health_and_metrics_have_a_listener_of_their_own(up):
    assert fetch(up.ops + "/healthz").strip() == "ok"
    assert fetch(up.ops + "/readyz").strip() == "ready"
    assert "aios_calls_total" in fetch(up.ops + "/metrics")
    for path in ("/healthz", "/readyz", "/metrics"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            fetch(up.proxy + path)
        assert 400 <= refused.value.code < 500
    for path in ("/models/v1/models", "/vectors/collections"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            fetch(up.ops + path, {"Authorization": "Bearer " + up.tokens["acme"]})
        assert refused.value.code == 404


def test_the_store_behind_the_sidecar_is_locked(up):
    """Another process of the machine cannot read the embedded store past the sidecar."""
    config = (up.data / "aios.toml").read_text()
    addresses = set(re.findall(r"http://127\.0\.0\.1:\d+", config))
    assert len(addresses) == 2, "the store and the demo model"
    for address in addresses:
        with pytest.raises(urllib.error.HTTPError) as refused:
            fetch(address + "/collections")
        assert refused.value.code in (401, 403, 404)


def test_the_ledger_verifies_and_a_tampered_copy_does_not(up, tmp_path):
    if up.process.alive():
        assert up.stop() == 0
    code, said = up.ledger.verify()
    assert code == 0 and json.loads(said)["verdict"] == "sound"
    copy = tmp_path / "ledger/host"
    shutil.copytree(up.ledger.directory.parent, copy.parent)  # with the verifier keys beside it
    assert Ledger(copy).verify()[0] == 0
    entries = sorted(p for p in (copy / "tile/entries").rglob("*") if p.is_file())
    content = bytearray(entries[0].read_bytes())
    content[len(content) // 2] ^= 1
    entries[0].write_bytes(content)
    assert Ledger(copy).verify()[0] == 1
    shutil.rmtree(copy / "tile")
    assert Ledger(copy).verify()[0] != 0
    assert Ledger(tmp_path / "nothing").verify()[0] in (1, 2, 64)


def test_exports_hold_pairs(up):
    leaves = up.ledger.leaves()
    intents = {leaf["record"] for leaf in leaves if leaf["kind"] == "intent"}
    outcomes = {leaf["record"] for leaf in leaves if leaf["kind"] == "outcome"}
    assert intents and intents == outcomes


def test_it_starts_again_on_its_data(up):
    if up.process.alive():
        up.stop()
    again = Up(up.data.parent)
    try:
        from qdrant_client import QdrantClient

        store = QdrantClient(url=again.upstreams["vectors"], api_key=again.tokens["acme"], check_compatibility=False)
        assert [c.name for c in store.get_collections().collections] == ["deeds"]
        assert store.count("deeds", exact=True).count == 2
        assert store.retrieve("deeds", [1])[0].payload["text"] == "lease of the harbour warehouse"
    finally:
        assert again.stop() == 0


def test_the_demo_holds_every_promise(tmp_path):
    done = command("demo", "--json", "--data", tmp_path / "demo")
    json.loads(done.stdout.splitlines()[-1])
    assert '"holds":false' not in done.stdout
    assert done.stdout.count('"holds":true') >= 8


def test_bad_configurations_are_refused_with_every_fault(tmp_path):
    bad = tmp_path / "bad.toml"
    bad.write_text('data = 7\nsurprise = 1\n[listen]\naddress = "nowhere"\n[[upstream]]\nname = "x"\nkind = "oracle"\nurl = "http://u:hunter2@h/"\n')
    done = command("config", "check", bad, "--json", check=False)
    assert done.returncode == 64
    told = done.stdout + done.stderr
    for key in ("data", "surprise", "listen.address", "ops.address", "policy.directory", "keyring", "upstream[0].kind", "upstream[0].url"):
        assert key in told, key
    assert "hunter2" not in told
    started = command("proxy", "--config", bad, check=False)
    assert started.returncode == 64


@pytest.mark.parametrize("example", sorted((ROOT / "deploy/config").glob("*.toml")), ids=lambda p: p.name)
def test_example_configurations_are_valid(example):
    done = command("config", "check", example, "--json", check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("argv", [[], ["--help"], ["--version"], ["up", "--help"], ["nonsense"], ["proxy"]])
def test_usage(argv):
    done = command(*argv, check=False)
    assert done.returncode == (0 if argv and argv[-1] in ("--help", "--version") else 64)
