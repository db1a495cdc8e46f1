"""7: a snapshot of votes to cells, against the same in DuckDB."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.child import flat, measure
from bench.figure import (
    Arm,
    Figure,
    Outcome,
    Size,
    Target,
    alternated,
    middle,
    milliseconds,
    ratio,
)
from common.feedback import DISLIKE, FACE_SHAPES, LIKE, SKIN_TONES, SPLITS
from local.world import Votes, World, make_world
from task.base import generate
from task.snapshot import ROW_GROUP, SCHEMA

QUICK, FULL, STYLES = 1_000_000, 10_000_000, 200
CHUNK = 500_000
SLOWER, MEMORY = 2.0, 600.0
GROUP_BYTES = 32

OURS, DUCKDB = "ours", "DuckDB"
ARMS = (
    Arm(
        name=OURS,
        says="`task.prepare.prepare`: votes.parquet to cells by fold, vocabulary and all votes one "
        "by one with group, fold and time; 10,000 base rows are counted on top",
    ),
    Arm(
        name=DUCKDB,
        says="two queries over the same file with one thread: counts and exact score sums by "
        "fold, face, tone and style key (grouped by spelling first, which is its fast way), and "
        "all votes as arrays with codes by a join; a group is its own hash of the text, its fold "
        "that modulo 10; no base rows, no counting of spellings",
    ),
)
CELLS = """
    CREATE TEMP TABLE spellings AS
    SELECT hash("group") % 10 AS fold, face_shape, skin_tone, hairstyle,
        count(*) FILTER (feedback = 'like') AS n_like, count(*) AS n, count(score) AS n_scored,
        sum(CAST(round(score * 10000) AS BIGINT)) AS score_sum,
        sum(CAST(round(score * 10000) AS BIGINT) ** 2) AS score_square
    FROM read_parquet(?) GROUP BY ALL;
"""
STYLE_CODES = """
    CREATE TEMP TABLE styles AS
    SELECT hairstyle, dense_rank() OVER (
        ORDER BY regexp_replace(nfc_normalize(lower(hairstyle)), '\\s', '', 'g')
    ) AS style
    FROM (SELECT DISTINCT hairstyle FROM spellings);
"""
MERGED = """
    SELECT fold, face_shape, skin_tone, style, sum(n_like) AS n_like, sum(n) AS n,
        sum(n_scored), sum(score_sum), sum(score_square)
    FROM spellings JOIN styles USING (hairstyle) GROUP BY ALL
"""
VOTES = """
    SELECT hash("group") AS person, CAST(hash("group") % 10 AS TINYINT) AS fold,
        CAST(list_position(?, face_shape) AS TINYINT) AS face,
        CAST(list_position(?, skin_tone) AS TINYINT) AS tone, CAST(style AS INTEGER) AS style,
        feedback = 'like' AS liked, CAST(score AS FLOAT) AS score,
        epoch_us(feedback_at) AS feedback_at, split = 'test' AS test
    FROM read_parquet(?) JOIN styles USING (hairstyle)
