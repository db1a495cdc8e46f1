"""6: an increment of 1 % by watermark, against reading everything again.

With the index on feedback_at that the README asks for. An incremental extraction does two
things: it reads what changed, and it writes the base snapshot again with that merged in. Both
are timed as one, and the reading alone as well, which is what spares the database.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from bench.child import Measured, flat, measure
from bench.figure import (
    Arm,
    Figure,
    Outcome,
    Size,
    Target,
    alternated,
    middle,
    milliseconds,
    ratio,
)
from bench.server import USER, fill, server, votes_world, writer
from common.credentials import Password
from common.database import Database, connect
from local.mariadb import Server
from local.votes import change_votes
from task.extract import extract
from task.snapshot import BaseSnapshot
from task.votes import VoteReader

QUICK, FULL = 100_000, 2_000_000
SHARE = 0.01
FASTER = 50.0
DEAREST = 10.0
"""Reconciling may cost so many per cent of a full read, or it must not be in every run."""
DATABASE = "votes"
NO_OVERLAP = timedelta(0)

READ_ALL, READ_CHANGED, RECONCILED = "read all", "read changed", "read, reconcile"
ALL, CHANGED = "extract all", "extract changed"
ARMS = (
    Arm(name=READ_ALL, says="every voted row through the reader into tables, which are dropped"),
    Arm(name=READ_CHANGED, says="the same of the rows whose feedback_at is at or after the cutoff"),
    Arm(name=RECONCILED, says="the same, and the database's sums of all votes, as each run does"),
    Arm(name=ALL, says="`task.extract`, full: read, count, fingerprint, write votes.parquet"),
    Arm(
        name=CHANGED,
        says="`task.extract`, incremental: add up all votes, read the changed rows, merge them "
        "into the base snapshot, count and fingerprint all votes, write the whole votes.parquet",
    ),
)


def run(size: Size) -> Outcome:
    """All arms on one table, after 1 % of its analyses were voted on again."""
    analyses = size.pick(QUICK, FULL)
    with server() as started, tempfile.TemporaryDirectory() as folder:
        fill(started, DATABASE, analyses, ugly=False)
        base = _base(started, Path(folder))
        with writer(started, DATABASE) as connection:
            at = datetime.now(UTC).replace(microsecond=0)
            changed = round(analyses * SHARE)
            change_votes(connection, votes_world(), changed, seed=2, at=at)
        arms = {arm.name: partial(_arm, started, arm.name, base) for arm in ARMS}
        measured = alternated(arms, size.times(3, 5))
    rounds = [flat(entry) for entry in measured]
    sums = [r[f"{RECONCILED} sums"] / r[f"{READ_ALL} seconds"] * 100 for r in rounds]
    same = {entry[name].result["fingerprint"] for entry in measured for name in (ALL, CHANGED)}
    return Outcome(
        arms=ARMS,
        columns=(f"{analyses:,} analyses", *(arm.name for arm in ARMS)),
        lines=(
            ("seconds", *(milliseconds(middle(rounds, f"{a.name} seconds")) for a in ARMS)),
            ("rows read", *(f"{middle(rounds, f'{a.name} rows'):,.0f}" for a in ARMS)),
            ("votes", *(f"{middle(rounds, f'{a.name} votes'):,.0f}" for a in ARMS)),
        ),
        targets=(
            Target(
                says="reading, without reconciling: all ÷ changed",
                value=ratio(rounds, f"{READ_ALL} seconds", f"{READ_CHANGED} seconds"),
                bound=FASTER,
            ),
            Target(
                says="reconciling, % of reading all",
                value=median(sums),
                bound=DEAREST,
                at_most=True,
            ),
            Target(
                says="the same with the snapshot written, more than was promised",
                value=ratio(rounds, f"{ALL} seconds", f"{CHANGED} seconds"),
                bound=FASTER,
            ),
            Target(
                says="snapshots that differ, full or merged, in any vote",
                value=len(same) - 1,
                bound=0,
                at_most=True,
            ),
        ),
        rounds=tuple(rounds),
        note=(
            f"{changed:,} analyses changed. Rows are clean: voted rows without a time, which "
            "every increment reads again, do not occur. Opening the connection is not counted. "
            "The fingerprint covers every vote. With reconciling, all ÷ changed is "
            f"{ratio(rounds, f'{READ_ALL} seconds', f'{RECONCILED} seconds'):.1f}."
        ),
    )


def read(url: str, since: str | None, reconcile: bool = False) -> dict[str, Any]:
    """In a process of its own: rows into tables, and no further; the sums before, if asked for."""
    with _database(url) as db:
        reader = VoteReader(incremental=since is not None)
        rows = db.changed_rows(datetime.fromisoformat(since)) if since else db.voted_rows()
        start = perf_counter()
        if reconcile:
            db.answers()
        sums = perf_counter() - start
        votes = sum(table.num_rows for table in reader.tables(rows, None))
        seconds = perf_counter() - start
        return {"rows": reader.rows, "votes": votes, "seconds": seconds, "sums": sums}


def whole(url: str, base: str | None, since: str, source: str) -> dict[str, Any]:
    """In a process of its own: an extraction into a file."""
    earlier = None
    if base:
        cutoff = datetime.fromisoformat(since)
        earlier = BaseSnapshot(path=Path(base), cutoff=cutoff, run_id="base", source=source)
    with _database(url) as db, tempfile.TemporaryDirectory() as folder:
        start = perf_counter()
        found = extract(
            db,
            Path(folder) / "votes.parquet",
            base=earlier,
            last_verdict=None,
            overlap=NO_OVERLAP,
            full=earlier is None,
        )
        seconds = perf_counter() - start
    return {
        "rows": found.rows,
        "votes": found.votes,
        "fingerprint": found.fingerprint,
        "seconds": seconds,
    }


@contextmanager
def _database(url: str) -> Iterator[Database]:
    with connect(url, credential=Password(None), ca=None, statement_timeout_seconds=600) as db:
        yield db


def _base(started: Server, folder: Path) -> BaseSnapshot:
    """The snapshot of the table as it is now."""
    with _database(started.url(DATABASE, user=USER)) as db:
        path = folder / "base.parquet"
        found = extract(db, path, base=None, last_verdict=None, overlap=NO_OVERLAP, full=True)
    # Changes are stamped in whole seconds, so the second of the cutoff belongs to them.
    cutoff = found.cutoff.replace(microsecond=0)
    return BaseSnapshot(path=path, cutoff=cutoff, run_id="base", source=found.source)


def _arm(started: Server, name: str, base: BaseSnapshot) -> Measured:
    url, since = started.url(DATABASE, user=USER), base.cutoff.isoformat()
    if name in (READ_ALL, READ_CHANGED, RECONCILED):
        from_then = None if name == READ_ALL else since
        return measure(
            "bench.increment", "read", url=url, since=from_then, reconcile=name == RECONCILED
        )
    path = str(base.path) if name == CHANGED else None
    return measure("bench.increment", "whole", url=url, base=path, since=since, source=base.source)


FIGURE = Figure(name="6", title="an increment of 1 % against a full read", run=run)
