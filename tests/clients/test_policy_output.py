"""What `aios policy` prints for people, word for word. `AIOS_BLESS=1` writes the files anew; the diff is the review."""

import os
import pathlib
import re

import openai
import pytest

from harness.aios import Sidecar, command
from harness.issuer import Issuer
from harness.standin import StandIn
from harness.topology import upstream_tables

GOLDEN = pathlib.Path(__file__).parent / "golden"
EXPLAIN = ["policy", "explain", "old", "--tenant", "acme", "--as", "u:anna", "--group", "analysts", "--do", "model.chat"]

COMMANDS = {
    "lint": (["policy", "lint", "new", "--all"], 0),
    "lint-strict": (["policy", "lint", "new", "--strict"], 1),
    "test": (["policy", "test", "old", "--coverage"], 0),
    "test-failed": (["policy", "test", "new"], 1),
    "explain-allow": ([*EXPLAIN, "--on", "model/openai/gpt-4.1", "--region", "eu", "--at", "1800000000"], 0),
    "explain-forbidden": (
        [*EXPLAIN, "--on", "model/openai/gpt-4.1", "--region", "eu", "--label", "pii.card", "--at", "1800000000"],
        1,
    ),
    "explain-near": ([*EXPLAIN, "--on", "model/openai/gpt-4.1", "--region", "us", "--at", "1800000000"], 1),
    "matrix": (["policy", "matrix", "old"], 0),
    "diff": (["policy", "diff", "old", "new"], 1),
    "import": (
        ["policy", "import", "--model", "model.conf", "--policy", "policy.csv", "--action", "read=vector.read"]
        + ["--object", "deeds=vector/db/deeds"],
        0,
    ),
    "import-refused": (["policy", "import", "--model", "model.conf", "--policy", "broken.csv"], 1),
    "defects": (["policy", "lint", "defects"], 64),
}


# Calls of the recorded ledger: the group of the caller, the model, what is said.
CALLS = [
    *[("apps", "small", "hello")] * 2,
    ("apps", "small", "my card is 4111 1111 1111 1111"),
    ("apps", "large", "call me at +49 30 901820"),
    ("apps", "slow", "think"),
    ("interns", "small", "hello"),
    ("interns", "large", "hello"),
]


def settled(text):
    """Without what changes with every word of a document, and with every run."""
    text = re.sub(r"\b[0-9a-f]{64}\b", "DIGEST", text)
    return re.sub(r"\b[0-9a-f]{32}(?= on )", "RECORD", text)


def is_golden(name, said):
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("AIOS_BLESS"):
        file.write_text(said)
    assert said == file.read_text()


@pytest.mark.parametrize("name", COMMANDS)
def test_output_is_golden(name):
    argv, code = COMMANDS[name]
    done = command(*argv, check=False, cwd=GOLDEN)
    said = settled(done.stdout + done.stderr)
    assert done.returncode == code, said
    is_golden(name, said)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The ledger of a sidecar that decided `CALLS` by the policy in `recorded`, then ended."""
    model = StandIn()
    # The store is not there: these calls never reach it.
    upstreams = upstream_tables(model.url, "http://127.0.0.1:9")
    policy = {"directory": str(GOLDEN / "recorded")}
    sidecar = Sidecar(tmp_path_factory.mktemp("recorded"), upstreams, [Issuer("EdDSA")], policy=policy).start()
    try:
        for group, name, text in CALLS:
            token = sidecar.token("acme", groups=[group])
            client = openai.OpenAI(base_url=sidecar.url + "/models/v1", api_key=token, max_retries=0)
            try:
                client.chat.completions.create(model=name, messages=[{"role": "user", "content": text}])
            except openai.PermissionDeniedError as refused:
                assert refused.body["aios_code"].startswith("policy_")
    finally:
        sidecar.stop()
        model.stop()
    return sidecar.ledger.directory


def test_replay_output_is_golden(recorded):
    for name, policy, code in (("replay", "candidate", 1), ("replay-same", "recorded", 0)):
        done = command("policy", "replay", policy, "--ledger", recorded, check=False, cwd=GOLDEN)
        said = settled(done.stdout + done.stderr)
        assert done.returncode == code, said
        is_golden(name, said)


def test_bench_output_is_golden():
    done = command("policy", "bench", "old", "--rounds", "20", cwd=GOLDEN)
    is_golden("bench", re.sub(r"\b\d+\.\d\b", "TIME", done.stdout + done.stderr))


def test_bundle_commands_say_what_they_did(tmp_path):
    key, bundle, keys = tmp_path / "release.key", tmp_path / "policy.bundle", tmp_path / "keys"
    verifier = command("policy", "key", key, "--name", "policies.example").stdout
    assert re.fullmatch(r"policies\.example\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+\n", verifier)
    assert key.stat().st_mode & 0o777 == 0o600
    keys.write_text(verifier)
    signed = command("policy", "sign", GOLDEN / "old", "--key", key, "--policy-version", 3, "--output", bundle).stdout
    assert settled(signed) == f"{bundle}: version 3, 1 documents, policy DIGEST\n"
    told = settled(command("policy", "verify", bundle, "--keys", keys).stdout)
    assert re.fullmatch(r"version 3, policy DIGEST\nsigned by policies\.example\+[0-9a-f]{8}\n  acme\.toml\n", told)
    refused = command("policy", "sign", GOLDEN / "new", "--key", key, "--policy-version", 4, "--output", bundle, check=False)
    assert refused.returncode == 1 and "a viewer searches" in refused.stderr
    assert command("policy", "rollback", "--data", tmp_path).stdout == "the newest runs\n"
