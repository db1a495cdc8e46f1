"""Clouds for the tests: one of the smallest kind for the emulation itself, one for the loop."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from common.registry import open_registry
from common.store import open_store
from local.cloud.client import Cloud, Database
from local.minds import with_votes
from tests.cloud import small
from tests.cloud.loop import Loop, Point, forget

QUICK = {
    "RETRAIN_CANDIDATES": "hierarchical",
    "RETRAIN_BASE_ROWS": "500",
    "SERVING_URL": "none",
}
"""Settings that make a run short. Nobody serves but where a test is about serving."""


PACE = {"check_seconds": 0.03, "retry_seconds": 0.01}
"""Of a service whose program starts and answers in no time."""


@pytest.fixture(scope="session")
def small_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The emulation with a stack of one function, one task and one service."""
    folder = tmp_path_factory.mktemp("small")
    template, bundle = small.write(folder)
    options = ["--bundle", str(bundle), "--stop-seconds", "0.3", "--retry-seconds", "0.01"]
    options += ["--desired", "0", "--pace", json.dumps(PACE)]
    with Cloud.start(folder / "cloud", template=template, options=options) as cloud:
        yield cloud


@pytest.fixture
def small_cloud(small_server: Cloud) -> Iterator[Cloud]:
    """The same, empty and without faults."""
    yield small_server
    small_server.order("reset")
    small_server.use(None)


@dataclass(frozen=True, kw_only=True)
class Life:
    """The loop's cloud, and two points of its life."""

    loop: Loop
    sqlite: Database
    fresh: Point
    ready: Point


@pytest.fixture(scope="session")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """The committed template's stack; a first model is promoted in it by a real run."""
    folder = tmp_path_factory.mktemp("loop")
    sqlite = Database(url=f"sqlite:///{folder / 'votes.sqlite'}")
    with_votes(folder / "votes.sqlite")
    options = ["--stop-seconds", "30", "--retry-seconds", "0.05", "--desired", "0"]
    with Cloud.start(folder / "cloud", database=sqlite, variables=QUICK, options=options) as cloud:
        loop = _loop(cloud, folder / "votes.sqlite")
        fresh = loop.keep()
        first = loop.run()
        assert first.state == "promoted", first
        loop.change_minds()
        yield Life(loop=loop, sqlite=sqlite, fresh=fresh, ready=loop.keep())


def _loop(cloud: Cloud, votes: Path) -> Loop:
    with mock.patch.dict(os.environ, cloud.addresses):
        registry = open_registry(cloud.addresses["REGISTRY_URL"])
        store = open_store(cloud.addresses["STORE_URL"])
    return Loop(cloud=cloud, registry=registry, store=store, votes=votes)


@pytest.fixture
def ready(life: Life) -> Iterator[Loop]:
    """A first model serves, and by now a better one could be learned."""
    life.loop.put_back(life.ready)
    yield life.loop
    _tidy(life)


@pytest.fixture
def fresh(life: Life) -> Iterator[Loop]:
    """Votes, and nothing learned yet."""
    life.loop.put_back(life.fresh)
    yield life.loop
    _tidy(life)


def _tidy(life: Life) -> None:
    """Let nothing that a test has set reach the next one."""
    cloud = life.loop.cloud
    cloud.order("reset")
    forget(cloud.folder)
    wanted = {**QUICK, "DATABASE_URL": life.sqlite.url, "DB_CA": None, "DB_SECRET_ARN": None}
    if cloud.variables != wanted:
        cloud.variables = dict(wanted)
        cloud.use(None)
