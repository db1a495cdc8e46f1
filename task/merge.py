"""An increment meets the snapshot it adds to.

The base streams by, row group after row group, and loses the votes of every row that was read
again; the new ones are sorted in where their ids belong. Only the increment is in memory.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from common.errors import StoreError
from task.reconcile import Cells, from_metadata
from task.snapshot import SCHEMA

Ids = npt.NDArray[np.int64]


def merged(base: Path, changed: pa.Table, reread: Ids) -> Iterator[pa.Table]:
    """The votes of `base` with those of the re-read ids replaced by `changed`, in order.

    Base votes without feedback_at are dropped: all such rows are among the re-read ones, or
    are no longer voted on.
    """
    changed = changed.sort_by([("analysis_id", "ascending"), ("style_index", "ascending")])
    reread = np.unique(reread)
    new_ids = _ids(changed)
    done = 0
    for old in _batches(base):
        ids = _ids(old)
        upto = int(np.searchsorted(new_ids, ids[-1], side="right"))
        keep = old["feedback_at"].is_valid().to_numpy() & ~np.isin(ids, reread)
        if not keep.all():
            old = old.filter(pa.array(keep))
        yield _in_order(old, changed.slice(done, upto - done))
        done = upto
    yield changed.slice(done)


def rejected(base: Path) -> Cells:
    """The rejected cells that a snapshot carries along."""
    with _opened(base) as file:
        return from_metadata(file.metadata.metadata)


def _in_order(old: pa.Table, new: pa.Table) -> pa.Table:
    """Both, sorted by id; each is sorted already and they share none."""
    if not len(new):
        return old
    both = pa.concat_tables([old, new])
    return both.take(np.argsort(_ids(both), kind="stable"))


def _batches(base: Path) -> Iterator[pa.Table]:
    with _opened(base) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number)


@contextmanager
def _opened(base: Path) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(base) as file:
            if not file.schema_arrow.equals(SCHEMA):
                raise StoreError(
                    f"the snapshot {base} must have the columns of this program's snapshots and "
                    "has others: read everything again with --full"
                )
            yield file
    except (OSError, pa.ArrowInvalid) as exc:
        raise StoreError(
            f"the snapshot {base} cannot be read ({exc}): read everything again with --full"
        ) from exc


def _ids(votes: pa.Table) -> Ids:
    ids: Ids = votes["analysis_id"].to_numpy()
    return ids
