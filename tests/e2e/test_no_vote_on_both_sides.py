"""No vote on both sides, through the real loop: a group's fold is its own, and stays.

Models are compared on votes that neither was fitted on, however the table has grown since.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from task import prepare
from tests.e2e.conftest import change_minds
from tests.e2e.home import Home


@pytest.fixture(scope="module")
def grown(fresh_home: Home, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folders of two runs: the second read what came and changed after the first."""
    home = fresh_home.copy(tmp_path_factory.mktemp("grown"))
    first = home.run()
    change_minds(home)
    second = home.run()
    assert [first.state, second.state] == ["promoted", "promoted"], second
    folders = [home.runs / done.result["run_id"] for done in (first, second)]
    record = json.loads((folders[1] / "run.json").read_text("utf-8"))
    assert record["mode"] == "incremental"
    return folders[0], folders[1]


def folds(folder: Path) -> dict[str, int]:
    """The fold of each group that had voted by the cutoff, by its hash."""
    cutoff = datetime.fromisoformat(json.loads((folder / "run.json").read_bytes())["cutoff"])
    votes = pq.read_table(folder / "votes.parquet", columns=["group", "feedback_at"]).to_pylist()
    known = [vote for vote in votes if not vote["feedback_at"] or vote["feedback_at"] <= cutoff]
    return {vote["group"]: int(vote["group"][16:32], 16) % 10 for vote in known}


def test_a_person_or_photo_is_held_out_once_and_in_the_same_fold_for_ever(
    grown: tuple[Path, Path],
) -> None:
    before, after = map(folds, grown)

    assert set(before) < set(after)
    for folder, wanted in zip(grown, (before, after), strict=True):
        examples = prepare.load(folder).examples
        held = set(zip(examples.group.tolist(), examples.fold.tolist(), strict=True))
        assert held == {(int(group[:16], 16), fold) for group, fold in wanted.items()}


def test_a_vote_is_counted_once_and_a_base_row_in_no_fold(grown: tuple[Path, Path]) -> None:
    for folder in grown:
        record = json.loads((folder / "run.json").read_text("utf-8"))
        prepared = prepare.load(folder)
        real = prepared.cells.of(prepare.REAL)
        known = record["counts"]["votes"] - record["counts"]["late"]

        assert real.votes == len(prepared.examples) == known
        by_fold = Counter(prepared.examples.fold.tolist())
        assert {fold: real.where(real.fold == fold).votes for fold in range(10)} == by_fold
        assert prepared.cells.of(prepare.BASE).votes == 10_000


def test_champion_and_challenger_are_judged_on_the_same_votes_held_out(
    grown: tuple[Path, Path],
) -> None:
    evaluation = json.loads((grown[1] / "evaluation.json").read_text("utf-8"))

    judged = evaluation["judged"]
    assert evaluation["champion"]["f1"]["n"] == evaluation["challenger"]["f1"]["n"]
    assert judged["votes"] == judged["after_cutoff"] + judged["out_of_fold"]
    assert judged["after_cutoff"] > 0
