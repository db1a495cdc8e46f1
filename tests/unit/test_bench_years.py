"""Simulated years: what served is booked exactly, what is planted is exact, and a run resumes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench import years, years_fits, years_play, years_store
from bench.figure import Size
from bench.streams import Plan
from bench.years_arms import Gate, Look, screen
from bench.years_cells import CELLS, MARGIN, Cell
from bench.years_planted import SHAPES, equal_to, play_planted, worse_by
from bench.years_sabotage import Fault, Sabotage, drawn, sabotaged
from bench.years_table import Ratio, lines, ratio, targets, upper

CELL = Cell(name="tiny", votes_a_week=60, weeks=4, styles=6)
PLAN = CELL.plan(1)
WEEK = PLAN.warm_up + 2


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    years_fits.year.cache_clear()
    years_fits._fits.cache_clear()


def test_an_arm_is_charged_each_week_with_the_exact_excess_of_what_it_serves() -> None:
    lines = {line["arm"]: line for line in years_play.play(CELL, 1)}

    stream = years_fits.year(PLAN).stream
    weeks = range(PLAN.warm_up, PLAN.all_weeks)
    tables = {week: years_fits.fits(PLAN, week).ship for week in weeks}
    newest = [stream.world(week).excess_log_loss(tables[week]) for week in weeks]
    never = [stream.world(week).excess_log_loss(tables[PLAN.warm_up]) for week in weeks]
    assert lines["newest"]["excess"] == pytest.approx(np.mean(newest), abs=1e-12)
    assert lines["never"]["excess"] == pytest.approx(np.mean(never), abs=1e-12)
    assert lines["newest"]["promotions"] == len(weeks) - 1
    assert lines["newest"]["lost"] == pytest.approx(newest[-1] - newest[0], abs=1e-12)
    assert (lines["never"]["promotions"], lines["never"]["lost"]) == (0, 0.0)
    assert lines["oracle"]["excess"] <= lines["newest"]["excess"]
    assert lines["oracle"]["harmful"] == 0


def test_weeks_after_the_change_are_charged_by_the_new_tastes() -> None:
    cell = Cell(name="redrawn", votes_a_week=60, weeks=28, styles=6, redraw=0.5)
    plan = cell.plan(1)

    never = next(line for line in years_play.play(cell, 1) if line["arm"] == "never")

    stream = years_fits.year(plan).stream
    assert never["excess_after"] == pytest.approx(
        stream.after.excess_log_loss(years_fits.fits(plan, plan.warm_up).ship), abs=1e-12
    )
    assert never["wait"] is None


def test_years_that_differ_only_later_share_their_fits() -> None:
    changed = Cell(name="redrawn", votes_a_week=60, weeks=28, styles=6, redraw=0.5).plan(1)
    same = Cell(name="same", votes_a_week=60, weeks=28, styles=6).plan(1)

    assert years_fits.fits(changed, changed.change) is years_fits.fits(same, changed.change)
    last = changed.change + 1
    assert not np.allclose(years_fits.fits(changed, last).ship, years_fits.fits(same, last).ship)


def test_a_fold_model_owes_nothing_to_the_votes_it_judges() -> None:
    found = years_fits.year(PLAN)
    before = years_fits.fits(PLAN, WEEK)
    like = found.examples.like
    mine = found.examples.fold == 3
    like[mine] = ~like[mine]  # the votes of fold 3 now say the opposite
    years_fits._fits.cache_clear()

    after = years_fits.fits(PLAN, WEEK)

    assert np.array_equal(after.folds[3], before.folds[3])
    assert after.fold_threshold[3] == before.fold_threshold[3]
    assert not np.allclose(after.folds[4], before.folds[4])
    assert not np.allclose(after.ship, before.ship)


@pytest.mark.parametrize("fault", ["noise", "flipped labels", "swapped styles", "stale snapshot"])
@pytest.mark.parametrize("alone", [False, True])
def test_sabotage_is_in_the_challenger_and_never_in_the_votes_that_judge(
    fault: Fault, alone: bool
) -> None:
    found = years_fits.year(PLAN)
    before = {name: array.copy() for name, array in vars(found.examples).items()}
    sound = years_fits.fits(PLAN, WEEK)
    copy = sound.ship.copy(), sound.folds.copy()

    broken = sabotaged(PLAN, WEEK, Sabotage(fault=fault, alone=alone, seed=5))

    for name, array in before.items():
        assert np.array_equal(vars(found.examples)[name], array, equal_nan=array.dtype.kind == "f")
    assert np.array_equal(sound.ship, copy[0])
    assert np.array_equal(sound.folds, copy[1])
    assert not np.allclose(broken.ship, sound.ship)
    assert np.array_equal(broken.folds, sound.folds) == alone


def test_one_training_in_ten_is_broken_and_never_the_first() -> None:
    plans = [CELLS["sabotage-60"].plan(seed) for seed in range(40)]

    found = [drawn(plan) for plan in plans]

    assert drawn(plans[3]) == found[3]
    assert all(plans[0].warm_up not in each for each in found)
    assert np.mean([len(each) for each in found]) == pytest.approx(5.1, abs=1.0)
    every = [how for each in found for how in each.values()]
    assert {how.fault for how in every} == {
        "noise",
        "flipped labels",
        "swapped styles",
        "stale snapshot",
    }
    assert np.mean([how.alone for how in every]) == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("loss", [MARGIN, 0.009])
def test_a_planted_challenger_is_worse_by_exactly_its_loss(shape: str, loss: float) -> None:
    world = years_fits.year(PLAN).stream.before
    champion = equal_to(world, np.clip(world.p_like * 0.9, 0.01, 0.99), 1)

    planted = worse_by(world, champion, loss, shape, 2)

    lost = world.excess_log_loss(planted) - world.excess_log_loss(champion)
    assert lost == pytest.approx(loss, abs=1e-12)
    assert not np.allclose(planted, worse_by(world, champion, loss, shape, 3))


def test_an_equal_challenger_is_another_model_of_exactly_the_same_loss() -> None:
    world = years_fits.year(PLAN).stream.before
    champion = np.clip(world.p_like * 0.9, 0.01, 0.99)

    planted = equal_to(world, champion, 2)

    assert world.excess_log_loss(planted) == pytest.approx(
        world.excess_log_loss(champion), abs=1e-12
    )
    assert np.abs(planted - champion).max() > 0.05


def test_the_rules_alone_decide_as_the_whole_evaluation_would_let_them() -> None:
    found = years_fits.year(PLAN)
    versions = [
        years_fits.version(f"w{week}", years_fits.fits(PLAN, week), found.levels, week)
        for week in (PLAN.warm_up, WEEK)
    ]
    look = Look(
        week=WEEK,
        cutoff=years_fits.cutoff(WEEK),
        prepared=found.until(WEEK),
        challenger=versions[1],
        old=versions[1],
        broken=False,
        truth=lambda *_: 0.0,
    )

    lean = screen(look.prepared, look.challenger, versions[0]).difference
    whole = look.evaluation(versions[0]).difference

    assert lean is not None
    assert whole is not None
    assert lean.gain == whole.gain
    assert [Gate(whole=w).promotes(look, versions[0]) for w in (True, False)] in (
        [True, True],
        [False, False],
    )


def test_a_look_spends_and_the_next_one_knows_it() -> None:
    found = play_planted(Cell(name="m", kind="margin", votes_a_week=500, weeks=4, styles=6), 1)

    assert found.promotions in (0, 1)
    assert found.lost == pytest.approx(MARGIN * found.promotions)


def test_a_run_goes_on_where_the_last_one_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played: list[int] = []

    def play(cell: Cell, seed: int) -> list[dict[str, object]]:
        played.append(seed)
        return [{"arm": arm, "seed": seed, "excess": seed / 10} for arm in ("newest", "gate")]

    monkeypatch.setattr(years, "play", play)
    path = tmp_path / "tiny.jsonl"
    years.measure([CELL], Size(rounds=2), tmp_path)
    with path.open("a") as file:  # stopped in the middle of a line
        file.write('{"code": "')

    found = years.measure([CELL], Size(rounds=3), tmp_path)

    assert played == [0, 1, 2]
    assert [line["seed"] for line in found["tiny"]] == [0, 0, 1, 1, 2, 2]
    assert len(years.measure([CELL], Size(rounds=1), tmp_path)["tiny"]) == 2
    assert played == [0, 1, 2]


def test_what_another_code_made_or_a_stopped_run_left_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "tiny.jsonl"
    years_store.append(path, "tiny", [{"arm": "newest", "seed": 0}], "before")
    years_store.append(path, "tiny", [{"arm": a, "seed": 1} for a in ("newest", "gate")], "now")
    half = {"code": "now", "cell": "tiny", "arms": 2, "arm": "newest", "seed": 2}
    path.write_text(path.read_text() + json.dumps(half) + "\n")

    assert list(years_store.read(path, "now")) == [1]
    assert list(years_store.read(path, "before")) == [0]
    assert years_store.code() == years_store.code()


def test_a_ratio_is_of_means_with_the_error_of_the_pairs() -> None:
    rng = np.random.default_rng(0)
    below = rng.uniform(1.0, 3.0, 400)
    found = ratio(1.1 * below, below)
    noisy = ratio(1.1 * below + rng.normal(0.0, 0.2, 400), below)

    assert found.value == pytest.approx(1.1)
    assert found.error == pytest.approx(0.0, abs=1e-12)
    assert noisy.error == pytest.approx(0.2 / 2.0 / 20, rel=0.1)
    assert Ratio(value=1.06, error=0.01).least == pytest.approx(1.04355)
    assert upper(20, 400) == pytest.approx(0.0721, abs=1e-3)


def test_a_bar_is_judged_only_on_enough_years() -> None:
    def entry(arm: str, seed: int, excess: float) -> dict[str, object]:
        counts = {"promotions": 3, "harmful": 0, "lost": -0.1, "wait": None}
        return {"arm": arm, "seed": seed, "excess": excess, **counts}

    def rounds(count: int, excess: float) -> list[dict[str, object]]:
        return [
            entry(arm, seed, value)
            for seed in range(count)
            for arm, value in (("newest", 1.0), ("oracle", 1.0), ("gate", excess))
        ]

    cell = CELLS["same-60"]
    assert [t.answer for t in targets(cell, rounds(20, 1.04))] == ["met", "met"]
    assert next(targets(cell, rounds(20, 1.06))).answer == "missed"
    assert "too few" in next(targets(cell, rounds(5, 1.04))).answer
    assert [line[0] for line in lines(cell, rounds(2, 1.0))] == [
        "same-60, newest",
        "same-60, oracle",
        "same-60, gate",
    ]


def test_every_kind_of_year_has_a_plan_that_can_be_drawn() -> None:
    for cell in CELLS.values():
        plan = cell.plan(0)
        assert isinstance(plan, Plan)
        assert plan.warm_up * plan.votes_a_week >= 50
