"""A governed topology whose every byte towards an upstream is recorded."""

import dataclasses
import pathlib

from .aios import EmbeddedStore, Sidecar
from .capture import Capture
from .issuer import Issuer
from .standin import StandIn


@dataclasses.dataclass
class Topology:
    """A sidecar, its upstreams, and what they saw."""

    sidecar: Sidecar
    model: StandIn
    vectors: Capture
    store: EmbeddedStore

    def token(self, tenant="acme", **changes):
        """An honest token of a tenant."""
        return self.sidecar.token(tenant, **changes)

    def openai(self, tenant="acme", **options):
        """The official OpenAI client of a tenant, without retries."""
        from openai import OpenAI

        url = self.sidecar.url + "/models/v1"
        return OpenAI(base_url=url, api_key=options.pop("token", None) or self.token(tenant), max_retries=0, timeout=60, **options)

    def qdrant(self, tenant="acme", token=None):
        """The official Qdrant client of a tenant."""
        from qdrant_client import QdrantClient

        url = self.sidecar.url + "/vectors"
        return QdrantClient(url=url, api_key=token or self.token(tenant), timeout=60, check_compatibility=False)

    def direct(self):
        """The official Qdrant client on the store itself: an operator's view, past the sidecar."""
        from qdrant_client import QdrantClient

        return QdrantClient(url=self.store.url, timeout=60, check_compatibility=False)

    def upstreams_saw(self):
        """A mark in what both upstreams saw."""
        return self.model.mark(), self.vectors.mark()

    def saw_since(self, mark):
        """All requests that reached any upstream after the mark."""
        return self.model.since(mark[0]) + self.vectors.since(mark[1])


def upstream_tables(model_url, vector_url):
    """The `[[upstream]]` tables of the test topology."""
    return [
        {"name": "models", "kind": "openai", "url": model_url + "/v1", "region": "eu", "trust": "private"},
        {"name": "embeddings", "kind": "openai", "url": model_url + "/v1", "region": "eu", "trust": "private"},
        {"name": "vectors", "kind": "qdrant", "url": vector_url, "region": "eu", "trust": "private"},
    ]


def build(directory, **options):
    """A whole topology in a directory; the caller stops its parts."""
    directory = pathlib.Path(directory)
    model = StandIn()
    store = EmbeddedStore(directory / "store")
    vectors = Capture(store.url)
    issuers = [Issuer("EdDSA"), Issuer("RS256"), Issuer("ES256")]
    sidecar = Sidecar(directory / "sidecar", upstream_tables(model.url, vectors.url), issuers, **options)
    return Topology(sidecar, model, vectors, store)


def tear_down(topology):
    """Stop everything, the sidecar first."""
    if topology.sidecar.process and topology.sidecar.process.alive():
        topology.sidecar.stop()
    topology.vectors.stop()
    topology.store.stop()
    topology.model.stop()
