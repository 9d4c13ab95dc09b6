"""Request lines that two readers could read differently, and requests that hide a second one."""

import json

import pytest

from harness import raw

TARGETS = [
    "//models/v1/models",
    "/models//v1/models",
    "/models/v1//models",
    "/models/./v1/models",
    "/vectors/../models/v1/models",
    "/models/v1/models/..",
    "/models/v1/%6dodels",
    "/models%2fv1%2fmodels",
    "/models/v1%2f..%2fmodels",
    "/models/%2e%2e/vectors/collections",
    "/models/%252e%252e/vectors",
    "/models\\v1\\models",
    "/models/v1/models;x=1",
    "/models/v1/models%00",
    "/models/v1/models%",
    "http://127.0.0.1/models/v1/models",
    "http://169.254.169.254/latest/meta-data",
    "https://example.org/models/v1/models",
    "*",
    "127.0.0.1:1",
    "/",
    "/v1/models",
    "/unknown/v1/models",
    "/MODELS/v1/models",
    "/models",
    "/models/v1",
    "/models/v2/models",
    "/models/v1/models/",
    "/models/v1/engines",
    "/models/v1/fine_tuning/jobs",
    "/models/v1/files",
    "/models/metrics",
    "/metrics",
    "/healthz",
    "/admin",
    "/vectors/telemetry",
    "/vectors/metrics",
    "/vectors/cluster",
    "/vectors/snapshots",
    "/vectors/locks",
    "/vectors/collections/x/snapshots",
    "/vectors/collections/x/cluster",
    "/vectors/collections/aliases",
    "/vectors/aliases",
    "/vectors/collections/x/points/1/extra",
    "/vectors/collections/x?wait=true&wait=false",
    "/vectors/collections/x?tenant=globex",
]
# These are not attacks: a trailing slash may be taken as the same path, or refused.
TOLERATED = {"/models/v1/models/"}


@pytest.mark.parametrize("target", TARGETS)
def test_unknown_and_ambiguous_targets_are_refused(topology, target):
    mark = topology.upstreams_saw()
    answer = raw.exchange(topology.sidecar.port, raw.request("GET", target, topology.token()))
    (status,) = raw.statuses(answer)
    if target in TOLERATED and status == 200:
        assert [s.path for s in topology.saw_since(mark)] == ["/v1/models"]
        return
    assert 400 <= status < 500, answer
    assert topology.saw_since(mark) == []


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "CONNECT", "BREW"])
def test_other_methods_are_refused(topology, method):
    mark = topology.upstreams_saw()
    answer = raw.exchange(topology.sidecar.port, raw.request(method, "/models/v1/chat/completions", topology.token(), b"" if method in ("GET", "HEAD") else raw.chat()))
    (status,) = raw.statuses(answer)
    assert 400 <= status < 500, answer
    assert topology.saw_since(mark) == []


def test_the_host_header_does_not_route(topology):
    for host in ("globex.invalid", "127.0.0.1/vectors", "169.254.169.254"):
        mark = topology.upstreams_saw()
        lines = raw.request("GET", "/models/v1/models", topology.token()).replace(b"Host: 127.0.0.1", f"Host: {host}".encode())
        (status,) = raw.statuses(raw.exchange(topology.sidecar.port, lines))
        seen = topology.saw_since(mark)
        assert status == 400 and not seen or status == 200 and [s.path for s in seen] == ["/v1/models"]
        assert all(host not in str(s.headers) for s in seen)


def hidden(topology):
    """The request that must never be carried out: it would create a collection."""
    return raw.request("PUT", "/vectors/collections/smuggled", topology.token("globex"), b'{"vectors":{"size":4,"distance":"Cosine"}}')


