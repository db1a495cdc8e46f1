"""Runs the built image as ECS does: its own user, entry point and environment, read-only root.

With a Docker engine by `docker run`; without one `enter.py` makes the container, from what the
image says of itself. Either way the program is process 1 and /tmp a folder given by the test.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from image.build import Built, Target, record

ENTER = Path(__file__).with_name("enter.py")
PROBE = Path(__file__).with_name("probe.py").read_text("utf-8")
PYTHON = "/opt/venv/bin/python"
PATIENCE = 100
"""Seconds after which a container is taken for hung: less than the two minutes of ECS."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a container ended."""

    exit: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """The one JSON object on standard output."""
        found: dict[str, Any] = json.loads(self.out)
        return found


@dataclass(frozen=True)
class Running:
    """A container that was started."""

    process: subprocess.Popen[str]
    engine: str

    def signal(self, number: signal.Signals) -> None:
        """To the container's first process, as the engine does it."""
        if self.engine == "docker":  # its command passes the signal on
            self.process.send_signal(number)
            return
        of = self.process.pid
        (child,) = Path(f"/proc/{of}/task/{of}/children").read_text().split()
        subprocess.run(["kill", f"-{number.value}", child], check=True)

    def wait_for(self, words: str) -> None:
        """Until it logs a line with these words."""
        assert self.process.stderr is not None
        seen = []
        for line in self.process.stderr:
            seen.append(line)
            if words in line:
                return
        raise AssertionError(f"ended without {words!r}: {''.join(seen)}")

    def end(self) -> Ended:
        """Wait for its end."""
        try:
            out, err = self.process.communicate(timeout=PATIENCE)
        finally:
            self.process.kill()
        return Ended(exit=self.process.returncode, out=out, err=err)


@dataclass(frozen=True, kw_only=True)
class Image:
    """The built image: what it says of itself, and containers made of it."""

    built: Built
    config: Mapping[str, Any]
    """In Docker's words: User, Env, Entrypoint, Cmd, WorkingDir, Volumes, Labels."""
    history: str
    root: Path | None
    """Where its files are, if there is no engine."""

    def start(
        self,
        words: Sequence[str],
        tmp: Path,
        environment: Mapping[str, str],
        entry: Sequence[str] = (),
    ) -> Running:
        """A container with these words for the entry point; `entry` is one instead of its own.

        tmp: becomes /tmp; anybody may write there, as in a volume of ECS.
        """
        tmp.chmod(0o1777)
        make = self._docker if self.root is None else self._unshare
        process = subprocess.Popen(
            make(words, tmp, environment, entry),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return Running(process, self.built.engine)

    def _docker(
        self, words: Sequence[str], tmp: Path, extra: Mapping[str, str], entry: Sequence[str]
    ) -> list[str]:
        options = ["docker", "run", "--rm", "--read-only", "--network", "host"]
        options += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        options += ["--volume", f"{tmp}:/tmp"]
        for name, value in extra.items():
            options += ["--env", f"{name}={value}"]
        if entry:
            options += ["--entrypoint", entry[0]]
        return [*options, self.built.image, *entry[1:], *words]

    def _unshare(
        self, words: Sequence[str], tmp: Path, extra: Mapping[str, str], entry: Sequence[str]
    ) -> list[str]:
        user, _, group = self.config["User"].partition(":")
        own = dict(pair.split("=", 1) for pair in self.config["Env"])
        given = {
            "root": str(self.root),
            "tmp": str(tmp),
            "folder": self.config["WorkingDir"],
            "user": int(user),
            "group": int(group),
            "command": [*(entry or self.config["Entrypoint"]), *words],
            "environment": {**own, **extra},
        }
        alone = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        return [*alone, sys.executable, "-I", str(ENTER), json.dumps(given)]


@contextmanager
def opened(target: Target) -> Iterator[Image]:
    """An image that `make image` has built."""
    path = record(target)
    assert path.exists(), f"{path.name} must exist: run `make image` before"
    built = Built(**json.loads(path.read_text(encoding="utf-8")))
    if built.engine == "docker":
        (said,) = json.loads(_output("docker", "image", "inspect", built.image))
        history = _output("docker", "history", "--no-trunc", built.image)
        yield Image(built=built, config=said["Config"], history=history, root=None)
        return
    said = json.loads(_output("buildah", "inspect", "--type", "image", built.image))
    container = _output("buildah", "from", "--pull-never", built.image)
    try:
        yield Image(
            built=built,
            config=said["Docker"]["config"],
            history=json.dumps(said["Docker"]["history"]),
            root=Path(_output("buildah", "mount", container)),
        )
    finally:
        _output("buildah", "rm", container)


def _output(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def probed(image: Image, tmp: Path) -> dict[str, Any]:
    """What a program finds in a container of the image."""
    done = image.start(["-c", PROBE], tmp, {}, [PYTHON]).end()
    assert done.exit == 0, done
    return done.result
