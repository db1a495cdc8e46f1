"""The published versions that a challenger is held against, fetched and verified.

The champion; the anchor, the best version of the last year; and the version that the champion
replaced, which the champion is bet against.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from common.errors import ArtifactError
from common.registry.records import HistoryEntry, Run, anchor_name
from common.store import Store
from task import artifact, versions
from task.judging import Version
from task.tally import microseconds

log = logging.getLogger(__name__)


def read_version(folder: Path) -> Version:
    """A version's folder as it is judged. Raises ArtifactError when it is damaged."""
    table = artifact.load(folder)
    return Version(
        table=table,
        folds=artifact.read_folds(folder, table),
        cutoff=microseconds(datetime.fromisoformat(str(table.metadata["cutoff"]))),
    )


def fetched(store: Store, version: str | None, target: Path) -> Version | None:
    """A published version, verified and self-tested; None for none. Errors are errors."""
    if version is None:
        return None
    versions.fetch(store, version, target)
    artifact.self_test(target)
    return read_version(target)


def anchor_of(store: Store, version: str | None, runs: Iterable[Run], now: datetime) -> str | None:
    """The best version of the last year, where it is not the active one and is still there."""
    name = anchor_name(runs, version, now)
    return name if name in versions.published(store) else None


def replaced_by(
    store: Store, version: str | None, history: Iterable[HistoryEntry], target: Path
) -> Version | None:
    """The version that the active one replaced, if it is still whole."""
    changes = [each for each in history if each.version == version]
    name = changes[-1].previous if changes else None
    if name == version or name not in versions.published(store):
        return None
    return if_whole(store, name, target)


def if_whole(store: Store, version: str | None, target: Path) -> Version | None:
    """A version that a run can do without: None, with a warning, when it is damaged."""
    try:
        return fetched(store, version, target)
    except ArtifactError as error:
        log.warning("%s is damaged, and nothing is compared with it: %s", version, error)
        return None
