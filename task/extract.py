"""Reads the votes into `votes.parquet`: all of them, or what changed since an earlier snapshot.

The one edge of a run that touches the database. A full read streams every voted row; an
incremental one reads what may have changed since the base's cutoff less an overlap (for votes
committed late) and merges it in. Both give the same votes and the same fingerprint wherever a
change of a vote moves its `feedback_at`.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from common.database import Database
from task.merge import merged
from task.snapshot import SCHEMA, BaseSnapshot, Snapshot, SnapshotWriter
from task.tally import Tally
from task.votes import Progress, VoteReader


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
    reader = VoteReader(incremental=base is not None)
    tally = Tally(since=last_verdict, cutoff=db.clock())
    with SnapshotWriter(destination, tally) as writer:
        for votes in _votes(db, reader, base, overlap, progress):
            writer.add(votes)
        counts, fingerprint = writer.close()
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
    yield from merged(base.path, changed, np.array(reader.ids, dtype=np.int64))
