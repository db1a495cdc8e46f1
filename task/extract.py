"""Reads the votes into `votes.parquet`: all of them, or what changed since an earlier snapshot.

The one edge of a run that touches the database. A full read streams every voted row; an
incremental one reads what may have changed since the base's cutoff less an overlap (for votes
committed late) and merges it in. Both give the same votes and the same fingerprint: what an
increment cannot see (deleted rows, ids that start again, changes that do not move `feedback_at`)
shows when the snapshot is reconciled with the database, and then everything is read at once.
"""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from common.cell_answers import Answers
from common.database import Database
from task import merge, reconcile
from task.snapshot import SCHEMA, BaseSnapshot, Snapshot, SnapshotWriter
from task.tally import Tally
from task.votes import Progress, VoteReader

log = logging.getLogger(__name__)


def extract(
    db: Database,
    destination: Path,
    *,
    base: BaseSnapshot | None,
    last_verdict: datetime | None,
    overlap: timedelta,
    full: bool,
    progress: Progress | None = None,
) -> Snapshot:
    """Write the votes to `destination` and say what they are.

    Incremental if there is a `base` of the same source and `full` is not asked for. New votes
    are those after `last_verdict`, the cutoff of the last run that reached a verdict.
    `progress` is told now and then how many rows were read. DatabaseError, StoreError: nothing
    stands at `destination`.
    """
    if full or (base is not None and base.source != db.identity):
        base = None
    read = partial(_read, db, destination, db.answers(), last_verdict, overlap, progress)
    snapshot = read(base)
    if base is None or not (snapshot.differs or snapshot.repeated):
        return snapshot
    missed = "; ".join(map(str, snapshot.differs)) or "ids come twice"
    log.warning(
        "an increment must hold what the database holds, and this one did not (%s): all votes "
        "are read again",
        missed,
        extra={"increments_reread": 1, "votes_in_database": snapshot.counted},
    )
    return replace(read(None), missed=snapshot.differs)


def _read(
    db: Database,
    destination: Path,
    answers: Answers,
    last_verdict: datetime | None,
    overlap: timedelta,
    progress: Progress | None,
    base: BaseSnapshot | None,
) -> Snapshot:
    """One read, reconciled with what the database answers in the same transaction."""
    reader = VoteReader(incremental=base is not None)
    tally = Tally(since=last_verdict, cutoff=db.clock())
    with SnapshotWriter(destination, tally) as writer:
        for votes in _votes(db, reader, base, overlap, progress):
            writer.add(votes)
        kept_out = reader.kept_out
        if base is not None:
            kept_out = reconcile.merged(merge.rejected(base.path), reader.ids, kept_out)
        counts, fingerprint = writer.close(kept_out)
    return Snapshot(
        **vars(counts),
        path=destination,
        cutoff=db.clock(),
        last_verdict_cutoff=last_verdict,
        mode="incremental" if base else "full",
        base_run_id=base.run_id if base else None,
        source=db.identity,
        rows=reader.rows,
        read=reader.cells,
        rejected=dict(sorted(reader.rejected.items())),
        noted={name: reader.noted[name] for name in ("bad_score", "bad_time")},
        samples=tuple(reader.samples),
        checked=reader.checked,
        checked_rejected=reader.checked_rejected,
        fingerprint=fingerprint,
        counted=reconcile.votes_in(answers),
        ids=writer.sums.ids,
        repeated=writer.sums.repeated,
        untimed=reader.noted["untimed"],
        missed=(),
        differs=writer.sums.against(answers),
    )


def _votes(
    db: Database,
    reader: VoteReader,
    base: BaseSnapshot | None,
    overlap: timedelta,
    progress: Progress | None,
) -> Iterator[pa.Table]:
    """The votes in order of (analysis_id, style_index)."""
    if base is None:
        yield from reader.tables(db.voted_rows(), progress)
        return
    rows = db.changed_rows(base.cutoff - overlap)
    changed = pa.concat_tables([SCHEMA.empty_table(), *reader.tables(rows, progress)])
    yield from merge.merged(base.path, changed, np.array(reader.ids, dtype=np.int64))
