"""The functions' bundle as Lambda unpacks it: built by the very code that builds it to deploy."""

from __future__ import annotations

from pathlib import Path

from infra.bundle import build


def unpacked(folder: Path) -> Path:
    """Build the bundle in a new folder. UsageError: a library is not installed as pinned."""
    build(folder)
    return folder
