"""What a registry needs of the place it is kept in: keyed items, changed in transactions.

An item is a record as JSON under a key: `RUN#<run_id>`, `LEASE`, `ACTIVE`, `HISTORY#<serial>`,
`HOLD`; `META` holds the format. One table of such items and not a table per kind, because that
is what a key-value service offers: the same records and conditions hold there and in a file.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from common.errors import RegistryError
from common.registry.records import (
    FORMAT_VERSION,
    Active,
    HistoryEntry,
    Hold,
    Lease,
    Record,
    Run,
    check_format,
    check_run_id,
    from_json,
    to_json,
)

T = TypeVar("T")

META = "META"
"""The key of the item that says which format the table is in."""


class Rows(Protocol):
    """The texts under the keys, inside one transaction."""

    def get(self, key: str) -> str | None:
        """The text; None if there is none."""

    def all(self, prefix: str) -> list[str]:
        """Every text whose key begins so, in the order of the keys. For reading only."""

    def put(self, key: str, text: str) -> None:
        """Write the text, or replace it."""

    def delete(self, key: str) -> bool:
        """Remove the text; whether there was one."""


class Table(Protocol):
    """Where a registry is kept. Whatever goes wrong with the place is a `RegistryError`."""

    def change(self, body: Callable[[Items], T]) -> T:
        """What `body` returns, once all that it wrote is kept; if it raises, nothing is.

        What it read still holds when it is kept, whoever else is at work. It may be called
        again for that, so it does nothing but read and write its items.
        """

    def read(self, body: Callable[[Items], T]) -> T:
        """What `body` returns; it writes nothing. An empty table is one without any record."""


class Items:
    """The records under the keys, inside one transaction."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def get(self, kind: type[Record], key: str) -> Record | None:
        text = self._rows.get(key)
        return None if text is None else from_json(kind, parse(text))

    def all(self, kind: type[Record], prefix: str) -> list[Record]:
        """Every record whose key begins with `prefix`, in the order of the keys."""
        return [from_json(kind, parse(text)) for text in self._rows.all(prefix)]

    def put(self, key: str, record: Run | Lease | Active | HistoryEntry | Hold) -> None:
        self._rows.put(key, text_of(to_json(record)))

    def put_run(self, run: Run | None) -> None:
        """Write the run under its own key; None is nothing to write."""
        if run is not None:
            self.put(run_key(run.run_id), run)

    def delete(self, key: str) -> bool:
        return self._rows.delete(key)


def run_key(run_id: str) -> str:
    """Where the run is kept. Raises `UsageError` for a text that is no run id."""
    return f"RUN#{check_run_id(run_id)}"


def history_key(serial: int) -> str:
    """Where a change is kept; the padding keeps the order of the keys that of the serials."""
    return f"HISTORY#{serial:010d}"


def text_of(item: dict[str, Any]) -> str:
    """The item as it is kept: JSON in ASCII, so that any text survives any place."""
    return json.dumps(item, sort_keys=True, allow_nan=False)


def parse(text: str) -> Any:
    """What `text_of` wrote. Raises `RegistryError` for anything else."""
    try:
        return json.loads(text)
    except (TypeError, ValueError) as error:
        raise RegistryError(
            "an item of the registry must be JSON, got something else: the registry is damaged; "
            "restore it from a backup"
        ) from error


def meta_text() -> str:
    """The text of `META` in a table that this release makes."""
    return text_of({"format_version": FORMAT_VERSION})


def newer_meta(text: str | None) -> str | None:
    """What `META` must say before anything is written; None if it says so already.

    A table of an older format moves up with the first write, so that an older release stops
    before it reads a record that it does not know. Raises `RegistryError` for a newer format.
    """
    if text is not None:
        check_meta(text)
    return None if text == meta_text() else meta_text()


def check_meta(text: str | None) -> None:
    """Raise `RegistryError` unless the table's format is one that this release can read."""
    check_format(None if text is None else parse(text))