"""


def run(size: Size) -> Outcome:
    """Both in fresh processes, in paired rounds."""
    votes = size.pick(QUICK, FULL)
    with tempfile.TemporaryDirectory() as folder:
        path = str(write_snapshot(Path(folder) / "votes.parquet", votes))
        arms = {
            OURS: partial(measure, "bench.preparing", "ours", path=path),
            DUCKDB: partial(measure, "bench.preparing", "duckdb", path=path),
        }
        measured = alternated(arms, size.times(3, 5))
    rounds = [flat(entry) for entry in measured]
    names = (OURS, DUCKDB)
    counts = ("likes", "votes", "votes one by one")
    return Outcome(
        arms=ARMS,
        columns=(f"{votes:,} votes", *names),
        lines=(
            ("CPU time", *(milliseconds(middle(rounds, f"{arm} cpu")) for arm in names)),
            ("seconds", *(milliseconds(middle(rounds, f"{arm} seconds")) for arm in names)),
            ("peak memory, MB", *(f"{middle(rounds, f'{arm} peak'):.0f}" for arm in names)),
            *(
                (name, *(f"{middle(rounds, f'{arm} {name}'):,.0f}" for arm in names))
                for name in counts
            ),
        ),
        targets=(
            Target(
                says="CPU time, ours ÷ DuckDB",
                value=ratio(rounds, f"{OURS} cpu", f"{DUCKDB} cpu"),
                bound=SLOWER,
                at_most=True,
            ),
            Target(
                says="peak memory of the process, MB",
                value=middle(rounds, f"{OURS} peak"),
                bound=MEMORY,
                at_most=True,
                too_small=None if size.full else f"the promise is about {FULL:,}: use --full",
            ),
        ),
        rounds=tuple(rounds),
        note="Imports are excluded from the times and included in the memory.",
    )


def ours(path: str) -> dict[str, int]:
    """In a process of its own."""
    from task.prepare import prepare

    found = prepare(Path(path), generate(10_000, 0))
    real = found.cells.where(found.cells.source == 1)
    return {
        "likes": int(real.n_like.sum()),
        "votes": real.votes,
        "votes one by one": len(found.examples),
    }


def duckdb(path: str) -> dict[str, int]:
    """In a process of its own."""
    import duckdb as engine

    connection = engine.connect(config={"threads": 1})
    connection.execute(CELLS, [path])
    connection.execute(STYLE_CODES)
    cells = connection.execute(MERGED).fetchnumpy()
    faces, tones = list(FACE_SHAPES), list(SKIN_TONES)
    votes = connection.execute(VOTES, [faces, tones, path]).fetchnumpy()
    return {
        "likes": int(np.sum(cells["n_like"])),
        "votes": int(np.sum(cells["n"])),
        "votes one by one": len(votes["liked"]),
    }


def write_snapshot(path: Path, count: int) -> Path:
    """A snapshot file with so many votes, as `task.extract` would leave it."""
    world = make_world("rules", styles=STYLES, seed=1)
    words = [field.name for field in SCHEMA if pa.types.is_dictionary(field.type)]
    with pq.ParquetWriter(
        path, SCHEMA, compression="zstd", compression_level=1, use_dictionary=words
    ) as writer:
        for start in range(0, count, CHUNK):
            votes = world.sample(min(CHUNK, count - start), seed=start)
            writer.write_table(_table(world, votes, start), row_group_size=ROW_GROUP)
    return path


def _table(world: World, votes: Votes, start: int) -> pa.Table:
    n = len(votes.like)
    rng = np.random.default_rng([start, 3])
    spelled = [form for name in world.styles for form in (name, name.replace(" ", ""))]
    columns: dict[str, Any] = {
        "analysis_id": np.arange(start, start + n),
        "style_index": rng.integers(1, 4, n),
        "group": _hex(rng, int(votes.group.max()) + 1)[votes.group],
        "split": _words(SPLITS, rng.choice(3, n, p=(0.7, 0.15, 0.15))),
        "face_shape": _words(FACE_SHAPES, votes.face),
        "skin_tone": _words(SKIN_TONES, votes.tone),
        "hairstyle": _words(spelled, votes.style * 2 + rng.integers(0, 2, n)),
        "score": votes.score,
        "feedback": _words((DISLIKE, LIKE), votes.like.astype(np.int8)),
        "naver_clicked": rng.random(n) < 0.05,
        "reason": pa.nulls(n, pa.string()),
        "created_at": np.arange(start, start + n) * 1_000_000,
        "feedback_at": np.arange(start, start + n) * 1_000_000 + 1,
    }
    arrays = [
        column if isinstance(column, pa.Array) else pa.array(column)
        for column in (columns[name] for name in SCHEMA.names)
    ]
    return pa.Table.from_arrays(arrays, names=SCHEMA.names).cast(SCHEMA)


def _words(names: Any, codes: Any) -> pa.Array:
    indices = pa.array(np.asarray(codes, dtype=np.int32))
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(names), pa.string()))


def _hex(rng: np.random.Generator, groups: int) -> Any:
    text = rng.bytes(GROUP_BYTES * groups).hex().encode()
    return np.frombuffer(text, dtype=f"S{2 * GROUP_BYTES}")


FIGURE = Figure(name="7", title="a snapshot to cells", run=run)
