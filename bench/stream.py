"""A simulated year as files that `python -m task backtest` reads: the votes, and their truth.

    python -m bench.stream --votes-a-week 60 --redraw 0.3 --output .bench/year
    python -m task backtest --snapshot .bench/year/votes.parquet --truth .bench/year/truth.npz

With `--personal` people have a taste of their own beside that of their kind: it is in no model's
table, so a person's own offset has something to find, and the truth of a vote is then only that
of its kind.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bench.streams import START, WEEK, Plan, Stream, make_stream
from common.feedback import FACE_SHAPES, SKIN_TONES, SPLIT_VERSION, SPLITS, split
from task.snapshot import ROW_GROUP, SCHEMA, SnapshotWriter
from task.tally import Tally

VOTES, TRUTH = "votes.parquet", "truth.npz"


def main(argv: Sequence[str] | None = None) -> int:
    """Write the pair of files."""
    given = _parser().parse_args(argv)
    plan = Plan(
        seed=given.seed,
        votes_a_week=given.votes_a_week,
        weeks=given.weeks,
        redraw=given.redraw,
        groups=given.groups,
        like_rate=given.like_rate,
        styles=given.styles,
    )
    folder = Path(given.output)
    folder.mkdir(parents=True, exist_ok=True)
    write(with_persons(make_stream(plan), given.personal), folder)
    print(f"{folder / VOTES}\n{folder / TRUTH}")
    return 0


def with_persons(stream: Stream, deviation: float) -> Stream:
    """The same stream, liked by people whose logits are all moved by N(0, deviation²)."""
    if not deviation:
        return stream
    rng = np.random.default_rng([stream.plan.seed, 79])
    people, person = np.unique(stream.group, return_inverse=True)
    offset = rng.normal(0.0, deviation, len(people))[person]
    place = (stream.face, stream.tone, stream.style)
    old = stream.week < stream.plan.change
    logit = np.where(old, stream.before.log_odds[place], stream.after.log_odds[place]) + offset
    return replace(stream, like=rng.random(len(logit)) < 1.0 / (1.0 + np.exp(-logit)))


def write(stream: Stream, folder: Path) -> None:
    """`votes.parquet` as a run keeps it, and `truth.npz` as a backtest reads it."""
    now = datetime.fromtimestamp((START + stream.plan.all_weeks * WEEK) / 1e6, tz=UTC)
    with SnapshotWriter(folder / VOTES, Tally(since=None, cutoff=now)) as writer:
        whole = table(stream)
        for start in range(0, len(whole), ROW_GROUP):
            writer.add(whole.slice(start, ROW_GROUP))
        writer.close()
    weeks = range(stream.plan.all_weeks)
    np.savez_compressed(
        folder / TRUTH,
        like=np.stack([stream.world(week).p_like for week in weeks]),
        start=START + np.arange(len(weeks)) * WEEK,
        faces=np.array(FACE_SHAPES),
        tones=np.array(SKIN_TONES),
        styles=np.array(stream.before.styles),
    )


def table(stream: Stream) -> pa.Table:
    """The votes in the columns of a snapshot."""
    votes = len(stream.like)
    people, person = np.unique(stream.group, return_inverse=True)
    hashes = [
        sha256(f"{SPLIT_VERSION}|user:{number}".encode()).hexdigest() for number in people.tolist()
    ]
    at = pa.array(stream.feedback_at())
    columns = {
        "analysis_id": np.arange(1, votes + 1),
        "style_index": np.ones(votes, dtype=np.int8),
        "group": np.array(hashes, dtype=object)[person],
        "split": _words(SPLITS, np.array([SPLITS.index(split(each)) for each in hashes])[person]),
        "face_shape": _words(FACE_SHAPES, stream.face),
        "skin_tone": _words(SKIN_TONES, stream.tone),
        "hairstyle": _words(stream.before.styles, stream.style),
        "score": stream.score,
        "feedback": _words(("dislike", "like"), stream.like),
        "naver_clicked": np.zeros(votes, dtype=bool),
        "reason": pa.nulls(votes, pa.string()),
        "created_at": at.cast(SCHEMA.field("created_at").type),
        "feedback_at": at.cast(SCHEMA.field("feedback_at").type),
    }
    arrays = [pa.array(columns[field.name]).cast(field.type) for field in SCHEMA]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _words(names: Sequence[str], code: NDArray[Any]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(code.astype(np.int32)), pa.array(list(names)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.stream", description="Write a simulated year for a backtest."
    )
    parser.add_argument("--votes-a-week", type=int, default=60, help="default: 60")
    parser.add_argument("--weeks", type=int, default=52, help="default: 52")
    parser.add_argument("--seed", type=int, default=1, help="default: 1")
    parser.add_argument("--styles", type=int, default=60, help="default: 60")
    parser.add_argument("--like-rate", type=float, default=0.73, help="default: .73")
    parser.add_argument(
        "--redraw", type=float, default=0.0, help="share of tastes drawn anew in week 26"
    )
    parser.add_argument(
        "--groups", choices=("single", "heavy"), default="single", help="heavy: people return"
    )
    parser.add_argument(
        "--personal", type=float, default=0.0, help="deviation of a person's own taste, in logits"
    )
    parser.add_argument("--output", required=True, metavar="FOLDER", help="where both files go")
    return parser


if __name__ == "__main__":
    sys.exit(main())
