"""A version in the store, as whoever uses it reads it: fetched whole, verified, self-tested.

The service reads versions by this too, so it needs nothing but NumPy and safetensors; what is
written, and removed again, stands in `publish.py`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from common.errors import MissingError, NotDoneError
from common.registry.records import check_run_id
from common.store import Store
from task import artifact
from task.artifact import ScoreTable


def key(version: str, name: str) -> str:
    """Where a file of a version is kept."""
    return f"models/{version}/{name}"


@contextmanager
def opened(store: Store, version: str) -> Iterator[Path]:
    """A verified copy of a version in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="version-") as folder:
        path = Path(folder)
        fetch(store, version, path)
        yield path


def fetch(store: Store, version: str, folder: Path) -> str:
    """Download a version and verify every digest; returns the sha256 of its manifest.

    Raises NotDoneError when there is no such version, ArtifactError when it is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        store.fetch(key(check_run_id(version), artifact.MANIFEST), folder / artifact.MANIFEST)
    except MissingError as error:
        raise NotDoneError(
            f"{version} must be a published version, the store has no manifest of it; "
            "`python -m task history` lists what there is"
        ) from error
    for name in artifact.files(folder):
        with suppress(MissingError):  # verified below, with the others
            store.fetch(key(version, name), folder / name)
    return artifact.verify(folder)


def checked(store: Store, version: str) -> tuple[ScoreTable, str]:
    """A version's table and sha, after its digests and its self-test."""
    with opened(store, version) as folder:
        table = artifact.self_test(folder)
        return table, artifact.sha256(folder / artifact.MANIFEST)


def published(store: Store) -> list[str]:
    """All published versions, by name."""
    suffix = f"/{artifact.MANIFEST}"
    found = store.keys("models/")
    return [each.split("/")[1] for each in found if each.endswith(suffix)]
