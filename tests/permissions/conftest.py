"""Each stack with its stories, played once for all workers."""

import fcntl
import os
from collections.abc import Callable
from functools import cache

import pytest

from tests.permissions.played import STACKS, Proven, play, read

Play = Callable[[str], Proven]


@pytest.fixture(scope="session")
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Play:
    """The stack of this name, with what was recorded of it."""
    base = tmp_path_factory.getbasetemp()
    # Each worker has a folder of its own in the session's; alone, that is the session's.
    session = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    @cache
    def found(name: str) -> Proven:
        answer = session / f"permissions-{name}.json"
        with answer.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not answer.exists():
                mariadb = request.getfixturevalue("mariadb")
                text = play(name, mariadb, tmp_path_factory.mktemp(name))
                answer.write_text(text, encoding="utf-8")
        return read(answer.read_text(encoding="utf-8"))

    return found


@pytest.fixture(params=list(STACKS))
def proven(request: pytest.FixtureRequest, played: Play) -> Proven:
    """Each of the stacks in turn."""
    return played(request.param)
