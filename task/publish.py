"""Versions and runs in the store: files first, manifest last, everything read back.

A version without a manifest does not exist; until then its files may be written again by the
same run. An equal manifest is adopted, a different one is an error.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from common.errors import (
    ArtifactError,
    MissingError,
    NotDoneError,
    RetrainError,
    UsageError,
)
from common.registry import Registry
from common.registry.records import anchor_name, check_run_id
from common.store import Store
from task import artifact, versions
from task.folder import RECORD, RunFolder, read_record

log = logging.getLogger(__name__)

VOTES = "votes.parquet"
RUN_FILES = (RECORD, "base.csv", "verdict.json", "training.json", "evaluation.json", "report.html")


@dataclass(frozen=True, kw_only=True)
class Published:
    """A version in the store: its name, and the sha256 of its manifest, which names it all."""

    version: str
    sha: str


def publish(store: Store, version: str, folder: Path) -> Published:
    """Write a version's files, then its manifest, then read all of it back and test it.

    An equal version is adopted. ArtifactError: it fails its self-test, and nothing is written.
    AlreadyExistsError: there is a different one, which stays whole.
    """
    key = versions.key(check_run_id(version), artifact.MANIFEST)
    artifact.self_test(folder)
    manifest = artifact.manifest(folder)
    if store.exists(key):
        store.create(key, manifest)  # before any file of a version that exists is touched
    for name in artifact.digests(folder):
        store.put(versions.key(version, name), folder / name)
    store.create(key, manifest)
    with versions.opened(store, version) as copy:
        artifact.self_test(copy)
        return Published(version=version, sha=artifact.sha256(copy / artifact.MANIFEST))


def save_run(store: Store, folder: RunFolder, *, with_votes: bool) -> None:
    """Write a run's evidence to the store; its votes only once they are validated."""
    for name in RUN_FILES:
        if folder.file(name).exists():
            store.put(_run_key(folder.run_id, name), folder.file(name))
    if with_votes:
        store.put(_run_key(folder.run_id, VOTES), folder.votes)


def run_record(store: Store, run_id: str) -> dict[str, Any]:
    """A stored run's `run.json`. Raises NotDoneError when there is none."""
    try:
        return read_record(store.read(_run_key(check_run_id(run_id), RECORD)), run_id)
    except MissingError as error:
        raise NotDoneError(
            f"{run_id} must be a run that read votes, the store has no {RECORD} of it; "
            "`python -m task history` lists the runs"
        ) from error


def fetch_votes(store: Store, record: Mapping[str, Any], path: Path) -> None:
    """Download a run's snapshot and verify it against the run's record.

    Raises NotDoneError when it is not there any more, ArtifactError when it is damaged.
    """
    run_id = str(record["run_id"])
    try:
        store.fetch(_run_key(run_id, VOTES), path)
    except MissingError as error:
        raise NotDoneError(
            f"the snapshot of {run_id} must still be there, retention (keep_snapshots) has removed "
            "it or it was never validated; choose a newer run"
        ) from error
    found, wanted = artifact.sha256(path), str(record["votes_sha256"])
    if found != wanted:
        raise ArtifactError(
            f"the snapshot of {run_id} must have the sha256 {wanted[:12]}… of its record, got "
            f"{found[:12]}…: it was altered or truncated; read all votes anew with --full"
        )


def fetch_run(store: Store, record: Mapping[str, Any], folder: Path) -> None:
    """Download what a replay needs: the votes and, if one was given, the base CSV."""
    run_id = str(record["run_id"])
    fetch_votes(store, record, folder / VOTES)
    if store.exists(_run_key(run_id, "base.csv")):
        store.fetch(_run_key(run_id, "base.csv"), folder / "base.csv")


def check_pair(store: Store, registry: Registry) -> None:
    """Raise UsageError unless every published version is of a run that the registry knows.

    A registry that was lost or mistaken looks like one before the first model: without this
    check a run would promote without any comparison, and retention would delete the champion.
    """
    strangers = set(versions.published(store)) - {run.run_id for run in registry.runs()}
    if strangers:
        raise UsageError(
            "STORE_URL and REGISTRY_URL must belong together, got a store with "
            f"{len(strangers)} versions that the registry knows no run of (such as "
            f"{min(strangers)}): correct one of the two addresses, or begin anew in an empty store"
        )


def snapshots(store: Store) -> list[dict[str, Any]]:
    """The records of all runs whose validated votes are stored, newest cutoff first.

    A record that cannot be read is passed over with a warning: its votes are neither built
    upon nor removed.
    """
    ids = [key.split("/")[1] for key in store.keys("runs/") if key.endswith(f"/{VOTES}")]
    records = []
    for run_id in ids:
        try:
            records.append(run_record(store, run_id))
        except RetrainError as error:
            log.warning("a snapshot is passed over: %s", error)
    return sorted(records, key=lambda record: str(record["cutoff"]), reverse=True)


def retain(
    store: Store,
    registry: Registry,
    *,
    max_backups: int,
    keep_snapshots: int,
    keep: str | None = None,
) -> list[str]:
    """Remove the files of old versions and old snapshots; returns what was removed.

    Never the active version, the one before it, the newest one that waits for `promote` (or
    `keep`, which is about to), or the newest snapshot. Files that a dead run left without a
    manifest go too, so only the holder of the lease may do this.
    """
    removed = []
    for version in [*_surplus(store, registry, max_backups, keep), *_unfinished(store)]:
        if version in _safe(registry, keep):
            continue  # a person has made it active since
        # The manifest goes first: from then on the version does not exist.
        store.delete(versions.key(version, artifact.MANIFEST))
        for key in store.keys(f"models/{version}/"):
            store.delete(key)
        removed.append(f"models/{version}")
    for record in snapshots(store)[keep_snapshots:]:
        store.delete(_run_key(record["run_id"], VOTES))
        removed.append(_run_key(record["run_id"], VOTES))
    return removed


def _safe(registry: Registry, keep: str | None) -> set[str]:
    """Versions that retention may not touch."""
    active, history = registry.active(), registry.history()
    runs = registry.runs()
    safe = {active.version} if active and active.version else set()
    anchor = anchor_name(runs, active.version if active else None, datetime.now(UTC))
    safe |= {anchor} if anchor else set()
    safe |= {entry.previous for entry in history[-1:] if entry.previous}
    waiting = [
        run.version
        for run in runs
        if run.state == "approved"
        and run.version
        and not (active and run.created_at < active.since)
    ]
    return safe | set([keep] if keep else waiting[:1])


def _surplus(store: Store, registry: Registry, max_backups: int, keep: str | None) -> list[str]:
    """Versions beyond the newest `max_backups`, those that must stay counted among them."""
    safe = _safe(registry, keep)
    born = {run.run_id: run.created_at for run in registry.runs()}
    oldest = datetime.min.replace(tzinfo=UTC)
    newest_first = sorted(
        versions.published(store), key=lambda v: born.get(v, oldest), reverse=True
    )
    return [v for v in newest_first if v not in safe][max(0, max_backups - len(safe)) :]


def _unfinished(store: Store) -> list[str]:
    """Versions that have files and no manifest."""
    return sorted(
        {key.split("/")[1] for key in store.keys("models/")} - set(versions.published(store))
    )


def _run_key(run_id: str, name: str) -> str:
    return f"runs/{run_id}/{name}"
