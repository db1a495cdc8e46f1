"""Few votes of a small world, and what becomes of them when people change their minds.

The first are enough for a first model; after the change a better one can be learned, in seconds.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from local.table import create_sqlite
from local.votes import change_votes, write_votes
from local.world import World, make_world

WORLD = make_world("rules", styles=12, seed=1, spread=3.0)
CHANGED = WORLD.with_changed_tastes(share=0.7, strength=6.0, seed=1)
FIRST_VOTES, LATER_VOTES, ALL_ROWS = 1_200, 400, 10_000
MONTH, NOW = timedelta(days=30), timedelta(milliseconds=10)


def with_votes(file: Path) -> None:
    """Make a file with the first votes."""
    create_sqlite(file).close()
    now = datetime.now(UTC)
    with closing(sqlite3.connect(file)) as table, table:
        write_votes(table, WORLD, FIRST_VOTES, seed=1, ugly=True, start=now - MONTH, end=now)


def vote(
    table: sqlite3.Connection, world: World = CHANGED, votes: int = LATER_VOTES, *, seed: int = 2
) -> None:
    """People cast votes, the last one now."""
    now = datetime.now(UTC)
    write_votes(table, world, votes, seed=seed, ugly=True, start=now - NOW, end=now)


def change(table: sqlite3.Connection, world: World = CHANGED) -> None:
    """New votes, and old ones cast anew: a better model can be learned."""
    vote(table, world)
    change_votes(table, world, ALL_ROWS, seed=2, at=datetime.now(UTC))
