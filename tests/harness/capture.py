"""A recording reverse proxy: what it forwards is what an upstream sees, and what it keeps is the evidence."""

import dataclasses
import http.client
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "trailer", "content-length"}


@dataclasses.dataclass
class Seen:
    """One request as it arrived, and the answer that went back."""

    method: str
    path: str
    headers: list
    body: bytes
    status: int = 0
    answer: bytes = b""

    def header(self, name):
        """All values of a header."""
        return [v for k, v in self.headers if k.lower() == name.lower()]

    def raw(self):
        """Everything that the upstream was told, as one block of bytes."""
        head = f"{self.method} {self.path}\n" + "".join(f"{k}: {v}\n" for k, v in self.headers)
        return head.encode("utf-8", "surrogateescape") + b"\n" + self.body


class QuietServer(ThreadingHTTPServer):
    """Serves on a free port of loopback. Peers that go away are part of the tests: they are not reported."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)

    def handle_error(self, request, client_address):
        """Report faults of the harness only."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Recorder:
    """Keeps what was seen, in order of arrival. Shared by capture and stand-in."""

    def __init__(self):
        self._lock = threading.Lock()
        self._seen = []

    def add(self, seen):
        """Keep one request. Called before anything is done with it."""
        with self._lock:
            self._seen.append(seen)

    def all(self):
        """A copy of all that was seen so far."""
        with self._lock:
            return list(self._seen)

    def mark(self):
        """How much was seen so far, for `since`."""
        with self._lock:
            return len(self._seen)

    def since(self, mark):
        """What was seen after that mark."""
        with self._lock:
            return self._seen[mark:]


def read_body(handler):
    """The body of a request, by length or by chunks."""
    if handler.headers.get("transfer-encoding", "").lower() == "chunked":
        parts = []
        while size := int(handler.rfile.readline().split(b";")[0], 16):
            parts.append(handler.rfile.read(size))
            handler.rfile.readline()
        while handler.rfile.readline().strip():
            pass
        return b"".join(parts)
    return handler.rfile.read(int(handler.headers.get("content-length") or 0))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def _forward(self):
        capture = self.server.capture
        body = read_body(self)
        seen = Seen(self.command, self.path, list(self.headers.items()), body)
        capture.add(seen)
        upstream = http.client.HTTPConnection(capture.host, capture.port, timeout=120)
        try:
            upstream.putrequest(self.command, capture.prefix + self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in seen.headers:
                if name.lower() not in HOP_BY_HOP:
                    upstream.putheader(name, value)
            upstream.putheader("Content-Length", str(len(body)))
            upstream.endheaders(body)
            answer = upstream.getresponse()
            seen.status = answer.status
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            while part := answer.read1(65536):
                seen.answer += part
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
        except (OSError, http.client.HTTPException):
            # A cut is passed on as a cut: no final chunk.
            self.close_connection = True
        finally:
            upstream.close()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _forward


class Capture(Recorder):
    """Forwards to `url` and keeps everything."""

    def __init__(self, url):
        super().__init__()
        parts = urllib.parse.urlsplit(url)
        self.host, self.port, self.prefix = parts.hostname, parts.port, parts.path.rstrip("/")
        self._server = QuietServer(_Handler)
        self._server.capture = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
