"""What all suites share: one governed topology per run."""

import itertools

import pytest

from harness.topology import build, tear_down

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def topology(tmp_path_factory):
    """The topology that most tests share. Tests take names of their own in it."""
    one = build(tmp_path_factory.mktemp("topology"))
    try:
        one.sidecar.start()
        yield one
    finally:
        tear_down(one)


@pytest.fixture
def name():
    """A name that no other test takes."""
    return f"c{next(_numbers)}-deeds"