def smuggling(topology):
    token, inner = topology.token("acme"), hidden(topology)
    head = f"POST /models/v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n".encode()
    body = raw.chat()
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    length = b"Content-Length: %d\r\n"
    return {
        "cl.te": head + length % (len(chunked) + len(inner)) + b"Transfer-Encoding: chunked\r\n\r\n" + chunked + inner,
        "te.cl": head + b"Transfer-Encoding: chunked\r\n" + length % 4 + b"\r\n" + chunked + inner,
        "two lengths": head + length % len(body) + length % (len(body) + len(inner)) + b"\r\n" + body + inner,
        "list of lengths": head + b"Content-Length: %d, %d\r\n\r\n" % (len(body), len(body) + len(inner)) + body + inner,
        "plus length": head + b"Content-Length: +%d\r\n\r\n" % len(body) + body + inner,
        "te xchunked": head + b"Transfer-Encoding: xchunked\r\n" + length % len(body) + b"\r\n" + body + inner,
        "te twice": head + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + chunked + inner,
        "te space": head + b"Transfer-Encoding : chunked\r\n" + length % len(body) + b"\r\n" + body + inner,
        "te tab": head + b"Transfer-Encoding:\tchunked\x0b\r\n" + length % len(body) + b"\r\n" + body + inner,
        "folded": head + b"X: y\r\n Transfer-Encoding: chunked\r\n" + length % len(body) + b"\r\n" + body + inner,
        "bad chunk": head + b"Transfer-Encoding: chunked\r\n\r\n" + b"-1\r\n" + body + b"\r\n0\r\n\r\n" + inner,
        "huge chunk": head + b"Transfer-Encoding: chunked\r\n\r\n" + b"ffffffffffffffff1\r\n" + body + b"\r\n0\r\n\r\n" + inner,
        "bare cr": head + b"X: y\rTransfer-Encoding: chunked\r\n" + length % len(body) + b"\r\n" + body + inner,
        "nul": head + b"X: a\x00b\r\n" + length % len(body) + b"\r\n" + body + inner,
        "trailer te": head + b"Trailer: Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked[:-2] + b"Content-Length: 9\r\n\r\n" + inner,
        "upgrade": head.replace(b"Host: x", b"Host: x\r\nConnection: upgrade\r\nUpgrade: websocket") + length % len(body) + b"\r\n" + body + inner,
        "h2c": head.replace(b"Host: x", b"Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk") + length % len(body) + b"\r\n" + body + inner,
        "http/1.0": head.replace(b"HTTP/1.1", b"HTTP/1.0") + length % len(body) + b"\r\n" + body + inner,
        "get with body": head.replace(b"POST /models/v1/chat/completions", b"GET /models/v1/models") + length % len(inner) + b"\r\n" + inner,
        "connect": b"CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: x\r\n\r\n" + inner,
    }


SMUGGLING = [
    "cl.te", "te.cl", "two lengths", "list of lengths", "plus length", "te xchunked", "te twice", "te space", "te tab", "folded",
    "bad chunk", "huge chunk", "bare cr", "nul", "trailer te", "upgrade", "h2c", "http/1.0", "get with body", "connect",
]


@pytest.mark.parametrize("case", SMUGGLING)
def test_no_request_hides_in_another(topology, case):
    """Either the bytes are refused, or both readers see the same requests: what follows is a request of its own.

    A pipelined second request is honest HTTP where the first one's end is beyond doubt; here the first one's end is what
    is in doubt, so the second must not be carried out.
    """
    attack = smuggling(topology)[case]
    honest_pipelining = {"trailer te", "upgrade", "h2c", "te.cl"}
    mark = topology.upstreams_saw()
    answer = raw.exchange(topology.sidecar.port, attack)
    seen = topology.saw_since(mark)
    carried_out = [s for s in seen if s.method == "PUT"]
    if case in honest_pipelining and raw.statuses(answer)[:1] == [200]:
        return
    assert carried_out == [], (case, raw.statuses(answer))
    for one in seen:
        assert b"smuggled" not in one.raw()
        if one.body:
            json.loads(one.body)


def test_the_table_of_smuggling_is_whole(topology):
    assert sorted(smuggling(topology)) == sorted(SMUGGLING)


def test_headers_that_grow_for_ever_are_refused(topology):
    huge = [(f"X-{n}", "y" * 1000) for n in range(200)]
    answer = raw.exchange(topology.sidecar.port, raw.request("GET", "/models/v1/models", topology.token(), headers=huge))
    assert raw.statuses(answer)[0] in (400, 431)
