"""How long and how often something is tried again."""

from collections.abc import Iterator
from itertools import islice

import pytest

from common import backoff
from common.backoff import FEWEST, FIRST_SECONDS, LONGEST_SECONDS, attempts


class Clock:
    """A clock that only a pause moves; every pause is as long as it may be."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    made = Clock()
    monkeypatch.setattr("time.sleep", made.sleep)
    monkeypatch.setattr("time.monotonic", lambda: made.now)
    monkeypatch.setattr(backoff._random, "uniform", lambda _low, high: high)
    yield made
    monkeypatch.undo()


def test_pauses_grow_to_a_longest_one(clock: Clock) -> None:
    numbers = list(islice(attempts(1e9), 50))

    assert numbers == list(range(50))
    assert clock.pauses[:3] == [FIRST_SECONDS, 2 * FIRST_SECONDS, 4 * FIRST_SECONDS]
    assert clock.pauses == sorted(clock.pauses)
    assert clock.pauses[-1] == LONGEST_SECONDS


def test_the_last_attempt_comes_when_time_is_up_and_no_pause_after_it(clock: Clock) -> None:
    numbers = list(attempts(6 * FIRST_SECONDS))

    assert numbers == [0, 1, 2, 3]
    assert clock.pauses == [FIRST_SECONDS, 2 * FIRST_SECONDS, 4 * FIRST_SECONDS]


def test_an_attempt_that_took_all_the_time_is_not_the_only_one(clock: Clock) -> None:
    numbers = []
    for number in attempts(FIRST_SECONDS):
        numbers.append(number)
        clock.now += 1_000

    assert numbers == list(range(FEWEST))


def test_pauses_are_random_and_leave_the_shared_generator_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import random

    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    random.seed(7)
    drawn = random.random()
    random.seed(7)

    list(islice(attempts(1e9), 20))

    assert random.random() == drawn, "a run's own draws must not depend on an outage"
    assert len(set(pauses)) == len(pauses)
    assert all(0 <= pause <= LONGEST_SECONDS for pause in pauses)
