"""Forged, expired, foreign and ambiguous credentials: refused, and nothing reaches an upstream."""

import base64
import json
import time

import pytest

from harness import raw
from harness.issuer import Issuer, tampered

CHAT = "/models/v1/chat/completions"


def bad_tokens(topology):
    issuer = topology.sidecar.issuers[0]
    honest = issuer.token("acme")
    stranger = Issuer("EdDSA", name=issuer.name)
    unknown = Issuer("EdDSA", name="https://nobody.invalid")
    now = int(time.time())
    return {
        "none": issuer.unsigned("acme", {"alg": "none", "typ": "JWT"}),
        "None": issuer.unsigned("acme", {"alg": "None"}),
        "no alg": issuer.unsigned("acme", {"typ": "JWT"}),
        "hs256 by public key": issuer.with_public_key_as_secret("acme"),
        "other key": stranger.token("acme"),
        "other issuer": unknown.token("acme"),
        "other algorithm": Issuer("ES256", name=issuer.name).token("acme"),
        "tampered tenant": tampered(honest, tenant="globex"),
        "tampered expiry": tampered(issuer.token("acme", exp=now - 3600), exp=now + 3600),
        "expired": issuer.token("acme", exp=now - 3600),
        "not yet": issuer.token("acme", nbf=now + 3600),
        "no expiry": issuer.token("acme", exp=None),
        "other audience": issuer.token("acme", aud="somebody-else"),
        "no audience": issuer.token("acme", aud=None),
        "no tenant": issuer.token("acme", tenant=None),
        "list of tenants": issuer.token("acme", tenant=["acme", "globex"]),
        "empty tenant": issuer.token("acme", tenant=""),
        "tenant with a slash": issuer.token("acme", tenant="acme/../globex"),
        "no subject": issuer.token("acme", sub=None),
        "truncated": honest[:-4],
        "cut signature": honest.rsplit(".", 1)[0] + ".",
        "two parts": honest.rsplit(".", 1)[0],
        "doubled": honest + "." + honest,
        "sql": "' OR '1'='1' --",
        "long": "a" * 20000,
        "embedded key": _with_embedded_key(stranger),
        "duplicate claims": _with_duplicate_tenant(issuer),
    }


def _with_embedded_key(stranger):
    public = stranger._key.public_key().public_bytes_raw()
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": base64.urlsafe_b64encode(public).rstrip(b"=").decode()}
    return stranger.token("acme", headers={"jwk": jwk, "jku": "http://127.0.0.1:1/keys", "kid": "../../etc/passwd"})


def _with_duplicate_tenant(issuer):
    def segment(text):
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

    claims = json.dumps(issuer.claims("acme"))[:-1] + ', "tenant": "globex"}'
    signed = segment('{"alg":"EdDSA","typ":"JWT"}') + "." + segment(claims)
    signature = base64.urlsafe_b64encode(issuer._key.sign(signed.encode())).rstrip(b"=").decode()
    return f"{signed}.{signature}"


CASES = [
    "none", "None", "no alg", "hs256 by public key", "other key", "other issuer", "other algorithm", "tampered tenant",
    "tampered expiry", "expired", "not yet", "no expiry", "other audience", "no audience", "no tenant", "list of tenants",
    "empty tenant", "tenant with a slash", "no subject", "truncated", "cut signature", "two parts", "doubled", "sql", "long",
    "embedded key", "duplicate claims",
]


@pytest.mark.parametrize("case", CASES)
def test_bad_tokens_are_refused(topology, case):
    token = bad_tokens(topology)[case]
    mark = topology.upstreams_saw()
    for target, body in ((CHAT, raw.chat()), ("/vectors/collections", b"")):
        method = "POST" if body else "GET"
        status, _, answer = raw.answered(raw.exchange(topology.sidecar.port, raw.request(method, target, token, body)))
        assert status == 401, (status, answer)
        assert raw.code(answer)
        assert token.encode() not in answer
    assert topology.saw_since(mark) == []


def test_the_table_of_bad_tokens_is_whole(topology):
    assert sorted(bad_tokens(topology)) == sorted(CASES)


def test_an_honest_token_passes(topology):
    request = raw.request("POST", CHAT, topology.token(), raw.chat())
    assert raw.answered(raw.exchange(topology.sidecar.port, request))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        lambda acme, globex: [("Authorization", f"Bearer {acme}"), ("Authorization", f"Bearer {globex}")],
        lambda acme, globex: [("Authorization", f"Bearer {acme}"), ("api-key", globex)],
        lambda acme, globex: [("x-api-key", acme), ("api-key", globex)],
        lambda acme, globex: [("api-key", acme), ("api-key", acme)],
        lambda acme, globex: [("Authorization", f"Bearer {acme}, Bearer {globex}")],
        lambda acme, globex: [("Authorization", f"Basic {acme}")],
        lambda acme, globex: [("Authorization", acme)],
        lambda acme, globex: [("Authorization", b"Bearer " + acme.encode() + b"\xff")],
        lambda acme, globex: [],
    ],
    ids=["two", "two kinds", "two api keys", "same twice", "joined", "basic", "bare", "not ascii", "none"],
)
def test_ambiguous_credentials_are_refused(topology, headers):
    lines = headers(topology.token("acme"), topology.token("globex"))
    mark = topology.upstreams_saw()
    status, _, body = raw.answered(raw.exchange(topology.sidecar.port, raw.request("POST", CHAT, None, raw.chat(), lines)))
    assert status in (400, 401), body
    assert topology.saw_since(mark) == []


@pytest.mark.parametrize("header", ["X-Tenant", "X-Aios-Tenant", "X-Forwarded-User", "X-Tenant-Id", "Tenant", "OpenAI-Organization"])
def test_no_header_changes_the_tenant(topology, name, header):
    from qdrant_client import models

    topology.qdrant("globex").create_collection(name, vectors_config=models.VectorParams(size=4, distance=models.Distance.COSINE))
    request = raw.request("GET", f"/vectors/collections/{name}", topology.token("acme"), headers=[(header, "globex")])
    status, _, body = raw.answered(raw.exchange(topology.sidecar.port, request))
    assert status in (400, 404), body
    topology.qdrant("globex").delete_collection(name)


def test_headers_of_the_caller_do_not_reach_the_upstream(topology):
    mark = topology.model.mark()
    headers = [("X-Secret-Of-App", "s3cr3t"), ("Cookie", "session=s3cr3t"), ("X-Forwarded-For", "10.0.0.1"), ("OpenAI-Organization", "org")]
    request = raw.request("POST", CHAT, topology.token(), raw.chat(), headers)
    assert raw.answered(raw.exchange(topology.sidecar.port, request))[0] == 200
    (seen,) = topology.model.since(mark)
    assert b"s3cr3t" not in seen.raw() and not seen.header("authorization") and not seen.header("cookie")
