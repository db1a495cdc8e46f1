"""One attempt at a run: takes the lease, keeps it alive, and closes the record however it ends.

Whatever happens inside the `with`, the registry learns it: the end that was set, or `failed`
with the error's exit status. Only a kill leaves a record open, and whoever takes over the
expired lease closes that one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any

from common.errors import ChampionChangedError, LeaseLostError, RegistryError, RetrainError
from common.registry import Registry
from common.registry.records import Lease, Run, State
from task.host import Host
from task.interrupt import Interrupt, Stop

log = logging.getLogger(__name__)

BEATS_PER_LEASE = 10
"""Renewals within one lease: each minute of the ten."""
GRACE = timedelta(minutes=2)
"""What a run has to end in once its time is up, as long as ECS gives a task that it stops."""
LAST_BEAT_SECONDS = 5.0
"""How long the end waits for a renewal that is under way."""


class Attempt:
    """The right to run, and the duty to say how it ended.

    `launched`: whoever started this process has launched the run, which is claimed and no more.
    """

    def __init__(
        self,
        registry: Registry,
        run_id: str,
        *,
        lease_seconds: float,
        deadline: timedelta,
        now: Callable[[], datetime],
        interrupt: Interrupt,
        host: Host,
        launched: bool = False,
        on_failure: Callable[[RetrainError | None], None] | None = None,
    ) -> None:
        self.registry, self.run_id = registry, run_id
        self.lease_seconds, self.deadline, self.now = lease_seconds, deadline, now
        self.interrupt, self.on_failure = interrupt, on_failure
        self.host, self.launched = host, launched
        self.run = Run(run_id=run_id, created_at=now())
        self.ended: Run | None = None
        self._rolled_out = False
        self._lost: LeaseLostError | None = None
        self._stop = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Attempt:
        """Take the lease. Raises LeaseHeldError or AlreadyClaimedError; then nothing changed.

        RegistryError: a run that was to be launched is unknown.

        Interruptions are held back until the first `check` in the `with`: one that came between
        here and there would leave the run open.
        """
        self.interrupt.shielded = True
        try:
            self._take()
        except RetrainError:
            self.interrupt.shielded = False
            raise
        try:
            self.run = self._on_record()
        except RegistryError as error:
            self.__exit__(RegistryError, error, None)
            raise
        return self

    def _take(self) -> None:
        task, seconds = self.host.task, self.lease_seconds
        if not self.launched:
            self.registry.launch(self.run, owner=task, lease_seconds=seconds, now=self.now())
        self.lease: Lease = self.registry.claim(
            self.run_id, task=task, lease_seconds=seconds, now=self.now()
        )
        self._until = self.now() + self.deadline + GRACE
        self._heart.start()
        self.interrupt.limit(self.deadline.total_seconds(), self._late())

    def _on_record(self) -> Run:
        """The run as the registry has it, with the task that owns it."""
        if self.host.task_arn is None:
            return self.registry.run(self.run_id) or self.run
        noted = self.registry.note_task(self.run_id, self.host.task_arn)
        return replace(noted, task_arn=self.host.task_arn)

    def _late(self) -> RetrainError:
        minutes = f"{self.deadline.total_seconds() / 60:g}"
        return RetrainError(
            f"a run must end within deadline_minutes ({minutes}), this one had not: it was stopped "
            "and nothing was promoted; find out what took so long, or raise deadline_minutes"
        )

    def check(self) -> None:
        """Raise if the run was told to stop, or no longer owns its lease."""
        self.interrupt.shielded = False
        self.interrupt.check()
        if self._lost is not None:
            raise self._lost

    def record(self, state: State, reason: str, *, exit_code: int = 0, **fields: Any) -> Run:
        """The run's record in an end state, as a value."""
        return replace(self.run, state=state, reason=reason, exit=exit_code, **fields)

    def end(self, record: Run) -> None:
        """Set the record that the run shall end with; written when the `with` is left."""
        self.ended = record
        self._rolled_out |= record.state == "rolling_out"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> bool:
        """Close the record and give the lease back; an end that was reached stands."""
        self.interrupt.rest()
        self._stop.set()
        self._heart.join(LAST_BEAT_SECONDS)
        told = self.interrupt.told
        if self.ended is None:
            if told is not None and not isinstance(error, LeaseLostError) and error is not told:
                # A Stop, or the error that a driver made of it: the reason is the same.
                self._fail(told)
                raise told from error
            self._fail(error)
            return False
        if self.ended.state == "rolling_out":
            self._leave_open()
            if told is not None and not isinstance(error, LeaseLostError):
                raise self._cut_short(told) from error
            return False
        try:
            self.ended = self.registry.finish(self.ended, self.lease, now=self.now())
        except ChampionChangedError:
            self._leave_open()
            raise
        except (LeaseLostError, RegistryError) as late:
            # A roll-out whose end is not on record is open, and a healer will take it back.
            if self.ended.serial is None or (self._rolled_out and self.ended.ended_at is None):
                if self.on_failure:
                    self.on_failure(late)
                raise
            # The record was closed by the promotion itself, or by a healer; the lease will expire.
            log.error("the lease could not be given back: %s", late)
        # A signal after the end was reached changes nothing any more.
        return isinstance(error, Stop) or (told is not None and error is told)

    def _leave_open(self) -> None:
        """Its pointer has moved and nothing is proved: give the lease back for whoever heals."""
        log.error("%s is left rolling out: the next run, or the healer, takes it back", self.run_id)
        try:
            self.registry.leave(self.lease, now=self.now())
        except (LeaseLostError, RegistryError) as late:
            log.error("the lease could not be given back, and will expire: %s", late)

    def _cut_short(self, told: RetrainError) -> RetrainError:
        """What to say of a roll-out that was told to stop, with the exit status of the stop."""
        return type(told)(
            f"a roll-out must be left alone to finish, got told to stop: {self.run_id} is active "
            "and not proved in service; the next run, or the healer, takes it back"
        )

    def _fail(self, error: BaseException | None) -> None:
        known = error if isinstance(error, RetrainError) else None
        reason = str(known) if known else f"unexpected {type(error).__name__}"
        code = known.exit_code if known else 1
        try:
            failed = replace(self.run, state="failed", reason=reason, exit=code)
            self.registry.finish(failed, self.lease, now=self.now())
        except (LeaseLostError, RegistryError) as late:
            # The error that ended the run is the one to report.
            log.error("the run's record could not be closed: %s", late)
        if self.on_failure and not isinstance(error, LeaseLostError):
            self.on_failure(known)

    def _beat(self) -> None:
        while not self._stop.wait(self.lease_seconds / BEATS_PER_LEASE):
            if self.now() > self._until:
                log.error("heartbeat: past its deadline the run does not end; its lease expires")
                return
            try:
                self.lease = self.registry.renew(
                    self.lease, lease_seconds=self.lease_seconds, now=self.now()
                )
            except LeaseLostError as error:
                log.error("heartbeat: %s", error)
                self._lost = error
                return
            except RegistryError as error:
                log.warning("heartbeat: %s", error)
