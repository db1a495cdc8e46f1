"""A signal, or the deadline, stops a run once and for certain, but never in mid-sentence."""

from __future__ import annotations

import signal
import time
from contextlib import suppress

import pytest

from common.errors import InterruptedRunError, RetrainError
from task import interrupt as module
from task.interrupt import REMIND_SECONDS, Interrupt, Stop
from tests.unit.signals import signals_kept

LATE = RetrainError("too late")


def armed() -> tuple[float, float]:
    """Seconds to the next alarm, and between those after it."""
    return signal.getitimer(signal.ITIMER_REAL)


def lose(number: signal.Signals) -> None:
    """A signal whose exception is swallowed, as in a callback of SQLite or in a destructor."""
    with suppress(Stop):
        signal.raise_signal(number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_stop_is_an_error_that_says_so(
    interrupt: Interrupt, number: signal.Signals
) -> None:
    with pytest.raises(Stop, match="got a signal to stop") as caught:
        signal.raise_signal(number)

    assert isinstance(caught.value.error, InterruptedRunError)
    assert caught.value.error.exit_code == 143


def test_what_nohup_ignores_stays_ignored() -> None:
    with signals_kept():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        Interrupt().install()

        signal.raise_signal(signal.SIGHUP)

        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_nobody_takes_it_for_a_failure_of_his_own(interrupt: Interrupt) -> None:
    # As a client of AWS does with a failure of the network, before it tries again
    with pytest.raises(Stop), suppress(Exception):
        signal.raise_signal(signal.SIGTERM)


def test_a_signal_is_held_back_while_shielded_and_raised_when_asked_for(
    interrupt: Interrupt,
) -> None:
    # Given what must not be torn apart
    with interrupt.shield():
        signal.raise_signal(signal.SIGTERM)
        whole = True

    # Then the signal waited
    assert whole
    with pytest.raises(InterruptedRunError):
        interrupt.check()


def test_without_a_signal_there_is_nothing_to_raise(interrupt: Interrupt) -> None:
    with interrupt.shield():
        pass
    interrupt.check()

    assert not interrupt.pending


def test_a_second_signal_does_not_tear_apart_how_the_first_one_ends(interrupt: Interrupt) -> None:
    with pytest.raises(Stop):
        signal.raise_signal(signal.SIGTERM)

    signal.raise_signal(signal.SIGTERM)
    assert interrupt.pending


def test_what_was_swallowed_is_raised_again(interrupt: Interrupt) -> None:
    # Given a signal of which nobody took notice
    lose(signal.SIGTERM)
    lose(signal.SIGALRM)

    # When the next alarm comes, which is a second away at most
    seconds, then = armed()
    assert 0 < seconds <= REMIND_SECONDS == then

    # Then it is the same signal
    with pytest.raises(Stop, match="got a signal to stop"):
        signal.raise_signal(signal.SIGALRM)


def test_a_reminder_tears_nothing_apart_that_cleans_up(interrupt: Interrupt) -> None:
    steps = []

    def stopped() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            try:
                raise OSError("the file is gone")
            except OSError:
                signal.raise_signal(signal.SIGALRM)
                steps.append("an error within")
            signal.raise_signal(signal.SIGALRM)
            steps.append("cleaned up")

    with pytest.raises(Stop):
        stopped()

    assert steps == ["an error within", "cleaned up"]


def test_no_reminder_reaches_what_is_shielded(interrupt: Interrupt) -> None:
    lose(signal.SIGTERM)

    with interrupt.shield():
        signal.raise_signal(signal.SIGALRM)
        whole = True

    assert whole


def test_the_deadline_stops_with_its_own_error(interrupt: Interrupt) -> None:
    interrupt.limit(0.01, LATE)

    with pytest.raises(Stop) as caught:
        time.sleep(10)

    assert caught.value.error is LATE
    with pytest.raises(RetrainError, match="too late"):
        interrupt.check()


def test_the_deadline_comes_when_it_should(interrupt: Interrupt) -> None:
    interrupt.limit(7_200, LATE)

    seconds, then = armed()
    assert 7_000 < seconds <= 7_200
    assert then == REMIND_SECONDS


def test_a_deadline_set_after_a_signal_does_not_put_off_its_reminder(interrupt: Interrupt) -> None:
    lose(signal.SIGTERM)

    interrupt.limit(7_200, LATE)

    assert armed()[0] <= REMIND_SECONDS
    with pytest.raises(Stop, match="got a signal"):
        signal.raise_signal(signal.SIGALRM)


def test_at_rest_nothing_interrupts_any_more(interrupt: Interrupt) -> None:
    interrupt.limit(7_200, LATE)

    interrupt.rest()

    assert armed() == (0, 0)
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGALRM)
    assert interrupt.pending


def test_a_system_without_alarms_takes_the_signals_all_the_same(
    interrupt: Interrupt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ALARMS", ())
    before = signal.getsignal(signal.SIGALRM), armed()[1]
    made = Interrupt()

    made.install()
    made.limit(60, LATE)

    assert (signal.getsignal(signal.SIGALRM), armed()[1]) == before
    with pytest.raises(Stop):
        signal.raise_signal(signal.SIGTERM)
