"""Processes that die with whoever started them, even if that one was killed.

The Linux kernel sends a child the signal that it has asked for when the *thread* that made it
ends. Elsewhere nothing asks, and an ordinary end still takes the children along.
"""

from __future__ import annotations

import ctypes
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import cache

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask for it for this process."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def dying_with_us(command: Sequence[str]) -> list[str]:
    """The command, asking for it before it begins.

    `setpriv` asks and becomes the program. No Python may run between fork and exec where there
    are threads: a lock that another one holds at that moment would stay locked in the child, and
    we would wait for it for ever.
    """
    return [*_asking(), *command]


@cache
def _asking() -> Sequence[str]:
    program = shutil.which("setpriv")
    if program is None:
        return []
    words = [program, "--pdeathsig", "KILL", "--"]
    return words if subprocess.run([*words, "true"], capture_output=True).returncode == 0 else []
