"""Starts the processes that the emulation runs, and sees that none outlives it.

The kernel sends a child its death signal when the *thread* that made it ends, and a request's
thread ends with the request: so all children are made by one thread that lives as long as the
server. Where the kernel knows no such signal, an ordinary end of the server still kills them.
"""

from __future__ import annotations

import atexit
import errno
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from local.parent import dying_with_us

_MAKER = ThreadPoolExecutor(1, thread_name_prefix="process-maker")
_STARTED: list[subprocess.Popen[bytes]] = []


class EndedError(Exception):
    """The emulation ends."""


def start(
    command: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path
) -> subprocess.Popen[bytes]:
    """Start a process with exactly this environment; what it prints is added to `log`.

    Raises EndedError once the emulation itself comes to its end.
    """
    try:
        made = _MAKER.submit(_start, command, env, cwd, log)
    except RuntimeError as error:  # so the executor says that it was shut down
        raise EndedError(f"no process is started any more: {error}") from error
    return made.result()


def kill_all() -> None:
    """Kill every process that still runs, and wait for its end."""
    for process in _STARTED:
        process.kill()
        process.wait()


def _start(
    command: Sequence[str], env: Mapping[str, str], cwd: Path, log: Path
) -> subprocess.Popen[bytes]:
    if shutil.which(command[0], path=env.get("PATH", os.defpath)) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command[0])
    with log.open("ab") as out:
        process = subprocess.Popen(
            dying_with_us(command),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,  # a Ctrl-C at the terminal is not a signal from ECS
        )
    _STARTED[:] = [one for one in _STARTED if one.returncode is None] + [process]
    return process


atexit.register(kill_all)
