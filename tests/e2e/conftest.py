"""Loops at three points of their lives; a test gets a copy and may break it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.table import create_sqlite
from local.votes import change_votes, write_votes
from local.world import World, make_world
from tests.e2e.home import STARTED, Home

FIRST_VOTES, LATER_VOTES, ALL_ROWS = 1_200, 400, 10_000
NOW = timedelta(milliseconds=10)
WORLD = make_world("rules", styles=12, seed=1, spread=3.0)
CHANGED = WORLD.with_changed_tastes(share=0.7, strength=6.0, seed=1)


def vote(home: Home, world: World, votes: int, *, seed: int, since: timedelta = NOW) -> None:
    """People cast votes, the last one now."""
    now = datetime.now(UTC)
    with home.table() as table:
        write_votes(table, world, votes, seed=seed, ugly=True, start=now - since, end=now)


def change_minds(home: Home, world: World = CHANGED, *, seed: int = 2) -> None:
    """New votes and changed ones on every row: the next run promotes a better model."""
    vote(home, world, LATER_VOTES, seed=seed)
    with home.table() as table:
        change_votes(table, world, ALL_ROWS, seed=seed, at=datetime.now(UTC))


@pytest.fixture(autouse=True)
def no_process_left() -> Iterator[None]:
    """Kill what a failed test left waiting at its point."""
    yield
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def fresh_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Votes, and nothing learned yet."""
    home = Home(tmp_path_factory.mktemp("fresh"))
    create_sqlite(home.votes).close()
    vote(home, WORLD, FIRST_VOTES, seed=1, since=timedelta(days=30))
    return home


@pytest.fixture(scope="session")
def trained_home(fresh_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A first model serves, and nobody has voted since."""
    home = fresh_home.copy(tmp_path_factory.mktemp("trained"))
    done = home.run()
    assert (done.exit, done.state) == (0, "promoted"), done
    return home


@pytest.fixture(scope="session")
def ready_home(trained_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A first model serves, and by now a better one could be learned."""
    home = trained_home.copy(tmp_path_factory.mktemp("ready"))
    change_minds(home)
    return home


@pytest.fixture
def fresh(fresh_home: Home, tmp_path: Path) -> Home:
    return fresh_home.copy(tmp_path)


@pytest.fixture
def trained(trained_home: Home, tmp_path: Path) -> Home:
    return trained_home.copy(tmp_path)


@pytest.fixture
def ready(ready_home: Home, tmp_path: Path) -> Home:
    return ready_home.copy(tmp_path)
