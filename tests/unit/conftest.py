"""Loops that tests of commands start from; each test gets a copy and may break it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from task.interrupt import Interrupt
from tests.unit.place import CHANGED, Place, fresh
from tests.unit.rollouts import Scene, begun
from tests.unit.signals import signals_taken


@pytest.fixture
def interrupt() -> Iterator[Interrupt]:
    """Signals as exceptions, given back afterwards."""
    with signals_taken() as made:
        yield made


@pytest.fixture(scope="session")
def fresh_place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Votes, and nothing learned yet."""
    return fresh(tmp_path_factory.mktemp("fresh"))


@pytest.fixture(scope="session")
def learned_place(fresh_place: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """One run has made version m-a, which is active."""
    place = fresh_place.copy(tmp_path_factory.mktemp("learned"))
    assert place.json("run", "--run-id", "m-a")["state"] == "promoted"
    return place


@pytest.fixture(scope="session")
def tall_place(learned_place: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Versions m-a, m-b, m-c and m-d were promoted one after the other; m-e waits."""
    place = learned_place.copy(tmp_path_factory.mktemp("tall"))
    for version in ("m-b", "m-c", "m-d", "m-e"):
        place.publish_copy(version)
    for version in ("m-b", "m-c", "m-d"):
        place.json("promote", version)
    return place


@pytest.fixture(scope="session")
def judged_place(learned_place: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """m-a serves; m-b was judged to be better, and waits to be deployed."""
    place = learned_place.copy(tmp_path_factory.mktemp("judged"))
    place.vote(1_500, world=CHANGED, seed=2)
    for stage in ("export", "prepare", "train", "evaluate"):
        done = place.json(stage, "--run", "m-b")
    assert done["verdict"]["decision"] == "promote"
    return place


@pytest.fixture
def judged(judged_place: Place, tmp_path: Path) -> Place:
    return judged_place.copy(tmp_path)


@pytest.fixture
def unlearned(fresh_place: Place, tmp_path: Path) -> Place:
    return fresh_place.copy(tmp_path)


@pytest.fixture
def learned(learned_place: Place, tmp_path: Path) -> Place:
    return learned_place.copy(tmp_path)


@pytest.fixture
def tall(tall_place: Place, tmp_path: Path) -> Place:
    return tall_place.copy(tmp_path)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """The roll-out of m-new has begun, and m-old was active before."""
    with begun(tmp_path, "m-old") as made:
        yield made
