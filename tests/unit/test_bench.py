"""The bench itself: arms take turns, answers are honest, and the contests are fair."""

from __future__ import annotations

import io
import json
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bench import __main__ as command
from bench import child, figure, resampling
from bench.figure import Arm, Figure, Outcome, Size, Target
from bench.naive_reader import votes_of
from local.table import create_sqlite
from local.votes import write_votes
from local.world import make_world


def test_every_second_round_runs_the_arms_in_reverse() -> None:
    ran: list[str] = []

    def arm(name: str) -> str:
        ran.append(name)
        return name

    found = figure.alternated({name: partial(arm, name) for name in "ab"}, 3)

    assert ran == ["a", "b", "b", "a", "a", "b"]
    assert found == [{"a": "a", "b": "b"}] * 3


def test_a_ratio_is_taken_within_each_round() -> None:
    # Given a machine that is ten times slower in the second round
    rounds = [{"a": 2.0, "b": 1.0}, {"a": 20.0, "b": 10.0}, {"a": 3.0, "b": 1.0}]

    assert figure.ratio(rounds, "a", "b") == 2.0


@pytest.mark.parametrize(
    "value, at_most, too_small, answer",
    [
        (10.0, False, None, "met"),  # a bound reached exactly is reached
        (9.9, False, None, "missed"),
        (10.0, True, None, "met"),
        (10.1, True, None, "missed"),
        (99.0, False, "use --full", "not judged: use --full"),
    ],
)
def test_a_target_is_met_missed_or_not_judged(
    value: float, at_most: bool, too_small: str | None, answer: str
) -> None:
    target = Target(says="x", value=value, bound=10.0, at_most=at_most, too_small=too_small)

    assert target.answer == answer


def test_a_miss_is_printed_as_a_miss_with_every_arm_and_the_machine() -> None:
    # Given an outcome that falls short
    outcome = Outcome(
        arms=(Arm(name="ours", says="what ours does"), Arm(name="theirs", says="what theirs does")),
        columns=("", "ours", "theirs"),
        lines=(("seconds", "2", "3"),),
        targets=(Target(says="theirs ÷ ours", value=1.5, bound=2.0),),
        rounds=({"ours": 2.0, "theirs": 3.0},),
        note="a note",
    )
    made = Figure(name="9x", title="a contest", run=lambda _: outcome)
    found = figure.record(made, Size(), outcome, 1.0)

    # When it is shown
    out = io.StringIO()
    figure.show(found, Console(file=out, width=figure.WIDTH))

    # Then nothing is glossed over, and all of it is JSON
    assert "theirs ÷ ours: 1.5, target ≥ 2: missed" in out.getvalue()
    for text in ("what ours does", "what theirs does", "a note", found["commit"], found["date"]):
        assert text in out.getvalue()
    assert json.loads(json.dumps(found))["rounds"] == [{"ours": 2.0, "theirs": 3.0}]


def test_every_figure_has_a_module_with_its_own_name_and_a_title(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main(["--list"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(command.MODULES)
    assert all(len(line.split()) > 3 for line in lines)


@pytest.mark.parametrize("words", [["12"], ["8", "nine"], ["--rounds", "0"]])
def test_an_unknown_figure_or_no_rounds_at_all_is_wrong_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        command.main(words)

    assert raised.value.code == 2


def test_a_measured_call_runs_in_a_process_of_its_own() -> None:
    found = child.measure("json", "dumps", obj=7)

    assert found.result == "7"
    assert 0 < found.base <= found.peak < 200  # megabytes: this process holds more than that


def test_both_loops_draw_the_same_resamples() -> None:
    # Given the two loops that the bootstrap is held against
    found = resampling.answers(500)

    # Then the plain one and the clever one find the same differences
    plain, clever = (loop(found, 25)() for loop in (resampling.row_loop, resampling.weight_loop))
    assert plain == pytest.approx(clever, abs=1e-12)
    assert np.std(plain) > 0


def test_the_naive_reader_finds_the_eligible_votes_and_no_others(tmp_path: Path) -> None:
    # Given a table in every shape of production
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    with closing(create_sqlite(tmp_path / "votes.sqlite")) as connection:
        world = make_world("rules", styles=20, seed=1)
        written = write_votes(connection, world, 2_000, seed=1, ugly=True, start=start, end=end)
        cursor = connection.execute("SELECT * FROM analysis_history")
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor]

    # Then the opponent does the same work as the reader
    assert sum(len(votes_of(row)) for row in rows) == written.votes < written.cells
