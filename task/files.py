"""Files of a run's folder that are whole: written at once, and when read found out if not.

The readers of JSON, safetensors and Parquet each complain in their own way about a file that
was cut; a person needs to hear which file of which run it is, and how to make it again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from common.errors import RetrainError


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all. Raises RetrainError when the disk refuses."""
    draft = path.with_name(f".{path.name}.new")
    try:
        draft.write_text(text, "utf-8")
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise RetrainError(
            f"{path} must be writable, got {os.strerror(error.errno or 0)}: free some space or "
            "choose another place (for a run WORK_DIR)"
        ) from error


@contextmanager
def reading(path: Path, made_by: str) -> Iterator[None]:
    """Read WORK_DIR/<run_id>/<file> in here. Raises RetrainError when it turns out damaged.

    `made_by` is the stage that writes the file. Keep the block to the reading: any of these
    errors from elsewhere would be called damage, too.
    """
    try:
        yield
    except (SafetensorError, ValueError, KeyError, TypeError, OSError) as error:
        # pyarrow's errors are ValueError, or OSError without a number; the rest is the disk.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        run_id = path.parent.name
        raise RetrainError(
            f"{path.name} of {run_id} must be whole, got {type(error).__name__}: it was cut or "
            f"altered; redo it with `python -m task {made_by} --run {run_id}`"
        ) from error
