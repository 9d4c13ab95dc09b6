"""The product under test: `aios up`, `aios proxy`, its ledger and its embedded store."""

import json
import os
import pathlib
import subprocess
import urllib.request

from .issuer import AUDIENCE
from .process import Process, free_ports, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]


def binary():
    """The release binary; `AIOS_BIN` names another."""
    path = pathlib.Path(os.environ.get("AIOS_BIN", ROOT / "target/release/aios"))
    if not path.is_file():
        raise AssertionError(f"{path} is missing: cargo build --release")
    return path


def command(*argv, check=True, **options):
    """Run a short command of `aios`; returns the finished process with text output."""
    done = subprocess.run(
        [binary(), *map(str, argv)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, **options
    )
    if check and done.returncode != 0:
        raise AssertionError(f"aios {argv} exited {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def fetch(url, headers=None, timeout=10):
    """Body of a GET as text."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=timeout) as answer:
        return answer.read().decode()


class Ledger:
    """A ledger directory, read by the product's own tools."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)

    def verify(self):
        """The exit code of `aios audit verify` and what it said."""
        done = command("audit", "verify", self.directory, "--json", check=False)
        return done.returncode, done.stdout + done.stderr

    def records(self):
        """All exported records."""
        done = command("audit", "export", self.directory, "--format", "jsonl")
        return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]

    def leaves(self, kind=None):
        """The leaves of the export, all or those of one kind: `intent`, `outcome`, `refusal`, `event`."""
        leaves = [record["leaf"] for record in self.records()]
        return [leaf for leaf in leaves if kind in (None, leaf["kind"])]

    def of(self, record):
        """The kinds of leaves of one call, in order."""
        return [leaf["kind"] for leaf in self.leaves() if leaf.get("record") == record]


class EmbeddedStore:
    """The harness's Qdrant: the engine alone, reached by the official client as well as by the sidecar."""

    def __init__(self, directory):
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        self.data = directory / "vectors"
        argv = [binary(), "embedded-store", "--dir", self.data, "--listen", "127.0.0.1:0"]
        self.process = Process(argv, directory / "store.log")
        self.url = json.loads(self.process.line())["url"]
        self.port = int(self.url.rsplit(":", 1)[1])

    def stop(self):
        """End it."""
        self.process.stop()


class Sidecar:
    """`aios proxy` from a configuration that is written here."""

    def __init__(self, directory, upstreams, issuers, limits=None, ledger=None, data=None, policy=None, listen=None, keys=None, services=()):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.data = pathlib.Path(data or self.directory / "data")
        self.log = self.directory / "sidecar.log"
        self.port, self.ops_port = free_ports(2)
        self.url = f"http://127.0.0.1:{self.port}"
        self.ops = f"http://127.0.0.1:{self.ops_port}"
        self.issuers = issuers
        self.config = self.directory / "sidecar.toml"
        policy = policy or {"directory": str(ROOT / "policies/starter")}
        self.keys, self.services = keys or {}, services
        self.config.write_text(self._text(upstreams, limits or {}, ledger or {}, listen or {}, policy))
        self.process = None

    def _text(self, upstreams, limits, ledger, listen, policy):
        policy, candidate = dict(policy), None
        if "candidate" in policy:
            candidate = policy.pop("candidate")
        def table(name, values):
            lines = [f"[{name}]"] if not name.startswith("[") else [name]
            return "\n".join(lines + [f"{k} = {json.dumps(v)}" for k, v in values.items()])

        parts = [
            f"data = {json.dumps(str(self.data))}",
            table("listen", {"address": f"127.0.0.1:{self.port}", **listen}),
            table("ops", {"address": f"127.0.0.1:{self.ops_port}"}),
            table("policy", policy),
            *([table("policy.candidate", candidate)] if candidate else []),
            table("keyring", {"key_file": str(self.directory / "root.key")}),
            table("keys", self.keys),
            *[table("[[key_service]]", service) for service in self.services],
            table("ledger", ledger),
            table("limits", limits),
        ]
        for number, issuer in enumerate(self.issuers):
            pem = self.directory / f"issuer-{number}.pem"
            pem.write_bytes(issuer.public_pem())
            names = {"issuer": issuer.name, "audience": AUDIENCE, "algorithms": [issuer.algorithm], "pem_file": str(pem)}
            parts.append(table("[[issuer]]", names))
        parts += [table("[[upstream]]", upstream) for upstream in upstreams]
        return "\n".join(parts) + "\n"

    def start(self, env=None):
        """Start it and wait until it is ready."""
        argv = [binary(), "proxy", "--config", self.config]
        self.process = Process(argv, self.log, {"AIOS_LOG": "debug", **(env or {})})
        wait_until(lambda: self.ready() or not self.process.alive(), "the sidecar is ready", 60)
        if not self.process.alive():
            raise AssertionError(self.process.tail())
        return self

    def ready(self):
        """Whether `/readyz` says so."""
        try:
            return fetch(self.ops + "/readyz", timeout=2).startswith("ready")
        except OSError:
            return False

    def metrics(self):
        """The text of `/metrics`."""
        return fetch(self.ops + "/metrics")

    @property
    def ledger(self):
        """Its ledger."""
        return Ledger(self.data / "ledger/host")

    def token(self, tenant, principal="u-test", groups=("apps",), **changes):
        """A token of its first issuer."""
        return self.issuers[0].token(tenant, principal, groups, **changes)

    def stop(self):
        """End it and wait for its last record."""
        return self.process.stop()


class Up:
    """`aios up --json`: everything embedded."""

    def __init__(self, directory, *arguments):
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        self.data = directory / "data"
        self.log = directory / "up.log"
        argv = [binary(), "up", "--json", "--data", self.data, "--listen", "127.0.0.1:0", *arguments]
        self.process = Process(argv, self.log)
        self.said = json.loads(self.process.line())
        if not self.said.get("ready"):
            raise AssertionError(f"aios up: {self.said}\n{self.process.tail()}")
        self.proxy, self.ops = self.said["proxy"], self.said["ops"]
        self.upstreams, self.tokens = self.said["upstreams"], self.said["tokens"]

    @property
    def ledger(self):
        """Its ledger."""
        return Ledger(self.data / "ledger/host")

    def stop(self):
        """End it and wait for its last record."""
        return self.process.stop()
