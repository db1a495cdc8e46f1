"""The folder of one run, WORK_DIR/<run_id>/: where each stage leaves what the next one reads.

`run.json` is its record: what was read, with which settings, and what came out. It is written
whole and renamed into place, so a crash never leaves half of it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from common.errors import NotDoneError, RetrainError, UsageError
from common.registry.records import check_run_id
from task.files import reading, write_whole

RECORD = "run.json"
STAGE_FILES = {
    "export": ("votes.parquet",),
    "prepare": ("base.csv", "cells.safetensors", "prepared.json"),
    "train": ("model", "training.json"),
    "evaluate": ("evaluation.json", "verdict.json", "report.html"),
}
"""What each stage leaves for the next ones, in their order."""
FORMAT_VERSION = 1


@dataclass(frozen=True)
class RunFolder:
    """One run's folder. `path.name` is the run id."""

    path: Path

    @property
    def run_id(self) -> str:
        return self.path.name

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def votes(self) -> Path:
        return self.path / "votes.parquet"

    def file(self, name: str) -> Path:
        return self.path / name

    def make(self) -> RunFolder:
        """Make the folder if need be; returns itself."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RetrainError(
                f"WORK_DIR must be a folder that can be written, got {self.path.parent}: "
                f"{os.strerror(error.errno or 0)}; set WORK_DIR to another place"
            ) from error
        return self

    def begin(self, stage: str) -> None:
        """Remove what this stage and the later ones left before: it would not fit any more."""
        if stage not in STAGE_FILES:
            return
        stages = list(STAGE_FILES)
        for name in chain(*(STAGE_FILES[each] for each in stages[stages.index(stage) :])):
            path = self.file(name)
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    @contextmanager
    def disk(self) -> Iterator[None]:
        """Whatever the disk refuses in here becomes an error that says what to do."""
        try:
            yield
        except (OSError, SafetensorError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise RetrainError(
                f"the files in {self.path} must be whole and have room on their disk, got {why}: "
                "free some space or set WORK_DIR to another place, then run again"
            ) from error

    def needs(self, *names: str, made_by: str) -> None:
        """Raise NotDoneError unless an earlier stage left these files."""
        missing = [name for name in names if not self.file(name).exists()]
        if missing:
            raise NotDoneError(
                f"{self.run_id} must hold {', '.join(names)}, {', '.join(missing)} is missing; "
                f"run `python -m task {made_by} --run {self.run_id}` first"
            )

    def record(self) -> dict[str, Any]:
        """`run.json`; {} before there is one. Raises RetrainError if it is damaged or newer."""
        path = self.file(RECORD)
        return read_record(path.read_bytes(), self.run_id) if path.exists() else {}

    def update(self, **values: Any) -> dict[str, Any]:
        """Merge values into `run.json`; returns the whole."""
        record = {"format_version": FORMAT_VERSION, "run_id": self.run_id}
        record |= self.record() | values
        self.write(RECORD, record)
        return record

    def write(self, name: str, value: object) -> None:
        """Write JSON whole or not at all. Raises RetrainError when the disk refuses."""
        text = json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
        write_whole(self.file(name), text)

    def read(self, name: str) -> dict[str, Any]:
        """A stage's JSON file. Raises RetrainError when it is damaged."""
        made_by = next(stage for stage, names in STAGE_FILES.items() if name in names)
        with reading(self.file(name), made_by):
            value: dict[str, Any] = json.loads(self.file(name).read_bytes())
        return value

    def read_if_there(self, name: str) -> dict[str, Any] | None:
        return self.read(name) if self.file(name).exists() else None


def of(work_dir: str, run_id: str) -> RunFolder:
    """The folder of a run, whether it is there or not."""
    return RunFolder(Path(work_dir) / check_run_id(run_id))


def find(work_dir: str, run_id: str | None) -> RunFolder:
    """An existing run's folder; without an id the newest. Raises UsageError if there is none."""
    root = Path(work_dir)
    if run_id is not None:
        path = root / check_run_id(run_id)
        if path.is_dir():
            return RunFolder(path)
        raise UsageError(
            f"--run must name a run in {work_dir}, got {run_id}; "
            "`python -m task export` starts a new one"
        )
    runs = [path for path in root.glob("[sam]-*") if (path / RECORD).exists()]
    if not runs:
        raise UsageError(
            f"there must be a run in {work_dir}, found none; `python -m task export` starts one"
        )
    return RunFolder(max(runs, key=lambda path: (path / RECORD).stat().st_mtime_ns))


def read_record(data: bytes, run_id: str) -> dict[str, Any]:
    """A `run.json` from its bytes. Raises RetrainError if it is damaged or of a newer format."""
    try:
        record = json.loads(data)
        version = record["format_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise RetrainError(
            f"{RECORD} of {run_id} must be a JSON object with a format_version, "
            f"got {type(error).__name__}; choose another run"
        ) from error
    if version != FORMAT_VERSION:
        raise RetrainError(
            f"{RECORD} of {run_id} must have format_version {FORMAT_VERSION}, got {version!r}: "
            "a newer release wrote it; upgrade this installation"
        )
    return dict(record)
