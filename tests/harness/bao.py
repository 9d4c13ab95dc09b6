"""OpenBao in development mode: a real transit engine on loopback."""

import json
import os
import pathlib
import urllib.error
import urllib.request

from .process import Process, free_ports, wait_until

TOKEN = "test-root-token"


class Bao:
    """A server that keeps everything in memory. It can be stopped, and frozen by a signal."""

    def __init__(self, directory):
        binary = os.environ.get("AIOS_TEST_BAO")
        if not binary or not pathlib.Path(binary).is_file():
            raise AssertionError("AIOS_TEST_BAO must name OpenBao's program: cargo xtask setup")
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        port, cluster = free_ports(2)
        self.address = f"http://127.0.0.1:{port}"
        argv = [binary, "server", "-dev", f"-dev-listen-address=127.0.0.1:{port}", f"-dev-root-token-id={TOKEN}"]
        self.process = Process(argv, directory / "bao.log", {"HOME": str(directory), "BAO_CLUSTER_ADDR": f"http://127.0.0.1:{cluster}"})
        wait_until(self._up, "OpenBao is up", 30)
        self.call("POST", "sys/mounts/transit", {"type": "transit"})
        self.call("POST", "transit/config/keys", {"disable_upsert": True})
        self.token_file = directory / "token"
        self.token_file.write_text(TOKEN)

    def _up(self):
        try:
            return self.call("GET", "sys/health") is not None
        except OSError:
            return False

    def call(self, method, path, body=None):
        """One call as root; the answer's JSON, or None."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{self.address}/v1/{path}", data, {"X-Vault-Token": TOKEN}, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def keys(self):
        """The names of all KEKs."""
        try:
            return self.call("LIST", "transit/keys")["data"]["keys"]
        except urllib.error.HTTPError:
            return []

    def service(self, name="bao"):
        """The `[[key_service]]` of this server."""
        return {"name": name, "kind": "vault", "address": self.address, "auth": "token", "token": f"file:{self.token_file}"}

    def stop(self):
        """End it."""
        self.process.stop()
