"""Whoever starts the emulated cloud may be killed: nothing that it started lives on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from local.cloud.stack import ROOT
from tests.cloud import small

STARTER = """
import sys
from pathlib import Path
from local.cloud.client import Cloud, is_over
from tests.cloud.test_tasks_like_ecs import is_ready, started
template, bundle, folder = map(Path, sys.argv[1:])
options = ["--bundle", str(bundle), "--desired", "0"]
with Cloud.start(folder, template=template, options=options) as cloud:
    cloud.program(STUB_FILE=Path(template).as_uri())
    cloud.serve(1)
    cloud.until(is_over)  # an event tells the function of the deployment
    is_ready(cloud, started(cloud, "wait", "stubborn"))
    print(cloud.server.pid, flush=True)
    sys.stdin.read()
"""


def test_what_was_started_dies_with_a_starter_that_is_killed(tmp_path: Path) -> None:
    # Given a cloud with a function that is warm, a task that is deaf to SIGTERM, and a service
    template, bundle = small.write(tmp_path)
    words = [str(template), str(bundle), str(tmp_path / "cloud")]
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, *words],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        server = int(starter.stdout.readline())
        family = [server, *children(server)]
        assert len(family) == 4
        programs = Path("/proc")
        running = b" ".join((programs / str(one) / "cmdline").read_bytes() for one in family[1:])
        assert all(word in running for word in (b"awslambdaric", b"stubborn", b"stub_api"))

        starter.kill()

    deadline = time.monotonic() + 30
    while alive := [one for one in family if lives(one)]:
        assert time.monotonic() < deadline, f"still there: {alive}"
        time.sleep(0.05)


def children(process: int) -> list[int]:
    """The processes that a process has started."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text("ascii").split()]


def lives(process: int) -> bool:
    """Whether a process still runs; one that nobody has buried yet does not."""
    with suppress(OSError):
        os.kill(process, 0)
        return ") Z " not in Path(f"/proc/{process}/stat").read_text("utf-8")
    return False
