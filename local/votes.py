"""The votes that people leave in `analysis_history`, and what happens to them later.

`write_votes` fills the table from a world as the real application would; `change_votes` lets
people vote again; `overwrite_with_like` is a bug upstream, and `restore` its repair. Votes are
drawn from a known truth instead of copied from production: no personal data, any amount, and
what a model should have learned is known.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from common.feedback import (
    DISLIKE,
    FACE_SHAPES,
    LIKE,
    SKIN_TONES,
    face_shape,
    item_name,
    skin_tone,
    style_key,
)
from local import table
from local.rows import make_rows
from local.world import World

if TYPE_CHECKING:
    from local.table import Connection


@dataclass(frozen=True, kw_only=True)
class Written:
    """What `write_votes` left: rows, non-NULL feedback cells, and what is wrong with some.

    `rejected` counts the cells that no reader can use, by fault (`local.rows.FAULTS`);
    `no_time` and `future` the cells without a time and with one of a wrong clock.
    """

    analyses: int
    cells: int
    rejected: dict[str, int]
    no_time: int
    future: int

    @property
    def votes(self) -> int:
        """The eligible votes."""
        return self.cells - sum(self.rejected.values())


@dataclass(frozen=True, kw_only=True)
class SavedRow:
    """A row's votes and time of feedback before something overwrote them."""

    id: int
    feedback: tuple[str | None, ...]
    feedback_at: Any


def write_votes(
    connection: Connection,
    world: World,
    n_votes: int,
    *,
    seed: int,
    ugly: bool,
    start: datetime,
    end: datetime,
    bulk: bool = False,
) -> Written:
    """Insert rows with exactly `n_votes` non-NULL feedback cells, cast in (start, end].

    In clean rows each is an eligible vote; of ugly ones 2 to 4 % must be rejected. A column of
    whole seconds (MySQL's DATETIME) needs `start` and `end` in whole seconds. `bulk` is much
    faster, for benchmarks: MySQL only, on a connection with `local_infile=True`. The same seed in
    two calls repeats people and photos.
    """
    styles = table.styles_per_row(connection)
    chunks = make_rows(
        world,
        n_votes,
        styles=styles,
        seed=seed,
        ugly=ugly,
        window=(start, end),
        times=table.times(connection),
    )
    total, analyses = Counter[str](), 0
    rejected: Counter[str] = Counter()
    for chunk in chunks:
        (table.load if bulk else table.insert)(connection, styles, chunk.rows)
        analyses += len(chunk.rows)
        total.update(cells=chunk.cells, no_time=chunk.no_time, future=chunk.future)
        rejected += chunk.rejected
    return Written(
        analyses=analyses,
        cells=total["cells"],
        rejected=dict(rejected),
        no_time=total["no_time"],
        future=total["future"],
    )


def change_votes(connection: Connection, world: World, n: int, *, seed: int, at: datetime) -> int:
    """On up to `n` old rows people vote again, by `world`, at `at`; how many votes that is.

    A face that the table does not know is drawn anew; a vote whose style cannot be read stays
    as it is.
    """
    rng = np.random.default_rng(seed)
    columns = _feedback_columns(connection)
    voted = " OR ".join(f"{name} IS NOT NULL" for name in columns)
    ids = _choose(table.ids_where(connection, voted), n, rng)
    rows = table.select(
        connection, ["id", "face_shape", "personal_color", "recommended_styles", *columns], ids
    )
    p_like = world.p_like
    places = {style_key(name): i for i, name in enumerate(world.styles)}
    stamp = table.time_value(connection, at)
    updates, changed = [], 0
    for row_id, face, colour, styles, *votes in rows:
        shape = face_shape(face)
        drawn = int(rng.choice(len(FACE_SHAPES), p=world.face_share))
        person = FACE_SHAPES.index(shape) if shape else drawn, _tone(colour)
        for i, vote in enumerate(votes):
            cell = _cell(person, styles, i, places)
            if vote is not None and cell is not None:
                votes[i] = LIKE if rng.random() < p_like[cell] else DISLIKE
                changed += 1
        updates.append((*votes, stamp, row_id))
    table.update(connection, [*columns, "feedback_at"], updates)
    return changed


def overwrite_with_like(
    connection: Connection, n: int, *, seed: int, at: datetime
) -> list[SavedRow]:
    """A bug upstream: on `n` rows (or all, if fewer) every vote becomes a like, cast at `at`.

    Returns what the rows held before.
    """
    columns = _feedback_columns(connection)
    ids = _choose(table.ids_where(connection), n, np.random.default_rng(seed))
    rows = table.select(connection, ["id", "feedback_at", *columns], ids)
    saved = [
        SavedRow(id=row_id, feedback=tuple(votes), feedback_at=stamp)
        for row_id, stamp, *votes in rows
    ]
    likes = [LIKE] * len(columns)
    stamp = table.time_value(connection, at)
    updates = [(*likes, stamp, row.id) for row in saved]
    table.update(connection, [*columns, "feedback_at"], updates)
    return saved


def restore(connection: Connection, saved: list[SavedRow]) -> None:
    """Put back what `overwrite_with_like` found, times included."""
    rows = [(*row.feedback, row.feedback_at, row.id) for row in saved]
    table.update(connection, [*_feedback_columns(connection), "feedback_at"], rows)


def _feedback_columns(connection: Connection) -> list[str]:
    return [f"style_{i}_feedback" for i in range(1, table.styles_per_row(connection) + 1)]


def _choose(ids: list[int], n: int, rng: np.random.Generator) -> list[int]:
    chosen = rng.permutation(len(ids))[:n]
    return [ids[i] for i in np.sort(chosen)]


def _tone(colour: str | None) -> int:
    return SKIN_TONES.index(skin_tone(colour))


def _cell(
    person: tuple[int, int], styles: str | None, i: int, places: dict[str, int]
) -> tuple[int, int, int] | None:
    """The world's cell of a row's i-th recommended style, if it can be read; notes aside."""
    try:
        item = json.loads(styles or "")[i]
    except (ValueError, TypeError, IndexError):
        return None
    name = item_name(item) if isinstance(item, dict) else None
    style = places.get(style_key(name.split("(")[0])) if name else None
    return None if style is None else (*person, style)
