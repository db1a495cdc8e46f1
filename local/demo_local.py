"""The whole story without a cloud: `make demo-local`, or `python -m local.demo_local --seed 3`.

Every act is the real command in a process of its own (`python -m task run --json`), on a
SQLite table of votes, a folder as model store and a SQLite registry, all in `.demo/`. The demo
itself only plays the people: they vote, change their minds, and have a bug upstream.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from local.table import create_sqlite
from local.votes import change_votes, overwrite_with_like, restore, write_votes
from local.world import World, make_world
from task.outcome import Outcome

ROOT = Path(__file__).resolve().parent.parent
EXPECTED = {
    0: "skipped",
    1: "promoted",
    2: "promoted",
    3: "skipped",
    4: "rejected",
    5: "data_stopped",
    6: "inconclusive",
    7: "approved",
}
"""The state that each act's run must end in."""
FIRST_VOTES, LATER_VOTES, CHANGED_ROWS = 12_000, 3_000, 9_000
STYLES, SPREAD = 40, 3.0
"""People who know what they like: then sixty votes move no answer."""
AT_FIRST, LATER = timedelta(days=30), timedelta(milliseconds=20)
"""Over how long votes were cast: fixed, so that a seed always draws the same story."""


@dataclass
class Stage:
    """The demo's folder, its clock of votes, and what has happened so far."""

    folder: Path
    seed: int
    console: Console
    acts: list[dict[str, Any]] = field(default_factory=list)
    lines: list[tuple[str, ...]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """What did not go as the story says."""

    @property
    def database(self) -> Path:
        return self.folder / "votes.sqlite"

    def environment(self) -> dict[str, str]:
        """The four addresses; nothing of the caller's own settings."""
        kept = {name: value for name, value in os.environ.items() if not _is_setting(name)}
        return kept | {
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": f"sqlite:///{self.database}",
            "STORE_URL": (self.folder / "store").as_uri(),
            "REGISTRY_URL": f"sqlite:///{self.folder / 'registry.sqlite'}",
            "SERVING_URL": "none",
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

    def vote(self, world: World, votes: int, *, over: timedelta = LATER, ugly: bool = True) -> None:
        """People cast votes, the last one now."""
        time.sleep(over.total_seconds() if over == LATER else 0)  # the last run's cutoff is before
        now, seed = datetime.now(UTC), self.seed * 100 + len(self.lines)
        with closing(sqlite3.connect(self.database)) as db:
            write_votes(db, world, votes, seed=seed, ugly=ugly, start=now - over, end=now)
            db.commit()

    def act(self, number: int, title: str, *options: str) -> dict[str, Any]:
        """Run the loop once, remember and print what came of it."""
        start = time.monotonic()
        code, result = self.task("run", *options)
        seconds = time.monotonic() - start
        empty = {f.name: None for f in fields(Outcome)}
        self.acts.append({"act": number, **empty, **result, "exit": code})
        self.note(str(number), title, str(result.get("state")), str(code), _why(result), seconds)
        if result["state"] != EXPECTED[number]:
            self.wrong.append(
                f"act {number} ended {result['state']}, the story says {EXPECTED[number]}: "
                f"{result['reason']}"
            )
        return result

    def note(
        self, number: str, title: str, state: str, code: str, why: str, seconds: float
    ) -> None:
        self.lines.append((number, title, state, code, why, f"{seconds:.1f} s"))
        self.console.print(f"  {number or ' '}  {escape(title)} → [bold]{state}[/bold]")


def play(folder: Path, seed: int, console: Console) -> Stage:
    """All acts, in order."""
    _clear(folder)
    stage = Stage(folder=folder, seed=seed, console=console)
    create_sqlite(stage.database).close()
    world = make_world("rules", styles=STYLES, seed=seed, spread=SPREAD)
    changed = world.with_changed_tastes(share=0.7, strength=6.0, seed=seed)
    stage.vote(world, 9, over=AT_FIRST, ugly=False)
    stage.act(0, "nine votes in all")
    stage.vote(world, FIRST_VOTES - 9, over=AT_FIRST)
    stage.act(1, "12,000 votes in every shape")
    _change_minds(stage, changed)
    stage.act(2, "tastes change, votes arrive")
    stage.act(3, "nothing new")
    stage.vote(changed, 60)
    stage.act(4, "a challenger that ignores people", "--real-weight", "0")
    _bug_upstream(stage)
    stage.vote(changed, 60, ugly=False)
    stage.act(6, "sixty new votes")
    _person_decides(stage, changed)
    return stage


def _clear(folder: Path) -> None:
    """An empty folder; only an earlier demo's is emptied for it."""
    if folder.exists() and any(folder.iterdir()) and not (folder / "votes.sqlite").exists():
        sys.exit(f"--folder must be new, empty or of an earlier demo, got {folder}: name another")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _change_minds(stage: Stage, changed: World) -> None:
    """New votes by the new tastes, and people who come back and vote again on old rows."""
    stage.vote(changed, LATER_VOTES)
    with closing(sqlite3.connect(stage.database)) as db:
        change_votes(db, changed, CHANGED_ROWS, seed=stage.seed, at=datetime.now(UTC))
        db.commit()


def _bug_upstream(stage: Stage) -> None:
    """A job writes `like` for everything; after the stop, the rows are repaired and shown."""
    before = stage.acts[-1]["data_fingerprint"]
    with closing(sqlite3.connect(stage.database)) as db:
        saved = overwrite_with_like(db, 500, seed=stage.seed, at=datetime.now(UTC))
        db.commit()
        stage.act(5, "a bug upstream writes only `like`")
        restore(db, saved)
        db.commit()
    start = time.monotonic()
    code, export = stage.task("export", "--full")
    repaired = code == 0 and export["data_fingerprint"] == before
    if not repaired:
        stage.wrong.append("the repaired votes are not those from before the bug")
    same = "the fingerprint of before" if repaired else "ANOTHER fingerprint"
    why = f"{export['counts']['votes']:,} votes read anew, {same}"
    seconds = time.monotonic() - start
    stage.note("", "the rows are repaired", "repaired", str(code), why, seconds)


def _person_decides(stage: Stage, changed: World) -> None:
    """Roll back by hand, see a better model wait, and let go."""
    _command(stage, "rollback", "an operator rolls back")
    stage.vote(changed, 200)
    stage.act(7, "a better model, promotion on hold")
    _command(stage, "resume", "the operator lets go")


def _command(stage: Stage, name: str, title: str) -> None:
    start = time.monotonic()
    code, found = stage.task(name)
    state = "done" if code == 0 else "not done"
    if code:
        stage.wrong.append(f"`{name}` was not done: {found['reason']}")
    why = f"active is {found['version']}, on hold" if name == "rollback" else "hold off"
    stage.note("", title, state, str(code), why, time.monotonic() - start)


def _why(result: Mapping[str, Any]) -> str:
    """The reason in a few words, with the figures that decided."""
    verdict, state = result.get("verdict"), result.get("state")
    checks = {check["name"]: check for check in verdict["checks"]} if verdict else {}
    f1 = checks.get("f1_improvement")
    if state == "rejected":
        return "failed: " + ", ".join(n for n, c in checks.items() if c["answer"] == "fail")
    if state == "inconclusive" and verdict:
        return _needed(verdict["votes_needed"])
    if f1:
        shown = f"F1 {f1['value']:+.3f} ({f1['low']:+.3f} … {f1['high']:+.3f} at 90 %)"
        return f"waits; {shown}" if state == "approved" else shown
    if verdict:
        return f"the first model: F1 {result['metrics']['challenger']['f1']:.3f}"
    return str(result.get("reason")).removeprefix("class_balance: ")


def _needed(votes: int | None) -> str:
    if votes is None:
        return "the two never differ"
    if votes == 0:
        return "a difference worth having would have shown by now"
    return f"about {votes:,} more votes needed to tell them apart"


def _is_setting(name: str) -> bool:
    addresses = ("DATABASE_URL", "DB_PASSWORD", "DB_CA")
    return name.startswith("RETRAIN_") or name in addresses


def show(stage: Stage) -> None:
    """The table of what happened, and where to read on."""
    table = Table(title="What happened", title_justify="left", box=None, header_style="bold")
    for column, kind in zip(
        ("act", "what", "state", "exit", "why", "took"),
        ("right", "left", "left", "right", "left", "right"),
        strict=True,
    ):
        table.add_column(column, justify=kind, overflow="fold")  # type: ignore[arg-type]
    for line in stage.lines:
        table.add_row(*map(escape, line))
    stage.console.print()
    stage.console.print(table)
    report = next((a["report"] for a in stage.acts if a["act"] == 2 and a["report"]), None)
    shown = _shortest(report) if report else "none"
    stage.console.print(f"\nreport:  {escape(shown)}  (act 2; one for each act)")
    summary = _shortest(str(stage.folder / "summary.json"))
    stage.console.print(f"summary: {escape(summary)}")


def _shortest(path: str) -> str:
    return os.path.relpath(path) if Path(path).is_relative_to(Path.cwd()) else path


def main(argv: Sequence[str] | None = None) -> int:
    """Play; exit 0 when every act ended as the story says, else 1."""
    parser = argparse.ArgumentParser(prog="python -m local.demo_local", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="seed of the people and the votes")
    parser.add_argument("--folder", type=Path, default=Path(".demo"), help="default: .demo")
    arguments = parser.parse_args(argv)
    made = Console(highlight=False)
    console = made if made.is_terminal else Console(highlight=False, width=120)
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
    sys.exit(main())
