"""HTTP by hand, for what no client library would send."""

import json
import socket


def exchange(port, request, seconds=5.0):
    """Send bytes, return all that comes back until the peer closes or keeps silent for `seconds`."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        answer = b""
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused before all of it was read: the answer says why
        try:
            while part := connection.recv(65536):
                answer += part
        except OSError:
            pass
        return answer


def statuses(answer):
    """The status codes of all answers in these bytes."""
    found = []
    for line in answer.split(b"\r\n"):
        if line.startswith(b"HTTP/1."):
            found.append(int(line.split(b" ")[1]))
    return found


def request(method, target, token=None, body=b"", headers=(), close=True):
    """One well-formed request with an arbitrary target and extra headers."""
    lines = [f"{method} {target} HTTP/1.1".encode(), b"Host: 127.0.0.1"]
    if token:
        lines.append(f"Authorization: Bearer {token}".encode())
    lines += [f"{k}: {v}".encode() if isinstance(v, str) else k.encode() + b": " + v for k, v in headers]
    if body or method in ("POST", "PUT", "PATCH"):
        lines += [b"Content-Type: application/json", f"Content-Length: {len(body)}".encode()]
    if close:
        lines.append(b"Connection: close")
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def answered(raw):
    """Status, headers and body of one answer."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        whole, rest = b"", body
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            count = int(size or b"0", 16)
            if not count:
                break
            whole, rest = whole + rest[:count], rest[count + 2 :]
        body = whole
    return int(first.split(" ")[1]), headers, body


def code(body):
    """The stable code in an error body, whatever its dialect."""
    value = json.loads(body)
    return value.get("aios_code") or value["error"]["aios_code"]


def chat(text="hi", model="echo", **fields):
    """The body of a chat call."""
    return json.dumps({"model": model, "messages": [{"role": "user", "content": text}]} | fields).encode()
