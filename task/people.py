"""The votes as CSV files for people who open them in a spreadsheet.

Nothing in the loop reads them. They are UTF-8 with a byte-order mark, which spreadsheets need
to see Korean, and a text that a spreadsheet would run as a formula is made plain text.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import pyarrow.parquet as pq

from common import feedback
from common.errors import StoreError
from common.feedback import DISLIKE, LIKE
from task.base import BaseRows

if TYPE_CHECKING:
    import pandas as pd

# A training row, as people know it.
COLUMNS = [
    "face_shape",
    "skin_tone",
    "hairstyle",
    "score",
    "feedback",
    "naver_clicked",
    "reason",
]
KEYS = ["analysis_id", "style_index", "group", "created_at", "feedback_at"]
TRAINING = "training_data.csv"
LATEST = "real_user_data_latest.csv"
BATCH = 65_536
_FORMULA = re.compile(r"^\s*[=+\-@＝＋－＠]|^[\t\r\n]")


def write_people_csv(votes: Path, run_id: str, folder: Path) -> Path:
    """Write `real_user_data_<run_id>.csv`; returns its path.

    A copy named `real_user_data_latest.csv` stands beside the runs' folders, where a person
    finds it. One batch of votes is in memory at a time. StoreError: the disk is full.
    """
    path = folder / f"real_user_data_{run_id}.csv"
    with _written(path) as file:
        for number, frame in enumerate(_frames(votes, COLUMNS)):
            _append(file, frame[COLUMNS], header=number == 0)
    latest = folder.parent / LATEST
    with _written(latest) as file, path.open(encoding="utf-8-sig", newline="") as source:
        shutil.copyfileobj(source, file)
    return path


def write_training_csv(folder: Path, votes: Path, base: BaseRows | None) -> Path:
    """Write `training_data.csv`: all that is learned from; returns its path.

    First the real votes with the `fold` that each is held out in, then the base rows, which are
    never held out; the column `source` (real, base) tells them apart. StoreError: the disk is full.
    """
    path = folder / TRAINING
    columns = [*COLUMNS, *KEYS]
    with _written(path) as file:
        for number, frame in enumerate(_frames(votes, columns)):
            frame["source"] = "real"
            frame["fold"] = [feedback.fold(group) for group in frame["group"]]
            _append(file, frame[[*columns, "source", "fold"]], header=number == 0)
        for frame in _base_frames(base) if base else ():
            rows = frame.reindex(columns=[*columns, "source", "fold"])
            _append(file, rows, header=False)
    return path


def harmless(text: str) -> str:
    """The text, with an apostrophe before what a spreadsheet would take for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def _frames(votes: Path, columns: list[str]) -> Iterator["pd.DataFrame"]:
    with pq.ParquetFile(votes) as file:
        # At least one frame, so that a file without votes has its header.
        yield file.schema_arrow.empty_table().select(columns).to_pandas()
        for batch in file.iter_batches(BATCH, columns=columns):
            yield _harmless(batch.to_pandas(strings_to_categorical=False))


def _base_frames(base: BaseRows) -> Iterator["pd.DataFrame"]:
    import pandas as pd

    for start in range(0, len(base.hairstyle), BATCH):
        rows = slice(start, start + BATCH)
        columns = {
            "face_shape": base.face_shape[rows],
            "skin_tone": base.skin_tone[rows],
            "hairstyle": base.hairstyle[rows],
            "score": base.score[rows],
            "feedback": [LIKE if like else DISLIKE for like in base.like[rows]],
        }
        yield _harmless(pd.DataFrame(columns).assign(naver_clicked=False, source="base"))


def _harmless(frame: "pd.DataFrame") -> "pd.DataFrame":
    for name in ("hairstyle", "reason"):
        if name in frame:
            frame[name] = frame[name].astype("object").map(harmless, na_action="ignore")
    return frame


def _append(file: TextIO, frame: "pd.DataFrame", *, header: bool) -> None:
    frame.to_csv(file, index=False, header=header, lineterminator="\r\n")


@contextmanager
def _written(path: Path) -> Iterator[TextIO]:
    """A file under a temporary name, which becomes its own when all is written."""
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8-sig", newline="") as file:
            yield file
        partial.replace(path)
    except OSError as exc:
        raise StoreError(
            f"the CSV {path} cannot be written ({exc.strerror or exc}): free some space"
        ) from exc
    finally:
        with suppress(OSError):
            partial.unlink()
