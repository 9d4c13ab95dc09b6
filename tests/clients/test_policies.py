"""Policies that change under a running sidecar, and `aios policy`, as an author uses it."""

import json
import shutil

import openai
import pytest

from harness.aios import ROOT, Sidecar, command
from harness.issuer import Issuer
from harness.process import wait_until
from harness.standin import StandIn
from harness.topology import upstream_tables

RULE = """
version = 1
tenant = "acme"

[[rule]]
id = "chat"
description = "Everybody of the apps chats; addresses leave as pseudonyms."
allow = ["model.chat"]
roles = ["apps"]
on = "model/models/**"
then = { pseudonymise = ["pii.email"], record = "digest" }

[roles]
apps = { members = ["group:apps"] }

[[test]]
name = "an app chats"
as = "u:app"
groups = ["apps"]
do = "model.chat"
on = "model/models/demo"
expect = "EXPECTED"
rule = "RULE"
"""

DENY = """
[[rule]]
id = "closed"
description = "Nobody chats while we look into it."
deny = ["model.chat"]
roles = ["everyone"]
on = "model/models/**"
"""


def open_policy():
    return RULE.replace("EXPECTED", "allow").replace("RULE", "chat")


def closed_policy():
    return RULE.replace("EXPECTED", "deny").replace("RULE", "closed") + DENY


@pytest.fixture
def governed(tmp_path):
    """Makes sidecars over a model, with a policy that the test gives; all end with the test."""
    started, model = [], StandIn()

    def make(policy, name="sidecar"):
        # The store is not there: these calls never reach it.
        upstreams = upstream_tables(model.url, "http://127.0.0.1:9")
        issuers = [Issuer("EdDSA")]
        policy = {"reload_ms": 50, **policy}
        started.append(Sidecar(tmp_path / name, upstreams, issuers, policy=policy).start())
        return started[-1]

    yield make
    for sidecar in started:
        if sidecar.process.alive():
            sidecar.stop()
    model.stop()


def chats(sidecar, principal="u-test"):
    """Whether a chat is allowed."""
    client = openai.OpenAI(base_url=sidecar.url + "/models/v1", api_key=sidecar.token("acme", principal), max_retries=0)
    try:
        client.chat.completions.create(model="demo", messages=[{"role": "user", "content": "hello"}])
        return True
    except openai.PermissionDeniedError as refused:
        assert refused.body["aios_code"], refused.body
        return False


def events(sidecar, name):
    return [leaf for leaf in sidecar.ledger.leaves("event") if leaf["event"] == name]


def test_a_changed_directory_decides_without_a_restart_and_a_bad_one_does_not(governed, tmp_path):
    directory = tmp_path / "policies"
    directory.mkdir()
    document = directory / "acme.toml"
    document.write_text(open_policy())
    sidecar = governed({"directory": str(directory)})
    assert chats(sidecar)
    document.write_text(closed_policy())
    wait_until(lambda: not chats(sidecar), "the new policy decides")
    for bad in ("tenant = 7", open_policy().replace('expect = "allow"', 'expect = "deny"')):
        document.write_text(bad)
        refused = len(events(sidecar, "policy.refused"))
        wait_until(lambda: len(events(sidecar, "policy.refused")) > refused, "the bad policy is refused")
        assert not chats(sidecar), "the old policy stays"
    document.write_text(open_policy())
    wait_until(lambda: chats(sidecar), "a mended policy decides")
    sidecar.stop()
    adopted = events(sidecar, "policy.adopted")
    assert len(adopted) == 2 and all(len(leaf["details"]["policy"]) == 64 for leaf in adopted)
    assert [leaf["details"]["reason"] for leaf in events(sidecar, "policy.refused")] == ["defects", "tests"]
    assert sidecar.ledger.verify()[0] == 0


def test_a_candidate_in_shadow_decides_nothing_and_its_differences_are_recorded(governed, tmp_path):
    for name, text in (("now", open_policy()), ("next", closed_policy())):
        (tmp_path / name).mkdir()
        (tmp_path / name / "acme.toml").write_text(text)
    now, following = str(tmp_path / "now"), str(tmp_path / "next")
    shadow = governed({"directory": now, "candidate": {"directory": following, "rollout": "shadow"}}, "shadow")
    assert chats(shadow)
    assert 'aios_policy_differences_total{change="newly_denied"} 1' in shadow.metrics()
    shadow.stop()
    (intent,) = shadow.ledger.leaves("intent")
    assert intent["compared"]["change"] == "newly_denied" and intent["compared"]["reason"] == "forbidden"
    assert intent["facts"]["roles"] == ["apps", "everyone"] and intent["facts"]["groups"] == ["apps"]
    # A share is the same for the same principal, and all of it is all.
    share = {"directory": following, "rollout": "share", "percent": 50}
    half = governed({"directory": now, "candidate": share}, "half")
    sides = {f"p{n}": chats(half, f"p{n}") for n in range(30)}
    assert set(sides.values()) == {True, False}
    assert sides == {principal: chats(half, principal) for principal in sides}


