"""A loop's home in a folder of its own, and its commands as the real processes that they are.

Votes, store, registry, runs and logs all lie in one folder, so a test copies a whole loop and
does to it what it likes. Nothing is imported from the program but what a person would look
at: the registry's records and the store's files.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from common.registry import Registry, open_registry
from common.registry.records import LIVE_STATES, Active, HistoryEntry, Run

ROOT = Path(__file__).parents[2]
ADDRESSES = ("DATABASE_URL", "STORE_URL", "REGISTRY_URL", "SERVING_URL", "DB_PASSWORD", "DB_CA")
PATIENCE = 60
"""Seconds after which a process is taken for hung."""
STARTED: list[subprocess.Popen[str]] = []
"""Every process of the test; none outlives it."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a command ended."""

    exit: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """The one JSON object on standard output."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def state(self) -> str:
        return str(self.result["state"])


@dataclass(frozen=True)
class Home:
    """The folder of one loop, and what can be done with it."""

    folder: Path

    @property
    def votes(self) -> Path:
        return self.folder / "votes.sqlite"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def runs(self) -> Path:
        """WORK_DIR."""
        return self.folder / "work"

    @property
    def registry(self) -> Registry:
        return open_registry(f"sqlite:///{self.folder / 'registry.sqlite'}")

    def copy(self, to: Path) -> Home:
        shutil.copytree(self.folder, to, dirs_exist_ok=True)
        return Home(to)

    def environment(self, changes: Mapping[str, str]) -> dict[str, str]:
        """The addresses and nothing of the caller's own settings."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in ADDRESSES and not name.startswith("RETRAIN_")
        }
        own = {
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": f"sqlite:///{self.votes}",
            "STORE_URL": self.store.as_uri(),
            "REGISTRY_URL": f"sqlite:///{self.folder / 'registry.sqlite'}",
            "SERVING_URL": "none",
        }
        return kept | own | dict(changes)

    def task(self, *words: str, **changes: str) -> Done:
        """`python -m task WORDS --json`; `changes` are variables of its environment."""
        return finished(self._popen(["task", *words, "--json"], changes))

    def run(self, *options: str, **changes: str) -> Done:
        """A whole run of the fast candidate."""
        words = ["task", "run", "--candidates", "hierarchical", *options, "--json"]
        return finished(self._popen(words, changes))

    def started(
        self,
        first: Callable[[], None] | None = None,
        *,
        candidates: str = "hierarchical",
        **changes: str,
    ) -> subprocess.Popen[str]:
        """A run that goes on by itself; `first` is what the new process does before."""
        words = ["task", "run", "--candidates", candidates, "--json"]
        return self._popen(words, changes, first)

    def paused(self, point: Mapping[str, str], *options: str, **changes: str) -> Paused:
        """A run that stops at a point (see paused.py) until it is told to go on."""
        marks = Path(tempfile.mkdtemp(prefix="marks-", dir=self.folder))
        reached, go = marks / "reached", marks / "go"
        where = json.dumps({**point, "reached": str(reached), "go": str(go)})
        command = ["tests.e2e.paused", where, "run", "--candidates", "hierarchical"]
        process = self._popen([*command, *options, "--json"], changes)
        return Paused(process=process, reached=reached, go_on=go)

    def _popen(
        self,
        module: list[str],
        changes: Mapping[str, str],
        first: Callable[[], None] | None = None,
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=self.folder,
            env=self.environment(changes),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=first,
        )
        STARTED.append(process)
        return process

    def champion(self) -> tuple[Active | None, list[HistoryEntry], dict[str, str]]:
        """The active version, how it came to serve, and the digest of each of its files."""
        active = self.registry.active()
        version = active.version if active else None
        folder = self.store / "models" / version if version else self.folder / "none"
        files = sorted(folder.glob("*"))
        return active, self.registry.history(), {file.name: digest(file) for file in files}

    def last_run(self) -> Run:
        """The newest run in the registry."""
        return self.registry.runs(limit=1)[0]

    def lease_is_free(self) -> bool:
        """Whether nobody holds the lease, or no longer."""
        lease = self.registry.lease()
        return lease is None or not lease.held(datetime.now(UTC))

    def free(self) -> bool:
        """Whether no run is open and nobody holds the lease."""
        open_runs = [run for run in self.registry.runs() if run.state in LIVE_STATES]
        return not open_runs and self.lease_is_free()

    def traces(self, secret: str, done: Done) -> list[str]:
        """The files, and the outputs, in which a secret can be read, in whatever spelling."""
        spellings = {secret, quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]}
        found = [name for name in ("out", "err") if _holds(getattr(done, name).encode(), spellings)]
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return found + [str(path) for path in files if _holds(path.read_bytes(), spellings)]

    def published(self) -> set[str]:
        """The versions that exist: those with a manifest."""
        return {path.parent.name for path in self.store.glob("models/*/manifest.json")}

    @contextmanager
    def table(self) -> Iterator[sqlite3.Connection]:
        """The votes, to be written as the application would."""
        with closing(sqlite3.connect(self.votes)) as connection, connection:
            yield connection


@dataclass(frozen=True, kw_only=True)
class Paused:
    """A process on its way to its point, or waiting there."""

    process: subprocess.Popen[str]
    reached: Path
    go_on: Path

    def wait(self) -> None:
        """Until it stands at its point; a process that ends before never came there."""
        until(lambda: self.reached.exists() or self.process.poll() is not None)
        assert self.reached.exists(), f"never came there: {self.process.communicate()}"

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def asleep(self) -> bool:
        """Whether every thread of it is suspended; a signal only asks for that."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/stat")
        return {thread.read_text().rpartition(")")[2].split()[0] for thread in threads} == {"T"}

    def end(self) -> Done:
        """Let it go on to its end."""
        self.go_on.touch()
        return finished(self.process)


def finished(process: subprocess.Popen[str]) -> Done:
    """How the process ends."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    return Done(exit=process.returncode, out=out, err=err)


def until(true: Callable[[], bool]) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def _holds(data: bytes, texts: Iterable[str]) -> bool:
    return any(text.encode() in data for text in texts)


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def clear(done: Done, code: int, *words: str) -> None:
    """It failed as a failure should: this status, a reason with these words, no traceback."""
    assert done.exit == code, done
    reason = str(done.result["reason"])
    assert [word for word in words if word not in reason] == [], reason
    assert "Traceback" not in done.err + done.out
    assert "unexpected" not in reason
