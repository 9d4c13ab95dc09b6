"""A stand-in for a model API, for what a real model does not do on demand: awkward chunks, errors, cuts, silence.

The model's name chooses the behaviour, so that tests at the same time do not meet. It records all that it is told.

    echo            the last user message comes back
    echo-letters    streamed: one event per character
    echo-bytes      streamed: one byte per write, split inside characters and events
    echo-crlf       streamed: CRLF line ends, comments, an event id
    tool            the last user message comes back as a tool call's arguments
    status-NNN      that status, with an error that holds `SECRET_OF_UPSTREAM`
    cut             the stream breaks off in the middle
    garbage         200 with a body that is not JSON
    silent          no answer until `release` is set
    anything else   like echo
"""

import hashlib
import json
import struct
import threading
from http.server import BaseHTTPRequestHandler

from .capture import QuietServer, Recorder, Seen, read_body

SECRET_OF_UPSTREAM = "upstream-internal-secret-7d1f"
DIMENSIONS = 32


def last_text(body):
    """The text of the last message."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(p.get("text", "") for p in content)


def embedding(text):
    """A fixed pseudo-random unit-ish vector of the text."""
    raw = hashlib.shake_256(text.encode()).digest(4 * DIMENSIONS)
    values = [x / 2**31 - 1.0 for x in struct.unpack(f"<{DIMENSIONS}I", raw)]
    norm = sum(v * v for v in values) ** 0.5
    return [v / norm for v in values]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def _json(self, status, body):
        raw = json.dumps(body).encode()
        self._whole(status, raw, "application/json")

    def _whole(self, status, raw, kind):
        self.send_response_only(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def do_GET(self):
        stand_in = self.server.stand_in
        stand_in.add(Seen("GET", self.path, list(self.headers.items()), b""))
        if self.path != "/v1/models":
            return self._json(404, {"error": {"message": "no such path", "type": "invalid_request_error"}})
        names = ["echo", "echo-letters", "tool"]
        self._json(200, {"object": "list", "data": [{"id": n, "object": "model", "created": 0, "owned_by": "test"} for n in names]})

    def do_POST(self):
        stand_in = self.server.stand_in
        raw = read_body(self)
        stand_in.add(Seen("POST", self.path, list(self.headers.items()), raw))
        body = json.loads(raw)
        model = body["model"]
        if model == "silent":
            stand_in.release.wait(60)
        if model.startswith("status-"):
            message = f"it failed, {SECRET_OF_UPSTREAM}"
            return self._json(int(model[7:]), {"error": {"message": message, "type": "server_error", "param": None, "code": None}})
        if model == "garbage":
            return self._whole(200, b"\xff{not json", "application/json")
        if self.path == "/v1/embeddings":
            return self._embeddings(body)
        if body.get("stream"):
            return self._stream(model, body)
        message = {"role": "assistant", "content": last_text(body)}
        if model == "tool":
            message = {"role": "assistant", "content": None, "tool_calls": [self._call(json.dumps({"text": last_text(body)}))]}
        usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self._json(200, {"id": "c1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": usage})

    def _embeddings(self, body):
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        data = [{"object": "embedding", "index": i, "embedding": embedding(t)} for i, t in enumerate(texts)]
        self._json(200, {"object": "list", "model": body["model"], "data": data, "usage": {"prompt_tokens": 5, "total_tokens": 5}})

    @staticmethod
    def _call(arguments, name="note"):
        return {"id": "call_1", "type": "function", "index": 0, "function": {"name": name, "arguments": arguments}}

    def _events(self, model, body):
        text = last_text(body)
        yield {"role": "assistant", "content": ""}, None
        if model == "tool":
            yield {"tool_calls": [self._call("")]}, None
            for letter in json.dumps({"text": text}):
                yield {"tool_calls": [{"index": 0, "function": {"arguments": letter}}]}, None
        else:
            size = 1 if model == "echo-letters" else 7
            for start in range(0, len(text), size):
                yield {"content": text[start : start + size]}, None
        yield {}, "stop"

    def _stream(self, model, body):
        self.send_response_only(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        end = "\r\n" if model == "echo-crlf" else "\n"
        events = []
        for delta, finish in self._events(model, body):
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [choice]}
            head = f": comment{end}id: 7{end}" if model == "echo-crlf" else ""
            events.append(f"{head}data: {json.dumps(chunk, ensure_ascii=False)}{end}{end}")
        if (body.get("stream_options") or {}).get("include_usage"):
            usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
            chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [], "usage": usage}
            events.append(f"data: {json.dumps(chunk)}{end}{end}")
        events.append(f"data: [DONE]{end}{end}")
        if model == "cut":
            self._chunk(events[0].encode() + events[1].encode()[:20])
            self.close_connection = True
            return
        whole = "".join(events).encode()
        if model == "echo-bytes":
            for byte in whole:
                self._chunk(bytes([byte]))
        else:
            for event in events:
                self._chunk(event.encode())
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, part):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.flush()


class StandIn(Recorder):
    """The stand-in, listening."""

    def __init__(self):
        super().__init__()
        self.release = threading.Event()
        self._server = QuietServer(_Handler)
        self._server.stand_in = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        """Stop listening; silent calls end."""
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
