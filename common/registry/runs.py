"""The registry's operations on runs and their lease: launch, claim, renew, finish, close.

There is no clock in here: every operation that depends on the time is given `now`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from common.registry import rules
from common.registry.records import TERMINAL_STATES, Active, Lease, Run
from common.registry.table import Items, Table, run_key

LEASE = "LEASE"
ACTIVE = "ACTIVE"


class Runs:
    """Runs and the lease in `table`. A run id that is none is a `UsageError`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def launch(self, run: Run, *, owner: str, lease_seconds: float, now: datetime) -> Run:
        """Record the run as launched and take the lease for it.

        An expired lease is taken over and its run, if it did not end, closed as failed. A run
        that nobody has claimed may be launched again.

        Raises `LeaseHeldError` (another run holds the lease) or `AlreadyClaimedError`; then
        nothing is written.
        """

        def body(items: Items) -> Run:
            rules.refuse_if_claimed(items.get(Run, run_key(run.run_id)))
            lease = items.get(Lease, LEASE)
            if lease is not None and lease.run_id != run.run_id:
                rules.refuse_if_held(lease, now)
                before = items.get(Run, run_key(lease.run_id))
                items.put_run(rules.dead_run(before, lease, taker=run.run_id, now=now))
            taken = rules.next_lease(
                lease, run_id=run.run_id, owner=owner, lease_seconds=lease_seconds, now=now
            )
            launched = replace(run, state="launched", owner=owner, fencing=taken.fencing)
            items.put(LEASE, taken)
            items.put_run(launched)
            return launched

        return self._table.change(body)

    def claim(self, run_id: str, *, task: str, lease_seconds: float, now: datetime) -> Lease:
        """Turn a launched run into a running one and own its lease as `run_id/task`.

        Raises `AlreadyClaimedError` for a second claimant and for a run that ended, which
        writes nothing, and `RegistryError` for a run that was never launched.
        """
        owner = f"{run_id}/{task}"

        def body(items: Items) -> Lease:
            run = rules.launched_run(items.get(Run, run_key(run_id)), run_id)
            lease = rules.next_lease(
                items.get(Lease, LEASE),
                run_id=run_id,
                owner=owner,
                lease_seconds=lease_seconds,
                now=now,
            )
            items.put(LEASE, lease)
            items.put_run(
                replace(run, state="running", owner=owner, fencing=lease.fencing, started_at=now)
            )
            return lease

        return self._table.change(body)

    def renew(self, lease: Lease, *, lease_seconds: float, now: datetime) -> Lease:
        """The same lease for `lease_seconds` from now, also if it expired and nobody took it.

        Raises `LeaseLostError` if it was taken over or given back.
        """

        def body(items: Items) -> Lease:
            current = rules.own_lease(items.get(Lease, LEASE), lease)
            renewed = replace(current, expires_at=now + timedelta(seconds=lease_seconds))
            items.put(LEASE, renewed)
            return renewed

        return self._table.change(body)

    def finish(self, run: Run, lease: Lease, *, now: datetime) -> Run:
        """Write the run's last record, with `now` as its end, and give the lease back.

        What others noted on the record meanwhile stays. Raises `LeaseLostError` if the lease
        was taken over; the record that the taker closed stays. Raises `ChampionChangedError` for
        a roll-out that would end well though another version was made active: it stays open.
        """
        assert run.state in TERMINAL_STATES, f"{run.state} is not an end"
        assert run.run_id == lease.run_id, "a lease ends its own run only"

        def body(items: Items) -> Run:
            current = rules.own_lease(items.get(Lease, LEASE), lease)
            known = items.get(Run, run_key(run.run_id))
            rules.refuse_if_overtaken(run, known, items.get(Active, ACTIVE))
            ended = rules.ended_run(run, known, now)
            items.put_run(ended)
            items.put(LEASE, rules.given_back(current, now))
            return ended

        return self._table.change(body)

    def leave(self, lease: Lease, *, now: datetime) -> None:
        """Give the lease back and leave the run's record open, for whoever heals it.

        Raises `LeaseLostError` if the lease was taken over.
        """

        def body(items: Items) -> None:
            current = rules.own_lease(items.get(Lease, LEASE), lease)
            items.put(LEASE, rules.given_back(current, now))

        self._table.change(body)

    def heal(self, run: Run, *, now: datetime) -> Run | None:
        """Write the end of a run that was left `rolling_out`; None if it has ended already."""
        assert run.state in TERMINAL_STATES, f"{run.state} is not an end"

        def body(items: Items) -> Run | None:
            healed = rules.healed_run(run, items.get(Run, run_key(run.run_id)), now)
            items.put_run(healed)
            return healed

        return self._table.change(body)

    def note_rollout(self, run_id: str, says: str, *, deployment: str | None = None) -> Run:
        """Note what was seen of a roll-out, and the deployment that was forced for it.

        Raises `RegistryError` for a run that was never launched.
        """

        def body(items: Items) -> Run:
            run = rules.known_run(items.get(Run, run_key(run_id)), run_id)
            if run.state != "rolling_out":
                return run
            noted = replace(
                run, rollout=[*run.rollout, says], deployment=deployment or run.deployment
            )
            items.put_run(noted)
            return noted

        return self._table.change(body)

    def record_skip(self, run: Run, *, reason: str, now: datetime) -> Run:
        """Record a run that is not launched at all, with the reason; it takes no lease.

        Raises `AlreadyClaimedError` if the run is on record already; then nothing is written.
        """

        def body(items: Items) -> Run:
            rules.refuse_if_known(items.get(Run, run_key(run.run_id)))
            skipped = replace(run, state="skipped", exit=0, reason=reason, ended_at=now)
            items.put_run(skipped)
            return skipped

        return self._table.change(body)

    def note_task(self, run_id: str, task_arn: str) -> Run:
        """Note which task was started for a run that has not ended; the first one noted stays.

        Raises `RegistryError` for a run that was never launched.
        """

        def body(items: Items) -> Run:
            run = rules.known_run(items.get(Run, run_key(run_id)), run_id)
            noted = rules.with_task(run, task_arn)
            if noted != run:
                items.put_run(noted)
            return noted

        return self._table.change(body)

    def close(
        self, run_id: str, *, task_arn: str | None, exit_code: int, reason: str, now: datetime
    ) -> Run | None:
        """Close a run whose task is gone as failed, and free its lease; the closed record.

        Only the run's own task counts: the owner of a running run, the task noted on a launched
        one (or any, if none is noted). Without a `task_arn` it is whoever owned the run.

        None, and the record stays, if there is no such run, if it has ended, or if another task
        owns it. The lease of a run that ended is given back too if this task still holds it: it
        died between its promotion and its end. So is that of a roll-out, which then is healed.
        """

        def body(items: Items) -> Run | None:
            run = items.get(Run, run_key(run_id))
            if run is None or not rules.is_task_of(run, task_arn):
                return None
            lease = items.get(Lease, LEASE)
            if lease is not None and rules.is_lease_of(run, lease):
                items.put(LEASE, rules.given_back(lease, now))
            closed = rules.closed_run(
                run, task_arn=task_arn, exit_code=exit_code, reason=reason, now=now
            )
            if closed is None and run.ended_at is None and run.state in TERMINAL_STATES:
                # It died between its promotion and its end: the record says how it ended.
                items.put_run(replace(run, ended_at=now))
            items.put_run(closed)
            return closed

        return self._table.change(body)

    def mark_alerted(self, told: Run, now: datetime) -> bool:
        """Note that people were told of a run that was as in `told`; whether it was noted.

        Not if it was noted before, nor if the run has changed its state since: a roll-out that was
        healed meanwhile has an end that nobody has heard of.

        Raises `RegistryError` for a run that was never launched.
        """

        def body(items: Items) -> bool:
            run = rules.known_run(items.get(Run, run_key(told.run_id)), told.run_id)
            if run.alerted_at is not None or run.state != told.state:
                return False
            items.put_run(replace(run, alerted_at=now))
            return True

        return self._table.change(body)

    def run(self, run_id: str) -> Run | None:
        """The run's record; None if the registry does not know it."""
        return self._table.read(lambda items: items.get(Run, run_key(run_id)))

    def runs(self, limit: int | None = None) -> list[Run]:
        """The newest `limit` runs, or all, newest first."""
        found = self._table.read(lambda items: items.all(Run, "RUN#"))
        found.sort(key=lambda run: (run.created_at, run.run_id), reverse=True)
        return found[:limit]

    def lease(self) -> Lease | None:
        """The lease, which may have expired; None if nobody took it or it was given back."""
        lease = self._table.read(lambda items: items.get(Lease, LEASE))
        return lease if lease is not None and lease.owner else None
