"""Which model answers: loaded at start, followed while running, swapped by one assignment.

A thread of its own looks at the pointer and loads what is new, so that the event loop never
waits for a disk or a network. Requests read `state`, a frozen value; they never see a model that
is not loaded to the end. Not a lock: reading an attribute is atomic, and there is one writer.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from api import loading
from api.metrics import Metrics
from api.model import Model
from common.errors import RegistryError, RetrainError, StoreError
from common.registry import Registry
from common.registry.records import Active, HistoryEntry
from common.store import Store

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
LONGEST_SECONDS = 30.0
"""Pauses between tries grow up to here while nothing changes for the better."""


@dataclass(frozen=True, kw_only=True)
class Pointer:
    """What the registry named at the last look; no version: none has been promoted, or no more."""

    version: str | None
    serial: int


@dataclass(frozen=True, kw_only=True)
class State:
    """What can be said of the model at one moment."""

    model: Model | None = None
    active: Pointer | None = None
    """None before the first successful look."""
    why: str | None = None
    """Why what answers is not what it should be; None if all is well."""
    refused: bool = False
    """Whether that is because the active version must not serve, and not for want of it."""

    @property
    def degraded(self) -> bool:
        return self.why is not None

    @property
    def ready(self) -> bool:
        """Whether requests can be answered, or it is certain that there is nothing to answer by."""
        return self.model is not None or (self.active is not None and self.active.version is None)


@dataclass(frozen=True, kw_only=True)
class _Failed:
    """The change whose version could not be loaded, and when to try again (monotonic seconds)."""

    serial: int
    why: str
    refused: bool
    tries: int
    until: float


class Serving:
    """The model that answers, and the thread that sees to it.

    follow: whether the pointer is followed once a model has been loaded. It is not behind a
    deployment: old tasks keep the old model until they are replaced.
    """

    def __init__(
        self,
        registry: Registry,
        store: Store,
        metrics: Metrics,
        *,
        follow: bool,
        look_seconds: float = LOOK_SECONDS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.state = State()
        self._registry = registry
        self._store = store
        self._metrics = metrics
        self._follow = follow
        self._look_seconds = look_seconds
        self._now = now
        self._clock = time.monotonic
        self._failed: _Failed | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="serving", daemon=True)

    def start(self) -> None:
        """Begin to load; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking; a download that is under way is left to end with the process."""
        self._stopping.set()
        self._thread.join(timeout=self._look_seconds)

    def look(self) -> None:
        """One look at the pointer, and what follows from it."""
        before = self.state
        try:
            after = self._looked(before)
        except RetrainError as error:
            after = replace(before, why=str(error))
        except Exception as error:  # a thread that dies in silence would never follow again
            log.exception("unexpected error: this is a bug, please report it")
            after = replace(before, why=f"unexpected {type(error).__name__}: see the log")
        self.state = after
        self._tell(before, after)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.look()
            # (What answers by the version before looks on: the pointer may come back to it.)
            if self.state.ready and not self.state.degraded and not self._follow:
                return
            self._stopping.wait(self._look_seconds)

    def _looked(self, before: State) -> State:
        active = self._registry.active()
        _check_goes_on(before.active, active)
        if active is None or active.version is None:
            return State(active=Pointer(version=None, serial=active.serial if active else 0))
        pointer, model = Pointer(version=active.version, serial=active.serial), before.model
        if model is not None and (model.version, model.serial) == (active.version, active.serial):
            return State(model=model, active=pointer)
        failed = self._failed
        if failed is not None and failed.serial == active.serial and self._clock() < failed.until:
            return State(model=model, active=pointer, why=failed.why, refused=failed.refused)
        history = self._registry.history()
        entry = loading.entry_of(history, active)
        if model is not None and (model.version, model.sha) == (entry.version, entry.sha):
            again = replace(model, serial=entry.serial, previous=entry.previous)
            return State(model=again, active=pointer)
        return self._loaded(history, entry, State(model=model, active=pointer))

    def _loaded(self, history: Sequence[HistoryEntry], entry: HistoryEntry, before: State) -> State:
        """The state with the version of `entry`, or with the best there is instead."""
        try:
            model = loading.load(self._store, entry, self._now())
        except (RetrainError, OSError) as error:  # the latter: no room for a temporary folder
            failed = self._again(entry, error)
            after = replace(before, why=failed.why, refused=failed.refused)
            if before.model is None and failed.refused:
                after = self._fallen_back(history, after)
            self._failed = replace(failed, why=str(after.why))
            return after
        self._failed = None
        return replace(before, model=model)

    def _fallen_back(self, history: Sequence[HistoryEntry], before: State) -> State:
        """The state with the version before, if that one is whole."""
        earlier = loading.fallback(history)
        if earlier is None:
            return replace(before, why=f"{before.why}; there is no version before it")
        try:
            return replace(before, model=loading.load(self._store, earlier, self._now()))
        except (RetrainError, OSError) as error:
            return replace(before, why=f"{before.why}; nor can the one before it serve: {error}")

    def _again(self, entry: HistoryEntry, error: Exception) -> _Failed:
        """What is known of a version that could not be loaded; the pauses between tries grow."""
        self._metrics.error("model")
        last = self._failed
        tries = last.tries + 1 if last is not None and last.serial == entry.serial else 1
        pause = min(LONGEST_SECONDS, self._look_seconds * 2.0 ** min(tries, 10))
        return _Failed(
            serial=entry.serial,
            why=str(error),
            # A store that cannot be read says nothing about the version: it is asked again.
            refused=not isinstance(error, StoreError | OSError),
            tries=tries,
            until=self._clock() + pause,
        )

    def _tell(self, before: State, after: State) -> None:
        """Say in the log, once, and in the gauge what has changed."""
        self._metrics.degraded(after.degraded)
        version = after.model.version if after.model else None
        if after.model is not before.model:
            log.info("model in service", extra={"version": version})
        if after.degraded and (not before.degraded or after.active != before.active):
            log.error("degraded: %s", after.why, extra={"alert": "degraded", "version": version})
        if before.degraded and not after.degraded:
            log.info("no longer degraded", extra={"version": version})


def _check_goes_on(last: Pointer | None, now: Active | None) -> None:
    """Raise RegistryError for a registry that has lost changes: what it says then is not so.

    A file that was deleted, or a table made anew, reads like one before the first version.
    """
    serial = now.serial if now is not None else 0
    if last is not None and serial < last.serial:
        raise RegistryError(
            "the registry must have every change of the active version, up to number "
            f"{last.serial}, got {serial}: it was lost or replaced; restore it, or start the "
            "service anew if all is meant to begin anew"
        )