def test_signed_bundles_run_go_forward_and_roll_back_by_name(governed, tmp_path):
    key, keys = tmp_path / "release.key", tmp_path / "release.keys"
    keys.write_text(command("policy", "key", key, "--name", "policies.example").stdout)
    bundle = tmp_path / "policy.bundle"

    def release(version, text):
        source = tmp_path / f"v{version}"
        source.mkdir(exist_ok=True)
        (source / "acme.toml").write_text(text)
        command("policy", "sign", source, "--key", key, "--policy-version", version, "--output", bundle)

    release(1, open_policy())
    sidecar = governed({"bundle": str(bundle), "keys": str(keys)})
    assert chats(sidecar)
    release(2, closed_policy())
    wait_until(lambda: not chats(sidecar), "version 2 decides")
    release(1, open_policy())
    wait_until(lambda: events(sidecar, "policy.refused"), "version 1 is refused")
    assert not chats(sidecar)
    release(2, closed_policy())
    command("policy", "rollback", "--data", sidecar.data, 1)
    wait_until(lambda: chats(sidecar), "version 1 is back by its name")
    command("policy", "rollback", "--data", sidecar.data, "latest")
    wait_until(lambda: not chats(sidecar), "the newest decides again")
    told = json.loads(command("policy", "verify", bundle, "--keys", keys, "--json").stdout)
    assert told["version"] == 2 and told["documents"] == ["acme.toml"]
    bundle.write_bytes(bundle.read_bytes().replace(b"Nobody chats", b"Someone chat"))
    assert command("policy", "verify", bundle, "--keys", keys, check=False).returncode == 1


def test_replay_says_what_a_candidate_would_change(governed, tmp_path):
    for name, text in (("now", open_policy()), ("next", closed_policy())):
        (tmp_path / name).mkdir()
        (tmp_path / name / "acme.toml").write_text(text)
    sidecar = governed({"directory": str(tmp_path / "now")})
    for _ in range(3):
        assert chats(sidecar)
    sidecar.stop()
    ledger = sidecar.data / "ledger/host"
    same = json.loads(command("policy", "replay", tmp_path / "now", "--ledger", ledger, "--json").stdout)
    other = command("policy", "replay", tmp_path / "next", "--ledger", ledger, "--json", check=False)
    assert other.returncode == 1
    other = json.loads(other.stdout)
    assert (same["counts"]["newly_denied"], other["counts"]["newly_denied"]) == (0, 3), (same, other)


def test_limits_hold_per_principal_and_budgets_per_tenant(governed, tmp_path):
    limited = open_policy().replace('record = "digest"', 'record = "digest", limit = { requests = 2, per = "month" }')
    (tmp_path / "acme.toml").write_text(limited)
    sidecar = governed({"directory": str(tmp_path)})
    assert [chats(sidecar, "ann"), chats(sidecar, "ann"), chats(sidecar, "bob")] == [True, True, True]
    with pytest.raises(openai.RateLimitError) as refused:
        chats(sidecar, "ann")
    assert refused.value.body["aios_code"] == "policy_over_limit"
    assert chats(sidecar, "bob")
    sidecar.stop()
    (refusal,) = sidecar.ledger.leaves("refusal")
    assert refusal["error"]["code"] == "policy_over_limit"


@pytest.mark.parametrize("pack", sorted(path.name for path in (ROOT / "policies").iterdir() if path.is_dir()))
def test_every_pack_that_ships_is_clean_and_tested(pack, tmp_path):
    directory = ROOT / "policies" / pack
    assert json.loads(command("policy", "lint", directory, "--json").stdout)["errors"] == 0
    done = command("policy", "test", directory, "--min-coverage", 100, "--junit", tmp_path / "junit.xml")
    assert "FAILED" not in done.stdout and (tmp_path / "junit.xml").read_text().startswith("<?xml")
    copy = tmp_path / pack
    shutil.copytree(directory, copy)
    assert command("policy", "diff", directory, copy).returncode == 0
    assert command("policy", "matrix", directory).stdout.strip()
