"""Clouds for the tests: one of the smallest kind for the emulation itself, one for the loop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.cloud.client import Cloud
from tests.cloud import small


@pytest.fixture(scope="session")
def small_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The emulation with a stack of one function and one task."""
    folder = tmp_path_factory.mktemp("small")
    template, bundle = small.write(folder)
    options = ["--bundle", str(bundle), "--stop-seconds", "0.3", "--retry-seconds", "0.01"]
    with Cloud.start(folder / "cloud", template=template, options=options) as cloud:
        yield cloud


@pytest.fixture
def small_cloud(small_server: Cloud) -> Iterator[Cloud]:
    """The same, empty and without faults."""
    yield small_server
    small_server.order("reset")
    small_server.use(None)
