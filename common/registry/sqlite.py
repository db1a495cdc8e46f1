"""The registry in one SQLite file: who runs, what serves, and how it came to serve.

One table of keyed JSON items (`RUN#<run_id>`, `LEASE`, `ACTIVE`, `HISTORY#<serial>`, `HOLD`,
`META`) and not a table per kind, because that is the shape of a single table in a key-value
service: the same records and conditions hold there. Every write is one `BEGIN IMMEDIATE`
transaction, so what it read still holds when it writes, whoever else is at work.

A connection lives for one operation. A lease is renewed from another thread than the one that
promotes, and an operation costs a few milliseconds every minute, so there is nothing to keep.

There is no clock in here: every operation that depends on the time is given `now`.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from common.errors import RegistryError
from common.registry import rules
from common.registry.records import (
    FORMAT_VERSION,
    TERMINAL_STATES,
    Action,
    Active,
    HistoryEntry,
    Hold,
    Lease,
    Record,
    Run,
    check_format,
    check_run_id,
    from_json,
    to_json,
)

BUSY_SECONDS = 30.0
"""How long an operation waits for another process's transaction."""


class SqliteRegistry:
    """Runs, lease, active version, history and hold in the SQLite file at `path`.

    The first write makes the file, in a folder that must exist; reading never makes it, and a
    file that is not there yet reads as a registry without any record. Whatever goes wrong with
    the file (no folder, locked, full disk, damaged, a newer format) is a `RegistryError`, and a
    run id that is none a `UsageError`.
    """

    def __init__(self, path: Path, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self._path = path.absolute()
        self._busy_seconds = busy_seconds

    def launch(self, run: Run, *, owner: str, lease_seconds: float, now: datetime) -> Run:
        """Record the run as launched and take the lease for it.

        An expired lease is taken over and its run, if it did not end, closed as failed. A run
        that nobody has claimed may be launched again.

        Raises `LeaseHeldError` (another run holds the lease) or `AlreadyClaimedError`; then
        nothing is written.
        """
        with self._transaction(write=True) as items:
            rules.refuse_if_claimed(items.get(Run, _run_key(run.run_id)))
            lease = items.get(Lease, "LEASE")
            if lease is not None and lease.run_id != run.run_id:
                rules.refuse_if_held(lease, now)
                before = items.get(Run, _run_key(lease.run_id))
                items.put_run(rules.dead_run(before, lease, taker=run.run_id, now=now))
            taken = rules.next_lease(
                lease, run_id=run.run_id, owner=owner, lease_seconds=lease_seconds, now=now
            )
            launched = replace(run, state="launched", owner=owner, fencing=taken.fencing)
            items.put("LEASE", taken)
            items.put_run(launched)
            return launched

    def claim(self, run_id: str, *, task: str, lease_seconds: float, now: datetime) -> Lease:
        """Turn a launched run into a running one and own its lease as `run_id/task`.

        Raises `AlreadyClaimedError` for a second claimant and for a run that ended, which
        writes nothing, and `RegistryError` for a run that was never launched.
        """
        owner = f"{run_id}/{task}"
        with self._transaction(write=True) as items:
            run = rules.launched_run(items.get(Run, _run_key(run_id)), run_id)
            lease = rules.next_lease(
                items.get(Lease, "LEASE"),
                run_id=run_id,
                owner=owner,
                lease_seconds=lease_seconds,
                now=now,
            )
            items.put("LEASE", lease)
            items.put_run(
                replace(run, state="running", owner=owner, fencing=lease.fencing, started_at=now)
            )
            return lease

    def renew(self, lease: Lease, *, lease_seconds: float, now: datetime) -> Lease:
        """The same lease for `lease_seconds` from now, also if it expired and nobody took it.

        Raises `LeaseLostError` if it was taken over or given back.
        """
        with self._transaction(write=True) as items:
            current = rules.own_lease(items.get(Lease, "LEASE"), lease)
            renewed = replace(current, expires_at=now + timedelta(seconds=lease_seconds))
            items.put("LEASE", renewed)
            return renewed

    def finish(self, run: Run, lease: Lease, *, now: datetime) -> Run:
        """Write the run's last record, with `now` as its end, and give the lease back.

        Raises `LeaseLostError` if the lease was taken over; the record that the taker closed
        stays.
        """
        assert run.state in TERMINAL_STATES, f"{run.state} is not an end"
        assert run.run_id == lease.run_id, "a lease ends its own run only"
        with self._transaction(write=True) as items:
            current = rules.own_lease(items.get(Lease, "LEASE"), lease)
            ended = replace(run, ended_at=now)
            items.put_run(ended)
            # The item stays, because the next lease counts on from its fencing number.
            items.put("LEASE", replace(current, owner="", expires_at=now))
            return ended

    def promote(
        self,
        *,
        version: str,
        sha: str,
        expected_serial: int,
        action: Action,
        now: datetime,
        metrics: dict[str, Any] | None = None,
        lease: Lease | None = None,
        run: Run | None = None,
        hold: Hold | None = None,
    ) -> HistoryEntry:
        """Make `version` the active one, with its history, in one transaction.

        `expected_serial` is the serial of the active version that the decision was made
        against, 0 if there was none. `run` is the run's new record; it is completed with the
        version, the one before and the serial. `hold` is set in the same transaction.

        Raises `LeaseLostError` (the given lease was taken over or has expired),
        `ChampionChangedError` (another serial) or `NotDoneError` (a promotion while promotion
        is on hold); then nothing is written.
        """
        assert run is None or lease is None or run.run_id == lease.run_id, "another run's lease"
        with self._transaction(write=True) as items:
            if lease is not None:
                rules.refuse_if_expired(rules.own_lease(items.get(Lease, "LEASE"), lease), now)
            active = items.get(Active, "ACTIVE")
            # The hold first: a rollback changes both, and it is the person's reason that counts.
            if action == "promote":
                rules.refuse_if_on_hold(items.get(Hold, "HOLD"))
            rules.refuse_if_changed(active, expected_serial)
            by = run or lease
            entry = HistoryEntry(
                serial=expected_serial + 1,
                version=version,
                previous=active.version if active else None,
                run_id=by.run_id if by else None,
                action=action,
                at=now,
                sha=sha,
                metrics=metrics or {},
            )
            _write_change(items, entry, run, hold)
            return entry

    def active(self) -> Active | None:
        """The active version; None before the first promotion."""
        with self._transaction(write=False) as items:
            return items.get(Active, "ACTIVE")

    def hold(self) -> Hold | None:
        """Why promotion is on hold; None if it is not."""
        with self._transaction(write=False) as items:
            return items.get(Hold, "HOLD")

    def set_hold(self, hold: Hold) -> None:
        """Put promotion on hold, or replace the hold there is."""
        with self._transaction(write=True) as items:
            items.put("HOLD", hold)

    def clear_hold(self) -> bool:
        """Let promotions go on; whether there was a hold."""
        with self._transaction(write=True) as items:
            return items.delete("HOLD")

    def run(self, run_id: str) -> Run | None:
        """The run's record; None if the registry does not know it."""
        with self._transaction(write=False) as items:
            return items.get(Run, _run_key(run_id))

    def runs(self, limit: int | None = None) -> list[Run]:
        """The newest `limit` runs, or all, newest first."""
        with self._transaction(write=False) as items:
            found = items.all(Run, "RUN#")
        found.sort(key=lambda run: (run.created_at, run.run_id), reverse=True)
        return found[:limit]

    def history(self) -> list[HistoryEntry]:
        """Every change of the active version, oldest first."""
        with self._transaction(write=False) as items:
            return items.all(HistoryEntry, "HISTORY#")

    def lease(self) -> Lease | None:
        """The lease, which may have expired; None if nobody took it or it was given back."""
        with self._transaction(write=False) as items:
            lease = items.get(Lease, "LEASE")
        return lease if lease is not None and lease.owner else None

    def check_writable(self) -> None:
        """Raise `RegistryError` unless this process may write; no record is touched."""
        with self._transaction(write=True) as items:
            # Beginning to write is not enough: SQLite lets anyone begin.
            items.delete("PROBE")

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator["_Items"]:
        """The items in one transaction, which is undone if the body raises."""
        try:
            with closing(self._connect(write)) as db:
                db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                with db:
                    _check_schema(db, self._path, write)
                    yield _Items(db)
        except (sqlite3.Error, OSError) as error:
            raise RegistryError(
                "the registry must be a SQLite file that can be read and written, got "
                f"{self._path}: {error}; check the file and its disk, then run again"
            ) from error

    def _connect(self, write: bool) -> sqlite3.Connection:
        if not self._path.parent.is_dir():
            raise RegistryError(
                "the folder of the registry must exist, got "
                f"{self._path.parent}: make it, or correct REGISTRY_URL"
            )
        # Read-only would not do for reading: after a killed writer the first to come, even a
        # reader, has to undo the half-written transaction.
        uri = self._path.as_uri() + ("?mode=rwc" if write else "?mode=rw")
        if not write and not self._path.exists():
            uri = ":memory:"
        return sqlite3.connect(uri, uri=True, timeout=self._busy_seconds, isolation_level=None)


class _Items:
    """The table inside one transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def get(self, kind: type[Record], key: str) -> Record | None:
        row = self._db.execute("SELECT item FROM items WHERE key = ?", (key,)).fetchone()
        return None if row is None else from_json(kind, _parse(row[0]))

    def all(self, kind: type[Record], prefix: str) -> list[Record]:
        """Every item whose key begins with `prefix`, in the order of the keys."""
        rows = self._db.execute(
            "SELECT item FROM items WHERE key GLOB ? ORDER BY key", (f"{prefix}*",)
        )
        return [from_json(kind, _parse(row[0])) for row in rows]

    def put(self, key: str, record: Run | Lease | Active | HistoryEntry | Hold) -> None:
        _put(self._db, key, to_json(record))

    def put_run(self, run: Run | None) -> None:
        """Write the run under its own key; None is nothing to write."""
        if run is not None:
            self.put(_run_key(run.run_id), run)

    def delete(self, key: str) -> bool:
        return self._db.execute("DELETE FROM items WHERE key = ?", (key,)).rowcount > 0


def _check_schema(db: sqlite3.Connection, path: Path, write: bool) -> None:
    """Make the table in an empty file, and refuse a file that is not a registry of ours."""
    tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        # A reader of an empty file gets an empty table of its own and leaves the file alone.
        kind = "TABLE" if write else "TEMP TABLE"
        db.execute(f"CREATE {kind} items (key TEXT PRIMARY KEY, item TEXT NOT NULL) WITHOUT ROWID")
        _put(db, "META", {"format_version": FORMAT_VERSION})
    elif "items" not in tables:
        raise RegistryError(
            f"the registry must be a file of its own, got {path}, a database with other tables: "
            "correct REGISTRY_URL"
        )
    row = db.execute("SELECT item FROM items WHERE key = 'META'").fetchone()
    check_format(None if row is None else _parse(row[0]))


def _put(db: sqlite3.Connection, key: str, item: dict[str, Any]) -> None:
    text = json.dumps(item, sort_keys=True, allow_nan=False)
    db.execute("INSERT OR REPLACE INTO items (key, item) VALUES (?, ?)", (key, text))


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError) as error:
        raise RegistryError(
            "an item of the registry must be JSON, got something else: the registry is damaged; "
            "restore it from a backup"
        ) from error


def _run_key(run_id: str) -> str:
    return f"RUN#{check_run_id(run_id)}"


def _write_change(items: _Items, entry: HistoryEntry, run: Run | None, hold: Hold | None) -> None:
    active = Active(version=entry.version, serial=entry.serial, run_id=entry.run_id, since=entry.at)
    items.put("ACTIVE", active)
    # The padding keeps the order of the keys the order of the serials.
    items.put(f"HISTORY#{entry.serial:010d}", entry)
    if run is not None:
        items.put_run(
            replace(run, version=entry.version, previous=entry.previous, serial=entry.serial)
        )
    if hold is not None:
        items.put("HOLD", hold)
