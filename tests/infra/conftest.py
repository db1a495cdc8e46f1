"""The synthesised templates, made once for all workers and read by all tests."""

import fcntl
import os
import subprocess
from pathlib import Path

import pytest

from tests.infra.stacks import Synthesised, run

TOGETHER = ("dev", "prod", "staging")


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the templates of dev, prod and staging."""
    base = tmp_path_factory.getbasetemp()
    # Each worker has a folder of its own in the session's; alone, that is the session's.
    session = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    shared = session / "assembly"
    with (session / "assembly.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "done").exists():
            done = run(shared, *TOGETHER)
            assert done.returncode == 0, done.stderr[-4_000:]
            assert "WARNING" not in done.stderr, done.stderr
            (shared / "done").touch()
    return shared


@pytest.fixture(scope="session")
def refused(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The variant with a NAT gateway, synthesised without one of the reasons that it needs."""
    folder = tmp_path_factory.mktemp("refused")
    return folder, run(folder, "nat", "--forget", "AwsSolutions::AwsSolutions-SQS3")


@pytest.fixture(scope="session")
def dev(assembly: Path) -> Synthesised:
    """The committed stage, with all of its own."""
    return Synthesised.read(assembly, "dev")


@pytest.fixture(scope="session")
def prod(assembly: Path) -> Synthesised:
    """Beside what exists."""
    return Synthesised.read(assembly, "prod")


@pytest.fixture(scope="session")
def staging(assembly: Path) -> Synthesised:
    """The other side of every choice."""
    return Synthesised.read(assembly, "staging")


@pytest.fixture(params=TOGETHER)
def every(request: pytest.FixtureRequest) -> Synthesised:
    """Each of the three in turn."""
    found: Synthesised = request.getfixturevalue(request.param)
    return found
