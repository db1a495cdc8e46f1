"""Starts the processes that the emulation runs, and sees that none outlives it.

The kernel sends a child its death signal when the *thread* that made it ends, and a request's
thread ends with the request: so all children are made by one thread that lives as long as the
server. Where the kernel knows no such signal, an ordinary end of the server still kills them.
"""

from __future__ import annotations

import atexit
import ctypes
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_MAKER = ThreadPoolExecutor(1, thread_name_prefix="process-maker")
_STARTED: list[subprocess.Popen[bytes]] = []


def start(
    command: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path
) -> subprocess.Popen[bytes]:
    """Start a process with exactly this environment; what it prints is added to `log`."""
    return _MAKER.submit(_start, command, env, cwd, log).result()


def kill_all() -> None:
    """Kill every process that still runs, and wait for its end."""
    for process in _STARTED:
        process.kill()
        process.wait()


def die_with_parent() -> None:
    """In a new process: be killed when whoever started it dies, even if that was killed."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _start(
    command: Sequence[str], env: Mapping[str, str], cwd: Path, log: Path
) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        process = subprocess.Popen(
            command,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,  # a Ctrl-C at the terminal is not a signal from ECS
            preexec_fn=die_with_parent,
        )
    _STARTED[:] = [one for one in _STARTED if one.returncode is None] + [process]
    return process


atexit.register(kill_all)
