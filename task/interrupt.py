"""What stops a run before its end: SIGTERM, SIGINT, SIGHUP, and the deadline.

Each becomes an exception in the main thread, once, so that whatever is open is closed on the way
out. It is no `Exception`, because libraries take those for failures of their own: boto3 sees one
of the network in it, and tries again. Where it is lost all the same (SQLite hides what its
callbacks raise, Python what a destructor raises), an alarm raises it anew each second until it
is on its way out.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from common.errors import InterruptedRunError, RetrainError

REMIND_SECONDS = 1.0

HANGUP = (signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()
"""A terminal that is closed, or a lost connection; Windows has none."""
SIGNALS = (signal.SIGTERM, signal.SIGINT, *HANGUP)
ALARMS = (signal.SIGALRM,) if hasattr(signal, "SIGALRM") else ()
"""None on Windows: there a run past its deadline loses its lease, but is not stopped."""


class Stop(BaseException):
    """A run is to stop now; `error` is what to tell people."""

    def __init__(self, error: RetrainError) -> None:
        super().__init__(str(error))
        self.error = error


class Interrupt:
    """Signals and the deadline as a `Stop` in the main thread, held back while shielded."""

    def __init__(self) -> None:
        self.told: RetrainError | None = None
        """Why to stop, once that is so."""
        self.shielded = False
        self._installed = False
        self._late: RetrainError | None = None
        self._raised: Stop | None = None

    @property
    def pending(self) -> bool:
        """Whether the process was told to stop."""
        return self.told is not None

    def install(self) -> None:
        """Take the signals over. In the main thread, as Python wants it."""
        for number in (*SIGNALS, *ALARMS):
            if number in HANGUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # under nohup it is to go on
            signal.signal(number, self._on_signal)
        self._installed = True

    def limit(self, seconds: float, error: RetrainError) -> None:
        """Stop with this error in so many seconds."""
        self._late = error
        if self.told is None:
            self._alarm(seconds)

    def rest(self) -> None:
        """From now on nothing interrupts: neither a signal nor the deadline."""
        self.shielded = True
        self._alarm(0)

    def check(self) -> None:
        """Raise what came in while shielded."""
        if self.told is not None:
            raise self.told

    @contextmanager
    def shield(self) -> Iterator[None]:
        """No interruption in here; `check` raises it afterwards."""
        self.shielded = True
        try:
            yield
        finally:
            self.shielded = False

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.told is None:
            self.told = self._why(number)
            self._alarm(REMIND_SECONDS)
        elif number not in ALARMS:
            return  # whoever asks twice is not heard twice
        if not self.shielded and not self._leaving():
            self._raised = Stop(self.told)
            raise self._raised

    def _why(self, number: int) -> RetrainError:
        if number in ALARMS and self._late is not None:
            return self._late
        return InterruptedRunError(
            "a run must be left alone to finish, got a signal to stop: nothing was promoted; "
            "start it again when you like"
        )

    def _leaving(self) -> bool:
        """Whether our exception is on its way out: what cleans up must not be torn apart."""
        error = sys.exc_info()[1]
        while error is not None and error is not self._raised:
            error = error.__context__
        return error is not None

    def _alarm(self, seconds: float) -> None:
        """SIGALRM in so many seconds and then every second; none for 0 seconds."""
        if self._installed and ALARMS:
            signal.setitimer(signal.ITIMER_REAL, seconds, REMIND_SECONDS if seconds else 0)
