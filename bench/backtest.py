"""How long a year of weekly looks takes to replay, from the snapshot to the page.

The promise is absolute: whoever tries a policy should not have to wait. There is no peer, so the
same year is also played with four policies at once, which shows what sharing fits and
evaluations spares.
"""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from bench.figure import Arm, Figure, Outcome, Size, Target, middle, milliseconds, paired
from bench.stream import TRUTH, VOTES, write
from bench.streams import Plan, make_stream
from common.settings import Settings
from task.backtest.command import backtest

SECONDS = 120.0
POLICIES = {
    "harm": "deployment:\n  gate: harm\n",
    "superiority": "deployment:\n  gate: superiority\n",
    "strict": "deployment:\n  tolerated_loss: 0.002\n",
    "slow": "data:\n  min_new_feedback: 20000\n",
}
"""All train alike."""


def run(size: Size) -> Outcome:
    """Play the year as often as asked for."""
    votes = size.pick(1_000, 10_000)
    with tempfile.TemporaryDirectory(prefix="backtest-") as name:
        folder = Path(name)
        write(make_stream(Plan(seed=1, votes_a_week=votes)), folder)
        files = [_policy(folder, each, text) for each, text in POLICIES.items()]
        arms = {
            "one policy": partial(_played, folder, files[:1]),
            "four policies": partial(_played, folder, files),
        }
        rounds = paired(arms, size.times(1, 3))
        start = time.perf_counter()
        found = _played(folder, files[:1])
        wall = time.perf_counter() - start
    seconds = middle(rounds, "one policy")
    small = None if size.full else f"{votes:,} votes a week"
    lines = tuple((name, f"{52 * votes:,}", milliseconds(middle(rounds, name))) for name in arms)
    return Outcome(
        arms=(
            Arm(name="one policy", says="the default gate, 10,000 base rows, a look each week"),
            Arm(name="four policies", says="three more that train alike, in one call"),
        ),
        columns=("arm", "votes", "processor"),
        lines=lines,
        targets=(
            Target(
                says="seconds of one processor for a year of 10,000 votes a week",
                value=seconds,
                bound=SECONDS,
                at_most=True,
                too_small=small,
            ),
        ),
        rounds=tuple(dict(each) for each in rounds),
        note=f"{found['looks']} looks, {wall:.0f} s by the clock for one policy; reading included",
    )


def _policy(folder: Path, name: str, text: str) -> str:
    path = folder / f"{name}.yaml"
    path.write_text(text, "utf-8")
    return str(path)


def _played(folder: Path, policies: list[str]) -> dict[str, Any]:
    return backtest(
        Settings(),
        start=None,
        end=None,
        policies=policies,
        every="1",
        snapshot=str(folder / VOTES),
        truth_file=str(folder / TRUTH),
        output=str(folder / "out"),
        warn=print,
    )


FIGURE = Figure(name="backtest", title="a year of weekly looks, replayed", run=run)
