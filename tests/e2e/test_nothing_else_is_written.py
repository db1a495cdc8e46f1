"""A task's root file system cannot be written: a run needs no place but those it is told of.

The run here stands in a folder that it may not write and has no home. It trains the network, so
that every library that likes to keep a cache is there. The built image is run on a read-only
root by the tests of the image.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator

import pytest

from tests.e2e.home import Home, clear, finished

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
LIBC = ctypes.CDLL(None, use_errno=True)


def bound_by_modes() -> None:
    """Root writes where it likes; without this right the new process asks as others do."""
    if os.geteuid() == 0 and LIBC.prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "the right to write anywhere cannot be given up")


@pytest.fixture
def bare(fresh: Home) -> Iterator[Home]:
    """Votes in a folder that cannot be written but for one below it."""
    own = fresh.folder / "own"
    (own / "tmp").mkdir(parents=True)
    fresh.folder.chmod(0o555)
    yield fresh
    fresh.folder.chmod(0o755)


def test_a_run_writes_nowhere_but_where_it_is_told_to(bare: Home) -> None:
    # Given
    own = bare.folder / "own"
    places = {
        "STORE_URL": (own / "store").as_uri(),
        "REGISTRY_URL": f"sqlite:///{own / 'registry.sqlite'}",
        "WORK_DIR": str(own / "work"),
        "LOG_DIR": str(own / "logs"),
        "TMPDIR": str(own / "tmp"),
        "HOME": "/nonexistent",
    }

    # When
    run = bare.started(bound_by_modes, candidates="embedding", **places)
    done = finished(run)

    # Then it has all that it needs, and has asked for nothing else
    assert (done.exit, done.state) == (0, "promoted"), done
    warned = [line for line in done.err.splitlines() if '"WARNING"' in line]
    assert [line for line in warned if '"message": "validation: ' not in line] == []
    # And what was temporary is gone
    assert list((own / "tmp").iterdir()) == []
    assert {path.name for path in bare.folder.iterdir()} == {"votes.sqlite", "own"}


def test_the_folder_of_that_run_really_cannot_be_written(bare: Home) -> None:
    done = finished(bare.started(bound_by_modes))

    clear(done, 1, "registry", str(bare.folder))
    assert {path.name for path in bare.folder.iterdir()} == {"votes.sqlite", "own"}
