"""A whole loop in a folder of its own, and its commands, called in this process.

The commands are those of `python -m task`, from the words on the command line to the exit
status; only the process is spared, because these tests call a few hundred of them. What needs
a process of its own (signals, kills, a full disk) stands in tests/e2e.
"""

from __future__ import annotations

import io
import json
import logging
import os
import shutil
import sqlite3
from contextlib import chdir, closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from common.registry import Registry, open_registry
from common.registry.records import Run
from common.store import Store, open_store
from local.table import create_sqlite
from local.votes import write_votes
from local.world import World, make_world
from task import publish, versions
from task.__main__ import main
from tests.unit.signals import signals_kept

VOTES = 600
WORLD = make_world("rules", styles=12, seed=1, spread=3.0)
CHANGED = WORLD.with_changed_tastes(share=0.7, strength=6.0, seed=1)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How a command ended, and what it printed."""

    exit: int
    out: str
    err: str

    @property
    def result(self) -> Any:
        """The JSON object on standard output."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Place:
    """The folder of one loop. Its candidates are the fast one alone."""

    folder: Path

    @property
    def votes(self) -> Path:
        return self.folder / "votes.sqlite"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def registry(self) -> Registry:
        return open_registry(self.addresses["REGISTRY_URL"])

    @property
    def store(self) -> Store:
        return open_store(self.addresses["STORE_URL"])

    @property
    def addresses(self) -> dict[str, str]:
        return {
            "DATABASE_URL": f"sqlite:///{self.votes}",
            "STORE_URL": (self.folder / "store").as_uri(),
            "REGISTRY_URL": f"sqlite:///{self.folder / 'registry.sqlite'}",
            "SERVING_URL": "none",
        }

    @property
    def active(self) -> str | None:
        found = self.registry.active()
        return found.version if found else None

    def copy(self, to: Path) -> Place:
        shutil.copytree(self.folder, to, dirs_exist_ok=True)
        return Place(to)

    def task(self, *words: str, **changes: str) -> Answer:
        """`python -m task WORDS`; `changes` are variables of the environment, "" unsets one."""
        own = {"PATH": os.environ["PATH"], "RETRAIN_CANDIDATES": "hierarchical"}
        environment = own | self.addresses | changes
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, environment, clear=True),
            chdir(self.folder),
            signals_kept(),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            try:
                code = main(words)
            except SystemExit as wrong_usage:
                code = int(wrong_usage.code or 0)
            finally:
                _forget_logging()
        return Answer(exit=code, out=out.getvalue(), err=err.getvalue())

    def json(self, *words: str, **changes: str) -> Any:
        """The result of a command that must be done."""
        answer = self.task(*words, "--json", **changes)
        assert answer.exit == 0, answer
        return answer.result

    def vote(
        self,
        votes: int,
        *,
        world: World = WORLD,
        seed: int = 1,
        over: timedelta = timedelta(milliseconds=10),
    ) -> None:
        """People cast votes, the last one now."""
        now = datetime.now(UTC)
        with closing(sqlite3.connect(self.votes)) as table:
            write_votes(table, world, votes, seed=seed, ugly=True, start=now - over, end=now)

    def execute(self, statement: str) -> None:
        """One statement on the votes, as the application would."""
        with closing(sqlite3.connect(self.votes)) as table, table:
            table.execute(statement)

    def like_everything(self) -> None:
        """A bug upstream writes `like` for everything, just now."""
        columns = [f"style_{i}_feedback = 'like'" for i in (1, 2, 3)]
        now = "strftime('%Y-%m-%d %H:%M:%f', 'now')"
        self.execute(f"UPDATE analysis_history SET {', '.join(columns)}, feedback_at = {now}")

    def publish_copy(self, version: str) -> None:
        """Publish the first model once more, under another name and by a run of its own."""
        now = datetime.now(UTC)
        run = Run(run_id=version, created_at=now)
        self.registry.launch(run, owner="o", lease_seconds=60, now=now)
        lease = self.registry.claim(version, task="t", lease_seconds=60, now=now)
        first = versions.published(self.store)[0]
        with versions.opened(self.store, first) as folder:
            (folder / "manifest.json").unlink()
            metadata = json.loads((folder / "model.json").read_bytes())
            (folder / "model.json").write_text(json.dumps(metadata | {"version": version}))
            publish.publish(self.store, version, folder)
        ended = replace(run, state="approved", exit=0, version=version)
        self.registry.finish(ended, lease, now=now)

    def everything(self) -> dict[str, bytes]:
        """Every file but the logs, by its path: what a dry run must leave as it was."""
        files = (path for path in sorted(self.folder.rglob("*")) if path.is_file())
        names = {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in files}
        return {name: data for name, data in names.items() if not name.startswith("logs/")}


def fresh(folder: Path) -> Place:
    """Votes, and nothing learned yet."""
    place = Place(folder)
    create_sqlite(place.votes).close()
    place.vote(VOTES, over=timedelta(days=30))
    return place


def _forget_logging() -> None:
    root = logging.getLogger()
    for handler in [each for each in root.handlers if each.name == "retraining"]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(logging.WARNING)
    logging.raiseExceptions = True
