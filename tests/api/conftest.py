"""Places to serve from, and a service that most tests ask."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.service import Client, Place, Service, service


@pytest.fixture(scope="session")
def promoted_place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Version 1 has served, version 2 does; a table for three votes a row."""
    place = Place(tmp_path_factory.mktemp("promoted"))
    place.make_table()
    place.serve(1)
    place.serve(2)
    return place


@pytest.fixture
def place(promoted_place: Place, tmp_path: Path) -> Place:
    """The same, for a test to break."""
    shutil.copytree(promoted_place.folder, tmp_path, dirs_exist_ok=True)
    return Place(tmp_path)


@pytest.fixture
def empty(tmp_path: Path) -> Place:
    """Nothing has been promoted, nor anything published."""
    place = Place(tmp_path)
    place.make_table()
    return place


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, promoted_place: Place) -> Iterator[Service]:
    """A service for tests that only ask."""
    folder = tmp_path_factory.mktemp("shared")
    shutil.copytree(promoted_place.folder, folder, dirs_exist_ok=True)
    with service(Place(folder)) as made:
        yield made


@pytest.fixture
def client(shared: Service) -> Client:
    return shared.client
