"""The votes as CSV files for people who open them in a spreadsheet.

Nothing in the loop reads them. They are UTF-8 with a byte-order mark, which spreadsheets need
to see Korean, and a text that a spreadsheet would run as a formula is made plain text.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from common.errors import StoreError

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
LATEST = "real_user_data_latest.csv"
BATCH = 65_536
_FORMULA = re.compile(r"^\s*[=+\-@＝＋－＠]|^[\t\r\n]")


def write_people_csv(votes: Path, run_id: str, folder: Path) -> Path:
    """Write `real_user_data_<run_id>.csv` and `real_user_data_latest.csv`; the first's path.

    One batch of votes is in memory at a time. StoreError: the disk is full.
    """
    path = folder / f"real_user_data_{run_id}.csv"
    partial = path.with_name(path.name + ".partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8-sig", newline="") as file:
            for number, frame in enumerate(_frames(votes)):
                frame.to_csv(file, index=False, header=number == 0, lineterminator="\r\n")
        partial.replace(path)
        shutil.copyfile(path, partial)
        partial.replace(folder / LATEST)
    except OSError as exc:
        partial.unlink(missing_ok=True)
        raise StoreError(
            f"the CSV {path} cannot be written ({exc.strerror or exc}): free some space"
        ) from exc
    return path


def harmless(text: str) -> str:
    """The text, with an apostrophe before what a spreadsheet would take for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def _frames(votes: Path) -> Iterator["pd.DataFrame"]:
    with pq.ParquetFile(votes) as file:
        # At least one frame, so that a file without votes has its header.
        yield file.schema_arrow.empty_table().select(COLUMNS).to_pandas()
        for batch in file.iter_batches(BATCH, columns=COLUMNS):
            frame = batch.to_pandas(strings_to_categorical=False)
            for name in ("hairstyle", "reason"):
                frame[name] = frame[name].astype("object").map(harmless, na_action="ignore")
            yield frame[COLUMNS]
