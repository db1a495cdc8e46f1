"""One attempt at a run: takes the lease, keeps it alive, and closes the record however it ends.

Whatever happens inside the `with`, the registry learns it: the end that was set, or `failed`
with the error's exit status. Only a kill leaves a record open, and whoever takes over the
expired lease closes that one.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from types import FrameType, TracebackType
from typing import Any

from common.errors import InterruptedRunError, LeaseLostError, RegistryError, RetrainError
from common.registry import Registry
from common.registry.records import Lease, Run, State

log = logging.getLogger(__name__)

BEATS_PER_LEASE = 10
"""Renewals within one lease: each minute of the ten."""


class Interrupt:
    """SIGTERM and SIGINT as an exception in the main thread, held back while shielded."""

    def __init__(self) -> None:
        self.pending = False
        self.shielded = False

    def install(self) -> None:
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        first, self.pending = not self.pending, True
        if first and not self.shielded:
            raise self.error()

    def error(self) -> InterruptedRunError:
        """What to raise when a run was told to stop."""
        return InterruptedRunError(
            "a run must be left alone to finish, got a signal to stop: nothing was promoted; "
            "start it again when you like"
        )

    def check(self) -> None:
        """Raise what came in while shielded."""
        if self.pending:
            raise self.error()

    @contextmanager
    def shield(self) -> Iterator[None]:
        """No interruption in here; `check` raises it afterwards."""
        self.shielded = True
        try:
            yield
        finally:
            self.shielded = False


class Attempt:
    """The right to run, and the duty to say how it ended."""

    def __init__(
        self,
        registry: Registry,
        run_id: str,
        *,
        lease_seconds: float,
        now: Callable[[], datetime],
        interrupt: Interrupt,
        on_failure: Callable[[RetrainError | None], None] | None = None,
    ) -> None:
        self.registry, self.run_id = registry, run_id
        self.lease_seconds, self.now = lease_seconds, now
        self.interrupt, self.on_failure = interrupt, on_failure
        self.run = Run(run_id=run_id, created_at=now())
        self.ended: Run | None = None
        self._lost: LeaseLostError | None = None
        self._stop = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Attempt:
        """Take the lease. Raises LeaseHeldError or AlreadyClaimedError; then nothing changed.

        Interruptions are held back until the first `check` in the `with`: one that came between
        here and there would leave the run open.
        """
        self.interrupt.shielded = True
        try:
            self._take()
        except RetrainError:
            self.interrupt.shielded = False
            raise
        return self

    def _take(self) -> None:
        task = f"{socket.gethostname()}-{os.getpid()}"
        seconds = self.lease_seconds
        self.registry.launch(self.run, owner=task, lease_seconds=seconds, now=self.now())
        self.lease: Lease = self.registry.claim(
            self.run_id, task=task, lease_seconds=seconds, now=self.now()
        )
        self.run = self.registry.run(self.run_id) or self.run
        self._heart.start()

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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> bool:
        """Close the record and give the lease back; an end that was reached stands."""
        self.interrupt.shielded = True
        self._stop.set()
        self._heart.join()
        if self.ended is None:
            ours = isinstance(error, InterruptedRunError | LeaseLostError)
            if self.interrupt.pending and not ours:
                # A signal that came within a database's callback: the driver hid our exception.
                told = self.interrupt.error()
                self._fail(told)
                raise told from error
            self._fail(error)
            return False
        try:
            self.registry.finish(self.ended, self.lease, now=self.now())
        except (LeaseLostError, RegistryError) as late:
            if self.ended.serial is None:
                if self.on_failure:
                    self.on_failure(late)
                raise
            # The promotion's own transaction has closed the record; the lease will expire.
            log.error("the lease could not be given back: %s", late)
        # A signal after the end was reached changes nothing any more.
        return isinstance(error, InterruptedRunError)

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
