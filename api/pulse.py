"""Says once a minute what was served: the figures that alarms are made of where nobody scrapes.

    {"message": "served", "impressions": 36, "clicks": 4, "votes": 9, "version": "m-…"}

A service that is still degraded says so again, since an alarm on a single line would end by
itself after five minutes, with the fault still there.
"""

from __future__ import annotations

import logging
import threading

from api.metrics import Metrics
from api.serving import Serving

log = logging.getLogger(__name__)

SECONDS = 60.0


class Pulse:
    """The thread that says it; a minute in which nothing happened is said too."""

    def __init__(self, serving: Serving, metrics: Metrics, *, seconds: float = SECONDS) -> None:
        self._serving, self._metrics, self._seconds = serving, metrics, seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def start(self) -> None:
        """Begin; the first line comes after a minute."""
        self._thread.start()

    def stop(self) -> None:
        """Say what is left to say, and end."""
        self._stopping.set()
        self._thread.join(timeout=1.0)
        self.beat()

    def beat(self) -> None:
        """The figures since the last time."""
        state = self._serving.state
        version = state.model.version if state.model else None
        log.info("served", extra={**self._metrics.since_last(), "version": version})
        if state.degraded:
            said = {"alert": "degraded", "version": version}
            log.error("still degraded: %s", state.why, extra=said)

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            self.beat()
