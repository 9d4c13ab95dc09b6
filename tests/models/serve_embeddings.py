"""A real embedding model behind `POST /v1/embeddings` and `GET /v1/models`, OpenAI-compatible.

Prints one JSON line `{"port": N}` on stdout once it answers.
"""

import base64
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from minilm import MiniLM, self_check

NAME = "all-MiniLM-L6-v2"


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    model = None
    lock = threading.Lock()

    def log_message(self, *_):
        """Silent: request lines are the tests' business."""

    def _answer(self, status, body):
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _fail(self, status, message):
        self._answer(status, {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}})

    def do_GET(self):
        """The list of models."""
        if self.path != "/v1/models":
            return self._fail(404, "no such path")
        self._answer(200, {"object": "list", "data": [{"id": NAME, "object": "model", "created": 0, "owned_by": "test"}]})

    def do_POST(self):
        """Embeddings of a text or a list of texts, as floats or base64."""
        raw = self.rfile.read(int(self.headers.get("content-length", "0")))
        if self.path != "/v1/embeddings":
            return self._fail(404, "no such path")
        try:
            body = json.loads(raw)
            texts = body["input"]
            texts = [texts] if isinstance(texts, str) else texts
            if not texts or not all(isinstance(t, str) for t in texts):
                return self._fail(400, "input must be a text or a list of texts")
        except (ValueError, KeyError, TypeError):
            return self._fail(400, "not an embeddings request")
        if body.get("model") != NAME:
            return self._fail(404, "no such model")
        with self.lock:
            rows = self.model.embed(texts)
            used = self.model.tokens(texts)
        if body.get("encoding_format") == "base64":
            data = [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in rows]
        else:
            data = [[float(x) for x in row] for row in rows]
        self._answer(200, {
            "object": "list",
            "model": NAME,
            "data": [{"object": "embedding", "index": i, "embedding": e} for i, e in enumerate(data)],
            "usage": {"prompt_tokens": used, "total_tokens": used},
        })


def main():
    """Load, check, bind a free port, serve until killed."""
    Handler.model = MiniLM()
    self_check(Handler.model)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(json.dumps({"port": server.server_address[1], "model": NAME}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
