"""The whole loop in the emulated cloud, at a point of its life that a test chooses.

One server serves all tests. A point is what bucket, table and votes hold: it is reached once a
session by real runs, kept, and put back before each test.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from common.registry import Registry
from common.registry.records import Active, HistoryEntry, Run
from common.store import Store
from local import minds, points
from local.cloud.client import Cloud, Fault
from local.minds import CHANGED
from local.world import World

SUNDAY = datetime(2024, 11, 24, 2, tzinfo=UTC)  # a slot that has not come is refused
WEEK = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class Point:
    """What there is at one point of a loop's life, and how many Sundays have passed."""

    held: points.Point
    weeks: int


@dataclass(kw_only=True)
class Loop:
    """The loop that a test works with."""

    cloud: Cloud
    registry: Registry
    store: Store
    votes: Path
    weeks: int = 0
    """How many Sundays have passed."""
    before: tuple[Any, ...] = field(default_factory=tuple)

    # ------------------------------------------------------------------------------ what happens

    def strike(self, *, times: int = 1) -> list[str]:
        """Sunday, two o'clock: the ids of the requests that follow."""
        at = SUNDAY + self.weeks * WEEK
        self.weeks += 1
        return self.cloud.fire("trigger", at, times=times)

    @property
    def run_id(self) -> str:
        """The id of the last Sunday's run."""
        return f"s-{SUNDAY + (self.weeks - 1) * WEEK:%Y%m%dT%H%M%SZ}"

    def run(self) -> Run:
        """A Sunday, from the clock to the last event; the run's record."""
        self.strike()
        self.cloud.wait()
        return self.record()

    def record(self, run_id: str | None = None) -> Run:
        """What the registry knows of a run, by default the last Sunday's."""
        found = self.registry.run(run_id or self.run_id)
        assert found is not None, f"no record of {run_id or self.run_id}"
        return found

    def hold(self, operation: str, kind: str = "hold", **more: Any) -> Fault:
        """Keep a call of the task waiting, as a moment to do something to it."""
        service = "s3" if operation.endswith("Object") else "dynamodb"
        more |= {"principal": self.task_role}
        return self.cloud.fault(service, operation, kind, **more)

    def vote(self, world: World = CHANGED, votes: int = 60, *, seed: int = 3) -> None:
        """People cast votes, the last one now."""
        with self.table() as table:
            minds.vote(table, world, votes, seed=seed)

    def change_minds(self, world: World = CHANGED) -> None:
        """New votes, and old ones cast anew: a better model can be learned."""
        with self.table() as table:
            minds.change(table, world)

    @contextmanager
    def table(self) -> Iterator[sqlite3.Connection]:
        """The votes, to be written as the application would."""
        with closing(sqlite3.connect(self.votes)) as connection, connection:
            yield connection

    # ----------------------------------------------------------------------------- what is there

    @property
    def task_role(self) -> str:
        """The access key of the task."""
        return self.cloud.stack.principal(self.cloud.stack.task_definition["taskRoleArn"])

    def champion(self) -> tuple[Active | None, list[HistoryEntry], dict[str, str]]:
        """The active version, how it came to serve, and the digest of each of its files."""
        active = self.registry.active()
        keys = self.store.keys(f"models/{active.version}/") if active else []
        digests = {key: hashlib.sha256(self.store.read(key)).hexdigest() for key in keys}
        return active, self.registry.history(), digests

    def answers(self) -> list[dict[str, Any]]:
        """What the trigger answered to each of its events, in the end."""
        events = self.cloud.state()["events"]
        return [e["attempts"][-1]["answer"] for e in events if "trigger" in e["function"]]

    def tasks(self) -> list[dict[str, Any]]:
        """Every task since the test began."""
        found: list[dict[str, Any]] = self.cloud.state()["tasks"]
        return found

    def exit_codes(self) -> list[int | None]:
        return [task["containers"][0].get("exitCode") for task in self.tasks()]

    def sound(self) -> None:
        """Whatever went wrong: one champion at most, that loads; no open run; a free lease."""
        assert points.unsound(self.registry, self.store, datetime.now(UTC)) == []

    def unchanged(self) -> None:
        """The champion is, byte by byte, the one from before."""
        assert self.champion() == self.before
        self.sound()

    def next_one_promotes(self) -> None:
        """The loop is well: the next Sunday brings the better model."""
        self.cloud.order("clear")
        done = self.run()
        assert done.state == "promoted", done
        self.sound()

    # -------------------------------------------------------------------------- points of its life

    def keep(self) -> Point:
        """What there is now."""
        return Point(held=points.keep(self.cloud, self.votes), weeks=self.weeks)

    def put_back(self, point: Point) -> None:
        """Nothing but what there was."""
        points.put_back(self.cloud, self.votes, point.held)
        self.weeks = point.weeks
        self.before = self.champion()

    @property
    def table_name(self) -> str:
        return points.table(self.cloud)


def forget(folder: Path) -> None:
    """Remove what tasks left behind; a session starts many."""
    for task in folder.glob("tasks/*"):
        shutil.rmtree(task, ignore_errors=True)
