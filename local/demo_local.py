"""The whole story without a cloud: `make demo-local`, or `python -m local.demo_local --seed 3`.

Every act is the real command in a process of its own (`python -m task run --json`), on a
SQLite table of votes, a folder as model store and a SQLite registry, all in `.demo/`, and an API on
127.0.0.1 that each promotion is proved on. The demo itself only plays the people: they vote, change
their minds, and have a bug upstream.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from common.console import steady
from common.errors import ServingError
from common.serving.answers import Api
from local.cloud.task_process import free_port
from local.story import (
    AT_FIRST,
    EXPECTED,
    FEW,
    FIRST_VOTES,
    MORE,
    SOME,
    Story,
    a_console,
    clear,
    is_setting,
    show,
)
from local.table import create_sqlite

__all__ = ["EXPECTED"]

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
PATIENCE = 60.0
"""Seconds after which the API is taken for one that does not start."""


@dataclass(kw_only=True)
class Stage(Story):
    """The story on one machine."""

    port: int
    """Of the API, which runs from beginning to end and follows the pointer."""

    @property
    def database(self) -> Path:
        return self.folder / "votes.sqlite"

    def environment(self) -> dict[str, str]:
        """The four addresses; nothing of the caller's own settings."""
        kept = {name: value for name, value in os.environ.items() if not is_setting(name)}
        return kept | {
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": f"sqlite:///{self.database}",
            "STORE_URL": (self.folder / "store").as_uri(),
            "REGISTRY_URL": f"sqlite:///{self.folder / 'registry.sqlite'}",
            "SERVING_URL": f"http://{HOST}:{self.port}",
            "RETRAIN_BAKE_SECONDS": "1",
            "WORK_DIR": str(self.folder / "runs"),
            "LOG_DIR": str(self.folder / "logs"),
        }

    def task(self, *words: str) -> tuple[int, dict[str, Any]]:
        """One real command; its exit status and the JSON it printed."""
        command = [sys.executable, "-m", "task", *words, "--json"]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment(), capture_output=True, text=True
        )
        if not done.stdout.strip():
            sys.exit(f"`{' '.join(words)}` printed nothing, exit {done.returncode}:\n{done.stderr}")
        return done.returncode, json.loads(done.stdout)

    def act(self, number: int, title: str, *options: str) -> None:
        """Run the loop once, remember and print what came of it."""
        start = time.monotonic()
        code, result = self.task("run", *options)
        self.acted(number, title, result | {"exit": code}, time.monotonic() - start)


def play(folder: Path, seed: int, console: Console) -> Stage:
    """All acts, in order."""
    clear(folder)
    database = folder / "votes.sqlite"
    create_sqlite(database).close()
    stage = Stage(
        folder=folder,
        seed=seed,
        console=console,
        table=lambda: _opened(database),
        port=free_port(),
    )
    with _serving(stage):
        _acts(stage)
    return stage


def _acts(stage: Stage) -> None:
    stage.vote(stage.world, FEW, draw=0, over=AT_FIRST, ugly=False)
    stage.act(0, "nine votes in all")
    stage.vote(stage.world, FIRST_VOTES - FEW, draw=1, over=AT_FIRST)
    stage.act(1, "12,000 votes in every shape")
    stage.change_minds(stage.changed)
    stage.act(2, "tastes change, votes arrive")
    stage.act(3, "nothing new")
    stage.vote(stage.changed, SOME, draw=4)
    stage.act(4, "a challenger that ignores people", "--real-weight", "0")
    _bug_upstream(stage)
    stage.vote(stage.changed, SOME, draw=7, ugly=False)
    stage.act(6, "sixty votes, and F1 +0.05 asked for", "--min-improvement", "0.05")
    _person_decides(stage)


@contextmanager
def _serving(stage: Stage) -> Iterator[None]:
    """The API as a process of its own, as whoever uses the loop on a laptop starts it."""
    command = [sys.executable, "-m", "api", "--port", str(stage.port)]
    with (
        (stage.folder / "api.log").open("wb") as log,
        subprocess.Popen(
            command, cwd=stage.folder, env=stage.environment(), stdout=log, stderr=log
        ) as process,
    ):
        try:
            _wait(stage.port, process)
            yield
        finally:
            process.terminate()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return Api(f"http://{HOST}:{port}").check_health()
        except ServingError:
            time.sleep(0.05)
    sys.exit("the API did not start; its own words stand in api.log of the demo's folder")


@contextmanager
def _opened(database: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(database)) as connection, connection:
        yield connection


def _bug_upstream(stage: Stage) -> None:
    """After the stop, the rows are repaired and shown."""
    before = stage.acts[-1]["data_fingerprint"]
    with stage.bug_upstream():
        stage.act(5, "a bug upstream writes only `like`")
    start = time.monotonic()
    code, export = stage.task("export", "--full")
    repaired = code == 0 and export["data_fingerprint"] == before
    stage.expect(repaired, "the repaired votes are not those from before the bug")
    same = "the fingerprint of before" if repaired else "ANOTHER fingerprint"
    why = f"{export['counts']['votes']:,} votes read anew, {same}"
    seconds = time.monotonic() - start
    stage.note("", "the rows are repaired", "repaired", str(code), why, seconds)


def _person_decides(stage: Stage) -> None:
    """Roll back by hand, see a better model wait, and let go."""
    _command(stage, "rollback", "an operator rolls back")
    stage.vote(stage.changed, MORE, draw=9)
    stage.act(7, "a better model, promotion on hold")
    _command(stage, "resume", "the operator lets go")


def _command(stage: Stage, name: str, title: str) -> None:
    start = time.monotonic()
    code, found = stage.task(name)
    state = "done" if code == 0 else "not done"
    stage.expect(code == 0, f"`{name}` was not done: {found.get('reason')}")
    why = f"active is {found['version']}, on hold" if name == "rollback" else "hold off"
    stage.note("", title, state, str(code), why, time.monotonic() - start)


def main(argv: Sequence[str] | None = None) -> int:
    """Play; exit 0 when every act ended as the story says, else 1."""
    parser = argparse.ArgumentParser(prog="python -m local.demo_local", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="seed of the people and the votes")
    parser.add_argument("--folder", type=Path, default=Path(".demo"), help="default: .demo")
    arguments = parser.parse_args(argv)
    console = a_console()
    start = time.monotonic()
    console.print("Playing the loop: people vote, the loop learns, proves, promotes.\n")
    stage = play(arguments.folder.resolve(), arguments.seed, console)
    summary = json.dumps(stage.acts, ensure_ascii=False, indent=1) + "\n"
    (stage.folder / "summary.json").write_text(summary, "utf-8")
    show(stage)
    console.print(f"in all:  {time.monotonic() - start:.0f} s")
    for line in stage.wrong:
        console.print(f"[red]unexpected:[/red] {escape(line)}")
    return 1 if stage.wrong else 0


if __name__ == "__main__":
    steady()
    sys.exit(main())
