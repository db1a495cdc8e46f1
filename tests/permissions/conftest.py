"""Each stack with its stories, played once a process."""

from collections.abc import Callable
from functools import cache

import pytest

from local.mariadb import Server
from tests.permissions.played import STACKS, Proven, play

Play = Callable[[str], Proven]


@pytest.fixture(scope="session")
def played(mariadb: Server, tmp_path_factory: pytest.TempPathFactory) -> Play:
    """The stack of this name, with what was recorded of it."""
    return cache(lambda name: play(name, mariadb, tmp_path_factory.mktemp(name)))


@pytest.fixture(params=list(STACKS))
def proven(request: pytest.FixtureRequest, played: Play) -> Proven:
    """Each of the stacks in turn."""
    return played(request.param)
