"""The registry: runs, the lease, the active version, its history, the hold.

The operations are the same wherever the registry is kept; `Table` is all that they know of the
place. What they do with runs stands in `runs.py`; here is what they do with the active version.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from common.registry import rules
from common.registry.records import Action, Active, HistoryEntry, Hold, Lease, Run
from common.registry.runs import ACTIVE, LEASE, Runs
from common.registry.table import Items, history_key, run_key

HOLD = "HOLD"


class Registry(Runs):
    """All that is on record in `table`, and who may change it.

    Whatever goes wrong with the table is a `RegistryError`, and a run id that is none a
    `UsageError`.
    """

    def promote(
        self,
        *,
        version: str | None,
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

        A restoration without a version (and with an empty sha) leaves none active: there was
        none before the version that is taken back. It names the run that it is made for, whose
        record stays as it is: the run has not ended before the old version serves again.

        Raises `LeaseLostError` (the given lease was taken over or has expired),
        `ChampionChangedError` (another serial) or `NotDoneError` (a promotion while promotion
        is on hold); then nothing is written.
        """
        assert run is None or lease is None or run.run_id == lease.run_id, "another run's lease"
        assert version is not None or (action, sha) == ("restore", ""), "only a restoration clears"

        def body(items: Items) -> HistoryEntry:
            if lease is not None:
                rules.refuse_if_expired(rules.own_lease(items.get(Lease, LEASE), lease), now)
            active = items.get(Active, ACTIVE)
            # The hold first: a rollback changes both, and it is the person's reason that counts.
            if action == "promote":
                rules.refuse_if_on_hold(items.get(Hold, HOLD))
            rules.refuse_if_changed(active, expected_serial)
            if run is not None and action == "restore":
                rules.refuse_if_ended(items.get(Run, run_key(run.run_id)))
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

        return self._table.change(body)

    def active(self) -> Active | None:
        """What is active; None before the first promotion.

        Its version is None after a restoration that left none active: its serial counts on.
        """
        return self._table.read(lambda items: items.get(Active, ACTIVE))

    def hold(self) -> Hold | None:
        """Why promotion is on hold; None if it is not."""
        return self._table.read(lambda items: items.get(Hold, HOLD))

    def set_hold(self, hold: Hold) -> None:
        """Put promotion on hold, or replace the hold there is."""
        self._table.change(lambda items: items.put(HOLD, hold))

    def clear_hold(self) -> bool:
        """Let promotions go on; whether there was a hold."""
        return self._table.change(lambda items: items.delete(HOLD))

    def history(self) -> list[HistoryEntry]:
        """Every change of the active version, oldest first."""
        return self._table.read(lambda items: items.all(HistoryEntry, "HISTORY#"))

    def check_writable(self) -> None:
        """Raise `RegistryError` unless this process may write; no record is touched."""
        # Beginning to write is not enough: SQLite lets anyone begin.
        self._table.change(lambda items: items.delete("PROBE"))


def _write_change(items: Items, entry: HistoryEntry, run: Run | None, hold: Hold | None) -> None:
    active = Active(version=entry.version, serial=entry.serial, run_id=entry.run_id, since=entry.at)
    items.put(ACTIVE, active)
    items.put(history_key(entry.serial), entry)
    if run is not None and entry.action == "promote":
        known = items.get(Run, run_key(run.run_id))
        items.put_run(
            replace(
                rules.with_notes(run, known),
                version=entry.version,
                previous=entry.previous,
                serial=entry.serial,
            )
        )
    if hold is not None:
        items.put(HOLD, hold)
