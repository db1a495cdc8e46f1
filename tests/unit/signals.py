"""The process's signals, lent to a test and given back."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from task.interrupt import ALARMS, SIGNALS, Interrupt


@contextmanager
def signals_kept() -> Iterator[None]:
    """Whatever takes the signals and the alarm in here, pytest has them again afterwards."""
    kept = {number: signal.getsignal(number) for number in (*SIGNALS, *ALARMS)}
    alarm = signal.getitimer(signal.ITIMER_REAL)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in kept.items():
            signal.signal(number, handler)
        signal.setitimer(signal.ITIMER_REAL, *alarm)


@contextmanager
def signals_taken() -> Iterator[Interrupt]:
    """Signals as exceptions."""
    with signals_kept():
        made = Interrupt()
        made.install()
        yield made
