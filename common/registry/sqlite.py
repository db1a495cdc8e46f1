"""A registry's table in one SQLite file.

Every write is one `BEGIN IMMEDIATE` transaction, so what it read still holds when it writes,
whoever else is at work: a body is called once.

A connection lives for one operation. A lease is renewed from another thread than the one that
promotes, and an operation costs a few milliseconds every minute, so there is nothing to keep.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from common.errors import RegistryError
from common.registry.table import META, Items, T, check_meta, meta_text, newer_meta

BUSY_SECONDS = 30.0
"""How long an operation waits for another process's transaction."""


class SqliteTable:
    """Keyed items in the SQLite file at `path`.

    The first write makes the file, in a folder that must exist; reading never makes it, and a
    file that is not there yet reads as a table without any item. Whatever goes wrong with the
    file (no folder, locked, full disk, damaged, a newer format) is a `RegistryError`.
    """

    def __init__(self, path: Path, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self._path = path.absolute()
        self._busy_seconds = busy_seconds

    def change(self, body: Callable[[Items], T]) -> T:
        """What `body` returns, once what it wrote is on disk; if it raises, nothing is."""
        with self._transaction(write=True) as items:
            return body(items)

    def read(self, body: Callable[[Items], T]) -> T:
        """What `body` returns of the items as they stand at one moment."""
        with self._transaction(write=False) as items:
            return body(items)

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[Items]:
        """The items in one transaction, which is undone if the body raises."""
        try:
            with closing(self._connect(write)) as db:
                db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                with db:
                    _check_schema(db, self._path, write)
                    yield Items(_Rows(db))
        except (sqlite3.Error, OSError) as error:
            raise RegistryError(
                "the registry must be a SQLite file that can be read and written, got "
                f"{self._path}: {error}; check the file and its disk, then run again"
            ) from error

    def _connect(self, write: bool) -> sqlite3.Connection:
        if not self._path.parent.is_dir():
            raise RegistryError(
                "the folder of the registry must exist, got "
                f"{self._path.parent}: make it, or correct REGISTRY_URL"
            )
        # Read-only would not do for reading: after a killed writer the first to come, even a
        # reader, has to undo the half-written transaction.
        uri = self._path.as_uri() + ("?mode=rwc" if write else "?mode=rw")
        if not write and not self._path.exists():
            uri = ":memory:"
        return sqlite3.connect(uri, uri=True, timeout=self._busy_seconds, isolation_level=None)


class _Rows:
    """The texts of the file inside one transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def get(self, key: str) -> str | None:
        row = self._db.execute("SELECT item FROM items WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def all(self, prefix: str) -> list[str]:
        rows = self._db.execute(
            "SELECT item FROM items WHERE key GLOB ? ORDER BY key", (f"{prefix}*",)
        )
        return [row[0] for row in rows]

    def put(self, key: str, text: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO items (key, item) VALUES (?, ?)", (key, text))

    def delete(self, key: str) -> bool:
        return self._db.execute("DELETE FROM items WHERE key = ?", (key,)).rowcount > 0


def _check_schema(db: sqlite3.Connection, path: Path, write: bool) -> None:
    """Make the table in an empty file, and refuse a file that is not a registry of ours."""
    tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        # A reader of an empty file gets an empty table of its own and leaves the file alone.
        kind = "TABLE" if write else "TEMP TABLE"
        db.execute(f"CREATE {kind} items (key TEXT PRIMARY KEY, item TEXT NOT NULL) WITHOUT ROWID")
        _Rows(db).put(META, meta_text())
    elif "items" not in tables:
        raise RegistryError(
            f"the registry must be a file of its own, got {path}, a database with other tables: "
            "correct REGISTRY_URL"
        )
    check_meta(_Rows(db).get(META))
    if write and (meta := newer_meta(_Rows(db).get(META))) is not None:
        _Rows(db).put(META, meta)
