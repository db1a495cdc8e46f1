"""The story that both demos tell: who votes what, how each act must end, and the table of it.

The demos differ in where the loop lives. The people are the same, so a seed tells the same story
on one machine (`local.demo_local`) and in the emulated cloud (`local.demo`).
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from local.votes import change_votes, overwrite_with_like, restore, write_votes
from local.world import World, make_world
from task.outcome import Outcome

if TYPE_CHECKING:
    from local.table import Connection

EXPECTED = {
    0: "skipped",
    1: "served",
    2: "served",
    3: "skipped",
    4: "rejected",
    5: "data_stopped",
    6: "inconclusive",
    7: "approved",
}
"""The state that each act's run must end in."""
IN_SERVICE = {8: "served", 9: "rolled_back"}
"""The same of the acts that need a service of several tasks, and so a cloud."""
FEW, FIRST_VOTES, LATER_VOTES, SOME, MORE, CHANGED_ROWS = 9, 12_000, 3_000, 60, 200, 9_000
SPOILT_ROWS = 500
STYLES, SPREAD = 40, 3.0
"""People who know what they like: then sixty votes move no answer."""
AT_FIRST, LATER = timedelta(days=30), timedelta(milliseconds=20)
"""Over how long votes were cast: fixed, so that a seed always draws the same story."""
MARK = ".made-by-the-demo"
"""What a demo's folder is known by: no other one is ever emptied."""


@dataclass(kw_only=True)
class Story:
    """The demo's folder, its people, and what has happened so far."""

    folder: Path
    seed: int
    console: Console
    table: Callable[[], AbstractContextManager[Connection]]
    """Opens the votes as the application does, to write."""
    acts: list[dict[str, Any]] = field(default_factory=list)
    lines: list[tuple[str, ...]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """What did not go as the story says."""

    def __post_init__(self) -> None:
        self.world = make_world("rules", styles=STYLES, seed=self.seed, spread=SPREAD)
        self.changed = self.world.with_changed_tastes(share=0.7, strength=6.0, seed=self.seed)

    def vote(
        self, world: World, votes: int, *, draw: int, over: timedelta = LATER, ugly: bool = True
    ) -> None:
        """People cast votes, the last one now, after the last run has read; `draw` is a seed."""
        with self.table() as table:
            now = _now(over)
            seed = self.seed * 100 + draw
            write_votes(table, world, votes, seed=seed, ugly=ugly, start=now - over, end=now)

    def change_minds(self, world: World, *, draw: int = 2) -> None:
        """New votes by new tastes, and people who come back and vote again on old rows."""
        self.vote(world, LATER_VOTES, draw=draw)
        with self.table() as table:
            change_votes(table, world, CHANGED_ROWS, seed=self.seed, at=datetime.now(UTC))

    @contextmanager
    def bug_upstream(self) -> Iterator[None]:
        """A job writes `like` for everything; at the end of the `with` the rows are repaired."""
        with self.table() as table:
            saved = overwrite_with_like(table, SPOILT_ROWS, seed=self.seed, at=datetime.now(UTC))
        yield
        with self.table() as table:
            restore(table, saved)

    def acted(self, number: int, title: str, result: Mapping[str, Any], seconds: float) -> None:
        """Remember and print what came of an act."""
        empty = {each.name: None for each in fields(Outcome)}
        self.acts.append({"act": number, **empty, **result})
        state, code = str(result.get("state")), str(result.get("exit"))
        self.note(str(number), title, state, code, why(result), seconds)
        wanted = (EXPECTED | IN_SERVICE)[number]
        if state != wanted:
            self.wrong.append(
                f"act {number} ended {state}, the story says {wanted}: {result['reason']}"
            )

    def note(
        self, number: str, title: str, state: str, code: str, reason: str, seconds: float
    ) -> None:
        """One line of the table, and of the terminal."""
        self.lines.append((number, title, state, code, reason, f"{seconds:.1f} s"))
        self.console.print(f"  {number or ' '}  {escape(title)} → [bold]{state}[/bold]")

    def expect(self, holds: bool, says: str) -> None:
        """Something that must be so, or the demo fails in the end."""
        if not holds:
            self.wrong.append(says)


def _now(over: timedelta) -> datetime:
    """The time of the last vote; the last run's cutoff lies before the first."""
    time.sleep(over.total_seconds() if over == LATER else 0)
    return datetime.now(UTC)


def outcome(found: Outcome) -> dict[str, Any]:
    """A run's outcome as the object that `run --json` prints."""
    return asdict(found)


def why(result: Mapping[str, Any]) -> str:
    """The reason in a few words, with the figures that decided."""
    verdict, state = result.get("verdict"), result.get("state")
    checks = {check["name"]: check for check in verdict["checks"]} if verdict else {}
    gain = checks.get("expected_gain")
    if state == "rolled_back":
        return shortened(str(result.get("reason")))
    if state in ("rejected", "inconclusive") and verdict:
        answer = "fail" if state == "rejected" else "undecided"
        names = ", ".join(name for name, check in checks.items() if check["answer"] == answer)
        return f"{'failed' if state == 'rejected' else 'undecided'}: {names}"
    if gain and verdict:
        shown = f"gain {gain['value']:+.4f} nats a vote; {verdict['budget']}"
        return f"waits; {shown}" if state == "approved" else shown
    if verdict:
        return f"the first model: F1 {result['metrics']['challenger']['f1']:.3f}"
    return str(result.get("reason")).removeprefix("class_balance: ")


def shortened(reason: str) -> str:
    """Why a version was taken back: what was seen first, and how often."""
    found = re.search(r"([\d,]+ of [\d,]+ answers differ)", reason)
    return f"{found[1]} from those evaluated" if found else reason.partition(";")[0]


def show(story: Story) -> None:
    """The table of what happened, and where to read on."""
    table = Table(title="What happened", title_justify="left", box=None, header_style="bold")
    for column, kind in zip(
        ("act", "what", "state", "exit", "why", "took"),
        ("right", "left", "left", "right", "left", "right"),
        strict=True,
    ):
        table.add_column(column, justify=kind, overflow="fold")  # type: ignore[arg-type]
    for line in story.lines:
        table.add_row(*map(escape, line))
    story.console.print()
    story.console.print(table)
    report = next((a["report"] for a in story.acts if a["act"] == 2 and a["report"]), None)
    shown = shortest(report) if report else "none"
    story.console.print(f"\nreport:  {escape(shown)}  (act 2; one for each act)")
    summary = shortest(str(story.folder / "summary.json"))
    story.console.print(f"summary: {escape(summary)}")


def shortest(path: str) -> str:
    """A path as one would type it here."""
    return os.path.relpath(path) if Path(path).is_relative_to(Path.cwd()) else path


def clear(folder: Path) -> None:
    """An empty folder; only an earlier demo's is emptied for it."""
    there = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if there and MARK not in there:
        sys.exit(
            f"--folder must be new, empty or of an earlier demo (which has a file {MARK}), got "
            f"{folder}: name another, or remove it yourself"
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARK).touch()


def is_setting(name: str) -> bool:
    """Whether a variable of the caller's could be a setting of the loop."""
    addresses = ("DATABASE_URL", "DB_PASSWORD", "DB_CA", "DB_SECRET_ARN", "DB_IAM_AUTH")
    return name.startswith("RETRAIN_") or name in addresses


def a_console() -> Console:
    """The terminal, or a page of fixed width."""
    made = Console(highlight=False)
    return made if made.is_terminal else Console(highlight=False, width=120)
