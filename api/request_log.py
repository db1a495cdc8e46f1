"""One line in the log for each request, written past `logging`.

Its formatter looks for secrets in every text, which costs as much as the answer itself. Here
every value is ours: the id was checked, the route is one of a few, and nothing that a person
sent is among them. The lines look like all others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson

log = logging.getLogger(__name__)

Fields = dict[str, Any]
Write = Callable[[Fields], None]


def through_logging(fields: Fields) -> None:
    """The line as `logging` would have it: for a person at a terminal, and in tests."""
    log.info("request", extra=fields)


def writer(stream: TextIO) -> Write:
    """What writes a request's line to the stream that all logs go to."""
    if not log.isEnabledFor(logging.INFO):
        return lambda _fields: None
    if stream.isatty():
        return through_logging

    def write(fields: Fields) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        head = {"time": now, "level": "INFO", "logger": __name__, "message": "request"}
        with suppress(OSError, ValueError):  # a line that cannot be written costs no answer
            stream.write(orjson.dumps({**head, "run_id": None, **fields}).decode() + "\n")

    return write
