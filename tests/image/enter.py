"""The first process of a container without an engine: shuts itself in, then becomes the program.

    unshare --mount --pid --fork python enter.py '{"root": …, "tmp": …, "user": …, …}'

buildah's own isolation without a runtime (chroot) leaves the root file system writable, so this
does what ECS does with a read-only one: in namespaces of its own, /tmp alone is a folder that can
be written, the user has no rights and can get none. Standard library only, and no import of
ours: it runs as root.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

DEVICES = ("null", "zero", "full", "random", "urandom")
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38


def enter(root: Path, tmp: Path) -> None:
    """Make `root` all there is, read-only but for `tmp` in the place of /tmp."""
    mount("--bind", root, root)
    mount("-t", "proc", "proc", root / "proc")
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", root / "dev")
    for name in DEVICES:
        (root / "dev" / name).touch()
        mount("--bind", Path("/dev", name), root / "dev" / name)
    (root / "dev" / "shm").mkdir()
    mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", root / "dev" / "shm")
    mount("--bind", tmp, root / "tmp")
    mount("-o", "remount,bind,ro", root)
    os.chroot(root)


def mount(*words: str | Path) -> None:
    subprocess.run(["mount", *words], check=True)


def become(user: int, group: int) -> None:
    """From here on a user without rights, for good."""
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    # Another user is not killed any more when unshare is, unless it says so itself.
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None).prctl(option, value, 0, 0, 0):
        raise OSError(f"prctl {option} was refused")


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    enter(Path(given["root"]), Path(given["tmp"]))
    os.chdir(given["folder"])
    become(given["user"], given["group"])
    os.execve(given["command"][0], given["command"], given["environment"])
