"""Trying again, each time after a longer pause of random length, until patience runs out."""

import random
import time
from collections.abc import Iterator
from itertools import count

FIRST_SECONDS = 0.05
LONGEST_SECONDS = 2.0
FEWEST = 3

# Not the shared generator: a run seeds that one, and its draws must not depend on an outage.
_random = random.SystemRandom()


def attempts(patience_seconds: float) -> Iterator[int]:
    """Numbers of attempts from 0 on; there are at least three, and a last one when time is up.

    Three also where the first alone took all the time: a machine that is slow for a moment would
    otherwise never try again.

    The pauses are random over their whole length, so that who met once does not meet again.
    """
    end = time.monotonic() + patience_seconds
    for number in count():
        yield number
        if time.monotonic() >= end and number + 1 >= FEWEST:
            return
        longest = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(number, 10))
        time.sleep(_random.uniform(0, longest))
