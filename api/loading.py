"""From the pointer to a model: every step is checked before the model may answer.

Pointer → its entry in the history → the manifest, whose sha256 is the one that was promoted →
the digests of all files → the self-test. A version that fails is refused for good reasons; then
the one before it, checked the same way, is better than no answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from api.model import Model, made
from common.errors import ArtifactError, RegistryError
from common.registry.records import Active, HistoryEntry, rollback_target
from common.store import Store
from task import artifact, versions


def load(store: Store, entry: HistoryEntry, now: datetime) -> Model:
    """The version that `entry` made active, checked.

    Raises NotDoneError (there is no such version), ArtifactError (it is not what was promoted,
    or fails its self-test) or StoreError (the store cannot be read: it may be whole).
    """
    assert entry.version is not None, "a change to no version has nothing to load"
    with versions.opened(store, entry.version) as folder:
        found = artifact.sha256(folder / artifact.MANIFEST)
        if found != entry.sha:
            raise ArtifactError(
                f"{entry.version} must have the manifest that was promoted, sha256 "
                f"{entry.sha[:12]}…, got {found[:12]}…: it was altered after its promotion; "
                "restore its files, or roll back to another version"
            )
        return made(entry, artifact.self_test(folder), now)


def entry_of(history: Sequence[HistoryEntry], active: Active) -> HistoryEntry:
    """The change that the pointer stands on. RegistryError when there is none on record."""
    found = next((entry for entry in reversed(history) if entry.serial == active.serial), None)
    if found is None or found.version != active.version:
        raise RegistryError(
            f"the registry must have the change number {active.serial} to {active.version} in "
            "its history, got none: the registry is damaged; restore it from a backup"
        )
    return found


def fallback(history: Sequence[HistoryEntry]) -> HistoryEntry | None:
    """The change that made active what served before; None if nothing did.

    After a promotion that is the version before it, whatever became of it earlier. Otherwise what a
    person's rollback would go back to: never the version that was just taken back.
    """
    last = history[-1]
    promoted = last.action == "promote" and last.previous not in (None, last.version)
    target = last.previous if promoted else rollback_target(history)
    return next((each for each in reversed(history) if target and each.version == target), None)
