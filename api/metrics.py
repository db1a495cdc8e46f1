"""What the service counts, in the words of Prometheus: `GET /metrics`.

A registry of its own and not the library's global one, so that two services in one process (as
in tests) count apart. The children of labels are kept: looking one up costs more than counting.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

ErrorKind = Literal["unexpected", "database", "model"]
ERROR_KINDS: tuple[ErrorKind, ...] = ("unexpected", "database", "model")
LATELY = ("impressions", "clicks", "votes")
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds; most answers take less than one millisecond."""


class Metrics:
    """All counters of one service."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = self._counter("requests", "Requests answered", "route", "status")
        self._seconds = Histogram(
            "hairme_request_seconds",
            "Time from a request's first byte to its answer",
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._predictions = self._counter("predictions", "Answers given by a model", "version")
        self._impressions = self._counter(
            "impressions", "Styles shown that can be clicked and voted on", "version"
        )
        self._clicks = self._counter("clicks", "Recommended styles clicked", "version")
        self._votes = self._counter("votes", "Votes given or changed", "version", "vote")
        self._errors = self._counter("errors", "Errors", "kind")
        self._degraded = Gauge(
            "hairme_degraded",
            "1 while what answers is not what was promoted",
            registry=self._registry,
        )
        self._lately = dict.fromkeys(LATELY, 0)
        self._lock = threading.Lock()
        for kind in ERROR_KINDS:  # so that a rate is 0 rather than unknown before the first
            self._errors(kind)

    def request(self, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests(route, str(status)).inc()
        self._seconds.observe(seconds)

    def predicted(self, version: str, answers: int = 1) -> None:
        """A model has answered so often."""
        self._predictions(version).inc(answers)

    def shown(self, version: str, styles: int) -> None:
        """So many styles were shown that can be clicked."""
        self._impressions(version).inc(styles)
        self._count("impressions", styles)

    def clicked(self, version: str) -> None:
        """A recommended style was clicked."""
        self._clicks(version).inc()
        self._count("clicks", 1)

    def voted(self, version: str, vote: str) -> None:
        """A vote was given or changed."""
        self._votes(version, vote).inc()
        self._count("votes", 1)

    def error(self, kind: ErrorKind) -> None:
        """Something went wrong."""
        self._errors(kind).inc()

    def degraded(self, degraded: bool) -> None:
        """Whether what answers is not what was promoted."""
        self._degraded.set(degraded)

    def since_last(self) -> dict[str, int]:
        """Impressions, clicks and votes since this was last asked."""
        with self._lock:
            lately, self._lately = self._lately, dict.fromkeys(LATELY, 0)
        return lately

    def text(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self._registry)

    def _count(self, name: str, more: int) -> None:
        with self._lock:
            self._lately[name] += more

    def _counter(self, name: str, says: str, *labels: str) -> Callable[..., Counter]:
        """The counter's child by the values of its labels."""
        made = Counter(f"hairme_{name}", says, labels, registry=self._registry)
        return cache(made.labels)
