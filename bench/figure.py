"""What every figure of the bench has in common: arms, paired rounds, targets, a table, a file.

A figure is one module with one `FIGURE`. It runs all of its arms in one invocation, in rounds
whose order alternates, so that a slow minute of the machine falls on every arm alike; ratios
are taken within a round. Not a benchmark framework: those time one function at a time and
know nothing of quality, which here stands beside every speed.
"""

from __future__ import annotations

import json
import platform
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from rich import box
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".bench"
WIDTH = 120
COLOURS = {"met": "green", "missed": "red"}

Round = dict[str, Any]
Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large a run is wanted: `full` is the one that may be quoted.

    `cells` are the parts of a figure that has several, all if empty.
    """

    full: bool = False
    rounds: int | None = None
    cells: tuple[str, ...] = ()

    def times(self, quick: int, full: int) -> int:
        """The number of rounds: as asked for, else by the size."""
        return self.rounds or self.pick(quick, full)

    def pick(self, quick: int, full: int) -> int:
        return full if self.full else quick


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One contestant, described so that a reader can judge whether the contest is fair."""

    name: str
    says: str


@dataclass(frozen=True, kw_only=True)
class Target:
    """One promise and what was measured. `value` must reach `bound`, or stay below it.

    `too_small` is why a run of this size cannot answer, if it cannot.
    """

    says: str
    value: float
    bound: float
    at_most: bool = False
    too_small: str | None = None

    @property
    def answer(self) -> str:
        if self.too_small:
            return f"not judged: {self.too_small}"
        met = self.value <= self.bound if self.at_most else self.value >= self.bound
        return "met" if met else "missed"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a figure found: one table, its targets, and the values of every round."""

    arms: tuple[Arm, ...]
    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    targets: tuple[Target, ...]
    rounds: tuple[Round, ...]
    note: str


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A measurement by its name on the command line."""

    name: str
    title: str
    run: Callable[[Size], Outcome]


def paired(arms: Mapping[str, Callable[[], object]], rounds: int) -> list[dict[str, float]]:
    """CPU seconds of each arm in each round; every second round runs them in reverse.

    CPU seconds of this process, since these arms have one thread and wait for nothing: what
    else the machine does then counts less. Arms that wait for a server return wall seconds.
    """
    return alternated({name: partial(_cpu_seconds, call) for name, call in arms.items()}, rounds)


def alternated(arms: Mapping[str, Callable[[], Found]], rounds: int) -> list[dict[str, Found]]:
    """What each arm returns in each round; every second round runs them in reverse."""
    found = []
    for number in range(rounds):
        order = list(arms) if number % 2 == 0 else list(arms)[::-1]
        results = {name: arms[name]() for name in order}
        found.append({name: results[name] for name in arms})
    return found


def _cpu_seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def middle(rounds: Sequence[Mapping[str, Any]], name: str) -> float:
    """The median of a value over the rounds."""
    return float(median(entry[name] for entry in rounds))


def ratio(rounds: Sequence[Mapping[str, Any]], above: str, below: str) -> float:
    """The median over the rounds of `above` ÷ `below`, each taken within its round."""
    return float(median(entry[above] / entry[below] for entry in rounds))


def machine() -> dict[str, str]:
    """When, from which code and on what this was measured."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": _git("rev-parse", "--short=12", "HEAD") + _dirty(),
        "cpu": _cpu(),
        "python": platform.python_version(),
    }


def record(figure: Figure, size: Size, outcome: Outcome, seconds: float) -> dict[str, Any]:
    """Everything about one measurement, as its file holds it."""
    return {
        "figure": figure.name,
        "title": figure.title,
        **machine(),
        "full": size.full,
        "seconds": round(seconds, 1),
        "arms": [asdict(arm) for arm in outcome.arms],
        "targets": [asdict(target) | {"answer": target.answer} for target in outcome.targets],
        "table": {"columns": list(outcome.columns), "lines": [list(x) for x in outcome.lines]},
        "note": outcome.note,
        "rounds": list(outcome.rounds),
    }


def show(found: Mapping[str, Any], console: Console) -> None:
    """Print one measurement for people."""
    size = "full size" if found["full"] else "quick form"
    console.print(f"\n[bold]{found['figure']}: {found['title']}[/bold] ({size})")
    for arm in found["arms"]:
        console.print(f"  {arm['name']}: {arm['says']}", style="dim", highlight=False)
    table = Table(*found["table"]["columns"], box=box.SIMPLE_HEAD)
    for column in table.columns[1:]:
        column.justify = "right"
    for line in found["table"]["lines"]:
        table.add_row(*line)
    console.print(table)
    console.print(f"  {found['note']}", highlight=False)
    for target in found["targets"]:
        console.print(_answer(target), style=COLOURS.get(target["answer"]), highlight=False)
    console.print(
        f"  {found['date']}, commit {found['commit']}, {found['cpu']}, one thread; "
        f"{found['seconds']} s in all; every round's values in .bench/{found['figure']}.json",
        style="dim",
        highlight=False,
    )


def _answer(target: Mapping[str, Any]) -> str:
    bound = f"target {'≤' if target['at_most'] else '≥'} {number(target['bound'])}"
    value = "" if target["too_small"] else f"{number(target['value'])}, "
    return f"  {target['says']}: {value}{bound}: {target['answer']}"


def save(found: Mapping[str, Any]) -> Path:
    """Write a measurement to `.bench/<figure>.json`."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{found['figure']}.json"
    path.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return path


def number(value: float) -> str:
    """A value with three or four significant digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def milliseconds(seconds: float) -> str:
    """A duration for a table."""
    return f"{seconds:,.2f} s" if seconds >= 1 else f"{seconds * 1e3:,.1f} ms"


def _dirty() -> str:
    """A mark when the measured code is not what the commit holds."""
    return "+" if _git("status", "--porcelain", "--", "common", "task", "local", "bench") else ""


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def _cpu() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]} × {len(names)}" if names else platform.processor()
