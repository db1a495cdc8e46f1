"""A task's process: the container's own words and variables, on this machine's Python and files.

The command, the environment and the role are exactly those that the task definition and the
request say; `/tmp` is a folder of its own. A service's task listens, and many of them share the
one address here: the container's port becomes a free one of this machine in its words.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import UsageError
from local.cloud import processes
from local.cloud.stack import ROOT, Rehearsal, image_entry
from local.cloud.task_record import Task

ANY_ADDRESS, HOST = "0.0.0.0", "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where tasks run, and what every one of them is given."""

    folder: Path
    url: str
    region: str
    principal: Callable[[str], str]
    """The access key that stands for a role's ARN."""
    stop_seconds: float
    """At most so long between SIGTERM and SIGKILL, whatever the task definition says."""


def start(task: Task, place: Place, rehearsal: Rehearsal) -> subprocess.Popen[bytes]:
    """Start the container of a task whose folder is there."""
    return processes.start(
        command(task),
        env=environment(task, place, rehearsal),
        cwd=task.folder / "cwd",
        log=task.folder / "log",
    )


def command(task: Task) -> Sequence[str]:
    """The container's own words; its Python is ours, and its port one that is free here."""
    entry = task.container.get("entryPoint") or image_entry(task.container["name"])
    words = [*entry, *(task.override.get("command") or task.container.get("command") or [])]
    if words[0].rpartition("/")[2].startswith("python"):
        words = [sys.executable, *words[1:]]
    if task.host_port is None:
        return words
    if str(task.container_port) not in words:
        raise UsageError(
            f"a service's words must name its container's port {task.container_port}, got {words}: "
            "a port that the program takes for granted cannot be another one for each task here"
        )
    here = {ANY_ADDRESS: HOST, str(task.container_port): str(task.host_port)}
    return [here.get(word, word) for word in words]


def environment(task: Task, place: Place, rehearsal: Rehearsal) -> dict[str, str]:
    """The task definition's variables and the request's, and what Fargate adds of its own."""
    own = task.folder / "tmp"
    given = {
        name: str(own) + value.removeprefix("/tmp") if _in_tmp(value) else value
        for name, value in task.environment.items()
    }
    given = rehearsal.applied(given)
    return given | {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(own),
        "TMPDIR": str(own),
        "PYTHONPATH": str(ROOT),
        "AWS_REGION": place.region,
        "AWS_DEFAULT_REGION": place.region,
        "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
        "AWS_ENDPOINT_URL": place.url,
        "AWS_ACCESS_KEY_ID": place.principal(task.role),
        "AWS_SECRET_ACCESS_KEY": "local",
        "ECS_CONTAINER_METADATA_URI_V4": f"{place.url}/_local/metadata/{task.id}",
    }


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _in_tmp(value: str) -> bool:
    return value == "/tmp" or value.startswith("/tmp/")
