"""5: the whole extraction from MariaDB into a snapshot, against a naive reader."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from functools import partial
from pathlib import Path

from bench.child import Measured, flat, measure
from bench.figure import Arm, Figure, Outcome, Round, Size, Target, alternated, middle, ratio
from bench.server import USER, fill, server
from common.credentials import Password
from common.database import connect
from local.mariadb import HOST, Server
from task.extract import extract

SMALL = 100_000
QUICK, FULL, LARGE = SMALL, 500_000, 2_000_000
"""Analyses: where both are timed in the quick and in the full size, and where ours ends."""
FASTER, STRETCH, GROWTH = 2.0, 3.5, 32.0

OURS, NAIVE = "ours", "naive"
ARMS = (
    Arm(
        name=OURS,
        says="`task.extract` on one connection: voted rows and needed columns, streamed, judged, "
        "counted, reconciled, fingerprinted, and written as votes.parquet with fsync",
    ),
    Arm(
        name=NAIVE,
        says="PyMySQL's DictCursor, SELECT * of all rows, json.loads, a dictionary per eligible "
        "vote; it writes nothing",
    ),
)


def run(size: Size) -> Outcome:
    """Times of both in fresh processes, paired; then ours at the ends of the memory promise."""
    both = size.pick(QUICK, FULL)
    with server() as started:
        for analyses in {SMALL, both, size.pick(SMALL, LARGE)}:
            fill(started, _database(analyses), analyses)
        arms = {OURS: partial(_ours, started, both), NAIVE: partial(_naive, started, both)}
        timed = alternated(arms, size.times(3, 5))
        ends = [_ours(started, analyses) for analyses in ((SMALL, LARGE) if size.full else ())]
    rounds = [flat(entry) for entry in timed]
    return Outcome(
        arms=ARMS,
        columns=("", OURS, NAIVE),
        lines=(
            _line(f"seconds, {both:,} analyses", rounds, "seconds", "{:.2f}"),
            _line("CPU seconds of the client", rounds, "cpu", "{:.2f}"),
            _line("peak memory, MB", rounds, "peak", "{:.0f}"),
            _line("eligible votes", rounds, "votes", "{:,.0f}"),
            _line("likes", rounds, "likes", "{:,.0f}"),
            *(_end(analyses, found) for analyses, found in zip((SMALL, LARGE), ends, strict=False)),
        ),
        targets=tuple(_targets(rounds, both, ends)),
        rounds=(*rounds, *(vars(found) for found in ends)),
        note=(
            "Wall seconds in a process of its own, imports excluded; the server is on the same "
            "machine and its time counts in both."
        ),
    )


def ours(url: str) -> dict[str, int]:
    """In a process of its own: a full read into a file."""
    with (
        tempfile.TemporaryDirectory() as folder,
        connect(url, credential=Password(None), ca=None, statement_timeout_seconds=600) as db,
    ):
        found = extract(
            db,
            Path(folder) / "votes.parquet",
            base=None,
            last_verdict=None,
            overlap=timedelta(0),
            full=True,
        )
    return {"votes": found.votes, "likes": found.likes}


def naive(host: str, port: int, user: str, database: str) -> dict[str, int]:
    """In a process of its own: the naive read."""
    from bench.naive_reader import read

    votes = read(host, port, user, database)
    return {"votes": len(votes), "likes": sum(vote["feedback"] == "like" for vote in votes)}


def _database(analyses: int) -> str:
    return f"votes_{analyses}"


def _ours(started: Server, analyses: int) -> Measured:
    return measure("bench.extraction", "ours", url=started.url(_database(analyses), user=USER))


def _naive(started: Server, analyses: int) -> Measured:
    return measure(
        "bench.extraction",
        "naive",
        host=HOST,
        port=started.port,
        user=USER,
        database=_database(analyses),
    )


def _line(name: str, rounds: list[Round], value: str, form: str) -> tuple[str, ...]:
    return (name, *(form.format(middle(rounds, f"{arm} {value}")) for arm in (OURS, NAIVE)))


def _end(analyses: int, found: Measured) -> tuple[str, ...]:
    return (f"at {analyses:,} analyses: seconds, MB", f"{found.seconds:.1f}, {found.peak:.0f}", "")


def _targets(rounds: list[Round], both: int, ends: list[Measured]) -> list[Target]:
    faster = ratio(rounds, f"{NAIVE} seconds", f"{OURS} seconds")
    return [
        Target(says=f"naive ÷ ours, {both:,} analyses", value=faster, bound=FASTER),
        Target(says="the same, stretch", value=faster, bound=STRETCH),
        Target(
            says=f"MB that the peak grows from {SMALL:,} to {LARGE:,} analyses",
            value=ends[1].peak - ends[0].peak if ends else 0.0,
            bound=GROWTH,
            at_most=True,
            too_small=None if ends else "use --full",
        ),
    ]


FIGURE = Figure(name="5", title="extraction from MariaDB into the snapshot", run=run)
