"""Real models and everything embedded: `aios up` with upstreams that are not stand-ins."""

import json
import os
import pathlib

import pytest

from harness.aios import ROOT, Up
from harness.capture import Capture
from harness.process import Process, accepts, wait_until


def _serve(tmp, script, *arguments):
    python = os.environ.get("AIOS_MODELS_PYTHON")
    assert python, "AIOS_MODELS_PYTHON names the interpreter with the real models: run `cargo xtask test`"
    process = Process([python, ROOT / "tests/models" / script, *arguments], tmp / f"{script}.log")
    port = json.loads(process.line(180))["port"]
    wait_until(lambda: accepts(port), f"{script} listens")
    return process, port


@pytest.fixture(scope="session")
def up(tmp_path_factory):
    """`aios up` on a real chat model and a real embedding model, both behind a recording proxy."""
    tmp = tmp_path_factory.mktemp("e2e")
    weights = pathlib.Path(os.environ.get("AIOS_TARGET", ROOT / "target")) / "models"
    weights.mkdir(parents=True, exist_ok=True)
    embeddings, embeddings_port = _serve(tmp, "serve_embeddings.py")
    chat, chat_port = _serve(tmp, "serve_chat.py", weights)
    captures = Capture(f"http://127.0.0.1:{chat_port}"), Capture(f"http://127.0.0.1:{embeddings_port}")
    one = Up(tmp / "up", "--openai", captures[0].url + "/v1", "--embeddings", captures[1].url + "/v1")
    one.chat_capture, one.embeddings_capture = captures
    try:
        yield one
    finally:
        one.stop()
        for process in (embeddings, chat):
            process.kill()
