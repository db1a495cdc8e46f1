"""A table that lives through anything, beside a plain model of what must be learned from it.

Each step is one that a real table goes through: people vote, change and withdraw, accounts are
closed, ids start again, rows are loaded with old times or none, clocks jump. The model holds
what stands in the table, by id and position; it knows of no increments. The table is written
just before it is read: what it went through between two reads, nobody can see.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from common.feedback import VOTES
from task.extract import extract
from task.snapshot import BaseSnapshot, Snapshot
from tests.history import HOUR, History, analysis, styles, votes_in

Cells = dict[tuple[int, int], str]
"""The votes that must be learned: like or dislike, by id and position."""
STORED = "analysis_history"
ANSWERS = ("like", "LIKE", "good", "bad", "dislike", "DISLIKE", "GOOD?", "", None, None)
ODD_TIMES = (None, None, "9999-12-31 00:00:00", "1970-01-01 00:00:00")
BROKEN = "[{"


class Life:
    """One table's history; `read` is a run that keeps its snapshot as the next one's base."""

    def __init__(self, history: History, folder: Path, seed: int) -> None:
        self.history, self.folder, self.chance = history, folder, Random(seed)
        self.gentle = seed % 2 == 0  # every change moves its time, as it should
        self.rows: dict[int, dict[str, object]] = {}
        self.clock = datetime.now(UTC) - timedelta(days=0 if self.gentle else 90)
        self.base: BaseSnapshot | None = None
        self.reads = 0

    def steps(self, number: int) -> None:
        """So many steps of any kind."""
        kinds: tuple[Callable[[], None], ...] = (self.vote, self.vote)
        if not self.gentle:
            kinds += self.change_in_silence, self.delete, self.start_again, self.load_old, self.jump
        for _ in range(number):
            self.chance.choice(kinds)()

    def vote(self) -> None:
        """New rows, and votes on old ones that are changed or withdrawn, at the time of now."""
        new = range(self._next_id(), self._next_id() + self.chance.randrange(4))
        for row_id in {*new, *self._some()}:
            self._store(self._row(row_id, self._now()))

    def change_in_silence(self) -> None:
        """Changes that leave the time as it was."""
        for row_id in self._some():
            self._store(self._row(row_id, self.rows[row_id]["feedback_at"]))

    def delete(self) -> None:
        """Closed accounts."""
        for row_id in self._some():
            del self.rows[row_id]

    def start_again(self) -> None:
        """Everything goes, and the ids begin anew: as many rows, or others."""
        number = self.chance.choice([len(self.rows), self.chance.randrange(6)])
        self.rows.clear()
        for row_id in range(1, number + 1):
            self._store(self._row(row_id, self._some_time()))

    def load_old(self) -> None:
        """Rows with times from before, or none that can be read."""
        for row_id in range(self._next_id(), self._next_id() + self.chance.randrange(1, 4)):
            self._store(self._row(row_id, self._some_time()))

    def jump(self) -> None:
        """The application's clock goes forwards or back, beyond the database's even."""
        self.clock += timedelta(hours=self.chance.randrange(-900, 2_500))

    def read(self, *, full: bool) -> Snapshot:
        """One run: its clock is the true one, whatever the application believes."""
        self.reads += 1
        self.history.execute(f"DELETE FROM {STORED}")
        self.history.store(*self.rows.values())
        with self.history.open() as db:
            snapshot = extract(
                db,
                self.folder / f"{self.reads % 2}.parquet",
                base=self.base,
                last_verdict=self.base.cutoff if self.base else None,
                overlap=HOUR,
                full=full,
            )
        # Sometimes the next run takes for the cutoff what a clock that was wrong said.
        jumped = timedelta(days=-1 if self.gentle else self.chance.choice([0, 0, -40, 3]))
        self.base = BaseSnapshot(
            path=snapshot.path,
            cutoff=snapshot.cutoff + jumped,
            run_id="m-base",
            source=snapshot.source,
        )
        return snapshot

    def must_be_learned(self) -> Cells:
        """Every vote of the table as it stands."""
        return {
            (row_id, position): VOTES[str(row[f"style_{position}_feedback"])]
            for row_id, row in self.rows.items()
            for position in (1, 2, 3)
            if row[f"style_{position}_feedback"] in VOTES and row["recommended_styles"] != BROKEN
        }

    def _row(self, row_id: int, time: object) -> dict[str, object]:
        votes = self.chance.choices(ANSWERS, k=3)
        listed = BROKEN if self.chance.random() < 0.1 else styles("a", "b", "c")
        return analysis(row_id, *votes, feedback_at=time, recommended_styles=listed)

    def _store(self, row: dict[str, object]) -> None:
        self.rows[int(str(row["id"]))] = row

    def _some(self) -> list[int]:
        return self.chance.sample(sorted(self.rows), min(len(self.rows), 2))

    def _some_time(self) -> object:
        old = self.clock - timedelta(days=self.chance.randrange(400))
        return self.chance.choice([f"{old:%F %T}", *ODD_TIMES])

    def _now(self) -> str:
        self.clock += timedelta(minutes=self.chance.randrange(1, 600))
        return f"{self.clock:%F %T}"

    def _next_id(self) -> int:
        return max(self.rows, default=0) + 1


def learned(snapshot: Snapshot) -> Cells:
    """The votes of a snapshot; no key stands there twice."""
    votes = votes_in(snapshot)
    found = {(vote["analysis_id"], vote["style_index"]): vote["feedback"] for vote in votes}
    assert len(found) == len(votes)
    return found
